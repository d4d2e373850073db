"""Events as figures per minute and hour: what cumulative statistics add up (behaviour §10).

Theory of operation
-------------------
Everything is derived from events alone, so the same events always give the same rollups. A rollup belongs to
a scope (the workspace, a queue, a workflow, a worker), a span of time and a task channel. Durations are kept
as histograms, whole seconds to how often: with them any threshold, minimum, maximum is exact to the second.
Hours repeat what their minutes say, so that a month is read as quickly as an hour.

The tables here are the rules. The database adds the log up by them (COUNTING and MEASURING go along with the
statement); `Adder` does the same event by event, so that one can be held against the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.routing.effects import Event
from engine.routing.statistics_views import Scope

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
SPANS_MS = (MINUTE_MS, HOUR_MS)

COUNTERS = (
    "tasks_created",
    "tasks_entered",
    "tasks_canceled",
    "tasks_completed",
    "tasks_deleted",
    "tasks_moved",
    "tasks_timed_out_in_workflow",
    "reservations_created",
    "reservations_accepted",
    "reservations_rejected",
    "reservations_timed_out",
    "reservations_canceled",
    "reservations_rescinded",
)

UNTIL_ACCEPTED = "until_accepted"
UNTIL_CANCELED = "until_canceled"
IN_QUEUE = "in_queue_until_accepted"
NO_CHANNEL = ""

_W, _Q, _F, _K = Scope.WORKSPACE, Scope.QUEUE, Scope.WORKFLOW, Scope.WORKER
_TASK_SCOPES = (_W, _Q, _F)
_RESERVATION_SCOPES = (_W, _Q, _F, _K)

_COUNTED: dict[str, tuple[str, tuple[Scope, ...]]] = {
    # event type: the counter it adds to, and in which scopes
    "task.created": ("tasks_created", (_W,)),
    "workflow.entered": ("tasks_entered", (_F,)),
    "task-queue.entered": ("tasks_entered", (_Q,)),
    "task-queue.moved": ("tasks_moved", _TASK_SCOPES),
    "workflow.timeout": ("tasks_timed_out_in_workflow", (_W, _F)),
    "task.canceled": ("tasks_canceled", _TASK_SCOPES),
    "task.completed": ("tasks_completed", _TASK_SCOPES),
    "task.deleted": ("tasks_deleted", _TASK_SCOPES),
    "task.system-deleted": ("tasks_deleted", _TASK_SCOPES),
    "reservation.created": ("reservations_created", _RESERVATION_SCOPES),
    "reservation.accepted": ("reservations_accepted", _RESERVATION_SCOPES),
    "reservation.rejected": ("reservations_rejected", _RESERVATION_SCOPES),
    "reservation.timeout": ("reservations_timed_out", _RESERVATION_SCOPES),
    "reservation.canceled": ("reservations_canceled", _RESERVATION_SCOPES),
    "reservation.rescinded": ("reservations_rescinded", _RESERVATION_SCOPES),
}

_MEASURED: dict[str, tuple[tuple[str, str, tuple[Scope, ...]], ...]] = {
    # event type: the measure, the datum that holds it in seconds, and in which scopes
    "reservation.accepted": (
        (UNTIL_ACCEPTED, "task_age", _TASK_SCOPES),
        (IN_QUEUE, "task_age_in_queue", (_Q,)),
    ),
    "task.canceled": ((UNTIL_CANCELED, "task_age", _TASK_SCOPES),),
}

_LEFT: dict[str, tuple[str, str]] = {
    # event type: the data that tell which activity a worker left, and after how many milliseconds
    "worker.activity.update": ("worker_previous_activity_sid", "worker_time_in_previous_activity_ms"),
    "worker.deleted": ("worker_activity_sid", "worker_time_in_activity_ms"),
}

EVENT_TYPES = tuple(sorted({*_COUNTED, *_LEFT}))
"""The events that statistics are made of."""

COUNTING = [
    (event_type, str(scope), counter)
    for event_type, (counter, scopes) in _COUNTED.items()
    for scope in scopes
]
"""(event type, scope, the counter it adds one to)."""

MEASURING = [
    (event_type, str(scope), measure)
    for event_type, measures in _MEASURED.items()
    for measure, _, scopes in measures
    for scope in scopes
]
"""(event type, scope, the wait it tells)."""

_INDEX = {name: index for index, name in enumerate(COUNTERS)}
_COUNTED_AT = {kind: (_INDEX[name], frozenset(scopes)) for kind, (name, scopes) in _COUNTED.items()}
_Scopes = list[tuple[Scope, str]]

CountKey = tuple[str, int, int, str]
"""(scope's SID, length of the span, its start, task channel's SID), times in milliseconds."""

DurationKey = tuple[str, int, int, str, str, int]
"""(scope's SID, length of the span, its start, measure, task channel's SID, seconds).

The measure is the name of a wait, or the SID of the activity that workers were in.
"""


@dataclass(slots=True)
class Rollups:
    """Sums over some events: counters in the order of COUNTERS, and how often each duration occurred."""

    counts: dict[CountKey, list[int]] = field(default_factory=dict)
    durations: dict[DurationKey, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.counts or self.durations)


class Adder:
    """Adds up events of one workspace one by one."""

    __slots__ = ("_minutes", "_workspace_sid")

    def __init__(self, workspace_sid: str) -> None:
        self._workspace_sid = workspace_sid
        self._minutes = Rollups()

    def add(self, event: Event) -> None:
        """Take an event in; those that no statistics are made of make no difference."""
        _add(self._minutes, self._workspace_sid, event)

    def rollups(self) -> Rollups:
        """Return the sums by minute and by hour."""
        return _with_hours(self._minutes)


def counter_of(event_type: str, scope: Scope) -> str | None:
    """Return the counter that an event of this type adds one to in a scope, or None."""
    counted = _COUNTED.get(event_type)
    return counted[0] if counted is not None and scope in counted[1] else None


def waits_of(event_type: str, scope: Scope, data: Mapping[str, str | None]) -> list[tuple[str, int]]:
    """Return (measure, seconds) of the waits that an event tells for a scope."""
    found = []
    for measure, name, scopes in _MEASURED.get(event_type, ()):
        if scope in scopes and (seconds := data.get(name)) is not None:
            found.append((measure, int(seconds)))
    return found


def stay_of(event_type: str, scope: Scope, data: Mapping[str, str | None]) -> list[tuple[str, int]]:
    """Return the activity that an event says a worker has left, and after how many seconds, if it does."""
    left = _LEFT.get(event_type)
    if left is None or scope not in {_W, _K}:
        return []
    activity_sid, spent_ms = data.get(left[0]), data.get(left[1])
    return [] if activity_sid is None or spent_ms is None else [(activity_sid, int(spent_ms) // 1000)]


def _add(rollups: Rollups, workspace_sid: str, event: Event) -> None:
    counted = _COUNTED_AT.get(event.event_type)
    left = event.event_type in _LEFT
    if counted is None and not left:
        return
    start_ms = event.event_date_ms // MINUTE_MS * MINUTE_MS
    scopes = _scopes(workspace_sid, event)
    channel_sid = NO_CHANNEL if left else event.task_channel_sid or NO_CHANNEL
    if counted is not None:
        _count(rollups, counted, scopes, start_ms, channel_sid)
    if left or event.event_type in _MEASURED:
        for scope, sid in scopes:
            told = waits_of(event.event_type, scope, event.data)
            for measure, seconds in told + stay_of(event.event_type, scope, event.data):
                key = (sid, MINUTE_MS, start_ms, measure, channel_sid, seconds)
                rollups.durations[key] = rollups.durations.get(key, 0) + 1


def _scopes(workspace_sid: str, event: Event) -> _Scopes:
    scopes: _Scopes = [(_W, workspace_sid)]
    if event.task_queue_sid is not None:
        scopes.append((_Q, event.task_queue_sid))
    if event.workflow_sid is not None:
        scopes.append((_F, event.workflow_sid))
    if event.worker_sid is not None:
        scopes.append((_K, event.worker_sid))
    return scopes


def _count(
    rollups: Rollups, counted: tuple[int, frozenset[Scope]], scopes: _Scopes, start_ms: int, channel_sid: str
) -> None:
    index, where = counted
    for scope, sid in scopes:
        if scope in where:
            key = (sid, MINUTE_MS, start_ms, channel_sid)
            row = rollups.counts.get(key)
            if row is None:
                row = rollups.counts[key] = [0] * len(COUNTERS)
            row[index] += 1


def _with_hours(minutes: Rollups) -> Rollups:
    both = Rollups(dict(minutes.counts), dict(minutes.durations))
    for (sid, _, start_ms, channel_sid), row in minutes.counts.items():
        key = (sid, HOUR_MS, start_ms // HOUR_MS * HOUR_MS, channel_sid)
        old = both.counts.get(key)
        both.counts[key] = row if old is None else [a + b for a, b in zip(old, row, strict=True)]
    for (sid, _, start_ms, measure, channel_sid, seconds), times in minutes.durations.items():
        hour = (sid, HOUR_MS, start_ms // HOUR_MS * HOUR_MS, measure, channel_sid, seconds)
        both.durations[hour] = both.durations.get(hour, 0) + times
    return both
