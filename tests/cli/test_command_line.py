"""The command line as a user meets it: real processes, exit codes, one line for what is wrong."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import __version__

ROOT = Path(__file__).resolve().parents[2]


def pointsman(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
    return subprocess.run(
        [sys.executable, "-m", "engine", *arguments],
        cwd=ROOT,
        env=inherited | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, *says: str) -> None:
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("pointsman: ")
    for text in says:
        assert text in lines[0]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_version_names_program_and_version() -> None:
    done = pointsman("--version")
    assert (done.returncode, done.stdout) == (0, f"pointsman {__version__}\n")


def test_help_lists_the_commands() -> None:
    done = pointsman("--help")
    assert done.returncode == 0
    for command in ("serve", "migrate", "check-config", "lint", "quickstart", "keys", "accounts"):
        assert command in done.stdout


@pytest.mark.parametrize("arguments", [["unknown"], ["serve", "--unknown"], ["check-config", "extra"]])
def test_a_wrong_command_line_exits_2(arguments: list[str]) -> None:
    assert pointsman(*arguments).returncode == 2


def test_check_config_accepts_the_defaults() -> None:
    done = pointsman("check-config")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("The configuration is valid.\n")


def test_check_config_shows_what_differs_from_the_default_but_no_secrets() -> None:
    done = pointsman("check-config", "--port", "9090", POINTSMAN_AUTH_TOKEN="hunter2")
    assert "server.port = 9090\n" in done.stdout
    assert "credentials.auth_token = (hidden)\n" in done.stdout
    assert "hunter2" not in done.stdout
    assert "server.host" not in done.stdout


@pytest.mark.parametrize("command", ["serve", "migrate", "check-config"])
def test_a_wrong_setting_is_one_line_and_exit_2(command: str, tmp_path: Path) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text("[server]\nprot = 1\n")
    assert_one_line(pointsman(command, "--config", str(config)), 2, str(config), "prot", '"port"')
    assert_one_line(pointsman(command, "--port", "http"), 2, "--port", "'http'")
    assert_one_line(pointsman(command, POINTSMAN_PROT="1"), 2, "POINTSMAN_PROT", '"POINTSMAN_PORT"')


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_serve_on_a_taken_port_is_one_line_and_exit_1(
    taken_port: int, tmp_path: Path, database: str, processes: str
) -> None:
    place = ("--port", str(taken_port), "--data-dir", str(tmp_path / "data"), "--database-url", database)
    done = await asyncio.to_thread(pointsman, "serve", "--processes", processes, *place)
    assert_one_line(done, 1, "127.0.0.1", str(taken_port), "in use")


def test_serve_in_a_place_that_is_no_directory_is_one_line_and_exit_1_or_2(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = pointsman("serve", "--port", "0", "--data-dir", str(file / "data"))
    assert done.returncode in {1, 2}
    assert_one_line(done, done.returncode, str(file))


def test_serve_without_its_database_gives_up_in_one_line(tmp_path: Path) -> None:
    done = pointsman(
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "data"),
        "--database-url",
        "postgresql://me:hunter2@127.0.0.1:1/none",
        POINTSMAN_DATABASE_START_TIMEOUT_S="0.5",
    )
    assert_one_line(done, 1, "database")
    assert "hunter2" not in done.stderr
