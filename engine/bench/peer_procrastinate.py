"""procrastinate: jobs deferred one at a time, run by one worker with many coroutines."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from procrastinate import App, PsycopgConnector

from engine.bench.peers import ATTRIBUTES


class ProcrastinateQueue:
    """An open app with one task that does nothing."""

    def __init__(self, app: App, connections: int) -> None:
        self._app = app
        self._connections = connections
        self._done = 0
        self._task: Any = app.task(name="nothing")(self._nothing)

    async def enqueue(self) -> None:
        """Defer a job."""
        await self._task.defer_async(attributes=ATTRIBUTES)

    async def run(self, seconds: float) -> int:
        """Run a worker until time is up or no job is left; returns how many jobs ran."""
        worker = asyncio.create_task(
            self._app.run_worker_async(
                concurrency=self._connections,
                wait=False,
                install_signal_handlers=False,
                listen_notify=False,
                shutdown_graceful_timeout=0,
            )
        )
        await asyncio.wait([worker], timeout=seconds)
        done = self._done
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
        return done

    async def _nothing(self, attributes: str) -> None:
        self._done += bool(attributes)


@asynccontextmanager
async def procrastinate_queue(dsn: str, connections: int) -> AsyncIterator[ProcrastinateQueue]:
    """A queue in an empty database."""
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    app = App(connector=PsycopgConnector(conninfo=dsn, min_size=connections, max_size=connections + 2))
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        yield ProcrastinateQueue(app, connections)
