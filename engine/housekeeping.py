"""At regular intervals: what the database has to be rid of, the partitions it needs, the statistics."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from engine import metrics
from engine.clock import Clock
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.runtime.once import KEPT_MS
from engine.settings import Settings
from engine.storage.redaction import Redaction
from engine.storage.retention import Retention
from engine.storage.statistics_summing import StatisticsSumming

log = get_logger()

DAY_MS = 86_400_000


class Housekeeping:
    """Does its rounds from `start` to `stop`; a failure is logged and tried again the next time.

    Args:
        retention: removes what expires.
        redaction: takes task attributes out of old events.
        summing: adds the log up for statistics.
        settings: how long things are kept, how often they are looked at, how often the log is added up.
        clock: milliseconds since the epoch.
    """

    def __init__(
        self,
        retention: Retention,
        redaction: Redaction,
        summing: StatisticsSumming,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._retention = retention
        self._redaction = redaction
        self._summing = summing
        self._settings = settings.retention
        self._summing_interval_s = settings.statistics.interval_s
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; the first rounds are now."""
        rounds = (
            (self.clean, "retention.failed", self._settings.interval_s),
            (self.sum_up, "statistics.failed", self._summing_interval_s),
        )
        self._tasks = [asyncio.create_task(_repeat(*each)) for each in rounds]

    async def stop(self) -> None:
        """End at once; what is under way is rolled back and done the next time."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def clean(self) -> None:
        """Remove what has expired. Raises StoreUnavailable."""
        began_s = time.perf_counter()
        now_ms = self._clock()
        await self._retention.ensure_partitions(now_ms)
        tasks = await self._retention.purge_finished(now_ms, self._settings.tasks_days * DAY_MS)
        configurations = await self._retention.purge_configurations()
        partitions = await self._retention.purge_events(now_ms, self._settings.events_days * DAY_MS)
        await self._retention.purge_idempotency_keys(now_ms, KEPT_MS)
        await self._retention.purge_desk(now_ms)
        workspaces = await self._retention.purge_deleted_workspaces(now_ms)
        redacted = await self._redact(now_ms)
        log.info(
            "retention.done",
            tasks=tasks,
            configurations=configurations,
            partitions=len(partitions),
            workspaces=workspaces,
            redacted=redacted,
            duration_ms=_since_ms(began_s),
        )

    async def _redact(self, now_ms: int) -> int:
        settings = self._settings
        if settings.events_days <= settings.task_attributes_days:
            return 0
        redacted = await self._redaction.redact(now_ms - settings.task_attributes_days * DAY_MS)
        metrics.EVENTS_REDACTED.inc(redacted)
        return redacted

    async def sum_up(self) -> None:
        """Add the log up as far as it is final. Raises StoreUnavailable."""
        began_s = time.perf_counter()
        passed_ms = 0
        workspaces = await self._summing.workspaces()
        for workspace_sid in workspaces:
            done = False
            while not done:
                step = await self._summing.advance(workspace_sid)
                passed_ms, done = passed_ms + step.passed_ms, step.done
        metrics.STATISTICS_ROUND_SECONDS.set(time.perf_counter() - began_s)
        if passed_ms:
            log.debug("statistics.summed", workspaces=len(workspaces), duration_ms=_since_ms(began_s))


async def _repeat(work: Callable[[], Awaitable[None]], failed: str, interval_s: float) -> None:
    while True:
        try:
            await work()
        except StoreUnavailable as error:
            log.warning(failed, error=str(error))
        except Exception:
            log.exception(failed)
        await asyncio.sleep(interval_s)


def _since_ms(began_s: float) -> int:
    return round((time.perf_counter() - began_s) * 1000)
