"""A daemon as its operator sees it: start, stop, signals, and a database that goes and comes back."""

import asyncio
import json
import os
import signal
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

from engine.storage.embedded import EmbeddedPostgres
from tests.crash.load import load_on
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import StartDaemon


def post(daemon: DaemonProcess, path: str, body: str = "") -> tuple[int, dict[str, str], dict]:
    """POST a form; returns status, headers and document."""
    credentials = b64encode(f"{daemon.account_sid}:{daemon.auth_token}".encode()).decode()
    request = urllib.request.Request(
        daemon.url + path, data=body.encode(), headers={"Authorization": f"Basic {credentials}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), json.load(error)


def create_workspace(daemon: DaemonProcess) -> str:
    status, _, workspace = post(daemon, "/v1/Workspaces", "FriendlyName=Support&Template=FIFO")
    assert status == 201, workspace
    return workspace["sid"]


def test_a_terminated_daemon_ends_with_0_and_what_it_had_is_there_after_a_restart(
    database: str, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(database_url=database)
    workspace = create_workspace(daemon)
    assert daemon.stop() == 0
    told = [event["event"] for event in daemon.events()]
    assert [name for name in told if name.startswith("server.stop")] == ["server.stopping", "server.stopped"]
    daemon.start()
    assert post(daemon, f"/v1/Workspaces/{workspace}/Tasks", "Attributes={}")[0] == 201
    assert daemon.stop() == 0


def test_an_interrupted_daemon_ends_with_0(database: str, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(database_url=database)
    daemon.signal(signal.SIGINT)
    assert daemon.wait() == 0


def test_a_signal_during_the_start_ends_it_with_0(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(wait=False, database_url="postgresql://nobody@127.0.0.1:9/nothing")
    daemon.wait_until(lambda: any(daemon.events("database.unreachable")), "it tries to connect")
    assert daemon.stop() == 0


def test_a_second_signal_ends_a_drain_at_once(
    database: str, start_daemon: StartDaemon, receiver_that_hangs
) -> None:
    daemon = start_daemon(database_url=database)
    workspace = create_workspace(daemon)
    status, _, _ = post(daemon, f"/v1/Workspaces/{workspace}", f"EventCallbackUrl={receiver_that_hangs.url}")
    assert status == 200
    receiver_that_hangs.called.wait(10)
    daemon.signal(signal.SIGTERM)
    daemon.wait_until(lambda: any(daemon.events("server.stopping")), "it begins to stop")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(5) == 128 + signal.SIGTERM


def test_a_database_that_never_answers_is_one_clear_line_and_exit_1(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(
        wait=False,
        database_url="postgresql://nobody@127.0.0.1:9/nothing",
        settings={"POINTSMAN_DATABASE_START_TIMEOUT_S": "0.5"},
    )
    assert daemon.wait() == 1
    assert "pointsman: the database does not answer" in daemon.log()
    assert "Traceback" not in daemon.log()


def test_a_database_that_refuses_us_ends_the_start_at_once(
    postgres: EmbeddedPostgres, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(wait=False, database_url=postgres.dsn_of("no_such_database"))
    assert daemon.wait(10) == 1
    assert "no_such_database" in daemon.log()
    assert "Traceback" not in daemon.log()


def test_a_dsn_that_cannot_be_read_is_a_wrong_setting(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(wait=False, database_url="postgresql://localhost:none/x")
    assert daemon.wait(10) == 2
    assert "Traceback" not in daemon.log()


def test_the_embedded_database_is_started_again_and_the_daemon_recovers(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    workspace = create_workspace(daemon)
    tasks = f"/v1/Workspaces/{workspace}/Tasks"
    assert post(daemon, tasks, "Attributes={}")[0] == 201
    (started,) = daemon.events("database.started")
    os.kill(started["pid"], signal.SIGQUIT)
    seen: set[int] = set()

    def answered() -> bool:
        status, headers, document = post(daemon, tasks, "Attributes={}")
        seen.add(status)
        if status == 503:
            assert int(headers["Retry-After"]) >= 1
            assert document["status"] == 503
        return status == 201

    daemon.wait_until(answered, "tasks are taken again")
    assert seen <= {201, 503}
    daemon.wait_until(lambda: daemon.status("/readyz") == 200, "/readyz answers 200")
    assert daemon.stop() == 0


async def test_requests_under_way_are_answered_when_a_stop_begins(
    database: str, start_daemon: StartDaemon
) -> None:
    daemon = await asyncio.to_thread(start_daemon, database_url=database)
    async with load_on(daemon) as load:
        load.start()
        await load.until_created(50)
        assert await asyncio.to_thread(daemon.stop) == 0
        assert set(load.promises.statuses) <= {0, 200, 201, 400, 404, 503}
        created = set(load.promises.created)
        await load.stop()
        await asyncio.to_thread(daemon.start)
        assert set(await asyncio.gather(*(load.status_of(sid) for sid in created))) == {200}


def test_credentials_made_on_the_first_start_are_shown_once_and_never_logged(
    database: str, start_daemon: StartDaemon, open_directory: Path
) -> None:
    unset = {"POINTSMAN_ACCOUNT_SID": "", "POINTSMAN_AUTH_TOKEN": ""}
    daemon = start_daemon(database_url=database, settings=unset)
    shown = [line for line in daemon.log().splitlines() if line.startswith("Auth token:")]
    assert len(shown) == 1
    token = shown[0].split()[-1]
    assert daemon.log().count(token) == 1
    assert daemon.stop() == 0
    daemon.start()
    assert token not in daemon.log()
