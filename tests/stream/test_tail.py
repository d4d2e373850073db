"""`pointsman tail`: the events of a workspace in a terminal, through restarts, until Ctrl-C."""

import asyncio
import json
import os
import pty
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from engine.tail_lines import line_of
from tests.stream.support import MILESTONE_S, Client
from tests.support.daemon import ROOT, DaemonProcess
from tests.support.fixtures import StartDaemon


def environment(daemon: DaemonProcess, **more: str) -> dict[str, str]:
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith(("POINTSMAN_", "NO_COLOR"))
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "POINTSMAN_PUBLIC_URL": daemon.url,
        "POINTSMAN_ACCOUNT_SID": daemon.account_sid,
        "POINTSMAN_AUTH_TOKEN": daemon.auth_token,
        **more,
    }


@asynccontextmanager
async def tail(daemon: DaemonProcess, *arguments: str, **more: str) -> AsyncIterator[Process]:
    command = [sys.executable, "-m", "engine", "tail", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=PIPE, env=environment(daemon, **more)
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def lines(process: Process, count: int) -> list[str]:
    assert process.stdout is not None
    async with asyncio.timeout(MILESTONE_S):
        return [(await process.stdout.readline()).decode() for _ in range(count)]


async def refused(daemon: DaemonProcess, *arguments: str, **more: str) -> str:
    """What it says on standard error when it ends with 1."""
    async with tail(daemon, *arguments, **more) as process:
        _, errors = await asyncio.wait_for(process.communicate(), MILESTONE_S)
        assert process.returncode == 1, errors
    return errors.decode()


def sid_of(base: str) -> str:
    return base.rpartition("/")[2]


async def test_a_line_has_time_sequence_type_and_subject(
    client: Client, base: str, daemon: DaemonProcess
) -> None:
    sid = await client.task(base)
    arguments = ("--workspace", sid_of(base), "--from", "1", "--type", "task.created", "--task", sid)
    async with tail(daemon, *arguments) as process:
        (line,) = await lines(process, 1)
        process.send_signal(signal.SIGINT)
        rest, errors = await asyncio.wait_for(process.communicate(), MILESTONE_S)
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d\.\d{{3}} +\d+  task\.created +{sid}  workflow Default Fifo Workflow\n", line
    )
    assert (process.returncode, rest, errors) == (0, b"", b"")


async def test_json_is_what_the_stream_tells(client: Client, base: str, daemon: DaemonProcess) -> None:
    async with tail(daemon, "--workspace", sid_of(base), "--from", "1", "--json") as process:
        told = [json.loads(line) for line in await lines(process, 5)]
    assert [event["sequence"] for event in told] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "variables", "coloured"),
    [((), {}, True), (("--no-color",), {}, False), ((), {"NO_COLOR": "1"}, False)],
)
async def test_colours_are_for_terminals_that_want_them(
    client: Client,
    base: str,
    daemon: DaemonProcess,
    *,
    arguments: tuple[str, ...],
    variables: dict[str, str],
    coloured: bool,
) -> None:
    await client.task(base)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "engine", "tail", "--workspace", sid_of(base), *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, "--from", "1", stdout=theirs, stderr=theirs, env=environment(daemon, **variables)
    )
    os.close(theirs)
    shown = ""
    while "task.created" not in shown:
        shown += (await asyncio.to_thread(os.read, ours, 65_536)).decode()
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), MILESTONE_S) == 0
    os.close(ours)
    assert ("\x1b[36mtask.created" in shown) is coloured
    assert "Traceback" not in shown


async def test_it_goes_on_behind_the_last_line_after_a_restart(
    start_daemon: StartDaemon, database: str
) -> None:
    daemon = start_daemon(database_url=database)
    async with Client(daemon) as client:
        base = await client.workspace()
        # Without --workspace: there is only this one.
        async with tail(daemon, "--json", "--from", "1") as process:
            seen = await lines(process, 11)
            await asyncio.to_thread(daemon.kill)
            await asyncio.to_thread(daemon.start)
            await client.task(base)
            seen += await lines(process, 4)
            await client.delete(base)
            rest, errors = await asyncio.wait_for(process.communicate(), MILESTONE_S)
    told = [json.loads(line)["sequence"] for line in [*seen, *rest.decode().splitlines()]]
    assert told == list(range(1, len(told) + 1))
    assert process.returncode == 0
    assert "trying again" in errors.decode()
    assert "The workspace was deleted" in errors.decode()


async def test_what_is_wrong_is_told_in_one_line(client: Client, base: str, daemon: DaemonProcess) -> None:
    here = ("--workspace", sid_of(base))
    cases = {
        "the credentials are wrong: 401": await refused(daemon, *here, POINTSMAN_AUTH_TOKEN="wrong"),
        "http://127.0.0.1:1 is not reachable": await refused(daemon, *here, "--url", "http://127.0.0.1:1"),
        "was not found": await refused(daemon, "--workspace", f"WS{'0' * 32}"),
        "The log ends with event": await refused(daemon, *here, "--from", "99999"),
        "TaskSid": await refused(daemon, *here, "--task", "nonsense"),
        "--workspace is needed": await refused(daemon),
    }
    for says, errors in cases.items():
        assert says in errors
        assert errors.startswith("pointsman: ")
        assert errors.count("\n") == 1


def test_names_cannot_steer_the_terminal() -> None:
    event = {
        "event_type": "worker.created",
        "event_date_ms": 0,
        "sequence": 7,
        "resource_sid": "WK1",
        "resource_type": "worker",
        "event_data": {"worker_name": "\x1b[2J\rAlice\n", "reason": ""},
    }
    text = line_of(event).plain
    assert text.endswith(
        "WK1  worker \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}Alice\N{REPLACEMENT CHARACTER}"
    )
    assert text.isprintable()
