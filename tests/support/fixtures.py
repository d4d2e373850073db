"""Fixtures for tests that need PostgreSQL or a running daemon.

`tests/conftest.py` makes them known everywhere. One embedded server serves the whole run; each `database_url`
is a fresh database, copied from a migrated template.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from tests.support.daemon import DaemonProcess

TEMPLATE = "pointsman_template"
_numbers = count(1)

StartDaemon = Callable[..., DaemonProcess]


def make_open_directory() -> Path:
    """Make a directory that the account of an embedded server can reach, also when we are root."""
    directory = Path(tempfile.mkdtemp(prefix="pointsman-test-"))
    directory.chmod(0o711)
    return directory


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A fresh directory that the account of an embedded server can reach."""
    directory = make_open_directory()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server() -> AsyncIterator[EmbeddedPostgres]:
    """One embedded server for the whole run, as durable as in production."""
    directory = make_open_directory()
    server = EmbeddedPostgres(directory / "postgres")
    await server.start()
    yield server
    await server.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_template(postgres_server: EmbeddedPostgres) -> str:
    """The name of a migrated database that nobody is connected to."""
    await _execute(postgres_server.dsn, f"CREATE DATABASE {TEMPLATE}")
    await migrate(postgres_server.dsn_of(TEMPLATE))
    return TEMPLATE


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(postgres_server: EmbeddedPostgres, postgres_template: str) -> AsyncIterator[str]:
    """The DSN of a fresh, migrated database."""
    async with fresh_database(postgres_server, postgres_template) as dsn:
        yield dsn


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def daemon(postgres_server: EmbeddedPostgres, postgres_template: str) -> AsyncIterator[DaemonProcess]:
    """One ready daemon for the whole run; each test makes workspaces of its own in it."""
    directory = make_open_directory()
    async with fresh_database(postgres_server, postgres_template) as dsn:
        with DaemonProcess(directory, database_url=dsn) as process:
            yield process
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def start_daemon(open_directory: Path) -> Iterator[StartDaemon]:
    """A function that starts a daemon of this test's own; takes what DaemonProcess takes, and `wait`."""
    started: list[DaemonProcess] = []

    def start(*, wait: bool = True, **options: Any) -> DaemonProcess:
        process = DaemonProcess(open_directory / f"daemon-{len(started)}", **options)
        started.append(process)
        return process.start(wait=wait)

    yield start
    for process in started:
        process.close()


@asynccontextmanager
async def fresh_database(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """Yield the DSN of a database copied from `template`, and drop it afterwards."""
    name = f"pointsman_{next(_numbers)}"
    await _execute(server.dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield server.dsn_of(name)
    finally:
        await _execute(server.dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
