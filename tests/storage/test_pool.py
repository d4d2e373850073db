"""All ways in which the database can be away are one error, and the pools find it again by themselves."""

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

import asyncpg
import pytest

from engine.errors import StoreUnavailable
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.pool import Database, is_unavailable

LOST = [
    asyncpg.ConnectionDoesNotExistError(""),
    asyncpg.AdminShutdownError(""),
    asyncpg.CrashShutdownError(""),
    asyncpg.CannotConnectNowError(""),
    asyncpg.ReadOnlySQLTransactionError(""),
    asyncpg.TooManyConnectionsError(""),
    asyncpg.QueryCanceledError(""),
    asyncpg.DeadlockDetectedError(""),
    asyncpg.IdleInTransactionSessionTimeoutError(""),
    asyncpg.InvalidPasswordError(""),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 12"),
    ConnectionResetError(),
    FileNotFoundError(),
    TimeoutError(),
]
WRONG = [
    asyncpg.UniqueViolationError(""),
    asyncpg.CheckViolationError(""),
    asyncpg.UndefinedTableError(""),
    asyncpg.exceptions._base.DataError("an argument"),
    ValueError(),
    KeyError(),
]


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_a_lost_connection_is_unavailability(error: Exception) -> None:
    assert is_unavailable(error)


@pytest.mark.parametrize("error", WRONG, ids=lambda error: type(error).__name__)
def test_a_wrong_call_is_not(error: Exception) -> None:
    assert not is_unavailable(error)


async def test_a_database_that_never_was_is_unavailable(tmp_path: Path) -> None:
    async with await Database.open(f"postgresql://postgres@/x?host={tmp_path}") as pools:
        with pytest.raises(StoreUnavailable):
            await pools.ping()


async def test_a_statement_over_its_time_is_unavailability(database: str) -> None:
    async with await Database.open(database, statement_timeout_s=0.05) as pools:
        with pytest.raises(StoreUnavailable):
            async with pools.reading() as connection:
                await connection.execute("SELECT pg_sleep(10)")
        await pools.ping()


async def test_waiting_too_long_for_a_connection_is_unavailability(database: str) -> None:
    async with await Database.open(database, read_connections=1, acquire_timeout_s=0.05) as pools:
        async with pools.reading():
            with pytest.raises(StoreUnavailable):
                await pools.ping()
        await pools.ping()


async def test_one_after_the_other_get_the_same_connection(database: str) -> None:
    async with await Database.open(database) as pools:
        seen = set()
        for _ in range(3):
            async with pools.committing() as connection:
                seen.add(connection.get_server_pid())
        assert len(seen) == 1


async def test_who_waits_gets_the_connection_that_comes_back(database: str) -> None:
    async with await Database.open(database, read_connections=1, acquire_timeout_s=30.0) as pools:
        await pools.ping()
        await asyncio.gather(*(pools.ping() for _ in range(20)))


async def test_a_connection_that_broke_while_nobody_used_it_is_not_lent_again(database: str) -> None:
    async with await Database.open(database) as pools:
        async with pools.committing() as connection:
            pid = connection.get_server_pid()
        async with pools.reading() as other:
            await other.execute("SELECT pg_terminate_backend($1, 10000)", pid)
        async with asyncio.timeout(10):
            while True:
                async with pools.committing() as connection:
                    if connection.get_server_pid() != pid:
                        break
                await asyncio.sleep(0)


async def test_a_connection_used_with_an_error_goes_through_the_pool(database: str) -> None:
    async with await Database.open(database, read_connections=1) as pools:
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with pools.reading() as connection:
                await connection.fetchval("SELECT 1 / 0")
        await pools.ping()


async def lose_the_server_within(pools: Database, server: EmbeddedPostgres) -> None:
    async with pools.committing() as connection:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await connection.fetchval("SELECT pg_sleep(60)")


async def test_the_pools_outlive_the_server() -> None:
    state_dir = Path(tempfile.mkdtemp(prefix="pm-"))
    server = EmbeddedPostgres(state_dir)
    try:
        await server.start()
        async with await Database.open(server.dsn) as pools:
            await pools.ping()
            with pytest.raises(StoreUnavailable):
                await lose_the_server_within(pools, server)
            async with asyncio.timeout(30):
                while True:
                    try:
                        await pools.ping()
                        break
                    except StoreUnavailable:
                        await asyncio.sleep(0)
    finally:
        await server.stop()
        shutil.rmtree(state_dir)
