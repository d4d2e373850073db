"""Job queues on the same PostgreSQL, for comparison: no HTTP, and but for the router no matching.

Each is asked to enqueue, one transaction per job, for a while, then to run what it has for as long. A cycle
takes one of each, so cycles per second are 1 / (1 / enqueued per second + 1 / run per second).
"""

import asyncio
import importlib.util
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from engine.bench.errors import BenchError

CONNECTIONS_MAX = 24
"""The embedded server has room for 60, and the daemon is connected too."""
ATTRIBUTES = '{"topic": "billing", "language": "en", "customer": "CU1234567890"}'
PACKAGES = {"procrastinate": "procrastinate", "pgqueuer": "pgqueuer"}
NAMES = ("hello", "sql", "procrastinate", "pgqueuer")


class Queue(Protocol):
    """A job queue that is ready."""

    async def enqueue(self) -> None:
        """Enqueue one job, durably."""

    async def run(self, seconds: float) -> int:
        """Run jobs until time is up or none is left; returns how many were run."""


@dataclass(slots=True, frozen=True)
class Figures:
    """What was measured of a queue."""

    enqueued: int
    enqueue_s: float
    ran: int
    run_s: float

    def report(self, name: str, concurrency: int) -> dict[str, Any]:
        """Return its part of the report."""
        enqueue_per_s = self.enqueued / self.enqueue_s
        run_per_s = self.ran / self.run_s
        cycles = 1 / (1 / enqueue_per_s + 1 / run_per_s) if self.enqueued and self.ran else 0.0
        return {
            "name": name,
            "enqueue_per_s": round(enqueue_per_s, 1),
            "run_per_s": round(run_per_s, 1),
            "cycles_per_s": round(cycles, 1),
            "connections": concurrency,
        }


def check_peers(names: tuple[str, ...]) -> None:
    """Raise BenchError when a library that is asked for is not installed."""
    missing = [name for name in names if name in PACKAGES and not importlib.util.find_spec(PACKAGES[name])]
    if missing:
        raise BenchError(f"--against {missing[0]} needs the extra: pip install 'pointsman[bench-peers]'")


async def measure_peer(name: str, dsn: str, seconds: float, concurrency: int) -> dict[str, Any]:
    """Measure one queue in a database of its own. Raises BenchError when it is not installed."""
    connections = min(concurrency, CONNECTIONS_MAX)
    async with _database(dsn, f"bench_{name}") as own, _opener(name)(own, connections) as queue:
        figures = await _measure(queue, seconds, connections)
    return figures.report(name, connections)


def _opener(name: str) -> Callable[[str, int], Any]:
    if name == "sql":
        from engine.bench.peer_sql import router

        return router
    check_peers((name,))
    if name == "procrastinate":
        from engine.bench.peer_procrastinate import procrastinate_queue

        return procrastinate_queue
    from engine.bench.peer_pgqueuer import pgqueuer_queue

    return pgqueuer_queue


async def _measure(queue: Queue, seconds: float, concurrency: int) -> Figures:
    begin_s = time.monotonic()
    enqueued = await _flat_out(queue.enqueue, begin_s + seconds, concurrency)
    enqueue_s = time.monotonic() - begin_s
    begin_s = time.monotonic()
    ran = await queue.run(seconds)
    return Figures(enqueued, enqueue_s, ran, time.monotonic() - begin_s)


async def _flat_out(call: Callable[[], Awaitable[None]], end_s: float, concurrency: int) -> int:
    """Call over and over, so many at once, until the end; returns how often."""
    count = 0

    async def loop() -> None:
        nonlocal count
        while time.monotonic() < end_s:
            await call()
            count += 1

    await asyncio.gather(*(loop() for _ in range(concurrency)))
    return count


@asynccontextmanager
async def _database(dsn: str, name: str) -> AsyncIterator[str]:
    """A fresh database on the same server; it is dropped afterwards."""
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()
