"""The log: JSON lines or readable ones, secrets never, attributes only when asked for."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.logs import REDACTED, LineSink, json_line, redactor

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import logging, structlog, sys
from engine.logs import configure, get_logger
from engine.settings import LoggingSettings
configure(LoggingSettings({settings}))
log = get_logger()
with structlog.contextvars.bound_contextvars(request_id="r1", task_sid="WT1"):
    log.info("task.created", task_attributes='{{"name": "Jane"}}', auth_token="hunter2", took_ms=1.5)
log.debug("detail")
logging.getLogger("asyncio").warning("slow %s", "callback")
try:
    raise RuntimeError("no answer from postgresql://me:hunter2@host/db")
except RuntimeError:
    password = "hunter2"
    log.exception("commit.failed", workspace_sid="WS1")
"""


FACTS = """
from engine.logs import configure, get_logger, log_facts
from engine.settings import LoggingSettings
configure(LoggingSettings({settings}))
fields = dict(task_sid="WT1", sequence=7, text="\\ud800")
get_logger().info("task.created", **fields)
log_facts([("task.created", fields), ("task.updated", fields)])
"""


def lines_of(settings: str, program: str = PROGRAM) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program.format(settings=settings)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_without_a_terminal_each_line_is_one_json_object() -> None:
    created, library, failed = (json.loads(line) for line in lines_of(""))
    assert created.pop("timestamp").endswith("Z")
    assert created == {
        "level": "info",
        "event": "task.created",
        "request_id": "r1",
        "task_sid": "WT1",
        "task_attributes": REDACTED,
        "auth_token": REDACTED,
        "took_ms": 1.5,
    }
    assert (library["event"], library["library"], library["message"]) == (
        "library.message",
        "asyncio",
        "slow callback",
    )
    assert failed["workspace_sid"] == "WS1"
    assert "RuntimeError" in failed["exception"]


def test_console_lines_are_for_people() -> None:
    first = lines_of('format="console"')[0]
    assert "task.created" in first
    assert "task_sid=WT1" in first
    assert not first.startswith("{")


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("redact", [True, False])
def test_secrets_never_reach_the_log(form: str, redact: bool) -> None:
    assert "hunter2" not in "\n".join(lines_of(f'format="{form}", redact={redact}, level="debug"'))


def test_attributes_are_shown_only_when_redaction_is_off() -> None:
    assert "Jane" not in "\n".join(lines_of(""))
    assert "Jane" in "\n".join(lines_of("redact=False"))


def test_the_level_is_a_floor() -> None:
    assert not any('"detail"' in line for line in lines_of('level="info"'))
    assert any('"detail"' in line for line in lines_of('level="debug"'))
    assert not any("task.created" in line for line in lines_of('level="error"'))


def test_redaction_reaches_into_nested_values() -> None:
    event = {
        "event": "x",
        "headers": {"Authorization": "Basic abc", "Accept": "json"},
        "items": [{"WorkerAttributes": "{}"}],
        "url": "https://user:pw@host/path",
    }
    assert redactor(True)(None, "info", event) == {
        "event": "x",
        "headers": {"Authorization": REDACTED, "Accept": "json"},
        "items": [{"WorkerAttributes": REDACTED}],
        "url": f"https://{REDACTED}@host/path",
    }


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    LineSink(Full()).msg("line")
    closed = io.StringIO()
    closed.close()
    LineSink(closed).msg("line")


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: "a"}, b"bytes", {"s": {1, 2}}])
def test_any_value_can_be_logged(value: object) -> None:
    line = json_line(None, "info", {"event": "x", "value": value})
    assert json.loads(line)["event"] == "x"


def test_facts_are_written_as_other_events_are() -> None:
    one, same, other = (json.loads(line) for line in lines_of("", FACTS))
    for line in (one, same, other):
        assert line.pop("timestamp").endswith("Z")
    assert one == same
    assert list(one) == list(same)
    assert other == {**one, "event": "task.updated"}


@pytest.mark.parametrize(("settings", "count"), [("level='warning'", 0), ("level='debug'", 3)])
def test_facts_are_of_level_info(settings: str, count: int) -> None:
    assert len(lines_of(settings, FACTS)) == count


def test_facts_are_readable_on_a_terminal() -> None:
    one, same, other = lines_of("format='console'", FACTS)
    assert one.split(maxsplit=2)[2] == same.split(maxsplit=2)[2]
    assert "task.updated" in other
