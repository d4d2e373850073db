"""What goes over the wire: both formats, headers, heartbeats, filters, the last word; and what is refused."""

import asyncio
import json
import re
import subprocess
from typing import Any

import aiohttp
import pytest

from tests.stream.conftest import HEARTBEAT_S
from tests.stream.support import MILESTONE_S, Client
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import StartDaemon


async def curl(client: Client, *arguments: str) -> list[str]:
    """What curl prints within a second."""
    login = f"{client.daemon.account_sid}:{client.daemon.auth_token}"
    command = ["curl", "-sSN", "--max-time", "1", "-u", login, *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 28, done.stderr  # it was still open
    return str(done.stdout).splitlines()


async def test_an_event_is_an_id_a_type_and_one_line_of_json(client: Client, base: str) -> None:
    async with client.stream(base, From=1) as stream:
        assert stream.answer.headers["Content-Type"] == "text/event-stream"
        lines = [await stream.line() for _ in range(6)]
    assert lines[:4] == ["retry: 2000\n", "\n", "id: 1\n", "event: workspace.created\n"]
    assert json.loads(str(lines[4]).removeprefix("data: "))["sequence"] == 1
    assert lines[5] == "\n"


async def test_nothing_keeps_an_answer_back_or_keeps_it(client: Client, base: str) -> None:
    async with client.stream(base, headers={"Accept-Encoding": "gzip, deflate"}) as stream:
        headers = stream.answer.headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in headers
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Last-Event-ID" in headers["Access-Control-Allow-Headers"]
        assert re.fullmatch("RQ[0-9a-f]{32}", headers["X-Request-Id"])


@pytest.mark.parametrize(
    ("headers", "query"),
    [({"Accept": "application/x-ndjson"}, {}), ({"Accept": "text/event-stream"}, {"Format": "ndjson"})],
)
async def test_json_lines_are_for_those_who_ask(
    client: Client, base: str, headers: dict[str, str], query: dict[str, str]
) -> None:
    async with client.stream(base, headers=headers, From=1, **query) as stream:
        assert stream.answer.headers["Content-Type"] == "application/x-ndjson"
        told = [await stream.json_line() for _ in range(3)]
    assert [event["sequence"] for event in told] == [1, 2, 3]


async def test_curl_gets_json_lines(client: Client, base: str) -> None:
    url = f"{client.daemon.url}/v1{base}/Events/Stream?From=1"
    lines = await curl(client, "-H", "Accept: application/x-ndjson", url)
    sequences = [json.loads(line)["sequence"] for line in lines if line]
    assert sequences == list(range(1, len(sequences) + 1))
    assert len(sequences) >= 5


async def test_http_1_0_gets_events_without_chunks(client: Client, base: str) -> None:
    url = f"{client.daemon.url}/v1{base}/Events/Stream?From=1"
    lines = await curl(client, "--http1.0", url)
    assert lines[:4] == ["retry: 2000", "", "id: 1", "event: workspace.created"]


@pytest.mark.parametrize("format_", ["sse", "ndjson"])
async def test_silence_is_broken_by_a_heartbeat(client: Client, base: str, format_: str) -> None:
    loop = asyncio.get_running_loop()
    async with client.stream(base, Format=format_) as stream:
        beats = 0
        began_s = loop.time()
        while beats < 3:
            if format_ == "sse":
                block = await stream.block()
                assert block is not None
                assert block.data is None
                beats += bool(block.comments)
            else:
                assert await stream.line() == "\n"
                beats += 1
    assert loop.time() - began_s < MILESTONE_S / 4 * HEARTBEAT_S + 3


async def test_a_filtered_stream_tells_how_far_it_has_come(client: Client, base: str) -> None:
    """So that who resumes after a silence does not ask for events from long ago."""
    async with client.stream(base, EventType="task.canceled", From=1) as stream:
        while not (block := await stream.block()) or block.id is None:
            pass
    listed = (await client.get(f"{base}/Events", PageSize=100))["events"]
    assert (block.id, block.data) == (str(len(listed)), None)


def known(events: list[dict[str, Any]]) -> set[str]:
    """Types and resources of events."""
    return {event[key] for event in events for key in ("event_type", "resource_sid")}


async def test_filters_leave_out_everything_else(client: Client, base: str) -> None:
    activities = (await client.get(f"{base}/Activities"))["activities"]
    idle = next(each["sid"] for each in activities if each["available"])
    worker = (await client.post(f"{base}/Workers", FriendlyName="Alice", ActivitySid=idle))["sid"]
    queue = (await client.get(f"{base}/TaskQueues"))["task_queues"][0]["sid"]
    one, two = await client.task(base), await client.task(base)
    everything: list[dict[str, Any]] = []
    async with client.stream(base, From=1) as stream:
        while not {two, worker, "reservation.created"} <= known(everything):
            everything.append((await stream.event()).document)
    last = everything[-1]["sequence"]

    async def told(*query: tuple[str, str]) -> list[dict[str, Any]]:
        url = f"{client.daemon.url}/v1{base}/Events/Stream"
        found: list[dict[str, Any]] = []
        come = 0
        async with client.session.get(
            url, params=[("From", "1"), *query], timeout=aiohttp.ClientTimeout(total=20)
        ) as answer:
            assert answer.status == 200
            async for line in answer.content:
                if line.startswith(b"data: "):
                    found.append(json.loads(line[6:]))
                if line.startswith(b"id: "):
                    come = int(line[4:])
                if line == b"\n" and come >= last:
                    break
        return [event for event in found if event["sequence"] <= last]

    async def listed(**query: str) -> list[int]:
        """What the list of events has for one of those filters."""
        sids = {
            event["sid"] for event in (await client.get(f"{base}/Events", PageSize=100, **query))["events"]
        }
        return [event["sequence"] for event in everything if event["sid"] in sids]

    of_one, of_two = await listed(TaskSid=one), await listed(TaskSid=two)
    cases = [
        ([("TaskSid", one)], of_one),
        ([("TaskSid", f"{one},{two}")], sorted(of_one + of_two)),
        ([("TaskSid", one), ("TaskSid", two)], sorted(of_one + of_two)),
        ([("WorkerSid", worker)], await listed(WorkerSid=worker)),
        ([("TaskQueueSid", queue)], await listed(TaskQueueSid=queue)),
    ]
    for query, expected in cases:
        assert [event["sequence"] for event in await told(*query)] == expected, query
        assert expected
    of_types = await told(("EventType", "task.created, workspace.created"), ("EventType", "worker.created"))
    assert {event["event_type"] for event in of_types} == {
        "task.created",
        "workspace.created",
        "worker.created",
    }
    both = await told(("EventType", "task.created"), ("TaskSid", two))
    assert [(event["event_type"], event["resource_sid"]) for event in both] == [("task.created", two)]


@pytest.mark.parametrize("format_", ["sse", "ndjson"])
async def test_a_stream_of_a_deleted_workspace_tells_so_and_ends(
    client: Client, base: str, format_: str
) -> None:
    async with client.stream(base, Format=format_) as stream:
        await client.delete(base)
        if format_ == "sse":
            assert (await stream.event()).event == "workspace.deleted"
            last = await stream.event()
            assert (last.event, last.id, last.document) == ("stream.end", None, {"reason": "deleted"})
        else:
            assert (await stream.json_line())["event_type"] == "workspace.deleted"
            assert await stream.json_line() == {"event_type": "stream.end", "reason": "deleted"}
        assert await stream.line() is None
    async with client.session.get(f"{client.daemon.url}/v1{base}/Events/Stream") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("From=-1", "From"),
        ("From=NaN", "From"),
        ("From=1e3", "From"),
        ("From=99999", "The log ends with event"),
        ("From=9999999999999999999", "From"),
        ("Format=xml", "Format"),
        ("TaskSid=WT1", "TaskSid"),
        ("WorkerSid=nobody", "WorkerSid"),
        ("TaskQueueSid=%00", "NUL"),
        ("EventType=" + ",".join(f"t{n}" for n in range(101)), "EventType"),
    ],
)
async def test_a_place_or_filter_that_is_none_is_refused(
    client: Client, base: str, query: str, says: str
) -> None:
    async with client.session.get(f"{client.daemon.url}/v1{base}/Events/Stream?{query}") as answer:
        problem = await answer.json()
        assert (answer.status, problem["code"]) == (400, 20001)
        assert says in problem["message"]


@pytest.mark.parametrize("last", ["-1", "x", "1.5", "99999", "9" * 30, "\N{FULLWIDTH DIGIT ONE}"])
async def test_a_last_event_id_that_is_none_is_refused(client: Client, base: str, last: str) -> None:
    url, headers = f"{client.daemon.url}/v1{base}/Events/Stream", {"Last-Event-ID": last}
    async with client.session.get(url, headers=headers) as answer:
        assert answer.status == 400
        assert "Last-Event-ID" in (await answer.json())["message"]


async def test_only_get_is_allowed_and_browsers_may_ask_first(client: Client, base: str) -> None:
    url = f"{client.daemon.url}/v1{base}/Events/Stream"
    for method in ("HEAD", "POST", "DELETE"):
        async with client.session.request(method, url) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    async with client.session.options(url) as answer:
        assert answer.status == 204
        assert "Last-Event-ID" in answer.headers["Access-Control-Allow-Headers"]


async def test_a_stop_ends_streams_at_once(start_daemon: StartDaemon, database: str) -> None:
    daemon: DaemonProcess = start_daemon(database_url=database)
    async with Client(daemon) as client:
        base = await client.workspace()
        async with client.stream(base) as stream, client.stream(base, Format="ndjson") as lines:
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            assert await asyncio.to_thread(daemon.stop) == 0
            assert loop.time() - began_s < 5
            assert (await stream.event()).document == {"reason": "stopping"}
            assert (await lines.json_line())["reason"] == "stopping"
    assert [event["reason"] for event in daemon.events("stream.closed")] == ["stopping", "stopping"]
    assert not list(daemon.events("request.failed"))
