"""Statistics counted the plain way, from rows and events, beside what the engine keeps counters of."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from engine.routing.commands import ReadRealTime
from engine.routing.core import WorkspaceCore
from engine.routing.effects import Event
from engine.routing.entities import Worker
from engine.routing.rollups import COUNTERS, Adder
from engine.routing.rows import WorkspaceRows
from engine.routing.statistics_views import RealTimeView, Scope
from tests.model.naive_expressions import evaluate
from tests.simulation.replay import Finding

STATUSES = ("pending", "reserved", "assigned", "wrapping")
_TASKS = ("workspace", "queue", "workflow")
_ALL = (*_TASKS, "worker")
_COUNTED = {
    # what happened: what it adds one to, and of whom
    "task.created": ("tasks_created", ("workspace",)),
    "workflow.entered": ("tasks_entered", ("workflow",)),
    "task-queue.entered": ("tasks_entered", ("queue",)),
    "task-queue.moved": ("tasks_moved", _TASKS),
    "workflow.timeout": ("tasks_timed_out_in_workflow", ("workspace", "workflow")),
    "task.canceled": ("tasks_canceled", _TASKS),
    "task.completed": ("tasks_completed", _TASKS),
    "task.deleted": ("tasks_deleted", _TASKS),
    "task.system-deleted": ("tasks_deleted", _TASKS),
    "reservation.created": ("reservations_created", _ALL),
    "reservation.accepted": ("reservations_accepted", _ALL),
    "reservation.rejected": ("reservations_rejected", _ALL),
    "reservation.timeout": ("reservations_timed_out", _ALL),
    "reservation.canceled": ("reservations_canceled", _ALL),
    "reservation.rescinded": ("reservations_rescinded", _ALL),
}
MINUTE_MS = 60_000


class Told:
    """What a scope is told in a window: counters by name, waits in seconds by measure."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.waits: dict[str, list[int]] = defaultdict(list)


class Recount:
    """Follows the events of a workspace, and tells what its statistics must be."""

    def __init__(self, workspace_sid: str) -> None:
        self._workspace_sid = workspace_sid
        self._created_ms: dict[str, int] = {}
        self._entered_ms: dict[str, int] = {}
        self._marks: list[tuple[int, str, str, str | None, str, int | None]] = []
        self._adder = Adder(workspace_sid)

    def take(self, events: Sequence[Event]) -> None:
        """Follow the events of a batch."""
        for event in events:
            self._adder.add(event)
            self._follow(event)

    def past(self, scope: str, sid: str, window: tuple[int, int], channel: str | None = None) -> Told:
        """Tell what happened to one of a scope, both ends of the window included."""
        told = Told()
        for at_ms, of, whose, by, what, seconds in self._marks:
            inside = window[0] <= at_ms <= window[1] and (of, whose) == (scope, sid)
            if not inside or channel not in (None, by):
                continue
            if seconds is None:
                told.counters[what] += 1
            else:
                told.waits[what].append(seconds)
        return told

    def check_sums(self) -> None:
        """Hold the engine's rules for adding up against the plain count. Raises Finding."""
        rollups = self._adder.rollups()
        counts: Counter[Any] = Counter()
        waits: Counter[Any] = Counter()
        for at_ms, _, whose, by, what, seconds in self._marks:
            start_ms = at_ms // MINUTE_MS * MINUTE_MS
            if seconds is None:
                counts[whose, start_ms, by or "", what] += 1
            else:
                waits[whose, start_ms, what, by or "", seconds] += 1
        summed = {
            (whose, start_ms, by, name): count
            for (whose, span_ms, start_ms, by), row in rollups.counts.items()
            for name, count in zip(COUNTERS, row, strict=True)
            if span_ms == MINUTE_MS and count
        }
        measured = {
            (whose, start_ms, measure, by, seconds): times
            for (whose, span_ms, start_ms, measure, by, seconds), times in rollups.durations.items()
            if span_ms == MINUTE_MS and not measure.startswith("WA")
        }
        if summed != counts or measured != waits:
            differing = (summed.items() ^ counts.items()) | (measured.items() ^ waits.items())
            raise Finding(f"sums and a plain count differ: {sorted(differing, key=str)[:10]}")

    def _follow(self, event: Event) -> None:
        kind, task = event.event_type, event.task_sid or ""
        if kind == "task.created":
            self._created_ms[task] = event.event_date_ms
        if kind == "task-queue.entered":
            self._entered_ms[task] = event.event_date_ms
        if kind not in _COUNTED:
            return
        name, scopes = _COUNTED[kind]
        self._mark(event, scopes, name, None)
        age_s = (event.event_date_ms - self._created_ms[task]) // 1000
        if kind == "task.canceled":
            self._mark(event, _TASKS, "until_canceled", age_s)
        if kind == "reservation.accepted":
            self._mark(event, _TASKS, "until_accepted", age_s)
            if task in self._entered_ms:
                in_queue_ms = event.event_date_ms - self._entered_ms[task]
                self._mark(event, ("queue",), "in_queue_until_accepted", in_queue_ms // 1000)

    def _mark(self, event: Event, scopes: Collection[str], what: str, seconds: int | None) -> None:
        whose = {
            "workspace": self._workspace_sid,
            "queue": event.task_queue_sid,
            "workflow": event.workflow_sid,
            "worker": event.worker_sid,
        }
        for scope in scopes:
            if (sid := whose[scope]) is not None:
                mark = (event.event_date_ms, scope, sid, event.task_channel_sid, what, seconds)
                self._marks.append(mark)


def check_present(core: WorkspaceCore, rows: WorkspaceRows, now_ms: int) -> None:
    """Hold every real-time figure against a count of the rows. Raises Finding."""
    queues = tuple(queue.sid for queue in rows.task_queues)
    workflows = tuple(workflow.sid for workflow in rows.workflows)
    for channel in (None, *(channel.sid for channel in rows.task_channels)):
        for scope, sids in ((Scope.WORKSPACE, ()), (Scope.QUEUE, queues), (Scope.WORKFLOW, workflows)):
            for view in WorkspaceCore.handle(core, ReadRealTime(scope, sids, channel), now_ms):
                told, expected = _spelled(view, scope), _counted(rows, scope, view.sid, channel)
                if told != expected:
                    raise Finding(f"real-time figures of {scope} {view.sid}:\n    {told}\n    {expected}")


def _spelled(view: RealTimeView, scope: Scope) -> dict[str, Any]:
    tasks = view.tasks
    told: dict[str, Any] = {
        "by_status": tasks.by_status,
        "by_priority": tasks.by_priority,
        "longest": (tasks.longest.since_ms, tasks.longest.task_sid),
    }
    if scope is Scope.QUEUE:
        told["longest_in_queue"] = (tasks.longest_in_queue.since_ms, tasks.longest_in_queue.task_sid)
        told["available"] = view.available_workers
    if scope is not Scope.WORKFLOW:
        told["workers"] = view.workers
        told["activities"] = {item.sid: item.workers for item in view.activities}
    return told


def _counted(rows: WorkspaceRows, scope: Scope, sid: str, channel: str | None) -> dict[str, Any]:
    names = {Scope.QUEUE: "task_queue_sid", Scope.WORKFLOW: "workflow_sid"}
    tasks = [
        task
        for task in rows.tasks
        if channel in (None, task.task_channel_sid)
        and (scope not in names or getattr(task, names[scope]) == sid)
    ]
    waiting = [task for task in tasks if task.status == "pending"]
    found: dict[str, Any] = {
        "by_status": {status: sum(task.status == status for task in tasks) for status in STATUSES},
        "by_priority": dict(sorted(Counter(task.priority for task in tasks).items())),
        "longest": _oldest((task.date_created_ms, task.sequence, task.sid) for task in waiting),
    }
    workers = rows.workers
    available = {activity.sid for activity in rows.activities if activity.available}
    if scope is Scope.QUEUE:
        entered = [task for task in waiting if task.task_queue_entered_ms is not None]
        found["longest_in_queue"] = _oldest(
            (task.task_queue_entered_ms, task.sequence, task.sid) for task in entered
        )
        (queue,) = [queue for queue in rows.task_queues if queue.sid == sid]
        workers = [worker for worker in workers if _takes(queue.target_workers, rows, worker)]
        found["available"] = sum(worker.activity_sid in available for worker in workers)
    if scope is not Scope.WORKFLOW:
        found["workers"] = len(workers)
        held = Counter(worker.activity_sid for worker in workers)
        found["activities"] = {activity.sid: held[activity.sid] for activity in rows.activities}
    return found


def _oldest(entries: Any) -> tuple[int | None, str | None]:
    oldest = min(entries, default=None)
    return (None, None) if oldest is None else (oldest[0], oldest[2])


def _takes(target_workers: str, rows: WorkspaceRows, worker: Worker) -> bool:
    if not target_workers.strip():
        return False
    (activity,) = [activity for activity in rows.activities if activity.sid == worker.activity_sid]
    names = {
        **json.loads(worker.attributes),
        "sid": worker.sid,
        "friendly_name": worker.friendly_name,
        "activity_sid": worker.activity_sid,
        "activity_name": activity.friendly_name,
    }
    return evaluate(target_workers, names)
