"""Reads of cumulative statistics: whole hours and minutes from the rollups, the ragged ends from the events.

Theory of operation
-------------------
A window has whole hours in it, whole minutes before and after them, and at both ends less than a minute. The
first two are sums over rollups, the ends are counted in the events themselves, at most two minutes of them:
so every window is exact to the millisecond and no day's worth of events is read. All parts are read in one
snapshot.

How long workers were in an activity is counted when they leave it. What a worker does at the moment the
window begins or ends crosses that moment: those durations are cut there (`_cut`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

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
    durations_of,
)
from engine.routing.statistics_views import Scope
from engine.storage.pool import Connection
from engine.storage.queries import query
from engine.storage.reader import Reader

_COUNTS = query("sum_statistics_counts")
_DURATIONS = query("sum_statistics_durations")
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

_WAITS = (min(IN_QUEUE, UNTIL_ACCEPTED, UNTIL_CANCELED), "v")
_ACTIVITIES = ("WA", "WB")
_DAY_MS = 86_400_000


@dataclass(slots=True)
class Durations:
    """A histogram: whole seconds to how often."""

    times: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: int, times: int = 1) -> None:
        """Count a duration so many times more; a negative number takes it back."""
        count = self.times.get(seconds, 0) + times
        if count:
            self.times[seconds] = count
        else:
            self.times.pop(seconds, None)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.times.values())

    @property
    def total(self) -> int:
        """The sum in seconds."""
        return sum(seconds * times for seconds, times in self.times.items())

    @property
    def average(self) -> float:
        """The mean in seconds, 0 without any."""
        return self.total / self.count if self.times else 0.0

    @property
    def least(self) -> int:
        """The shortest, 0 without any."""
        return min(self.times, default=0)

    @property
    def most(self) -> int:
        """The longest, 0 without any."""
        return max(self.times, default=0)

    def at_most(self, seconds: int) -> int:
        """Count those that are not longer."""
        return sum(times for value, times in self.times.items() if value <= seconds)


@dataclass(slots=True)
class Cumulative:
    """What happened in a window: counters by name, durations by measure."""

    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    durations: dict[str, Durations] = field(default_factory=dict)

    def of(self, measure: str) -> Durations:
        """Return the durations of a measure."""
        return self.durations.setdefault(measure, Durations())


@dataclass(slots=True, frozen=True)
class _Window:
    """From `start_ms` to before `end_ms`."""

    start_ms: int
    end_ms: int

    def rollups(self) -> Iterator[tuple[int, int, int]]:
        """Yield (span, from, to) of the whole hours and the whole minutes around them."""
        first, last = _up(self.start_ms, MINUTE_MS), _down(self.end_ms, MINUTE_MS)
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

    def ends(self) -> Iterator[tuple[int, int]]:
        """Yield (from, to) of what is not a whole minute."""
        first, last = _up(self.start_ms, MINUTE_MS), _down(self.end_ms, MINUTE_MS)
        if first > last:
            yield self.start_ms, self.end_ms
            return
        if self.start_ms < first:
            yield self.start_ms, first
        if last < self.end_ms:
            yield last, self.end_ms


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
    ) -> dict[str, Cumulative]:
        """Return what happened from `start_ms` to `end_ms`, both included, for each of `sids`.

        `sids` are queues, workflows, workers, or the workspace itself, as `scope` says.
        """
        found = {sid: Cumulative() for sid in sids}
        window = _Window(start_ms, end_ms + 1)
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            for part in window.rollups():
                key = (workspace_sid, list(sids), *part, task_channel_sid)
                _add_counts(found, await connection.fetch(_COUNTS, *key))
                if scope is not Scope.WORKER:
                    _add_durations(found, await connection.fetch(_DURATIONS, *key, *_WAITS))
            for end in window.ends():
                rows = await connection.fetch(
                    _ENDS[scope], workspace_sid, list(sids), *end, EVENT_TYPES, task_channel_sid
                )
                _add_events(found, scope, rows, lambda measure: measure[:2] != "WA")
        return found

    async def activity_durations(
        self,
        workspace_sid: str,
        worker_sids: Sequence[str] | None,
        *,
        start_ms: int,
        end_ms: int,
    ) -> list[tuple[str, str, Durations]]:
        """Return (SID, name, durations) of every activity: how long workers were in it.

        From `start_ms` to before `end_ms`, which must not be in the future. `worker_sids` None = all workers,
        those included that were deleted since.
        """
        scope = Scope.WORKSPACE if worker_sids is None else Scope.WORKER
        sids = [workspace_sid] if worker_sids is None else list(worker_sids)
        found = {sid: Cumulative() for sid in sids}
        window = _Window(start_ms, end_ms)
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            names = await connection.fetch(_ACTIVITY_NAMES, workspace_sid)
            for part in window.rollups():
                key = (workspace_sid, sids, *part, None)
                _add_durations(found, await connection.fetch(_DURATIONS, *key, *_ACTIVITIES))
            for end in window.ends():
                rows = await connection.fetch(_ENDS[scope], workspace_sid, sids, *end, EVENT_TYPES, None)
                _add_events(found, scope, rows, lambda measure: measure[:2] == "WA")
            together = added(found.values())
            chosen = None if worker_sids is None else sids
            await _cut(connection, workspace_sid, chosen, window, together)
        return [(row["sid"], row["friendly_name"], together.of(row["sid"])) for row in names]


async def _cut(
    connection: Connection,
    workspace_sid: str,
    worker_sids: list[str] | None,
    window: _Window,
    activities: Cumulative,
) -> None:
    """Cut the durations that cross an end of the window, and add those that go on beyond it."""
    start_ms, end_ms = window.start_ms, window.end_ms
    until_ms = end_ms + _DAY_MS
    for row in await connection.fetch(_ACTIVITIES_AT, workspace_sid, start_ms, until_ms, worker_sids):
        ended_ms, durations = row["ended_ms"], activities.of(row["activity_sid"])
        if ended_ms is not None and ended_ms < end_ms:
            durations.add((ended_ms - row["began_ms"]) // 1000, -1)
            durations.add((ended_ms - start_ms) // 1000)
        else:
            durations.add((end_ms - start_ms) // 1000)
    for row in await connection.fetch(_ACTIVITIES_AT, workspace_sid, end_ms, until_ms, worker_sids):
        if row["began_ms"] >= start_ms:
            activities.of(row["activity_sid"]).add((end_ms - row["began_ms"]) // 1000)


def added(parts: Iterable[Cumulative]) -> Cumulative:
    """Add up what happened in several scopes."""
    whole = Cumulative()
    for part in parts:
        for name, count in part.counters.items():
            whole.counters[name] += count
        for measure, durations in part.durations.items():
            for seconds, times in durations.times.items():
                whole.of(measure).add(seconds, times)
    return whole


def _add_counts(found: dict[str, Cumulative], rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        counters = found[row["scope_sid"]].counters
        for name in COUNTERS:
            counters[name] += row[name]


def _add_durations(found: dict[str, Cumulative], rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        found[row["scope_sid"]].of(row["measure"]).add(row["value_s"], row["times"])


def _add_events(
    found: dict[str, Cumulative],
    scope: Scope,
    rows: Iterable[asyncpg.Record],
    wanted: Callable[[str], bool],
) -> None:
    for row in rows:
        cumulative = found[row["scope_sid"]]
        counter = counter_of(row["event_type"], scope)
        if counter is not None:
            cumulative.counters[counter] += row["times"]
        for measure, seconds in durations_of(row["event_type"], scope, dict(row)):
            if wanted(measure):
                cumulative.of(measure).add(seconds, row["times"])


def _up(moment_ms: int, span_ms: int) -> int:
    return -(-moment_ms // span_ms) * span_ms


def _down(moment_ms: int, span_ms: int) -> int:
    return moment_ms // span_ms * span_ms
