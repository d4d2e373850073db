"""A workspace for tests of the core: short names, a clock that obeys, invariants checked on every step."""

import json
from itertools import count
from typing import Any

from engine.routing import commands as c
from engine.routing import invariants
from engine.routing.core import WorkspaceCore
from engine.routing.effects import Changes, Event
from engine.routing.entities import (
    Reservation,
    ReservationStatus,
    Task,
    TaskOrder,
    TaskStatus,
    Worker,
    WorkerChannel,
)
from engine.routing.limits import RoutingLimits

WORKSPACE = "WS" + "0" * 32
ACCOUNT = "AC" + "0" * 32
START_MS = 1_700_000_000_000


def routing(*filters: dict[str, Any], default: str | dict[str, Any] | None = None) -> dict[str, Any]:
    """A configuration; `default` is the default filter's queue, or the whole default filter."""
    body: dict[str, Any] = {"filters": list(filters)}
    if default:
        body["default_filter"] = {"queue": default} if isinstance(default, str) else default
    return {"task_routing": body}


def one(expression: str, *targets: dict[str, Any]) -> dict[str, Any]:
    """A filter, named after its expression."""
    return {"filter_friendly_name": expression, "expression": expression, "targets": list(targets)}


def sids() -> Any:
    """Make a factory of countable SIDs."""
    numbers = count(1)
    return lambda prefix: f"{prefix}{next(numbers):032x}"


class World:
    """A core with helpers; `events` are the types recorded by the last step."""

    def __init__(self, *, limits: RoutingLimits | None = None, **workspace: Any) -> None:
        self.now_ms = START_MS
        self.new_sid = sids()
        self.core = WorkspaceCore.create(
            WORKSPACE,
            ACCOUNT,
            friendly_name="test",
            new_sid=self.new_sid,
            now_ms=self.now_ms,
            limits=limits,
            **workspace,
        )
        self.changes: Changes = self.core.take_changes()
        self.activities = {a.friendly_name: a.sid for a in self.state.activities.values()}

    @property
    def state(self) -> Any:
        return self.core.board.state

    @property
    def events(self) -> list[str]:
        return [event.event_type for event in self.changes.events]

    def do(self, command: Any = None) -> Any:
        """Run one batch of one command, as the runtime does, and check the invariants."""
        while self.core.advance(self.now_ms, 1000):
            pass
        try:
            return self.core.handle(command, self.now_ms) if command is not None else None
        finally:
            while self.core.match(self.now_ms, 1000):
                pass
            self.changes = self.core.take_changes()
            if not self.core.deleted:
                invariants.check(self.core.board, self.now_ms)

    def wait(self, seconds: float) -> None:
        """Let time pass and fire what became due."""
        self.now_ms += round(seconds * 1000)
        self.do()

    def queue(self, name: str = "queue", target_workers: str = "1==1", **options: Any) -> str:
        sid = self.new_sid("WQ")
        self.do(c.CreateTaskQueue(sid, name, target_workers, **options))
        return sid

    def workflow(self, configuration: Any, name: str = "workflow", **options: Any) -> str:
        sid = self.new_sid("WW")
        text = configuration if isinstance(configuration, str) else json.dumps(configuration)
        self.do(c.CreateWorkflow(sid, name, text, **options))
        return sid

    def simple_workflow(self, queue_sid: str, **options: Any) -> str:
        return self.workflow({"task_routing": {"default_filter": {"queue": queue_sid}}}, **options)

    def worker(self, name: str, activity: str = "Available", **attributes: Any) -> str:
        sid = self.new_sid("WK")
        self.do(c.CreateWorker(sid, name, json.dumps(attributes), self.activities[activity]))
        return sid

    def task(self, **options: Any) -> str:
        attributes = options.pop("attributes", {})
        sid = self.new_sid("WT")
        self.do(c.CreateTask(sid, json.dumps(attributes), **options))
        return sid

    def activity(self, worker_sid: str, name: str, **options: Any) -> None:
        self.do(c.UpdateWorker(worker_sid, activity_sid=self.activities[name], **options))

    def capacity(self, worker_sid: str, channel: str, capacity: int) -> None:
        self.do(c.UpdateWorkerChannel(worker_sid, channel, capacity=capacity))

    def move(self, reservation: Reservation, status: ReservationStatus, **options: Any) -> Any:
        return self.do(c.UpdateReservation(reservation.sid, status, task_sid=reservation.task_sid, **options))

    def accept(self, task_sid: str) -> None:
        self.move(self.offers(task_sid)[0], ReservationStatus.ACCEPTED)

    def reject(self, task_sid: str, **options: Any) -> None:
        self.move(self.offers(task_sid)[0], ReservationStatus.REJECTED, **options)

    def complete(self, task_sid: str) -> None:
        self.do(c.UpdateTask(task_sid, assignment_status=TaskStatus.COMPLETED, reason="done"))

    def cancel(self, task_sid: str) -> None:
        self.do(c.UpdateTask(task_sid, assignment_status=TaskStatus.CANCELED, reason="gone"))

    def get(self, task_sid: str) -> Task:
        return self.state.tasks[task_sid]

    def get_worker(self, worker_sid: str) -> Worker:
        return self.state.workers[worker_sid]

    def offers(self, task_sid: str) -> list[Reservation]:
        return sorted(self.get(task_sid).reservations.values(), key=lambda r: r.sequence)

    def offered_to(self, task_sid: str) -> list[str]:
        """Return the names of the workers with an open reservation on the task, in order."""
        return [self.get_worker(r.worker_sid).friendly_name for r in self.offers(task_sid)]

    def status(self, task_sid: str) -> TaskStatus | None:
        """Return a task's status; None when it is no longer in memory."""
        task = self.state.tasks.get(task_sid)
        return task.status if task else None

    def lifo_queue(self, name: str, target_workers: str = "1==1") -> str:
        return self.queue(name, target_workers, task_order=TaskOrder.LIFO)

    def steps(self, *targets: dict[str, Any], default: Any = None, **options: Any) -> str:
        """Make a workflow of one filter that takes every task."""
        return self.workflow(routing(one("1==1", *targets), default=default), **options)

    def timeout(self, task_sid: str) -> None:
        """Let the timer of the task's first offer run out."""
        self.wait((self.offers(task_sid)[0].deadline_ms - self.now_ms) / 1000)

    def attributes(self, sid: str, **attributes: Any) -> None:
        """Write the attributes of a task or a worker."""
        update = c.UpdateTask if sid.startswith("WT") else c.UpdateWorker
        self.do(update(sid, attributes=json.dumps(attributes)))

    def event(self, event_type: str) -> Event:
        """Return the only event of a type in the last step."""
        (event,) = [event for event in self.changes.events if event.event_type == event_type]
        return event

    def reason(self, task_sid: str) -> str | None:
        """Return the reason of a task that the last step finished."""
        return self.changes.tasks[task_sid].reason

    def queue_of(self, task_sid: str) -> str | None:
        """Return the name of the queue that a task is in."""
        sid = self.get(task_sid).task_queue_sid
        return self.state.task_queues[sid].friendly_name if sid else None

    def channel_sid(self, unique_name: str) -> str:
        return self.state.task_channel(unique_name).sid

    def channel_of(self, worker_sid: str, unique_name: str) -> WorkerChannel:
        return self.get_worker(worker_sid).channels[self.channel_sid(unique_name)]
