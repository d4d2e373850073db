"""`pointsman lint` of a file or of standard input; tests/wire has that of a workspace."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import ROOT

QUEUE = "WQ" + "0" * 32
CLEAN: dict[str, Any] = {"expression": "kind == 'x'", "targets": [{"queue": QUEUE}]}
QUOTED: dict[str, Any] = {"expression": "kind == 1 AND 'kind' == 'x'", "targets": [{"queue": QUEUE}]}
FOUND = (
    "filters[0].expression: column 15: 'kind' in quotes is text and not the value of that name; "
    "write kind == 'x'\n"
    "filters[0].expression: the whole condition never holds; write 1==0 if that is meant\n"
)


def configuration(*filters: dict[str, Any]) -> str:
    return json.dumps({"task_routing": {"filters": list(filters)}})


def lint(*arguments: str, stdin: str | bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
    return subprocess.run(
        [sys.executable, "-m", "engine", "lint", *arguments],
        cwd=ROOT,
        env={**inherited, "PYTHONUTF8": "1", **environ},
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "workflow.json"


def test_warnings_are_lines_and_no_failure_unless_strict(file: Path) -> None:
    file.write_text(configuration(QUOTED))
    done = lint(str(file))
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, FOUND, b"")
    assert lint(str(file), "--strict").returncode == 1


def test_a_clean_configuration_on_standard_input_says_nothing() -> None:
    done = lint("-", "--strict", stdin="\ufeff" + configuration(CLEAN))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            configuration(CLEAN, {**CLEAN, "expression": "a-b == 1"}),
            "filters[1].expression: column 2: found '-'",
        ),
        ("{", "Configuration: not valid JSON: "),
        ("[]", "Configuration: expected an object"),
    ],
)
def test_what_cannot_be_read_is_a_line_with_its_path_and_exit_1(text: str, line: str) -> None:
    done = lint("-", stdin=text)
    assert done.returncode == 1
    (found,) = done.stdout.decode().splitlines()
    assert found.startswith(line)


def test_a_file_that_is_none_is_one_line_on_standard_error(tmp_path: Path) -> None:
    for arguments, stdin, says in (
        ([str(tmp_path / "none.json")], b"", "No such file"),
        ([str(tmp_path)], b"", "Is a directory"),
        (["-"], b"\xff{}", "standard input: not UTF-8 text"),
    ):
        done = lint(*arguments, stdin=stdin)
        assert (done.returncode, done.stdout) == (1, b"")
        (line,) = done.stderr.decode().splitlines()
        assert line.startswith("pointsman: ")
        assert says in line


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--workspace", "../x"], ["--unknown"]])
def test_a_wrong_command_line_exits_2(arguments: list[str]) -> None:
    assert lint(*arguments).returncode == 2


def test_on_a_terminal_there_are_colours_and_a_summary(file: Path) -> None:
    file.write_text(configuration(QUOTED))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "engine", "lint", str(file)]
    environ = {**os.environ, "TERM": "xterm-256color"}
    environ.pop("NO_COLOR", None)
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=theirs, stdin=theirs) as process:
        os.close(theirs)
        shown = b"".join(_read(ours)).decode()
    os.close(ours)
    assert process.returncode == 0
    assert "\x1b[" in shown
    assert "0 errors, 2 warnings" in shown


def _read(terminal: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(terminal, 4_096):
            yield chunk
    except OSError:
        return


def test_without_an_account_the_command_line_is_wrong(tmp_path: Path) -> None:
    done = lint("--workspace", "WS" + "0" * 32, POINTSMAN_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert b"POINTSMAN_AUTH_TOKEN" in done.stderr
