"""The routing core of one workspace: commands in, effects out.

Theory of operation
-------------------
The core is a plain object: no clock, no randomness, no I/O. Its owner calls, for every batch,
`advance(now)`, then `handle(command, now)` for each command, then `match(now)`, and takes the `Changes` to
write. A refused command raises and leaves the state untouched: handlers check first and change after.
Whatever the owner cannot write it must forget: it drops the core and loads a new one from the rows.
"""

from collections.abc import Callable
from typing import Any, cast

from engine.routing import commands as c
from engine.routing import (
    explain,
    matching,
    on_configuration,
    on_reservations,
    on_tasks,
    on_transfers,
    on_voice,
    on_workers,
    read_statistics,
)
from engine.routing.board import Board
from engine.routing.bootstrap import new_board
from engine.routing.deadlines import Due
from engine.routing.effects import Changes, Kind
from engine.routing.entities import TaskOrder, Workspace
from engine.routing.errors import Refused
from engine.routing.explain_views import TaskExplanation
from engine.routing.lifecycle import evict_finished
from engine.routing.limits import RoutingLimits
from engine.routing.loading import Steps, load_board
from engine.routing.rows import WorkspaceRows
from engine.routing.viewing import workspace_view
from engine.routing.views import WorkspaceView

Handler = Callable[[Board, Any, int], Any]

_HANDLERS: dict[type, Handler] = {
    c.UpdateWorkspace: on_configuration.update_workspace,
    c.CreateActivity: on_configuration.create_activity,
    c.UpdateActivity: on_configuration.update_activity,
    c.DeleteActivity: on_configuration.delete_activity,
    c.CreateTaskChannel: on_configuration.create_task_channel,
    c.UpdateTaskChannel: on_configuration.update_task_channel,
    c.DeleteTaskChannel: on_configuration.delete_task_channel,
    c.CreateTaskQueue: on_configuration.create_task_queue,
    c.UpdateTaskQueue: on_configuration.update_task_queue,
    c.DeleteTaskQueue: on_configuration.delete_task_queue,
    c.CreateWorkflow: on_configuration.create_workflow,
    c.UpdateWorkflow: on_configuration.update_workflow,
    c.DeleteWorkflow: on_configuration.delete_workflow,
    c.CreateWorker: on_workers.create_worker,
    c.UpdateWorker: on_workers.update_worker,
    c.DeleteWorker: on_workers.delete_worker,
    c.UpdateWorkerChannel: on_workers.update_worker_channel,
    c.CreateTask: on_tasks.create_task,
    c.UpdateTask: on_tasks.update_task,
    c.DeleteTask: on_tasks.remove_task,
    c.AdoptFinishedTask: on_tasks.adopt_task,
    c.ExplainTask: explain.explain_task,
    c.ReadRealTime: read_statistics.read_real_time,
    c.UpdateReservation: on_reservations.update_reservation,
    c.CreateTransfer: on_transfers.create_transfer,
    c.CancelTransfer: on_transfers.cancel_transfer,
    c.PrepareInstruction: on_voice.prepare_instruction,
    c.ConcludeInstruction: on_voice.conclude_instruction,
    c.AssignmentInstructed: on_reservations.follow_instruction,
    c.AssignmentCallbackFailed: on_reservations.fail_callback,
}


def _offer_again(board: Board, task_sid: str, _now_ms: int) -> None:
    board.eligibility.unpark_task(task_sid)


def _evict_finished(board: Board, task_sid: str, _now_ms: int) -> None:
    evict_finished(board, task_sid)


_DEADLINE_HANDLERS: dict[Due, Callable[[Board, str, int], None]] = {
    Due.TASK_TTL: on_tasks.exceed_ttl,
    Due.STEP: on_tasks.reach_step_deadline,
    Due.RESERVATION: on_reservations.time_out,
    Due.ASSIGNED_TOO_LONG: on_tasks.exceed_assigned_time,
    Due.OFFER_AGAIN: _offer_again,
    Due.TIME_OF_DAY: on_tasks.bind_time_again,
    Due.FINISHED_EVICTION: _evict_finished,
}


class WorkspaceCore:
    """One workspace's routing. Made by `create` or `load`."""

    __slots__ = ("board", "deleted")

    def __init__(self, board: Board) -> None:
        self.board = board
        self.deleted = False

    @classmethod
    def create(
        cls,
        workspace_sid: str,
        account_sid: str,
        *,
        friendly_name: str,
        event_callback_url: str = "",
        events_filter: str | None = None,
        multi_task_enabled: bool = True,
        prioritize_queue_order: TaskOrder = TaskOrder.FIFO,
        template: str = "NONE",
        new_sid: Callable[[str], str],
        now_ms: int,
        limits: RoutingLimits | None = None,
    ) -> "WorkspaceCore":
        """Make a new workspace; the template `FIFO` adds a queue and a workflow (behaviour §1)."""
        workspace = Workspace(
            sid=workspace_sid,
            account_sid=account_sid,
            friendly_name=friendly_name,
            event_callback_url=event_callback_url,
            events_filter=events_filter,
            multi_task_enabled=multi_task_enabled,
            prioritize_queue_order=prioritize_queue_order,
            default_activity_sid=None,
            timeout_activity_sid=None,
            date_created_ms=now_ms,
            date_updated_ms=now_ms,
        )
        return cls(new_board(workspace, template, new_sid, limits or RoutingLimits(), now_ms))

    @classmethod
    def load(
        cls,
        rows: WorkspaceRows,
        *,
        new_sid: Callable[[str], str],
        now_ms: int,
        limits: RoutingLimits | None = None,
    ) -> "WorkspaceCore":
        """Rebuild the live state from rows; overdue deadlines fire at the next `advance`."""
        steps = cls.load_in_steps(rows, new_sid=new_sid, now_ms=now_ms, limits=limits)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return cast("WorkspaceCore", end.value)

    @classmethod
    def load_in_steps(
        cls,
        rows: WorkspaceRows,
        *,
        new_sid: Callable[[str], str],
        now_ms: int,
        limits: RoutingLimits | None = None,
    ) -> "Steps[WorkspaceCore]":
        """Do what `load` does, some milliseconds of it at each `next`; the generator returns the core."""
        return cls((yield from load_board(rows, new_sid, limits or RoutingLimits(), now_ms)))

    @property
    def workspace(self) -> Workspace:
        """The workspace entity."""
        return self.board.state.workspace

    def handle(self, command: c.Command, now_ms: int) -> Any:
        """Carry out one command and return its view (`commands` says which).

        Raises RoutingError, with the state untouched, when the command is refused.
        """
        if self.deleted:
            raise Refused(f"workspace {self.workspace.sid} is deleted")
        if isinstance(command, c.DeleteWorkspace):
            return self._delete(now_ms)
        return _HANDLERS[type(command)](self.board, command, now_ms)

    def advance(self, now_ms: int, limit: int) -> bool:
        """Fire up to `limit` due deadlines in their order; returns whether more are due."""
        deadlines = self.board.state.deadlines
        for _ in range(limit):
            due = deadlines.pop_due(now_ms)
            if due is None:
                return False
            _DEADLINE_HANDLERS[due[0]](self.board, due[1], now_ms)
        next_ms = deadlines.next_ms()
        return next_ms is not None and next_ms <= now_ms

    def match(self, now_ms: int, limit: int) -> bool:
        """Pair tasks and workers, up to `limit` decisions; returns whether there may be more."""
        if self.deleted:
            return False
        return matching.match(self.board, now_ms, limit)

    def next_deadline_ms(self) -> int | None:
        """Return when `advance` has something to do next, or None."""
        return self.board.state.deadlines.next_ms()

    def take_changes(self) -> Changes:
        """Take everything that changed since the last call."""
        changes, self.board.state.changes = self.board.state.changes, Changes()
        self.board.tally.take_in(changes)
        return changes

    def view(self) -> WorkspaceView:
        """View the workspace."""
        return workspace_view(self.board.state)

    def explain(
        self,
        task_sid: str,
        now_ms: int,
        *,
        size: int = 50,
        after: str | None = None,
        before: str | None = None,
    ) -> TaskExplanation:
        """Tell why a task waits or who has it, without changing anything.

        `size`, `after` and `before` choose the workers that are spelled out (`commands.ExplainTask`).
        Raises NotFound for a task that is not in memory.
        """
        return explain.explain_task(self.board, c.ExplainTask(task_sid, size, after, before), now_ms)

    def counts(self) -> dict[str, int]:
        """Count the open tasks by status."""
        self.board.tally.take_in(self.board.state.changes)
        return self.board.tally.counts()

    def _delete(self, now_ms: int) -> None:
        state = self.board.state
        description = f"Workspace {state.workspace.friendly_name} deleted"
        state.record("workspace.deleted", state.workspace.sid, description, {}, now_ms)
        state.remove(Kind.WORKSPACE, state.workspace.sid)
        self.deleted = True
