"""Recompute the statistics from the event log and compare: they must say the same."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from engine.routing.effects import Event
from engine.routing.rollups import COUNTERS, EVENT_TYPES, HOUR_MS, Adder, Rollups
from engine.storage.pool import Connection, Database
from engine.storage.queries import query

_EVENTS = query("statistics_events")
_COUNTS = query("statistics_counts_of_span")
_DURATIONS = query("statistics_durations_of_span")
_NEXT = query("next_statistics_ms")

EVENTS_AT_ONCE = 5_000


@dataclass(slots=True, frozen=True)
class Difference:
    """A rollup that is not what the log says: where, and both figures (of a counter row, one per counter)."""

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
            expected = await _from_log(connection, workspace_sid, hour_ms)
            stored = await _stored(connection, workspace_sid, hour_ms)
        return [
            *_differing("statistics_counts", stored.counts, expected.counts),
            *_differing("statistics_durations", stored.durations, expected.durations),
        ]


async def _from_log(connection: Connection, workspace_sid: str, hour_ms: int) -> Rollups:
    adder = Adder(workspace_sid)
    rows = connection.cursor(
        _EVENTS, workspace_sid, hour_ms, hour_ms + HOUR_MS, EVENT_TYPES, prefetch=EVENTS_AT_ONCE
    )
    async for row in rows:
        adder.add(_event(row))
    return adder.rollups()


async def _stored(connection: Connection, workspace_sid: str, hour_ms: int) -> Rollups:
    span = (workspace_sid, hour_ms, hour_ms + HOUR_MS)
    counts = await connection.fetch(_COUNTS, *span)
    durations = await connection.fetch(_DURATIONS, *span)
    return Rollups(
        {tuple(row)[:4]: [row[name] for name in COUNTERS] for row in counts},
        {tuple(row)[:6]: row["times"] for row in durations},
    )


def _differing(table: str, stored: dict[Any, Any], expected: dict[Any, Any]) -> Iterator[Difference]:
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
