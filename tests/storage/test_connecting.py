"""Of several hosts the one that takes writes is found, whatever the others do."""

import asyncio
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from engine.errors import StoreUnavailable
from engine.silence import give_up_when_silent
from engine.storage.connecting import addresses, connect
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from engine.storage.pool import Database

SOCKET = ".s.PGSQL.5432"


@pytest.fixture
async def silent_host() -> AsyncIterator[str]:
    """A host that takes connections and says nothing, as one that is cut off."""
    with tempfile.TemporaryDirectory(prefix="pm-") as directory, socket.socket(socket.AF_UNIX) as server:
        server.bind(str(Path(directory, SOCKET)))
        server.listen(64)
        yield directory


@pytest.fixture
async def starting_host() -> AsyncIterator[str]:
    """A host whose server is starting up."""
    fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"E" + struct.pack("!I", len(fields) + 4) + fields)
        await writer.drain()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="pm-") as directory:
        server = await asyncio.start_unix_server(refuse, Path(directory, SOCKET))
        async with server:
            yield directory


def hosts(*names: str, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={','.join(names)}"


@pytest.fixture
def place(postgres: EmbeddedPostgres, database: str) -> tuple[str, str]:
    """Directory of the socket, and name of a database."""
    name = database.partition("?")[0].rpartition("/")[2]
    return str(postgres._state.socket_dir), name


def test_each_host_gets_a_dsn_of_its_own() -> None:
    assert addresses("postgresql://me:p%40ss@a:5432,b:5433/db?ssl=require") == [
        "postgresql://me:p%40ss@a:5432/db?target_session_attrs=read-write&ssl=require",
        "postgresql://me:p%40ss@b:5433/db?target_session_attrs=read-write&ssl=require",
    ]
    assert addresses("postgresql://me@/db?host=/a%20b,/c&port=1,2") == [
        "postgresql://me@/db?target_session_attrs=read-write&host=%2Fa%20b&port=1",
        "postgresql://me@/db?target_session_attrs=read-write&host=%2Fc&port=2",
    ]


def test_what_the_dsn_asks_of_its_hosts_holds() -> None:
    [first, _] = addresses("postgresql://a,b/db?target_session_attrs=any")
    assert first == "postgresql://a/db?target_session_attrs=any"


@pytest.mark.parametrize("dsn", ["postgresql://me@a:5432/db?ssl=require", "postgresql://me@/db?host=/run"])
def test_a_dsn_of_one_host_stays_as_it_is(dsn: str) -> None:
    assert addresses(dsn) == [dsn]


async def test_a_host_that_says_nothing_does_not_keep_us_from_the_next(
    silent_host: str, place: tuple[str, str]
) -> None:
    directory, name = place
    dsn = hosts(silent_host, directory, database=name)
    async with await Database.open(dsn, connect_timeout_s=1.0) as pools:
        await pools.ping()


async def test_a_host_that_is_starting_does_not_keep_us_from_the_next(
    starting_host: str, place: tuple[str, str]
) -> None:
    directory, name = place
    dsn = hosts(starting_host, directory, database=name)
    async with await Database.open(dsn) as pools:
        await pools.ping()
    await migrate(dsn)


async def test_calls_to_a_database_that_says_nothing_share_one_attempt(silent_host: str) -> None:
    dsn = hosts(silent_host, database="x")
    async with await Database.open(dsn, connect_timeout_s=0.5, read_connections=1) as pools:
        with pytest.raises(StoreUnavailable):
            await pools.ping()
        async with asyncio.timeout(2.0):
            outcomes = await asyncio.gather(*(pools.ping() for _ in range(50)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}


async def test_a_host_that_takes_no_writes_is_not_taken(place: tuple[str, str]) -> None:
    directory, name = place
    connection = await connect(hosts(directory, database=name))
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.close()
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        await connect(hosts(directory, directory, database=name))


async def test_one_connection_is_kept(place: tuple[str, str]) -> None:
    directory, name = place
    connection = await connect(hosts(directory, directory, directory, database=name))
    try:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
        async with asyncio.timeout(10):
            while await connection.fetchval(others, name):
                pass
    finally:
        await connection.close()


async def test_what_a_starting_host_says_is_told_when_no_other_answers(
    starting_host: str, silent_host: str
) -> None:
    dsn = hosts(silent_host, starting_host, database="x")
    async with await Database.open(dsn, connect_timeout_s=0.2) as pools:
        with pytest.raises(StoreUnavailable):
            await pools.ping()
    with pytest.raises(asyncpg.CannotConnectNowError):
        await connect(hosts(starting_host, starting_host, database="x"))


async def test_a_machine_that_is_gone_without_a_word_is_given_up_within_seconds() -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        give_up_when_silent(writer.transport)
        used = writer.get_extra_info("socket")
        assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if sys.platform == "linux":
            assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5_000
            assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
        writer.close()
        await writer.wait_closed()
