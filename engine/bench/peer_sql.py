"""A router written by hand with SKIP LOCKED, as `sql/bench/skip_locked_router.sql` has it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import asyncpg

from engine.bench.peers import ATTRIBUTES
from engine.storage.queries import parse_queries
from engine.storage.resources import sql_directory

NOTHING_PAUSE_S = 0.001
TOPICS = ("billing", "technical")


@cache
def _queries() -> dict[str, str]:
    return dict(parse_queries(sql_directory() / "bench" / "skip_locked_router.sql"))


class Router:
    """Creates, claims and completes tasks, a transaction each."""

    def __init__(self, pool: asyncpg.Pool, connections: int) -> None:
        self._pool = pool
        self._connections = connections
        self._created = 0
        self._done = 0

    async def enqueue(self) -> None:
        """Create a task."""
        self._created += 1
        topic = TOPICS[self._created % len(TOPICS)]
        await self._pool.execute(_queries()["router_create"], topic, ATTRIBUTES)

    async def run(self, seconds: float) -> int:
        """Assign and complete tasks until time is up or all are done; returns how many."""
        end_s = time.monotonic() + seconds
        await asyncio.gather(*(self._work(end_s) for _ in range(self._connections)))
        return self._done

    async def _work(self, end_s: float) -> None:
        async with self._pool.acquire() as connection:
            claim = await connection.prepare(_queries()["router_claim"])
            complete = await connection.prepare(_queries()["router_complete"])
            while time.monotonic() < end_s and self._done < self._created:
                task = await claim.fetchval()
                if task is None:  # the tasks or workers that fit are locked by others
                    await asyncio.sleep(NOTHING_PAUSE_S)
                    continue
                await complete.fetch(task)
                self._done += 1


@asynccontextmanager
async def router(dsn: str, connections: int) -> AsyncIterator[Router]:
    """A router in an empty database."""
    async with asyncpg.create_pool(dsn, min_size=connections, max_size=connections) as pool:
        await pool.execute(_queries()["router_schema"])
        yield Router(pool, connections)
