"""A world whose batches are kept and can be committed; and statistics counted the plain way."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from engine.routing.effects import Changes, Event
from engine.routing.statistics_views import Scope
from engine.storage.statistics_summing import StatisticsSumming
from engine.storage.store import PostgresStore
from tests.routing.world import ACCOUNT, START_MS, WORKSPACE, World

OWNER = "node-1"

COUNTERS = {
    "task.created": "tasks_created",
    "task.canceled": "tasks_canceled",
    "task.completed": "tasks_completed",
    "task.deleted": "tasks_deleted",
    "task.system-deleted": "tasks_deleted",
    "task-queue.moved": "tasks_moved",
    "workflow.timeout": "tasks_timed_out_in_workflow",
    "reservation.created": "reservations_created",
    "reservation.accepted": "reservations_accepted",
    "reservation.rejected": "reservations_rejected",
    "reservation.timeout": "reservations_timed_out",
    "reservation.canceled": "reservations_canceled",
    "reservation.rescinded": "reservations_rescinded",
}
ENTERED = {Scope.QUEUE: "task-queue.entered", Scope.WORKFLOW: "workflow.entered"}
SCOPE_OF = {
    Scope.WORKSPACE: lambda event: WORKSPACE,
    Scope.QUEUE: lambda event: event.task_queue_sid,
    Scope.WORKFLOW: lambda event: event.workflow_sid,
    Scope.WORKER: lambda event: event.worker_sid,
}


class RecordedWorld(World):
    """Keeps the changes of every batch."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.batches: list[Changes] = [self.changes]

    def do(self, command: Any = None) -> Any:
        try:
            return super().do(command)
        finally:
            self.batches.append(self.changes)

    @property
    def log(self) -> list[Event]:
        """Every event so far."""
        return [event for batch in self.batches for event in batch.events]

    async def commit(self, store: PostgresStore) -> None:
        """Write everything, batch by batch, as the runtime does."""
        first, *others = self.batches
        lease = await store.create_workspace(OWNER, 3600.0, first)
        for batch in others:
            if batch:
                await store.commit(lease, batch)


async def sum_up(summing: StatisticsSumming, steps: int = 10**9) -> int:
    """Add up what is over, in at most so many steps; returns how many they were."""
    taken = 0
    for workspace_sid in await summing.workspaces():
        done = False
        while not done and taken < steps:
            done = (await summing.advance(workspace_sid)).done
            taken += 1
    return taken


@dataclass
class Stay:
    """A worker's time in an activity; `until_ms` None = still."""

    worker_sid: str
    activity_sid: str
    since_ms: int
    until_ms: int | None = None


def counted(
    log: list[Event],
    scope: Scope,
    sid: str,
    window: tuple[int, int],
    channel: str | None = None,
) -> tuple[dict[str, int], dict[str, list[int]]]:
    """Count what the log says of a scope within a window, both ends included, event by event.

    Returns the counters by name and all the waits by measure.
    """
    start_ms, end_ms = window
    counters: Counter[str] = Counter()
    waits: dict[str, list[int]] = defaultdict(list)
    created = {event.task_sid: event.event_date_ms for event in log if event.event_type == "task.created"}
    entered: dict[Any, int] = {}
    for event in log:
        if event.event_type == "task-queue.entered":
            entered[event.task_sid] = event.event_date_ms
        inside = start_ms <= event.event_date_ms <= end_ms and SCOPE_OF[scope](event) == sid
        if not inside or channel not in {None, event.task_channel_sid}:
            continue
        name = "tasks_entered" if event.event_type == ENTERED.get(scope) else COUNTERS.get(event.event_type)
        if name is not None and _tells(scope, name):
            counters[name] += 1
        _measure(waits, scope, event, created, entered)
    return dict(counters), waits


def _tells(scope: Scope, name: str) -> bool:
    if scope is Scope.WORKER:
        return name.startswith("reservations_")
    if name == "tasks_created":
        return scope is Scope.WORKSPACE
    return name != "tasks_timed_out_in_workflow" or scope is not Scope.QUEUE


def _measure(
    waits: dict[str, list[int]], scope: Scope, event: Event, created: dict[Any, int], entered: dict[Any, int]
) -> None:
    if scope is Scope.WORKER:
        return
    age_s = (event.event_date_ms - created.get(event.task_sid, 0)) // 1000
    if event.event_type == "task.canceled":
        waits["until_canceled"].append(age_s)
    if event.event_type == "reservation.accepted":
        waits["until_accepted"].append(age_s)
        if scope is Scope.QUEUE:
            in_queue_ms = event.event_date_ms - entered[event.task_sid]
            waits["in_queue_until_accepted"].append(in_queue_ms // 1000)


def stays(log: list[Event]) -> list[Stay]:
    """Tell from the log who was in which activity from when to when."""
    done: list[Stay] = []
    current: dict[str, Stay] = {}
    for event in log:
        if event.event_type not in {"worker.created", "worker.activity.update", "worker.deleted"}:
            continue
        sid = event.data["worker_sid"]
        if sid in current:
            stay = current.pop(sid)
            stay.until_ms = event.event_date_ms
            done.append(stay)
        if event.event_type != "worker.deleted":
            current[sid] = Stay(sid, event.data["worker_activity_sid"], event.event_date_ms)
    return [*done, *current.values()]


def time_spent(
    log: list[Event], start_ms: int, end_ms: int, worker_sids: set[str] | None
) -> dict[str, list[int]]:
    """Return, by activity, the seconds of every stay as far as it lies from `start_ms` to before `end_ms`."""
    found: dict[str, list[int]] = defaultdict(list)
    for stay in stays(log):
        until_ms = end_ms if stay.until_ms is None else min(stay.until_ms, end_ms)
        since_ms = max(stay.since_ms, start_ms)
        ended_before = stay.until_ms is not None and stay.until_ms < start_ms
        if (
            stay.since_ms >= end_ms
            or ended_before
            or (worker_sids is not None and stay.worker_sid not in worker_sids)
        ):
            continue
        found[stay.activity_sid].append((until_ms - since_ms) // 1000)
    return {activity: sorted(seconds) for activity, seconds in found.items()}


__all__ = ["ACCOUNT", "START_MS", "WORKSPACE", "RecordedWorld", "counted", "stays", "sum_up", "time_spent"]
