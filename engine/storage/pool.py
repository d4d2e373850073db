"""Connections: one small pool for commits, one for reads, and the verdict on what an error means.

A pool replaces broken connections by itself, so a server that went away and came back needs no help. What
the callers see of all the ways in which it can be away is one error, `StoreUnavailable`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from engine.errors import StoreUnavailable
from engine.storage.connecting import connect
from engine.storage.queries import query, verify

Connection = asyncpg.Connection | PoolConnectionProxy

_PING = query("ping")

_SETTINGS = {
    "commit": {"jit": "off"},
    "read": {
        "jit": "off",
        # A list's filters are optional parameters: planned with their values, an absent one costs nothing.
        "plan_cache_mode": "force_custom_plan",
        # Every list walks an index in its order; without statistics the planner would collect and sort.
        "enable_bitmapscan": "off",
        # The live rows are in memory: a page by an index costs what a page of a scan does.
        "random_page_cost": "1.1",
    },
}

_UNAVAILABLE_CLASSES = frozenset(
    {
        "08",  # connection exceptions
        "25",  # a server that became a read-only standby
        "28",  # refused at the door: it let us in at the start
        "3D",  # the database is being replaced
        "40",  # serialization failure, deadlock
        "53",  # out of connections, memory, disk
        "55",  # a lock was not to be had in time
        "57",  # shutting down, starting up, statement timeout
        "58",  # I/O errors
        "F0",  # its configuration file
        "XX",  # internal errors, corrupted data
    }
)


def is_unavailable(error: BaseException) -> bool:
    """Tell whether `error` means that the database did not answer, not that the call was wrong.

    infrastructure §1: a server that dies under a connection shows as any of several classes.
    """
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "XX")[:2] in _UNAVAILABLE_CLASSES
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # asyncpg's own verdict on a bad argument
    return isinstance(error, OSError | TimeoutError | EOFError | asyncpg.InternalClientError)


@dataclass(slots=True)
class _Reach:
    """Whether a pool's last attempt to get a connection failed, and the one that is under way since."""

    failed: bool = False
    attempt: asyncio.Future[None] | None = None
    waiting: int = 0
    """How many calls wait for a connection."""
    kept: PoolConnectionProxy | None = None
    """A connection that is lent again without the pool, whose way there and back costs as much as a query."""


class Database:
    """The two pools. Made by `open`, closed by `close` or as an async context manager."""

    def __init__(self, commits: asyncpg.Pool, reads: asyncpg.Pool, acquire_timeout_s: float) -> None:
        self._commits = commits
        self._reads = reads
        self._acquire_timeout_s = acquire_timeout_s
        self._reaches = {commits: _Reach(), reads: _Reach()}

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        commit_connections: int = 4,
        read_connections: int = 8,
        connect_timeout_s: float = 2.0,
        acquire_timeout_s: float = 5.0,
        statement_timeout_s: float = 10.0,
    ) -> Self:
        """Make both pools; connections are opened when they are first needed.

        Args:
            dsn: where the database is; of several hosts the one that takes writes is used.
            commit_connections: most connections for commits and leases.
            read_connections: most connections for the API's reads and the loader.
            connect_timeout_s: limit of one attempt to connect to one host.
            acquire_timeout_s: how long a call waits for a free connection.
            statement_timeout_s: limit of one statement, kept by the server; ours is a second longer.
                So long the server also waits for the next statement of a transaction.

        Raises QueryNamesWrong when the SQL files do not fit the code.
        """
        verify()
        commits = await _open_pool(dsn, "commit", commit_connections, connect_timeout_s, statement_timeout_s)
        reads = await _open_pool(dsn, "read", read_connections, connect_timeout_s, statement_timeout_s)
        return cls(commits, reads, acquire_timeout_s)

    @asynccontextmanager
    async def committing(self) -> AsyncIterator[Connection]:
        """Borrow a connection for a commit. Raises StoreUnavailable, also for what happens within."""
        async with self._borrowed(self._commits) as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Borrow a connection for a read. Raises StoreUnavailable, also for what happens within."""
        async with self._borrowed(self._reads) as connection:
            yield connection

    async def ping(self) -> None:
        """Ask the server for an answer. Raises StoreUnavailable when there is none."""
        async with self.reading() as connection:
            await connection.fetchval(_PING)

    async def close(self, timeout_s: float = 5.0) -> None:
        """Close both pools; connections still busy after `timeout_s` seconds are cut."""
        for pool in (self._commits, self._reads):
            await self._give_back_kept(pool)
            await _close_pool(pool, timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def _borrowed(self, pool: asyncpg.Pool) -> AsyncIterator[Connection]:
        try:
            connection = self._take_kept(pool) or await self._acquire(pool)
            try:
                yield connection
            except BaseException:
                await pool.release(connection)
                raise
            await self._give_back(pool, connection)
        except Exception as error:
            if not is_unavailable(error):
                raise
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                await pool.expire_connections()  # a standby now: connect anew, to whoever leads
                await self._give_back_kept(pool)
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    def _take_kept(self, pool: asyncpg.Pool) -> PoolConnectionProxy | None:
        reach = self._reaches[pool]
        kept, reach.kept = reach.kept, None
        return kept if kept is not None and _is_open(kept) else None

    async def _give_back(self, pool: asyncpg.Pool, connection: PoolConnectionProxy) -> None:
        """Keep a connection that was used without an error, unless one is kept or somebody waits for it."""
        reach = self._reaches[pool]
        if reach.kept is None and not reach.waiting and _is_open(connection):
            reach.kept = connection
        else:
            await pool.release(connection)

    async def _give_back_kept(self, pool: asyncpg.Pool) -> None:
        reach = self._reaches[pool]
        kept, reach.kept = reach.kept, None
        if kept is not None:
            await pool.release(kept)

    async def _acquire(self, pool: asyncpg.Pool) -> PoolConnectionProxy:
        """Acquire a connection; while none is to be had, all calls share the outcome of one attempt."""
        reach = self._reaches[pool]
        if not reach.failed or pool.get_size():
            return await self._attempt(pool, reach)
        if reach.attempt is not None:
            await asyncio.wait([reach.attempt])
            if reach.failed:
                raise StoreUnavailable("the database is out of reach")
            return await self._attempt(pool, reach)
        reach.attempt = attempt = asyncio.get_running_loop().create_future()
        try:
            return await self._attempt(pool, reach)
        finally:
            reach.attempt = None
            attempt.set_result(None)

    async def _attempt(self, pool: asyncpg.Pool, reach: _Reach) -> PoolConnectionProxy:
        reach.waiting += 1
        try:
            connection = await pool.acquire(timeout=self._acquire_timeout_s)
        except Exception:
            reach.failed = True
            raise
        finally:
            reach.waiting -= 1
        reach.failed = False
        return connection


def _is_open(connection: PoolConnectionProxy) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False  # it broke and went back to the pool by itself


async def _open_pool(
    dsn: str, purpose: str, connections: int, connect_timeout_s: float, statement_timeout_s: float
) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        dsn,
        connect=connect,
        min_size=0,
        max_size=connections,
        timeout=connect_timeout_s,
        command_timeout=statement_timeout_s + 1.0,
        statement_cache_size=500,
        max_cached_statement_lifetime=0,
        reset=_keep_session,
        server_settings={
            "application_name": f"pointsman {purpose}",
            "statement_timeout": str(round(statement_timeout_s * 1000)),
            # A node that freezes amid a commit holds the row of its lease: others could not take over.
            "idle_in_transaction_session_timeout": str(round(statement_timeout_s * 1000)),
            **_SETTINGS[purpose],
        },
    )


async def _keep_session(_connection: asyncpg.Connection) -> None:
    """Stand in for asyncpg's reset, a round trip per use: nothing here changes the session."""


async def _close_pool(pool: asyncpg.Pool, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(pool.close(), timeout_s)
    except Exception as error:
        pool.terminate()
        if not is_unavailable(error):
            raise
