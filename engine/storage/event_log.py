"""The event log in the order it was written: where it stands, and stretches of it, to follow it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from engine.clock import Clock, wall_clock_ms
from engine.routing.effects import Event
from engine.storage import rows
from engine.storage.pool import Database
from engine.storage.queries import query
from engine.storage.redaction import ATTRIBUTES, REDACTED

_POSITIONS = query("log_positions_of")
_LAST = query("last_event")
_AFTER = query("events_after")
_BEFORE = query("events_before")
_FIND = query("find_sequence")


class Position(NamedTuple):
    """A place in a workspace's log: behind the event `sequence`; later ones have this date or a later one."""

    sequence: int
    date_ms: int


@dataclass(slots=True, frozen=True)
class Found:
    """Where an event stands, and the sequence of the first event that is still kept."""

    first_sequence: int
    before: Position


class EventLog:
    """Reads the log. Every method raises StoreUnavailable when the database does not answer.

    Args:
        database: the pools.
        task_attributes_s: for how long events tell the attributes of tasks (behaviour §9).
        clock: milliseconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        *,
        task_attributes_s: float = 30 * 86_400.0,
        clock: Clock = wall_clock_ms,
    ) -> None:
        self._database = database
        self._attributes_ms = round(task_attributes_s * 1000)
        self._clock = clock

    async def positions(self, workspace_sids: Sequence[str]) -> dict[str, int]:
        """Return the sequence of the last event of each of these workspaces that is not deleted."""
        async with self._database.reading() as connection:
            records = await connection.fetch(_POSITIONS, workspace_sids)
        return {record["workspace_sid"]: record["event_sequence"] for record in records}

    async def last(self, workspace_sid: str) -> Position:
        """Return the end of a workspace's log."""
        async with self._database.reading() as connection:
            told = await connection.fetch(_POSITIONS, [workspace_sid])
            last = await connection.fetchrow(_LAST, workspace_sid)
        if last is not None:
            return Position(last["sequence"], last["event_date_ms"])
        return Position(told[0]["event_sequence"] if told else 0, 0)

    async def after(self, workspace_sid: str, position: Position, limit: int) -> list[Event]:
        """Read at most `limit` events beyond a position, in order."""
        async with self._database.reading() as connection:
            records = await connection.fetch(
                _AFTER, workspace_sid, position.date_ms, position.sequence, limit
            )
        return [self._told(event) for event in rows.EVENT.entities(records)]

    async def before(self, workspace_sid: str, position: Position, limit: int) -> list[Event]:
        """Read the last `limit` events up to a position, in order."""
        beyond = position.sequence + 1
        async with self._database.reading() as connection:
            records = await connection.fetch(_BEFORE, workspace_sid, position.date_ms, beyond, limit)
        return [self._told(event) for event in reversed(rows.EVENT.entities(records))]

    async def find(self, workspace_sid: str, sequence: int) -> Found | None:
        """Find an event, or the first that is kept when it is none any more; None when the log is empty."""
        async with self._database.reading() as connection:
            record = await connection.fetchrow(_FIND, workspace_sid, sequence)
        if record is None:
            return None
        first: int = record["first_sequence"]
        return Found(first, Position(max(first, sequence) - 1, record["event_date_ms"]))

    def _told(self, event: Event) -> Event:
        """Return an event as it may be told now: an old one without the attributes of its task."""
        if event.event_date_ms >= self._clock() - self._attributes_ms or ATTRIBUTES not in event.data:
            return event
        return replace(event, data={**event.data, ATTRIBUTES: REDACTED})
