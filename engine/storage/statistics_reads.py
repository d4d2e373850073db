"""Reads of cumulative statistics: whole hours and minutes from the rollups, the rest from the events.

Theory of operation
-------------------
A window has whole hours in it, whole minutes before and after them, and at both ends less than a minute. The
first two are sums over rollups as far as the log is added up, which is a little behind the minute of its
latest event; the rest, a few minutes at most, is counted in the events themselves. So every window is exact
to the millisecond, what was just committed is in it, and no day's worth of events is read. All parts are read
in one snapshot.

How long workers were in an activity is counted when they leave it. What a worker does at the moment the
window begins or ends crosses that moment: those stays are cut there (`_cut`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import asyncpg

from engine.routing.rollups import (
    COUNTERS,
    EVENT_TYPES,
    HOUR_MS,
    IN_QUEUE,
    MINUTE_MS,
    UNTIL_ACCEPTED,
    UNTIL_CANCELED,
    counter_of,
    stay_of,
    waits_of,
)
from engine.routing.statistics_views import Scope
from engine.storage.pool import Connection
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.statistics_figures import Cumulative, Stays

_SUMMED_UNTIL = query("summed_until")
_COUNTS = query("sum_statistics_counts")
_WAITS = query("sum_waits")
_SPLIT_WAITS = query("split_waits")
_STAYS = query("sum_stays")
_EVENTS = query("sum_statistics_events")
_ACTIVITIES_AT = query("activities_at")
_ACTIVITY_NAMES = query("activity_names")

_SCOPE_COLUMNS = {
    Scope.WORKSPACE: "e.workspace_sid",
    Scope.QUEUE: "e.task_queue_sid",
    Scope.WORKFLOW: "e.workflow_sid",
    Scope.WORKER: "e.worker_sid",
}
_ENDS = {scope: _EVENTS.replace("{scope}", column) for scope, column in _SCOPE_COLUMNS.items()}

_WAIT_NAMES = (min(IN_QUEUE, UNTIL_ACCEPTED, UNTIL_CANCELED), "v")
_ACTIVITIES = ("WA", "WB")
_DAY_MS = 86_400_000


@dataclass(slots=True, frozen=True)
class _Window:
    """From `start_ms` to before `end_ms`; there are rollups of what lies before `summed_until_ms`."""

    start_ms: int
    end_ms: int
    summed_until_ms: int

    def rollups(self) -> Iterator[tuple[int, int, int]]:
        """Yield (span, from, to) of the whole hours and the whole minutes around them."""
        first, last = self._whole_minutes()
        if first >= last:
            return
        first_hour, last_hour = _up(first, HOUR_MS), _down(last, HOUR_MS)
        if first_hour >= last_hour:
            yield MINUTE_MS, first, last
            return
        yield HOUR_MS, first_hour, last_hour
        if first < first_hour:
            yield MINUTE_MS, first, first_hour
        if last_hour < last:
            yield MINUTE_MS, last_hour, last

    def rest(self) -> Iterator[tuple[int, int]]:
        """Yield (from, to) of what no rollup says."""
        first, last = self._whole_minutes()
        if first >= last:
            yield self.start_ms, self.end_ms
            return
        if self.start_ms < first:
            yield self.start_ms, first
        if last < self.end_ms:
            yield last, self.end_ms

    def _whole_minutes(self) -> tuple[int, int]:
        last = min(_down(self.end_ms, MINUTE_MS), self.summed_until_ms)
        return _up(self.start_ms, MINUTE_MS), last


class StatisticsReads(Reader):
    """Cumulative statistics."""

    async def cumulative(
        self,
        workspace_sid: str,
        scope: Scope,
        sids: Sequence[str],
        *,
        start_ms: int,
        end_ms: int,
        task_channel_sid: str | None = None,
        thresholds: Sequence[int] = (),
    ) -> dict[str, Cumulative]:
        """Return what happened from `start_ms` to `end_ms`, both included, for each of `sids`.

        `sids` are queues, workflows, workers, or the workspace itself, as `scope` says. Waits can be split by
        the `thresholds`, in seconds.
        """
        found = {sid: Cumulative(thresholds) for sid in sids}
        bounds = [threshold + 1 for threshold in sorted(thresholds)]
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            window = await _window(connection, workspace_sid, start_ms, end_ms + 1)
            for part in window.rollups():
                key = (workspace_sid, list(sids), *part, task_channel_sid)
                _add_counts(found, await connection.fetch(_COUNTS, *key))
                if scope is Scope.WORKER:
                    continue
                _add_waits(found, await connection.fetch(_WAITS, *key, *_WAIT_NAMES))
                if bounds:
                    _add_split(found, await connection.fetch(_SPLIT_WAITS, *key, *_WAIT_NAMES, bounds))
            for rest in window.rest():
                rows = await connection.fetch(
                    _ENDS[scope], workspace_sid, list(sids), *rest, EVENT_TYPES, task_channel_sid
                )
                _add_events(found, scope, rows)
        return found

    async def activity_durations(
        self,
        workspace_sid: str,
        worker_sids: Sequence[str] | None,
        *,
        start_ms: int,
        end_ms: int,
    ) -> list[tuple[str, str, Stays]]:
        """Return (SID, name, stays) of every activity: how long workers were in it.

        From `start_ms` to before `end_ms`, which must not be in the future. `worker_sids` None = all workers,
        those included that were deleted since.
        """
        scope = Scope.WORKSPACE if worker_sids is None else Scope.WORKER
        sids = [workspace_sid] if worker_sids is None else list(worker_sids)
        found: dict[str, Stays] = {}
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            window = await _window(connection, workspace_sid, start_ms, end_ms)
            names = await connection.fetch(_ACTIVITY_NAMES, workspace_sid)
            for part in window.rollups():
                for row in await connection.fetch(_STAYS, workspace_sid, sids, *part, *_ACTIVITIES):
                    found.setdefault(row["measure"], Stays()).add(row["value_s"], row["times"])
            for rest in window.rest():
                rows = await connection.fetch(_ENDS[scope], workspace_sid, sids, *rest, EVENT_TYPES, None)
                _add_stays(found, scope, rows)
            chosen = None if worker_sids is None else sids
            await _cut(connection, workspace_sid, chosen, window, found)
        return [(row["sid"], row["friendly_name"], found.get(row["sid"], Stays())) for row in names]


async def _window(connection: Connection, workspace_sid: str, start_ms: int, end_ms: int) -> _Window:
    return _Window(start_ms, end_ms, await connection.fetchval(_SUMMED_UNTIL, workspace_sid) or 0)


async def _cut(
    connection: Connection,
    workspace_sid: str,
    worker_sids: list[str] | None,
    window: _Window,
    found: dict[str, Stays],
) -> None:
    """Cut the stays that cross an end of the window, and add those that go on beyond it."""
    start_ms, end_ms = window.start_ms, window.end_ms
    until_ms = end_ms + _DAY_MS
    for row in await connection.fetch(_ACTIVITIES_AT, workspace_sid, start_ms, until_ms, worker_sids):
        ended_ms, stays = row["ended_ms"], found.setdefault(row["activity_sid"], Stays())
        if ended_ms is not None and ended_ms < end_ms:
            stays.add((ended_ms - row["began_ms"]) // 1000, -1)
            stays.add((ended_ms - start_ms) // 1000)
        else:
            stays.add((end_ms - start_ms) // 1000)
    for row in await connection.fetch(_ACTIVITIES_AT, workspace_sid, end_ms, until_ms, worker_sids):
        if row["began_ms"] >= start_ms:
            stays = found.setdefault(row["activity_sid"], Stays())
            stays.add((end_ms - row["began_ms"]) // 1000)


def _add_counts(found: dict[str, Cumulative], rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        counters = found[row["scope_sid"]].counters
        for name in COUNTERS:
            counters[name] += row[name]


def _add_waits(found: dict[str, Cumulative], rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        waits = found[row["scope_sid"]].of(row["measure"])
        waits.add_sums(row["times"], row["total_s"], row["least_s"], row["most_s"])


def _add_split(found: dict[str, Cumulative], rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        found[row["scope_sid"]].of(row["measure"]).add_within(row["place"], row["times"])


def _add_events(found: dict[str, Cumulative], scope: Scope, rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        cumulative = found[row["scope_sid"]]
        counter = counter_of(row["event_type"], scope)
        if counter is not None:
            cumulative.counters[counter] += row["times"]
        for measure, seconds in waits_of(row["event_type"], scope, dict(row)):
            cumulative.of(measure).add(seconds, row["times"])


def _add_stays(found: dict[str, Stays], scope: Scope, rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        for activity_sid, seconds in stay_of(row["event_type"], scope, dict(row)):
            found.setdefault(activity_sid, Stays()).add(seconds, row["times"])


def _up(moment_ms: int, span_ms: int) -> int:
    return -(-moment_ms // span_ms) * span_ms


def _down(moment_ms: int, span_ms: int) -> int:
    return moment_ms // span_ms * span_ms
