"""Fixtures for tests that speak to a running daemon.

A conftest.py takes what it needs by name, `from tests.support.fixtures import daemon, start_daemon`, and
lists those in its `__all__`. `postgres` and `database` come from `tests/conftest.py`.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.support.daemon import DaemonProcess

_shared = (f"shared_daemon_{n}" for n in count(1))

StartDaemon = Callable[..., DaemonProcess]


def make_open_directory() -> Path:
    """Make a directory that the account of an embedded server can reach, also when we are root."""
    directory = Path(tempfile.mkdtemp(prefix="pm-"))
    directory.chmod(0o711)
    return directory


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A fresh directory that the account of an embedded server can reach."""
    directory = make_open_directory()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def daemon(postgres: EmbeddedPostgres) -> Iterator[DaemonProcess]:
    """One ready daemon for all tests below a conftest.py; each makes workspaces of its own in it."""
    with running_daemon(postgres) as process:
        yield process


@contextmanager
def running_daemon(postgres: EmbeddedPostgres, **options: Any) -> Iterator[DaemonProcess]:
    """Run a ready daemon over a database of its own; takes what DaemonProcess takes."""
    database = next(_shared)
    asyncio.run(_execute(postgres.dsn, f"CREATE DATABASE {database}"))
    directory = make_open_directory()
    with DaemonProcess(directory, database_url=postgres.dsn_of(database), **options) as process:
        yield process
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def start_daemon(open_directory: Path) -> Iterator[StartDaemon]:
    """A function that starts a daemon of this test's own; takes what DaemonProcess takes, and `wait`.

    Without `database_url` it runs an embedded PostgreSQL of its own.
    """
    started: list[DaemonProcess] = []

    def start(*, wait: bool = True, **options: Any) -> DaemonProcess:
        process = DaemonProcess(open_directory / f"daemon-{len(started)}", **options)
        started.append(process)
        process.directory.mkdir(mode=0o711)
        return process.start(wait=wait)

    yield start
    for process in started:
        process.close()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
