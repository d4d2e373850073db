"""One embedded PostgreSQL for the run; a database of its own, cloned from a migrated template, per test."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import settings

from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from engine.storage.pool import Database
from engine.storage.reads import Reads
from engine.storage.store import PostgresStore

# The same examples every time: what a run finds, the next finds too. POINTSMAN_EXPLORE=1 looks for new ones.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("exploring" if os.environ.get("POINTSMAN_EXPLORE") else "repeatable")

TEMPLATE = "template_migrated"

FAST = {
    # What is tested here survives a crash of the process, not of the machine.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
}

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The run's server. It is started and stopped in loops of its own and outlives those of the tests."""
    state_dir = Path(tempfile.mkdtemp(prefix="pm-"))
    server = EmbeddedPostgres(state_dir, settings=FAST)
    try:
        asyncio.run(_start(server))
        yield server
    finally:
        asyncio.run(server.stop())
        shutil.rmtree(state_dir, ignore_errors=True)


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """DSN of a fresh database without a schema."""
    async for dsn in _database(postgres, "template1"):
        yield dsn


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """DSN of a fresh, migrated database."""
    async for dsn in _database(postgres, TEMPLATE):
        yield dsn


@pytest.fixture
async def pools(database: str) -> AsyncIterator[Database]:
    async with await Database.open(database) as opened:
        yield opened


@pytest.fixture
def store(pools: Database) -> PostgresStore:
    return PostgresStore(pools)


@pytest.fixture
def reads(pools: Database) -> Reads:
    return Reads(pools)


async def _start(server: EmbeddedPostgres) -> None:
    await server.start()
    await _administer(server, f"CREATE DATABASE {TEMPLATE}")
    await migrate(server.dsn_of(TEMPLATE))


async def _database(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    await _administer(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield server.dsn_of(name)
    await _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
