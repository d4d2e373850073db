"""`serve --processes`: several nodes that look like one daemon."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.daemon import ROOT, DaemonProcess
from tests.support.fixtures import make_open_directory

_SAMPLE = re.compile(r'^pointsman_workspaces\{process="(\d)"\} ([\d.]+)$', re.MULTILINE)


class Http:
    """A client of the one base URL; each request has a connection of its own, so both processes are asked."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon

    def __call__(self, method: str, path: str, **form: Any) -> Any:
        auth = (self.daemon.account_sid, self.daemon.auth_token)
        url = f"{self.daemon.url}/v1/Workspaces{path}"
        answer = requests.request(method, url, data=form, auth=auth, timeout=30)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def shares(self) -> dict[str, int]:
        """How many workspaces each process has, as /metrics tells."""
        text = requests.get(f"{self.daemon.url}/metrics", timeout=30).text
        return {process: int(float(workspaces)) for process, workspaces in _SAMPLE.findall(text)}


class Two(DaemonProcess):
    """A daemon of two processes."""

    def _command(self) -> list[str]:
        return [*super()._command(), "--processes", "2"]

    def children(self) -> dict[int, int]:
        """The pids of the processes started last, by number."""
        return {event["process"]: event["pid"] for event in self.events("process.started")}

    def both(self) -> "Two":
        """Return when both processes serve."""
        self.wait_until(lambda: self.listening() >= 2, "both processes listen")
        return self

    def listening(self) -> int:
        return len(list(self.events("server.listening")))


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    """Two processes over an embedded PostgreSQL, at a free port."""
    directory = make_open_directory()
    with Two(directory) as daemon:
        yield daemon.both()
    shutil.rmtree(directory, ignore_errors=True)


def test_two_processes_are_one_daemon_to_clients_and_operators(two: Two) -> None:
    http = Http(two)
    for number in range(4):
        live_a_life(http, number)
    two.wait_until(lambda: sorted(http.shares().values()) == [2, 2], "each process has its share")
    children = two.children()
    os.kill(children[1], signal.SIGKILL)
    two.wait_until(lambda: two.listening() == 3, "the killed process serves again")
    (ended,) = two.events("process.ended")
    assert (ended["process"], ended["pid"], ended["code"]) == (1, children[1], -signal.SIGKILL)
    live_a_life(http, 4)
    two.wait_until(lambda: sum(http.shares().values()) == 5, "every workspace is served")
    pids = two.children().values()
    assert two.stop() == 0
    assert not [pid for pid in pids if lives(pid)]
    two.start().both()
    assert sum(http.shares().values()) == 5, "it is ready"
    assert len(http("GET", "")["workspaces"]) == 5


def live_a_life(http: Http, number: int) -> None:
    """Take one task from its creation to its completion in a workspace of its own."""
    base = f"/{http('POST', '', FriendlyName=f'Centre {number}', Template='FIFO')['sid']}"
    available = next(each for each in http("GET", f"{base}/Activities")["activities"] if each["available"])
    worker = http("POST", f"{base}/Workers", FriendlyName="Alice", ActivitySid=available["sid"])["sid"]
    task = http("POST", f"{base}/Tasks", Attributes="{}")["sid"]
    reservation = http("GET", f"{base}/Workers/{worker}/Reservations")["reservations"][0]["sid"]
    http("POST", f"{base}/Tasks/{task}/Reservations/{reservation}", ReservationStatus="accepted")
    done = http("POST", f"{base}/Tasks/{task}", AssignmentStatus="completed", Reason="solved")
    assert done["assignment_status"] == "completed"


def test_the_nodes_of_a_database_are_listed(two: Two) -> None:
    table = pointsman(two, "nodes").splitlines()
    assert table[0].split() == [
        "node",
        "state",
        "workspaces",
        "commands/s",
        "seen",
        "up",
        "version",
        "address",
    ]
    assert [line.split()[1] for line in table[1:]] == ["serving", "serving"]
    told = json.loads(pointsman(two, "nodes", "--json"))
    assert {Path(node["address"]).name for node in told} == {"0.sock", "1.sock"}
    assert sum(node["workspaces"] for node in told) == sum(Http(two).shares().values())
    assert all(node["seen_s_ago"] < 5 for node in told)


def pointsman(daemon: DaemonProcess, *arguments: str) -> str:
    """Run a command on the database of a daemon and return what it printed."""
    command = [sys.executable, "-m", "engine", *arguments, "--data-dir", str(daemon.data_dir)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_processes_end_with_their_parent(two: Two) -> None:
    children = two.children().values()
    two.kill()
    deadline_s = time.monotonic() + 10
    while any(lives(pid) for pid in children):
        assert time.monotonic() < deadline_s, "they are still there"
        time.sleep(0.02)
    two.start().both()
    assert two.stop() == 0


def lives(pid: int) -> bool:
    """Tell whether a process is there and not just its entry, which its next parent has not looked at yet."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
