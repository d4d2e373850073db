"""What was promised to clients and to webhooks, held against what was written."""

from collections import Counter
from typing import Any

from engine.routing import commands as c
from engine.routing.effects import AssignmentCallback, Changes, Kind
from engine.routing.entities import ReservationStatus, TaskStatus, TransferStatus
from engine.routing.limits import RoutingLimits
from engine.storage import rows
from tests.simulation.memory_store import MemoryStore
from tests.simulation.replay import Finding, Replay, Wishes

R, T = ReservationStatus, TaskStatus

_STATUS_OF_RESERVATION = rows.RESERVATION.fields.index("status")
_STATUS_OF_TRANSFER = rows.TRANSFER.fields.index("status")
_TASK_LATER = {
    T.CANCELED: (T.CANCELED,),
    T.COMPLETED: (T.COMPLETED,),
    T.WRAPPING: (T.WRAPPING, T.COMPLETED),
}
_RESERVATION_LATER = {
    R.ACCEPTED: (R.ACCEPTED, R.WRAPPING, R.COMPLETED),
    R.REJECTED: (R.REJECTED,),
    R.WRAPPING: (R.WRAPPING, R.COMPLETED),
    R.COMPLETED: (R.COMPLETED,),
}


class Ledger:
    """All workspaces' promises. Every method raises Finding when one is broken.

    Args:
        store: the rows.
        limits: what the cores decide by.
    """

    def __init__(self, store: MemoryStore, limits: RoutingLimits) -> None:
        self.wishes = Wishes()
        self.replays: dict[str, Replay] = {}
        self._store = store
        self._limits = limits
        self._tasks: list[tuple[str, str]] = []
        self._sent: Counter[tuple[str, str]] = Counter()
        self._sent_anywhere: set[str] = set()
        self._allowed: Counter[str] = Counter()

    # What is written

    def written(self, workspace_sid: str, changes: Changes) -> None:
        """Follow a batch that was just written."""
        replay = self.replays.get(workspace_sid)
        if replay is None:
            replay = self.replays[workspace_sid] = Replay(
                self._store, workspace_sid, self.wishes, self._limits
            )
        replay.take(changes)

    # What clients are told

    def asked(self, command: c.Command) -> None:
        """Note a wish before it is sent."""
        wishes = self.wishes
        match command:
            case c.UpdateReservation(sid=sid, status=R.ACCEPTED):
                wishes.accepts.add(sid)
            case c.UpdateReservation(sid=sid, status=R.REJECTED):
                wishes.rejects.add(sid)
            case c.ConcludeInstruction(sid=sid) if command.verdict.done and command.instruction.accepts:
                wishes.accepts.add(sid)
            case c.AssignmentInstructed(reservation_sid=sid, instruction="accept"):
                wishes.accepts.add(sid)
            case c.AssignmentInstructed(reservation_sid=sid, instruction="reject"):
                wishes.rejects.add(sid)
            case c.UpdateWorker(sid=sid, reject_pending_reservations=True):
                wishes.worker_rejects.add(sid)
            case c.DeleteTask(sid=sid):
                wishes.deletes.add(sid)

    def acknowledged(self, workspace_sid: str, command: c.Command, view: Any) -> None:
        """Check that what a client was told is in the rows at that moment."""
        if self.replays[workspace_sid].deleted:
            return
        match command:
            case c.CreateTask(sid=sid):
                self._tasks.append((workspace_sid, sid))
                self._check_task_there(workspace_sid, sid)
            case c.UpdateTask(sid=sid):
                self._check_updated(workspace_sid, command, view)
            case c.DeleteTask(sid=sid):
                if self._store.task(workspace_sid, sid) is not None:
                    raise Finding(f"{sid} is there although its deletion was acknowledged")
            case c.ConcludeInstruction(sid=sid) if view.status is R.ACCEPTED:
                self._check_reservation(workspace_sid, sid, R.ACCEPTED)
            case c.UpdateReservation(sid=sid, status=status):
                self._check_reservation(workspace_sid, sid, status)
            case c.CreateTransfer(sid=sid):
                self._check_transfer(workspace_sid, sid, None)
            case c.CancelTransfer(sid=sid):
                self._check_transfer(workspace_sid, sid, TransferStatus.CANCELED)
            case c.DeleteWorker(sid=sid):
                self._check_gone(workspace_sid, Kind.WORKER, sid)
            case c.DeleteTaskQueue(sid=sid):
                self._check_gone(workspace_sid, Kind.TASK_QUEUE, sid)
            case c.DeleteWorkflow(sid=sid):
                self._check_gone(workspace_sid, Kind.WORKFLOW, sid)

    def check_promises(self) -> None:
        """Check that every acknowledged task is there still, unless somebody asked for its deletion."""
        for workspace_sid, sid in self._tasks:
            if not self.replays[workspace_sid].deleted:
                self._check_task_there(workspace_sid, sid)

    # What webhooks are sent

    def may_send(self, callbacks: list[AssignmentCallback]) -> None:
        """Note that a node was handed these callbacks, after a commit or after a load."""
        for callback in callbacks:
            self._allowed[callback.reservation_sid] += 1

    def posted(self, fields: dict[str, str], url: str) -> None:
        """Check an assignment callback that has reached its receiver."""
        sid = fields["ReservationSid"]
        here = self._store.workspaces[fields["WorkspaceSid"]]
        if sid not in here.tables[Kind.RESERVATION]:
            raise Finding(f"the callback of {sid} was sent before its commit")
        self._sent[sid, url] += 1
        self._sent_anywhere.add(sid)
        if self._sent[sid, url] > self._allowed[sid]:
            sent, allowed = self._sent[sid, url], self._allowed[sid]
            raise Finding(f"the callback of {sid} was sent {sent} times to {url}, handed out {allowed} times")

    def unsent(self, workspace_sid: str, created_before_ms: int) -> list[str]:
        """Name the reservations whose callbacks have been in the outbox since then and were never sent."""
        return [
            callback.reservation_sid
            for callback in self._store.callbacks(workspace_sid)
            if callback.date_created_ms < created_before_ms
            and callback.reservation_sid not in self._sent_anywhere
        ]

    # Inside

    def _check_task_there(self, workspace_sid: str, sid: str) -> None:
        deleted = sid in self.replays[workspace_sid].deleted_tasks
        if (self._store.task(workspace_sid, sid) is None) != deleted:
            raise Finding(f"{sid} was acknowledged and is {'there, deleted' if deleted else 'not there'}")

    def _check_updated(self, workspace_sid: str, command: c.UpdateTask, view: Any) -> None:
        task = self._store.task(workspace_sid, command.sid)
        if task is None:
            self._check_task_there(workspace_sid, command.sid)
            return
        if task.version < view.version:
            raise Finding(f"{task.sid} has version {task.version}; {view.version} was acknowledged")
        wanted = command.assignment_status
        if isinstance(wanted, T) and task.status not in _TASK_LATER[wanted]:
            raise Finding(f"{task.sid} is {task.status}; {wanted} was acknowledged")

    def _check_reservation(self, workspace_sid: str, sid: str, status: R) -> None:
        row = self._store.workspaces[workspace_sid].tables[Kind.RESERVATION][sid]
        now = row[_STATUS_OF_RESERVATION]
        if now not in _RESERVATION_LATER[status]:
            raise Finding(f"{sid} is {now}; {status} was acknowledged")

    def _check_transfer(self, workspace_sid: str, sid: str, status: TransferStatus | None) -> None:
        row = self._store.workspaces[workspace_sid].tables[Kind.TRANSFER].get(sid)
        if row is None or status not in (None, row[_STATUS_OF_TRANSFER]):
            raise Finding(f"{sid} is {row and row[_STATUS_OF_TRANSFER]}; {status} was acknowledged")

    def _check_gone(self, workspace_sid: str, kind: Kind, sid: str) -> None:
        if sid in self._store.workspaces[workspace_sid].tables[kind]:
            raise Finding(f"{sid} is there although its deletion was acknowledged")
