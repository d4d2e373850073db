"""Creates and updates go a short way past the HTTP library; nothing on the wire may tell."""

import asyncio
import json
import os
import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import asyncpg
import pytest
from requests.auth import _basic_auth_str

from tests.support.daemon import DaemonProcess
from tests.support.fixtures import StartDaemon
from tests.wire.support import Http, eventually

TIMEOUT_S = 15.0
LONG = "X-Pointsman-Way: long\r\n"
"""A header that nobody knows, but that the short way leaves alone."""


@dataclass
class Answer:
    """One answer as it came."""

    status: str
    headers: list[tuple[str, str]]
    body: Any


class Line:
    """One connection, as raw as it gets."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.connection = socket.create_connection(("127.0.0.1", daemon.port), timeout=TIMEOUT_S)
        self.login = _basic_auth_str(daemon.account_sid, daemon.auth_token)
        self._received = b""

    def request(self, path: str, body: str, more: str = "", method: str = "POST") -> bytes:
        """Spell a request."""
        return (
            f"{method} /v1{path} HTTP/1.1\r\nHost: router\r\nAuthorization: {self.login}\r\n{more}"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self) -> Answer:
        """Read one answer."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        top, _, rest = self._received.partition(b"\r\n\r\n")
        status, *lines = top.decode().split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        length = int(dict(headers)["Content-Length"])
        while len(rest) < length:
            self._more()
            rest = self._received.partition(b"\r\n\r\n")[2]
        self._received = rest[length:]
        return Answer(status, headers, json.loads(rest[:length]))

    def ask(self, path: str, body: str, more: str = "", method: str = "POST") -> Answer:
        self.send(self.request(path, body, more, method))
        return self.answer()

    def ended(self) -> bool:
        """Whether the other side has closed."""
        return not self._received and self.connection.recv(1) == b""

    def _more(self) -> None:
        received = self.connection.recv(65_536)
        assert received, f"closed after {self._received!r}"
        self._received += received


@pytest.fixture
def line(daemon: DaemonProcess) -> Iterator[Line]:
    line = Line(daemon)
    yield line
    line.connection.close()


def in_short(daemon: DaemonProcess) -> float:
    """How many requests went the short way."""
    with urllib.request.urlopen(f"{daemon.url}/metrics", timeout=TIMEOUT_S) as answer:
        found = re.search(
            r"^pointsman_requests_in_short_total ([\d.]+)$", answer.read().decode(), re.MULTILINE
        )
    assert found is not None
    return float(found[1])


def plain_text(answer: Answer) -> str:
    """An answer without what differs from one request to the next."""
    text = json.dumps([answer.status, answer.headers, answer.body])
    text = re.sub(r"(RQ|WT|WR)[0-9a-f]{32}", r"\1", text)
    return re.sub(r"\d\d:\d\d:\d\d|\"age\": \d+", "", text)


def sid_of(answer: Answer) -> str:
    assert answer.status == "HTTP/1.1 201 Created", answer
    return str(answer.body["sid"])


def both_ways(daemon: DaemonProcess, line: Line, path: str, body: str) -> tuple[Answer, Answer]:
    before = in_short(daemon)
    short = line.ask(path, body)
    assert in_short(daemon) == before + 1
    long = line.ask(path, body, LONG)
    assert in_short(daemon) == before + 1
    return short, long


def test_a_create_is_answered_the_same_on_both_ways(daemon, base, line):
    short, long = both_ways(daemon, line, f"{base}/Tasks", "Attributes=%7B%22a%22%3A+1%7D&Priority=3")
    assert short.status == "HTTP/1.1 201 Created"
    assert plain_text(short) == plain_text(long)
    assert short.body["sid"] != long.body["sid"]


@pytest.mark.parametrize(
    "body",
    [
        "Attributes=nonsense",
        "Attributes=%7B%7D&Priority=-1",
        "Attributes=%ZZ",
        "Attributes=%00",
        "Attributes=%FF",
        "TaskChannel=nobody-has-this",
        "WorkflowSid=WW" + "0" * 32,
        "Timeout=" + "9" * 30,
    ],
)
def test_a_refusal_is_answered_the_same_on_both_ways(daemon, base, line, body):
    short, long = both_ways(daemon, line, f"{base}/Tasks", body)
    assert short.status == "HTTP/1.1 400 Bad Request"
    assert plain_text(short) == plain_text(long)


def test_what_is_not_there_is_not_found_on_both_ways(daemon, base, line):
    nobody, nowhere = "0" * 32, "WT" + "0" * 32
    for path in (
        f"{base}/Tasks/{nowhere}",
        f"{base}/Workers/WK{nobody}",
        f"{base}/Tasks/{nowhere}/Reservations/WR{nobody}",
        f"{base}/Workers/WK{nobody}/Reservations/WR{nobody}",
    ):
        body = "ReservationStatus=accepted" if "Reservations" in path else "Attributes=%7B%7D"
        short, long = both_ways(daemon, line, path, body)
        assert short.status == "HTTP/1.1 404 Not Found"
        assert plain_text(short) == plain_text(long)


def test_finished_tasks_are_reached_on_both_ways(daemon, base, line):
    tasks = [f"{base}/Tasks/{sid_of(line.ask(f'{base}/Tasks', ''))}" for _ in range(2)]
    for task in tasks:
        assert line.ask(task, "AssignmentStatus=canceled&Reason=late").status == "HTTP/1.1 200 OK"
    before = in_short(daemon)
    short = line.ask(tasks[0], "Attributes=%7B%22late%22%3A+1%7D")
    assert in_short(daemon) == before + 1
    long = line.ask(tasks[1], "Attributes=%7B%22late%22%3A+1%7D", LONG)
    assert (short.status, short.body["attributes"]) == ("HTTP/1.1 200 OK", '{"late": 1}')
    assert plain_text(short) == plain_text(long)


def test_a_task_is_carried_through_on_the_short_way(daemon, base, line, workspace):
    idle = next(each for each in workspace.activities.list() if each.available)
    worker = workspace.workers.create(friendly_name="Alice", activity_sid=idle.sid)
    before = in_short(daemon)
    task = sid_of(line.ask(f"{base}/Tasks", "Attributes=%7B%7D"))
    offered = eventually("it is offered", workspace.tasks(task).reservations.list)
    reservation = f"{base}/Workers/{worker.sid}/Reservations/{offered[0].sid}"
    accepted = line.ask(reservation, "ReservationStatus=accepted")
    assert (accepted.status, accepted.body["reservation_status"]) == ("HTTP/1.1 200 OK", "accepted")
    done = line.ask(f"{base}/Tasks/{task}", "AssignmentStatus=completed&Reason=done")
    assert (done.status, done.body["assignment_status"]) == ("HTTP/1.1 200 OK", "completed")
    assert in_short(daemon) == before + 3


def test_a_reservation_update_that_asks_for_no_change_takes_the_long_way(daemon, base, line):
    before = in_short(daemon)
    path = f"{base}/Tasks/WT{'0' * 32}/Reservations/WR{'0' * 32}"
    assert line.ask(path, "").status == "HTTP/1.1 404 Not Found"
    assert in_short(daemon) == before


def test_strangers_and_other_accounts_take_the_long_way(daemon, base, line):
    before = in_short(daemon)
    login, line.login = line.login, "Basic bm9ib2R5Om5vdGhpbmc="
    assert line.ask(f"{base}/Tasks", "").status == "HTTP/1.1 401 Unauthorized"
    line.login = login
    assert line.ask(f"/Workspaces/WS{'0' * 32}/Tasks", "").status == "HTTP/1.1 404 Not Found"
    assert in_short(daemon) == before


def test_pipelined_requests_are_answered_in_their_order_whatever_way_they_take(base, line):
    line.ask(f"{base}/Tasks", "")
    asked = [("", "POST", str(n)) for n in range(3)] + [
        ("", "GET", ""),
        (LONG, "POST", "4"),
        ("", "POST", "5"),
    ]
    line.send(
        b"".join(
            line.request(f"{base}/Tasks", f"Priority={priority}" if priority else "", more, method)
            for more, method, priority in asked
        )
    )
    answers = [line.answer().body for _ in asked]
    assert [answer.get("priority") for answer in answers] == [0, 1, 2, None, 4, 5]


def test_a_connection_changes_ways_as_often_as_its_requests_do(daemon, base, line):
    before = in_short(daemon)
    for _ in range(3):
        task = sid_of(line.ask(f"{base}/Tasks", ""))
        assert line.ask(f"{base}/Tasks/{task}", "", method="GET").body["sid"] == task
        assert line.ask(f"{base}/Tasks", "", f"Idempotency-Key: {task}\r\n").status == "HTTP/1.1 201 Created"
    assert in_short(daemon) == before + 3


def test_a_request_in_pieces_goes_the_short_way_when_its_head_is_whole(daemon, base, line):
    line.ask(f"{base}/Tasks", "")
    before = in_short(daemon)
    request = line.request(f"{base}/Tasks", "Attributes=%7B%22a%22%3A1%7D")
    head = request.index(b"\r\n\r\n") + 4
    line.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in (request[:head], request[head : head + 5], request[head + 5 :]):
        line.send(piece)
    assert sid_of(line.answer())
    assert in_short(daemon) == before + 1


def test_what_is_not_plain_leaves_the_connection_to_the_library_and_is_answered(base, line):
    chunked = (
        f"POST /v1{base}/Tasks HTTP/1.1\r\nHost: router\r\nAuthorization: {line.login}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
        "a\r\nPriority=7\r\n0\r\n\r\n"
    )
    line.send(chunked.encode())
    assert line.answer().body["priority"] == 7
    assert line.ask(f"{base}/Tasks", "Priority=8").body["priority"] == 8


def test_a_client_that_goes_before_the_answer_harms_nobody(daemon, base, line, http: Http):
    line.ask(f"{base}/Tasks", "")
    before = in_short(daemon)
    line.send(line.request(f"{base}/Tasks", "Priority=9"))
    line.connection.close()
    eventually("it was begun", lambda: in_short(daemon) > before)
    eventually("the task is there", lambda: http.get(f"{base}/Tasks?Priority=9").json()["tasks"])
    assert not list(daemon.events("request.failed"))


@contextmanager
def lines(daemon: DaemonProcess, count: int) -> Iterator[list[Line]]:
    """Connections that are closed afterwards."""
    with ExitStack() as stack:
        opened = [Line(daemon) for _ in range(count)]
        for line in opened:
            stack.callback(line.connection.close)
        yield opened


@pytest.fixture
def narrow(database: str, start_daemon: StartDaemon) -> tuple[DaemonProcess, str]:
    """A daemon with room for one command and little patience, and the path of a workspace in it."""
    daemon = start_daemon(
        database_url=database,
        settings={
            "POINTSMAN_RUNTIME_INBOX_COMMANDS_MAX": "1",
            "POINTSMAN_SERVER_KEEPALIVE_TIMEOUT_S": "1",
            "POINTSMAN_LOGGING_LEVEL": "debug",
        },
    )
    http = Http(daemon)
    sid = http.post("/Workspaces", {"FriendlyName": "Small", "Template": "FIFO"}).json()["sid"]
    http.session.close()
    return daemon, f"/Workspaces/{sid}"


def test_what_finds_no_room_is_refused_counted_and_logged_as_ever(narrow):
    daemon, base = narrow
    path = f"{base}/Workers/WK{'0' * 32}"
    with lines(daemon, 20) as opened:
        opened[0].ask(path, "FriendlyName=a")
        for line in opened:
            line.send(line.request(path, "FriendlyName=a"))
        answers = [line.answer() for line in opened]
    refused = [answer for answer in answers if answer.status == "HTTP/1.1 503 Service Unavailable"]
    assert {answer.status for answer in answers if answer not in refused} <= {"HTTP/1.1 404 Not Found"}
    assert all(dict(answer.headers)["Retry-After"] == "1" for answer in refused)
    logged = [event for event in daemon.events("request.answered") if event["status"] == 404]
    ids = {dict(answer.headers)["X-Request-Id"] for answer in answers if answer not in refused}
    assert ids <= {event["request_id"] for event in logged}
    for event in logged:
        assert (event["workspace_sid"], event["account_sid"]) == (base.rpartition("/")[2], daemon.account_sid)
        assert (event["method"], event["route"]) == ("POST", "/v1/Workspaces/{WS}/Workers/{WK}")


def test_a_connection_in_use_stays_open_and_an_idle_one_is_closed(narrow):
    daemon, base = narrow
    with lines(daemon, 2) as (busy, idle):
        idle.ask(f"{base}/Tasks", "")
        closed = Thread(target=idle.ended)
        closed.start()
        while closed.is_alive():
            assert sid_of(busy.ask(f"{base}/Tasks", ""))
            closed.join(0.2)
        assert sid_of(busy.ask(f"{base}/Tasks", ""))


def test_a_request_under_way_is_answered_when_the_daemon_stops(narrow, database):
    daemon, base = narrow
    line = Line(daemon)
    line.ask(f"{base}/Tasks", "")
    before = in_short(daemon)
    with held(database):
        line.send(line.request(f"{base}/Tasks", ""))
        eventually("it is under way", lambda: in_short(daemon) > before)
        os.kill(daemon.pid, signal.SIGTERM)
        eventually("it stops", lambda: list(daemon.events("server.stopping")))
    assert sid_of(line.answer())
    line.connection.close()


@contextmanager
def held(database: str) -> Iterator[None]:
    """Keep every batch from being committed meanwhile."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(database))
        try:
            runner.run(connection.execute("BEGIN; LOCK TABLE tasks IN EXCLUSIVE MODE"))
            yield
            runner.run(connection.execute("ROLLBACK"))
        finally:
            runner.run(connection.close())
