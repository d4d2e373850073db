"""Figures as documents: the property sets of contract §6 and the inner shapes of §8.

`realtime` and `cumulative` inside a combined resource have fewer keys than the resources of their own, and
the mean acceptance time is a float there and an integer here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.api.representations import Document, iso_date
from engine.api.windows import Window
from engine.routing.rollups import IN_QUEUE, UNTIL_ACCEPTED, UNTIL_CANCELED
from engine.routing.statistics_views import RealTimeView, Scope, Waiting
from engine.storage.statistics_figures import Cumulative, Stays, Waits

_RESERVATIONS = (
    "reservations_created",
    "reservations_accepted",
    "reservations_rejected",
    "reservations_timed_out",
    "reservations_canceled",
    "reservations_rescinded",
)
_TASKS = {
    # the task counters of a combined resource; `tasks_completed` is told by the cumulative resources only
    Scope.WORKSPACE: (
        "tasks_canceled",
        "tasks_created",
        "tasks_deleted",
        "tasks_moved",
        "tasks_timed_out_in_workflow",
    ),
    Scope.QUEUE: ("tasks_canceled", "tasks_deleted", "tasks_entered", "tasks_moved"),
    Scope.WORKFLOW: (
        "tasks_canceled",
        "tasks_deleted",
        "tasks_entered",
        "tasks_moved",
        "tasks_timed_out_in_workflow",
    ),
}

ActivityDurations = Sequence[tuple[str, str, Stays]]


@dataclass(slots=True, frozen=True)
class Past:
    """What happened in a window, with the thresholds that waits are split by."""

    window: Window
    figures: Cumulative
    thresholds: Sequence[int] = ()


def realtime(scope: Scope, view: RealTimeView) -> Document:
    """Render `realtime` of a combined resource."""
    document: Document = {}
    if scope is not Scope.WORKFLOW:
        document["activity_statistics"] = activity_statistics(view)
    if scope is not Scope.WORKER:
        document |= _waiting(view)
        document["tasks_by_status"] = view.tasks.by_status
        document["total_tasks"] = view.tasks.total
    if scope is Scope.QUEUE:
        document |= _queue_workers(view)
    if scope in {Scope.WORKSPACE, Scope.WORKER}:
        document["total_workers"] = view.workers
    return document


def real_time_resource(scope: Scope, view: RealTimeView) -> Document:
    """Render the figures of a real-time resource."""
    document = realtime(scope, view)
    if scope is not Scope.WORKER:
        document["tasks_by_priority"] = _priorities(view)
    if scope is Scope.QUEUE:
        longest = view.tasks.longest_in_queue
        document["longest_relative_task_age_in_queue"] = _age_s(longest, view.now_ms)
        document["longest_relative_task_sid_in_queue"] = longest.task_sid
    return document


def bulk_item(view: RealTimeView) -> Document:
    """Render one queue of the bulk resource."""
    return {
        "task_queue_sid": view.sid,
        **_waiting(view),
        "total_tasks": view.tasks.total,
        **_queue_workers(view),
        "tasks_by_status": view.tasks.by_status,
        "tasks_by_priority": _priorities(view),
        "activity_statistics": activity_statistics(view),
    }


def activity_statistics(view: RealTimeView) -> list[Document]:
    """Render how many workers are in each activity."""
    return [
        {"sid": item.sid, "friendly_name": item.friendly_name, "workers": item.workers}
        for item in view.activities
    ]


def cumulative(scope: Scope, past: Past) -> Document:
    """Render `cumulative` of a combined resource about tasks."""
    figures = past.figures
    return {
        "avg_task_acceptance_time": figures.of(UNTIL_ACCEPTED).average,
        **_times(past.window),
        **_counters(figures, (*_RESERVATIONS, *_TASKS[scope])),
        "wait_duration_until_accepted": _duration(figures.of(UNTIL_ACCEPTED)),
        "wait_duration_until_canceled": _duration(figures.of(UNTIL_CANCELED)),
        "split_by_wait_time": _split(past),
    }


def cumulative_resource(scope: Scope, past: Past) -> Document:
    """Render the figures of a cumulative resource about tasks."""
    document = cumulative(scope, past)
    document["avg_task_acceptance_time"] = int(past.figures.of(UNTIL_ACCEPTED).average)
    document["tasks_completed"] = past.figures.counters["tasks_completed"]
    if scope is Scope.QUEUE:
        document["wait_duration_in_queue_until_accepted"] = _duration(past.figures.of(IN_QUEUE))
    return document


def workers_cumulative(past: Past, activities: ActivityDurations) -> Document:
    """Render what workers did in a window, of the combined and of the cumulative resource alike."""
    return {
        **_times(past.window),
        **_counters(past.figures, _RESERVATIONS),
        "activity_durations": [
            {"sid": sid, "friendly_name": name, **_duration(durations)} for sid, name, durations in activities
        ],
    }


def _waiting(view: RealTimeView) -> Document:
    longest = view.tasks.longest
    return {
        "longest_task_waiting_age": _age_s(longest, view.now_ms),
        "longest_task_waiting_sid": longest.task_sid,
    }


def _age_s(waiting: Waiting, now_ms: int) -> int:
    return 0 if waiting.since_ms is None else max((now_ms - waiting.since_ms) // 1000, 0)


def _queue_workers(view: RealTimeView) -> Document:
    return {
        "total_available_workers": view.available_workers,
        "total_eligible_workers": view.workers,
    }


def _priorities(view: RealTimeView) -> dict[str, int]:
    return {str(priority): count for priority, count in view.tasks.by_priority.items()}


def _times(window: Window) -> Document:
    return {"start_time": iso_date(window.start_ms), "end_time": iso_date(window.named_end_ms)}


def _counters(figures: Cumulative, names: Sequence[str]) -> dict[str, int]:
    return {name: figures.counters[name] for name in names}


def _duration(durations: Stays | Waits) -> dict[str, int]:
    return {
        "avg": int(durations.average),
        "min": durations.least,
        "max": durations.most,
        "total": durations.total,
    }


def _split(past: Past) -> dict[str, Any]:
    """Split what ended waiting by each threshold; a wait of exactly the threshold is below it."""
    accepted, canceled = past.figures.of(UNTIL_ACCEPTED), past.figures.of(UNTIL_CANCELED)
    split = {}
    for threshold in past.thresholds:
        below = {
            "tasks_canceled": canceled.at_most(threshold),
            "reservations_accepted": accepted.at_most(threshold),
        }
        above = {
            "tasks_canceled": canceled.count - below["tasks_canceled"],
            "reservations_accepted": accepted.count - below["reservations_accepted"],
        }
        split[str(threshold)] = {"above": above, "below": below}
    return split
