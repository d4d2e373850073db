"""The quickstart: what it sends, what it measures, what it tells when it cannot run."""

import ast
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from twilio.request_validator import RequestValidator

from engine.quickstart.app import Assignment, signature_of
from engine.quickstart.centre import QUEUES, STAFF, requests
from engine.quickstart.daemon_process import Daemon
from engine.quickstart.show import LiveShow, show_for
from engine.quickstart.summary import percentile, print_how_to_go_on, print_summary

ROOT = Path(__file__).resolve().parents[2]
RUNNING = Daemon("http://127.0.0.1:40123", "AC" + "a" * 32, "b" * 32)


def assignments(count: int) -> list[Assignment]:
    queues = list(QUEUES)
    return [
        Assignment(request, queues[request.number % 3], STAFF[request.number % 8].name, request.number * 10.0)
        for request in requests(count)
    ]


def printed(width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_run_sends_the_same_requests_on_several_channels() -> None:
    day = requests(60)
    assert day == requests(60)
    assert [request.number for request in day] == list(range(1, 61))
    assert {request.channel for request in day} == {"chat", "voice", "sms"}
    assert {request.topic for request in day} >= {"billing", "technical", "orders"}


def test_somebody_speaks_each_language_of_the_customers() -> None:
    spoken = {language for person in STAFF for language in person.languages}
    assert {request.language for request in requests(60)} <= spoken


def test_signatures_are_those_of_the_official_library() -> None:
    fields = {"TaskSid": "WT1", "TaskAttributes": '{"a": 1}', "WorkerName": "Zo\u00eb"}
    url = "http://127.0.0.1:9000/assignment"
    assert RequestValidator("12345").validate(url, fields, signature_of(url, fields, "12345"))


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([5.0], 50, 5.0), ([1.0, 2.0], 50, 1.0), ([4.0, 1.0, 3.0, 2.0], 95, 4.0), (list(range(1, 101)), 95, 95)],
)
def test_percentiles_are_by_nearest_rank(values: list[float], percent: int, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_without_a_terminal_each_assignment_is_a_plain_line() -> None:
    console = printed()
    show = show_for(console, 2)
    for assignment in assignments(2):
        show.assigned(assignment)
    show.close()
    lines = text_of(console).splitlines()
    assert [line.split()[0] for line in lines] == ["1/2", "2/2"]
    assert "\x1b" not in text_of(console)


def test_on_a_terminal_the_table_fits_80_columns() -> None:
    console = Console(file=io.StringIO(), width=80, height=50, force_terminal=True, color_system=None)
    show = show_for(console, 20)
    assert isinstance(show, LiveShow)
    for assignment in assignments(20):
        show.assigned(assignment)
    show.close()
    assert "20/20" in text_of(console)


def test_the_summary_counts_per_queue_and_worker() -> None:
    console = printed()
    print_summary(console, assignments(60), completed=60, total=60)
    text = text_of(console)
    assert "60 of 60 tasks assigned, 60 completed" in text
    assert "p50 300 ms, p95 570 ms" in text
    for name in (*QUEUES, *(person.name for person in STAFF)):
        assert name in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_summary_of_nothing_is_one_line() -> None:
    console = printed()
    print_summary(console, [], completed=0, total=60)
    assert text_of(console).strip() == "0 of 60 tasks assigned, 0 completed"


@pytest.mark.parametrize("keep", [True, False])
def test_it_ends_with_a_client_of_ten_lines_that_fits_the_screen(keep: bool) -> None:
    console = printed()
    print_how_to_go_on(console, RUNNING, keep)
    text = text_of(console)
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    sample = "\n".join(line[2:] for line in lines[lines.index(next(x for x in lines if "import" in x)) :])
    ast.parse(sample)
    assert len(sample.splitlines()) == 10
    assert max(len(line) for line in lines) <= 80 or "export" not in text
    assert (RUNNING.base_url in sample) is keep
    for secret in (RUNNING.account_sid, RUNNING.auth_token):
        assert text.count(secret) == 2


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that the account of the database may pass through, unlike those of pytest under root."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


def test_a_daemon_that_cannot_start_is_told_with_the_reason(open_directory: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
    done = subprocess.run(
        [sys.executable, "-m", "engine", "quickstart"],
        cwd=ROOT,
        env=inherited | {"POINTSMAN_DATABASE_BIN_DIR": "/none", "TMPDIR": str(open_directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "pointsman: the daemon ended with code 1",
        "pointsman: there is no PostgreSQL server in /none",
    ]
    assert list(open_directory.iterdir()) == []
