"""What the database has to be rid of, and the partitions it needs next, at regular intervals."""

import asyncio
import time

from engine.clock import Clock
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.runtime.once import KEPT_MS
from engine.settings import RetentionSettings
from engine.storage.retention import Retention

log = get_logger()

DAY_MS = 86_400_000


class Housekeeping:
    """Runs the retention from `start` to `stop`; a failure is logged and tried again the next time.

    Args:
        retention: does the work.
        settings: how long things are kept, and how often they are looked at.
        clock: milliseconds since the epoch.
    """

    def __init__(self, retention: Retention, settings: RetentionSettings, clock: Clock) -> None:
        self._retention = retention
        self._settings = settings
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first round is now."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """End at once; what is under way is rolled back and done the next time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def once(self) -> None:
        """Do one round. Raises StoreUnavailable."""
        began_s = time.perf_counter()
        now_ms = self._clock()
        await self._retention.ensure_partitions(now_ms)
        tasks = await self._retention.purge_finished(now_ms, self._settings.tasks_days * DAY_MS)
        configurations = await self._retention.purge_configurations()
        partitions = await self._retention.purge_events(now_ms, self._settings.events_days * DAY_MS)
        await self._retention.purge_idempotency_keys(now_ms, KEPT_MS)
        workspaces = await self._retention.purge_deleted_workspaces(now_ms)
        log.info(
            "retention.done",
            tasks=tasks,
            configurations=configurations,
            partitions=len(partitions),
            workspaces=workspaces,
            duration_ms=round((time.perf_counter() - began_s) * 1000),
        )

    async def _run(self) -> None:
        while True:
            try:
                await self.once()
            except StoreUnavailable as error:
                log.warning("retention.failed", error=str(error))
            except Exception:
                log.exception("retention.failed")
            await asyncio.sleep(self._settings.interval_s)
