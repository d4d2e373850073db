"""Recompute the statistics from the event log and compare: they must say the same."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from engine.routing.effects import Event
from engine.routing.rollups import COUNTERS, EVENT_TYPES, HOUR_MS, Adder, Rollups
from engine.storage.pool import Connection, Database
from engine.storage.queries import query

_SUMMED_UNTIL = query("summed_until")
_EVENTS = query("statistics_events")
_COUNTS = query("statistics_counts_of_span")
_DURATIONS = query("statistics_durations_of_span")
_NEXT = query("next_statistics_ms")

EVENTS_AT_ONCE = 5_000

_Table = dict[tuple[Any, ...], Any]


@dataclass(slots=True, frozen=True)
class Difference:
    """A rollup that is not what the log says: where, and both figures.

    Of a row of counters one per counter; of durations how many, their sum, the least, the most, and the
    histogram.
    """

    table: str
    key: tuple[Any, ...]
    stored: Any
    from_log: Any


class StatisticsVerifier:
    """Compares hour by hour, so that memory holds the figures of one. Raises StoreUnavailable.

    Args:
        database: the pools.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def differences(
        self, workspace_sid: str, *, start_ms: int, end_ms: int
    ) -> AsyncIterator[Difference]:
        """Yield every difference in a workspace from the hour of `start_ms` to that of `end_ms`."""
        while (next_ms := await self.next_ms(workspace_sid, start_ms)) is not None and next_ms <= end_ms:
            hour_ms = next_ms // HOUR_MS * HOUR_MS
            for difference in await self._compare(workspace_sid, hour_ms):
                yield difference
            start_ms = hour_ms + HOUR_MS

    async def next_ms(self, workspace_sid: str, start_ms: int) -> int | None:
        """Return the next moment from `start_ms` on of which the log or the rollups say anything."""
        async with self._database.reading() as connection:
            found: int | None = await connection.fetchval(_NEXT, workspace_sid, start_ms)
            return found

    async def _compare(self, workspace_sid: str, hour_ms: int) -> list[Difference]:
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            until_ms = await connection.fetchval(_SUMMED_UNTIL, workspace_sid) or 0
            expected = await _from_log(connection, workspace_sid, hour_ms, until_ms)
            stored = await _stored(connection, workspace_sid, hour_ms)
        return [
            *_differing("statistics_counts", stored[0], expected[0]),
            *_differing("statistics_durations", stored[1], expected[1]),
        ]


async def _from_log(
    connection: Connection, workspace_sid: str, hour_ms: int, until_ms: int
) -> tuple[_Table, _Table]:
    """Return what must be there: the minutes that are added up, and the hour when it is."""
    adder = Adder(workspace_sid)
    rows = connection.cursor(
        _EVENTS,
        workspace_sid,
        hour_ms,
        min(hour_ms + HOUR_MS, until_ms),
        EVENT_TYPES,
        prefetch=EVENTS_AT_ONCE,
    )
    async for row in rows:
        adder.add(_event(row))
    rollups = adder.rollups()
    if until_ms < hour_ms + HOUR_MS:
        rollups = _without_hours(rollups)
    return dict(rollups.counts), _durations(rollups)


def _without_hours(rollups: Rollups) -> Rollups:
    return Rollups(
        {key: row for key, row in rollups.counts.items() if key[1] != HOUR_MS},
        {key: times for key, times in rollups.durations.items() if key[1] != HOUR_MS},
    )


def _durations(rollups: Rollups) -> _Table:
    """Put each histogram into one row."""
    histograms: dict[tuple[Any, ...], dict[int, int]] = defaultdict(dict)
    for (*key, seconds), times in rollups.durations.items():
        histograms[tuple(key)][seconds] = times
    return {key: _row(histogram) for key, histogram in histograms.items()}


def _row(histogram: dict[int, int]) -> tuple[Any, ...]:
    values = sorted(histogram)
    times = [histogram[value] for value in values]
    total = sum(value * count for value, count in histogram.items())
    return sum(times), total, values[0], values[-1], values, times


async def _stored(connection: Connection, workspace_sid: str, hour_ms: int) -> tuple[_Table, _Table]:
    span = (workspace_sid, hour_ms, hour_ms + HOUR_MS)
    counts = await connection.fetch(_COUNTS, *span)
    durations = await connection.fetch(_DURATIONS, *span)
    return (
        {tuple(row)[:4]: [row[name] for name in COUNTERS] for row in counts},
        {tuple(row)[:5]: tuple(row)[5:] for row in durations},
    )


def _differing(table: str, stored: _Table, expected: _Table) -> Iterator[Difference]:
    for key in sorted(stored.keys() | expected.keys()):
        if stored.get(key) != expected.get(key):
            yield Difference(table, key, stored.get(key), expected.get(key))


def _event(row: Any) -> Event:
    return Event(
        sid="",
        sequence=row["sequence"],
        event_type=row["event_type"],
        event_date_ms=row["event_date_ms"],
        description="",
        resource_type="",
        resource_sid="",
        actor_type=None,
        actor_sid=None,
        data=orjson.loads(row["data"]),
        worker_sid=row["worker_sid"],
        task_queue_sid=row["task_queue_sid"],
        workflow_sid=row["workflow_sid"],
        task_channel_sid=row["task_channel_sid"],
    )
