"""What a batch's events add to the statistics, written in the batch's own transaction."""

from collections.abc import Sequence
from typing import Any

from engine.routing.effects import Event
from engine.routing.rollups import COUNTERS, Rollups, rollups_of
from engine.storage.pool import Connection
from engine.storage.queries import query

_ADD = query("add_statistics")
_COUNT_COLUMNS = 4 + len(COUNTERS)
_DURATION_COLUMNS = 7


async def add_statistics(connection: Connection, workspace_sid: str, events: Sequence[Event]) -> None:
    """Add the figures of new events to their minutes and hours."""
    if rollups := rollups_of(workspace_sid, events):
        await add_rollups(connection, workspace_sid, rollups)


async def add_rollups(connection: Connection, workspace_sid: str, rollups: Rollups) -> None:
    """Add figures to those that are there, in one statement."""
    counts = [(*key, *row) for key, row in rollups.counts.items()]
    durations = [(*key, times) for key, times in rollups.durations.items()]
    columns = (*_columns(counts, _COUNT_COLUMNS), *_columns(durations, _DURATION_COLUMNS))
    await connection.execute(_ADD, workspace_sid, *columns)


def _columns(rows: list[tuple[Any, ...]], count: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count
