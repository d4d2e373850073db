"""The history of one workspace, followed event by event and held against its rows after every batch.

Works on what was written and on nothing else: the events in their order and the rows beside them. What the
core holds in memory is compared elsewhere (`image.py`).
"""

from collections import Counter
from dataclasses import dataclass, field

from engine.routing.effects import Changes, Event, Kind
from engine.routing.entities import (
    Reservation,
    ReservationStatus,
    Task,
    TaskStatus,
    Transfer,
    TransferStatus,
)
from engine.routing.limits import RoutingLimits
from engine.routing.states import HELD, OPEN_RESERVATION, OPEN_TASK, RESERVATION_MOVES, TASK_MOVES
from tests.simulation.memory_store import MemoryStore

R, T = ReservationStatus, TaskStatus

_TASK_AFTER = {
    "task.created": T.PENDING,
    "task.wrapup": T.WRAPPING,
    "task.completed": T.COMPLETED,
    "task.canceled": T.CANCELED,
    "reservation.created": T.RESERVED,
    "reservation.accepted": T.ASSIGNED,
}
_RESERVATION_AFTER = {
    "reservation.created": R.PENDING,
    "reservation.accepted": R.ACCEPTED,
    "reservation.rejected": R.REJECTED,
    "reservation.timeout": R.TIMEOUT,
    "reservation.canceled": R.CANCELED,
    "reservation.rescinded": R.RESCINDED,
    "reservation.wrapup": R.WRAPPING,
    "reservation.completed": R.COMPLETED,
}
_TRANSFER_AFTER = {
    "task.transfer-completed": TransferStatus.COMPLETE,
    "task.transfer-failed": TransferStatus.FAILED,
    "task.transfer-canceled": TransferStatus.CANCELED,
}
_TASK_DELETED = ("task.deleted", "task.system-deleted")
_TTL_REASON = "Task TTL Exceeded"


class Finding(AssertionError):
    """A rule does not hold."""


@dataclass(slots=True)
class Wishes:
    """What somebody asked for; what happens only on request must be among it."""

    accepts: set[str] = field(default_factory=set)
    rejects: set[str] = field(default_factory=set)
    worker_rejects: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)

    def rejected(self, reservation_sid: str, worker_sid: str | None) -> bool:
        """Tell whether somebody asked to reject a reservation, or all of its worker."""
        return reservation_sid in self.rejects or worker_sid in self.worker_rejects


@dataclass(slots=True)
class _Followed:
    """A task as its events tell it."""

    status: TaskStatus
    created_ms: int
    timeout_s: int
    lives_from_ms: int
    """What its time to live counts from: its creation, or a failure after which nobody held it."""
    version: int = -1
    accepted: dict[str | None, str] = field(default_factory=dict)
    """The reservation accepted on each leg: by the SID of the transfer, None for the ordinary round."""
    transfer: str | None = None
    """The open one."""
    step_due_ms: int | None = None
    assigned_ms: int | None = None
    open: dict[str, ReservationStatus] = field(default_factory=dict)

    def is_held(self) -> bool:
        """Tell whether some worker has it."""
        return any(status in HELD for status in self.open.values())


class Replay:
    """Follows one workspace. Every method raises Finding.

    Args:
        store: where its rows are.
        workspace_sid: which workspace.
        wishes: what was asked for, of all workspaces.
        limits: what its cores decide by.
    """

    def __init__(
        self,
        store: MemoryStore,
        workspace_sid: str,
        wishes: Wishes,
        limits: RoutingLimits,
    ) -> None:
        self.workspace_sid = workspace_sid
        self.deleted_tasks: set[str] = set()
        self.deleted = False
        self._store = store
        self._wishes = wishes
        self._limits = limits
        self._sequence = 0
        self._last_ms = 0
        self._tasks: dict[str, _Followed] = {}
        self._finished: dict[str, _Followed] = {}
        self._reservations: dict[str, ReservationStatus] = {}
        self._transfers: dict[str, TransferStatus] = {}
        self._due_ms: dict[str, int] = {}
        self._worker_of: dict[str, tuple[str, str]] = {}
        self._load: Counter[tuple[str, str]] = Counter()
        self._requested: set[str] = set()

    def take(self, changes: Changes) -> None:
        """Follow one batch that was just written."""
        created = {task.sid: task for task in changes.tasks.values()}
        timed_out: set[str] = set()
        for event in changes.events:
            self._in_order(event)
            if event.event_type.startswith("reservation."):
                self._reservation_event(event)
            elif event.event_type.startswith("task."):
                self._task_event(event, created)
            elif event.event_type == "task-queue.timeout":
                self._step_event(event, timed_out)
            elif event.event_type == "workspace.deleted":
                self.deleted = True
        for task in self._tasks.values():
            self._settle_round(task)
        if changes.workspace is not None and changes.workspace.event_sequence != self._sequence:
            raise Finding(
                f"the log ends at {self._sequence}, its row says {changes.workspace.event_sequence}"
            )
        self._compare_rows(changes)
        self._check_callbacks(changes)
        self._lay_aside(changes)

    def overdue(self, now_ms: int) -> list[str]:
        """Name what should have happened more than a second ago."""
        late_ms = now_ms - 1_000
        lines = [
            f"reservation {sid} should have timed out at {due_ms}"
            for sid, due_ms in self._due_ms.items()
            if due_ms < late_ms
        ]
        for sid, task in self._tasks.items():
            mortal = task.status in (T.PENDING, T.RESERVED) and task.transfer is None
            if mortal and task.lives_from_ms + task.timeout_s * 1000 < late_ms:
                lines.append(f"task {sid} has outlived its TTL of {task.timeout_s} s")
            if task.status is T.PENDING and task.step_due_ms is not None and task.step_due_ms < late_ms:
                lines.append(f"task {sid} should have left its step at {task.step_due_ms}")
            assigned_ms = task.assigned_ms if task.status is T.ASSIGNED or task.transfer else None
            if assigned_ms is not None and assigned_ms + self._limits.assigned_s_max * 1000 < late_ms:
                lines.append(f"task {sid} is assigned since {assigned_ms}")
        return lines

    # Events

    def _in_order(self, event: Event) -> None:
        if event.sequence != self._sequence + 1:
            raise Finding(f"event {event.sequence} follows {self._sequence}")
        if event.event_date_ms < self._last_ms:
            back_ms = self._last_ms - event.event_date_ms
            raise Finding(f"event {event.sequence} is dated {back_ms} ms back")
        self._sequence, self._last_ms = event.sequence, event.event_date_ms

    def _task_event(self, event: Event, rows: dict[str, Task]) -> None:
        sid = event.resource_sid
        if event.event_type == "task.created":
            if sid in self._tasks or sid in self._finished:
                raise Finding(f"{sid} was created twice")
            row = rows.get(sid)
            if row is None:
                raise Finding(f"{sid} was created without a row")
            self._tasks[sid] = _Followed(T.PENDING, event.event_date_ms, row.timeout_s, event.event_date_ms)
            return
        task = self._task(sid)
        if event.event_type in _TASK_DELETED:
            self._task_deleted(event, task)
            return
        self._settle_round(task)
        if event.event_type.startswith("task.transfer-"):
            self._transfer_event(event, task)
            return
        status = _TASK_AFTER.get(event.event_type)
        if status is None:
            return
        self._move_task(sid, task, status)
        if status is T.CANCELED and event.data.get("task_canceled_reason") == _TTL_REASON:
            self._not_early(event, task.lives_from_ms + task.timeout_s * 1000)

    def _transfer_event(self, event: Event, task: _Followed) -> None:
        sid, task_sid = event.data["transfer_sid"], event.resource_sid
        if event.event_type == "task.transfer-initiated":
            if task.transfer is not None or task.status is not T.ASSIGNED or sid in self._transfers:
                raise Finding(f"{sid} began while {task_sid} was {task.status}, {task.transfer}")
            task.transfer, self._transfers[sid] = sid, TransferStatus.INITIATED
            return
        if task.transfer != sid:
            raise Finding(f"{event.event_type} of {sid}; the open one of {task_sid} is {task.transfer}")
        if event.event_type == "task.transfer-attempt-failed":
            if R.PENDING in task.open.values():
                raise Finding(f"an attempt of {sid} failed while another was open")
            return
        task.transfer, self._transfers[sid] = None, _TRANSFER_AFTER[event.event_type]
        if (self._transfers[sid] is TransferStatus.COMPLETE) != (sid in task.accepted):
            raise Finding(f"{sid} is {self._transfers[sid]}; accepted were {task.accepted}")
        if not task.is_held():
            self._move_task(task_sid, task, T.PENDING)
            task.lives_from_ms = event.event_date_ms
            task.accepted.clear()

    def _task_deleted(self, event: Event, task: _Followed) -> None:
        sid = event.resource_sid
        if event.event_type == "task.system-deleted":
            assert task.assigned_ms is not None
            self._not_early(event, task.assigned_ms + self._limits.assigned_s_max * 1000)
        elif sid not in self._wishes.deletes:
            raise Finding(f"nobody asked to delete {sid}")
        if task.open:
            raise Finding(f"{sid} was deleted with open reservations {task.open}")
        self.deleted_tasks.add(sid)
        self._tasks.pop(sid, None)
        self._finished.pop(sid, None)

    def _step_event(self, event: Event, timed_out: set[str]) -> None:
        sid = event.task_sid or ""
        task = self._task(sid)
        if sid not in timed_out and task.step_due_ms is not None:
            self._not_early(event, task.step_due_ms)
        timed_out.add(sid)

    def _reservation_event(self, event: Event) -> None:
        sid, status = event.resource_sid, _RESERVATION_AFTER[event.event_type]
        task = self._task(event.task_sid or "")
        before = self._reservations.get(sid)
        if status is R.PENDING:
            self._reserved(event, task)
        elif before is None or status not in RESERVATION_MOVES[before]:
            raise Finding(f"{sid} went from {before} to {status}")
        self._reservations[sid] = status
        if status in OPEN_RESERVATION:
            task.open[sid] = status
        else:
            task.open.pop(sid, None)
            self._load[self._worker_of[sid]] -= 1
        self._check_load(event)
        if status is R.ACCEPTED:
            self._accepted(event, task)
        elif status is R.TIMEOUT:
            self._not_early(event, self._due_ms[sid])
        elif status is R.REJECTED and not self._wishes.rejected(sid, event.worker_sid):
            raise Finding(f"nobody asked to reject {sid}")
        if status is not R.PENDING:
            self._due_ms.pop(sid, None)

    def _reserved(self, event: Event, task: _Followed) -> None:
        sid, worker_sid = event.resource_sid, event.worker_sid
        assert worker_sid is not None
        assert event.task_channel_sid is not None
        if sid in self._reservations:
            raise Finding(f"{sid} was created twice")
        self._settle_round(task)
        if event.data.get("transfer_sid") != task.transfer:
            raise Finding(f"{sid} was not created for the open transfer {task.transfer}")
        if task.status is T.PENDING or (task.status is T.ASSIGNED and task.transfer is not None):
            self._move_task(event.task_sid or "", task, T.RESERVED)
        elif task.status is not T.RESERVED:
            raise Finding(f"{sid} was created for a task that is {task.status}")
        self._worker_of[sid] = (worker_sid, event.task_channel_sid)
        self._load[self._worker_of[sid]] += 1
        self._due_ms[sid] = event.event_date_ms + int(event.data["reservation_timeout"]) * 1000

    def _check_load(self, event: Event) -> None:
        load = self._load[self._worker_of[event.resource_sid]]
        told = int(event.data["worker_channel_consumed_capacity"])
        if load != told:
            raise Finding(f"event {event.sequence} says that {told} are in use; by the log it is {load}")
        capacity = int(event.data["worker_channel_capacity"])
        ignores = event.data["task_ignore_capacity"] == "true"
        if event.event_type == "reservation.created" and load > capacity and not ignores:
            raise Finding(f"{event.resource_sid} makes {load} of {capacity} on {event.worker_sid}")

    def _accepted(self, event: Event, task: _Followed) -> None:
        sid, leg = event.resource_sid, event.data.get("transfer_sid")
        if leg in task.accepted:
            raise Finding(f"{event.task_sid} was accepted twice: {task.accepted} and {sid}")
        if sid not in self._wishes.accepts:
            raise Finding(f"nobody asked to accept {sid}")
        task.accepted[leg] = sid
        self._move_task(event.task_sid or "", task, T.ASSIGNED)
        task.assigned_ms = event.event_date_ms

    def _settle_round(self, task: _Followed) -> None:
        if task.status is T.RESERVED and R.PENDING not in task.open.values():
            task.status = T.PENDING if task.transfer is None else T.ASSIGNED

    def _move_task(self, sid: str, task: _Followed, status: TaskStatus) -> None:
        if status not in TASK_MOVES[task.status]:
            raise Finding(f"{sid} went from {task.status} to {status}")
        task.status = status

    def _not_early(self, event: Event, due_ms: int) -> None:
        if event.event_date_ms < due_ms:
            raise Finding(
                f"{event.event_type} of {event.resource_sid} came {due_ms - event.event_date_ms} ms early"
            )

    def _task(self, sid: str) -> _Followed:
        task = self._tasks.get(sid) or self._finished.get(sid)
        if task is None:
            raise Finding(f"an event about {sid}, which is not there")
        return task

    # Rows

    def _compare_rows(self, changes: Changes) -> None:
        removed = {sid for kind, sid in changes.removed if kind is Kind.TASK}
        for row in changes.tasks.values():
            if row.sid not in removed:
                self._compare_task(row)
        for reservation in changes.reservations.values():
            self._compare_reservation(reservation)
        for transfer in changes.transfers.values():
            self._compare_transfer(transfer)
        for sid in removed:
            if sid not in self.deleted_tasks:
                raise Finding(f"{sid} was removed without an event")

    def _compare_task(self, row: Task) -> None:
        task = self._task(row.sid)
        if row.status is not task.status:
            raise Finding(f"{row.sid} is {row.status}; by the log it is {task.status}")
        if row.version < task.version:
            raise Finding(f"{row.sid} went back from version {task.version} to {row.version}")
        task.version, task.step_due_ms = row.version, row.step_deadline_ms
        if row.status not in OPEN_TASK and task.open:
            raise Finding(f"{row.sid} is {row.status} with open reservations {task.open}")

    def _compare_reservation(self, row: Reservation) -> None:
        if row.status is not self._reservations.get(row.sid):
            raise Finding(f"{row.sid} is {row.status}; by the log it is {self._reservations.get(row.sid)}")
        if row.status is R.PENDING and row.deadline_ms != self._due_ms[row.sid]:
            raise Finding(f"{row.sid} is due at {row.deadline_ms}; by the log at {self._due_ms[row.sid]}")

    def _compare_transfer(self, row: Transfer) -> None:
        if row.status is not self._transfers.get(row.sid):
            raise Finding(f"{row.sid} is {row.status}; by the log it is {self._transfers.get(row.sid)}")

    def _lay_aside(self, changes: Changes) -> None:
        """Keep the tasks that can still do something by themselves apart from the others."""
        for row in changes.tasks.values():
            if row.status not in OPEN_TASK and row.sid in self._tasks:
                self._finished[row.sid] = self._tasks.pop(row.sid)

    def _check_callbacks(self, changes: Changes) -> None:
        for callback in changes.callbacks:
            if callback.reservation_sid in self._requested:
                raise Finding(f"the callback of {callback.reservation_sid} was requested twice")
            self._requested.add(callback.reservation_sid)
        for callback in self._store.callbacks(self.workspace_sid):
            status = self._reservations.get(callback.reservation_sid)
            if status is not R.PENDING:
                raise Finding(
                    f"the outbox holds the callback of {callback.reservation_sid}, which is {status}"
                )
