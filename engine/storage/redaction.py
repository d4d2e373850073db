"""Task attributes leave the log after a while: events that old tell everything else (behaviour §9).

Readers never see them from that moment on. From the rows they go in the background, in batches, each a
transaction of its own that also notes how far it has come: a stop loses nothing, and nobody waits. Where
events go not later than their attributes, dropping the day is all there is to do.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from engine.storage.pool import Connection, Database
from engine.storage.queries import query

ATTRIBUTES = "task_attributes"
REDACTED = "{}"
"""What stands for attributes that were redacted: JSON still, for those who parse it."""

_WORKSPACES = query("workspaces_to_redact")
_LOCK_POSITION = query("lock_log_position")
_PICK = query("pick_events_to_redact")
_REDACT = query("redact_events")
_MOVE = query("move_redacted")


def redacted(data: str) -> str:
    """Return the data of an event (JSON text) without task attributes."""
    if f'"{ATTRIBUTES}"' not in data:
        return data
    fields = orjson.loads(data)
    if ATTRIBUTES in fields:
        fields[ATTRIBUTES] = REDACTED
    return orjson.dumps(fields).decode()


@dataclass(slots=True, frozen=True)
class _Batch:
    """What one transaction has looked at, and how many of them it changed."""

    seen: int
    changed: int


class Redaction:
    """Takes the task attributes out of old events. Raises StoreUnavailable.

    Args:
        database: the pools.
        batch_rows: the most events that one transaction looks at.
    """

    def __init__(self, database: Database, *, batch_rows: int = 1000) -> None:
        self._database = database
        self._batch_rows = batch_rows

    async def redact(self, before_ms: int) -> int:
        """Redact the events dated before `before_ms` that are not yet; returns how many there were."""
        async with self._database.committing() as connection:
            rows = await connection.fetch(_WORKSPACES, before_ms)
        changed = 0
        for row in rows:
            full = True
            while full:
                batch = await self._redact_batch(row["workspace_sid"], before_ms)
                changed += batch.changed
                full = batch.seen == self._batch_rows
        return changed

    async def _redact_batch(self, workspace_sid: str, before_ms: int) -> _Batch:
        async with self._database.committing() as connection, connection.transaction():
            position = await connection.fetchrow(_LOCK_POSITION, workspace_sid)
            if position is None:
                return _Batch(0, 0)
            place = position["redacted_ms"], position["redacted_sequence"]
            rows = await connection.fetch(_PICK, workspace_sid, *place, before_ms, self._batch_rows)
            if not rows:
                return _Batch(0, 0)
            last = rows[-1]
            changed = await _write(connection, workspace_sid, rows)
            await connection.execute(_MOVE, workspace_sid, last["event_date_ms"], last["sequence"])
            return _Batch(len(rows), changed)


async def _write(connection: Connection, workspace_sid: str, rows: list[Any]) -> int:
    """Write what changes by the redaction of these events; returns how many did."""
    found = [(row["event_date_ms"], row["sequence"], redacted(row["data"]), row["data"]) for row in rows]
    changed = [row[:3] for row in found if row[2] != row[3]]
    if changed:
        await connection.execute(_REDACT, workspace_sid, *zip(*changed, strict=True))
    return len(changed)
