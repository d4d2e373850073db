"""Adds the log up into rollups, minute by minute, each minute once.

Theory of operation
-------------------
The dates of a workspace's events never go back: whoever serves it dates no batch before the latest event. So
the minutes before that of the latest event are over, and what they add up to never changes. Up to there, and
no further, minutes are added up, in order; when the last minute of an hour is there, so is the hour. How far
this has come (`log_positions`) moves in the transaction that writes the rollups: a crash at any moment leaves
both or neither, and two nodes cannot do the same minute. No clock and no lease is asked, and a commit pays
nothing. What is not added up yet is read from the events themselves (`statistics_reads.py`).

The database does the adding, by the rules of `engine/routing/rollups.py`.
"""

from dataclasses import dataclass

from engine.routing.rollups import COUNTING, EVENT_TYPES, HOUR_MS, MEASURING, MINUTE_MS
from engine.storage.pool import Connection, Database
from engine.storage.queries import query

_ADD_POSITIONS = query("add_log_positions")
_WORKSPACES = query("workspaces_to_sum_up")
_LOCK_POSITION = query("lock_log_position")
_ENDS = query("log_ends")
_MINUTES = query("sum_up_minutes")
_HOUR = query("sum_up_hour")
_MOVE = query("move_summed_until")
_FORGET = (query("forget_statistics_counts"), query("forget_statistics_durations"))
_LIMIT = query("set_local_statement_timeout")

PART_MS = 5 * MINUTE_MS
"""The most that one transaction adds up."""

PATIENCE_S = 300.0
"""How long a statement may take here: nobody waits for it, and it holds no lock that others want."""

_RULES = (*zip(*COUNTING, strict=True), *zip(*MEASURING, strict=True))


@dataclass(slots=True, frozen=True)
class Step:
    """What one transaction did: how many milliseconds of the log it passed, and whether that was all."""

    passed_ms: int
    done: bool


class StatisticsSumming:
    """Adds up what the log has grown by. Every method raises StoreUnavailable.

    Args:
        database: the pools.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def workspaces(self) -> list[str]:
        """Return the workspaces whose log has grown, after noting new ones."""
        async with self._database.committing() as connection:
            await connection.execute(_ADD_POSITIONS)
            return [row["workspace_sid"] for row in await connection.fetch(_WORKSPACES)]

    async def advance(self, workspace_sid: str) -> Step:
        """Add up the next few minutes of a workspace's log, unless somebody else is at it."""
        async with self._database.committing() as connection, connection.transaction():
            position = await connection.fetchrow(_LOCK_POSITION, workspace_sid)
            if position is None or position["event_sequence"] is None:
                return Step(0, done=True)
            from_ms = position["summed_until_ms"]
            ends = await connection.fetchrow(_ENDS, workspace_sid, from_ms)
            if ends is None or ends["first_ms"] is None:
                return Step(0, done=True)
            first_ms, last_ms = ends
            until_ms = last_ms // MINUTE_MS * MINUTE_MS
            to_ms = _next_stop(from_ms, first_ms, until_ms)
            if to_ms > from_ms:
                await _limit(connection)
                await _sum_up(connection, workspace_sid, from_ms, to_ms)
                # The sequence is noted at the end only: until then there is more to do.
                sequence = position["event_sequence"] if to_ms == until_ms else -1
                await connection.execute(_MOVE, workspace_sid, to_ms, sequence)
        return Step(to_ms - from_ms, done=to_ms == until_ms)

    async def forget(self, workspace_sid: str) -> None:
        """Remove a workspace's rollups, so that they are made again from the start of its log.

        All in one transaction: whoever asks meanwhile is answered from the events.
        """
        async with self._database.committing() as connection:
            await connection.execute(_ADD_POSITIONS)
            async with connection.transaction():
                await _limit(connection)
                await connection.execute(_MOVE, workspace_sid, 0, -1)
                for statement in _FORGET:
                    await connection.execute(statement, workspace_sid, timeout=PATIENCE_S)


def _next_stop(from_ms: int, first_ms: int, until_ms: int) -> int:
    """Return how far to go now, given the first event that was not added up and the end of what is over.

    Never across the end of an hour that has minutes, nor further than one transaction should; where nothing
    happened, as far as possible.
    """
    hour_end_ms = _up(from_ms + 1, HOUR_MS)
    if from_ms % HOUR_MS and first_ms >= hour_end_ms:
        return min(hour_end_ms, until_ms)
    start_ms = max(from_ms, first_ms // MINUTE_MS * MINUTE_MS)
    return min(start_ms + PART_MS, _up(start_ms + 1, HOUR_MS), until_ms)


def _up(moment_ms: int, span_ms: int) -> int:
    return -(-moment_ms // span_ms) * span_ms


async def _sum_up(connection: Connection, workspace_sid: str, from_ms: int, to_ms: int) -> None:
    """Write the minutes from one whole minute to before another, and the hour that they complete."""
    await connection.execute(
        _MINUTES, workspace_sid, from_ms, to_ms, *_RULES, EVENT_TYPES, timeout=PATIENCE_S
    )
    if to_ms % HOUR_MS == 0:
        await connection.execute(_HOUR, workspace_sid, to_ms - HOUR_MS, to_ms, timeout=PATIENCE_S)


async def _limit(connection: Connection) -> None:
    """Let the statements of this transaction take their time."""
    await connection.execute(_LIMIT, str(round(PATIENCE_S * 1000)))
