"""pgqueuer: jobs enqueued one at a time, dequeued in batches by one runner."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.types import QueueExecutionMode

from engine.bench.peers import ATTRIBUTES

BATCH_SIZE = 100
"""Ten times the default, which makes it faster."""


class PgqueuerQueue:
    """A runner with one entry point that does nothing."""

    def __init__(self, queuer: Any) -> None:
        self._queuer = queuer
        self._done = 0
        queuer.entrypoint("nothing")(self._nothing)

    async def enqueue(self) -> None:
        """Enqueue a job."""
        await self._queuer.queries.enqueue("nothing", ATTRIBUTES.encode(), 0)

    async def run(self, seconds: float) -> int:
        """Run until time is up or no job is left; returns how many jobs ran."""
        runner = asyncio.create_task(self._queuer.run(batch_size=BATCH_SIZE, mode=QueueExecutionMode.drain))
        await asyncio.wait([runner], timeout=seconds)
        done = self._done
        runner.cancel()
        with suppress(asyncio.CancelledError):
            await runner
        return done

    async def _nothing(self, _job: object) -> None:
        self._done += 1


@asynccontextmanager
async def pgqueuer_queue(dsn: str, connections: int) -> AsyncIterator[PgqueuerQueue]:
    """A queue in an empty database."""
    logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)
    async with asyncpg.create_pool(dsn, min_size=connections, max_size=connections) as pool:
        queuer = PgQueuer.from_asyncpg_pool(pool)
        queries = queuer.queries
        assert queries is not None
        await queries.install()
        yield PgqueuerQueue(queuer)
