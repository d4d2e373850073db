"""Commands about tasks: create, update, delete, and the deadlines of a task (behaviour §2)."""

from dataclasses import dataclass

from engine.routing.board import Board
from engine.routing.commands import UNSET, AdoptFinishedTask, CreateTask, DeleteTask, UpdateTask
from engine.routing.deadlines import Due
from engine.routing.entities import Task, TaskStatus, Workflow
from engine.routing.errors import NotFound, Refused, VersionMismatch
from engine.routing.handover import withdraw
from engine.routing.holding import wrap_task
from engine.routing.lifecycle import (
    adopt_finished_task,
    cancel_task,
    complete_task,
    delete_task,
    is_held,
)
from engine.routing.merging import new_attributes
from engine.routing.progress import (
    enter_queue,
    enter_workflow,
    move_to_queue,
    reevaluate,
    time_out_step,
    wait,
)
from engine.routing.records import record_task
from engine.routing.state import WorkspaceState
from engine.routing.states import check_no_transfer, check_task_move
from engine.routing.viewing import task_view
from engine.routing.views import TaskView

TTL_EXCEEDED = "Task TTL Exceeded"

_VERBS = {
    TaskStatus.CANCELED: "cancel",
    TaskStatus.WRAPPING: "wrap up",
    TaskStatus.COMPLETED: "complete",
}


@dataclass(slots=True, frozen=True)
class _Route:
    """Where a new task goes: through `workflow`'s filters unless a worker or a queue is given.

    With both, the task stands in the queue and is offered to that worker alone, whomever the queue takes.
    """

    workflow: Workflow | None
    queue_sid: str | None = None
    to_worker: bool = False


def create_task(board: Board, command: CreateTask, now_ms: int) -> TaskView:
    """Create a task and route it to where it waits; matching comes after the batch's commands."""
    state = board.state
    channel_sid = _channel_sid(state, command.task_channel or "default")
    route = _route(state, command)
    workflow = route.workflow
    task = Task(
        sid=command.sid,
        sequence=state.next_sequence(),
        status=TaskStatus.PENDING,
        attributes=command.attributes,
        addons="{}",
        priority=command.priority or 0,
        reason=None,
        timeout_s=command.timeout_s,
        task_channel_sid=channel_sid,
        workflow_sid=workflow.sid if workflow else None,
        workflow_version=workflow.configuration_version if workflow else 0,
        task_queue_sid=None,
        routing_target=command.routing_target,
        ignore_capacity=route.to_worker and command.ignore_capacity is not False,
        virtual_start_ms=now_ms if command.virtual_start_ms is None else command.virtual_start_ms,
        date_created_ms=now_ms,
        date_updated_ms=now_ms,
    )
    state.tasks[task.sid] = task
    state.put_task(task)
    state.deadlines.set(Due.TASK_TTL, task.sid, now_ms + task.timeout_s * 1000)
    record_task(state, "task.created", task, now_ms)
    if route.to_worker:
        if route.queue_sid is not None:
            move_to_queue(board, task, route.queue_sid, now_ms)
        wait(board, task, now_ms)
    elif route.queue_sid is not None:
        enter_queue(board, task, route.queue_sid, now_ms)
    else:
        enter_workflow(board, task, now_ms)
    view = task_view(state, task)
    # The answer tells the task as it was made, pending and before its queue took it in (contract §5.4); one
    # that fell out of its workflow at once is canceled only after this answer (OQ-1).
    view.task_queue_entered_ms = None
    if task.status is TaskStatus.CANCELED:
        view.status, view.reason, view.version = TaskStatus.PENDING, None, 0
    return view


def update_task(board: Board, command: UpdateTask, now_ms: int) -> TaskView:
    """Change a task's data or its status; a pending task is routed again (CX-19)."""
    state = board.state
    task = state.task(command.sid)
    _check_version(task, command.if_match)
    channel_sid = UNSET if command.task_channel is UNSET else _channel_sid(state, command.task_channel)
    if command.assignment_status is not UNSET:
        _check_status_change(state, task, command)
    attributes = new_attributes(
        task.attributes, command.attributes, command.attributes_merge, state.limits.attributes_chars_max
    )
    reroute = False
    changed = False
    if attributes is not UNSET:
        task.attributes = attributes
        changed = reroute = True
    if command.priority is not UNSET:
        task.priority = command.priority
        changed = reroute = True
    if command.virtual_start_ms is not UNSET:
        task.virtual_start_ms = command.virtual_start_ms
        changed = reroute = True
    if channel_sid is not UNSET:
        task.task_channel_sid = channel_sid
        changed = reroute = True
    if command.reason is not UNSET and command.assignment_status is UNSET:
        task.reason = command.reason
        changed = True
    if changed:
        task.version += 1
        task.date_updated_ms = now_ms
        state.put_task(task)
        record_task(state, "task.updated", task, now_ms)
    if command.assignment_status is not UNSET:
        reason = None if command.reason is UNSET else command.reason
        _change_status(board, task, command.assignment_status, reason, now_ms)
        record_task(state, "task.updated", task, now_ms)
    elif reroute:
        _look_again(board, task, now_ms)
    return task_view(state, task)


def _look_again(board: Board, task: Task, now_ms: int) -> None:
    if task.status is TaskStatus.PENDING:
        reevaluate(board, task, now_ms)
    elif board.eligibility.is_waiting(task.sid):
        wait(board, task, now_ms)


def remove_task(board: Board, command: DeleteTask, now_ms: int) -> None:
    """Delete a task in any state."""
    task = board.state.task(command.sid)
    _check_version(task, command.if_match)
    delete_task(board, task, "task.deleted", now_ms)


def adopt_task(board: Board, command: AdoptFinishedTask, _now_ms: int) -> None:
    """Take a finished task back into memory, as its row has it."""
    adopt_finished_task(board, command.task)


def exceed_ttl(board: Board, task_sid: str, now_ms: int) -> None:
    """Cancel a task that was pending or reserved for its whole time to live."""
    cancel_task(board, board.state.tasks[task_sid], TTL_EXCEEDED, now_ms)


def exceed_assigned_time(board: Board, task_sid: str, now_ms: int) -> None:
    """Delete a task that was assigned for too long (behaviour §2, task.system-deleted)."""
    delete_task(board, board.state.tasks[task_sid], "task.system-deleted", now_ms)


def reach_step_deadline(board: Board, task_sid: str, now_ms: int) -> None:
    """Take a pending task out of a step that timed out."""
    time_out_step(board, board.state.tasks[task_sid], now_ms)


def bind_time_again(board: Board, task_sid: str, now_ms: int) -> None:
    """Let a waiting task see the new minute in its target's expression."""
    wait(board, board.state.tasks[task_sid], now_ms)


def _route(state: WorkspaceState, command: CreateTask) -> _Route:
    target = command.routing_target
    workflow_sid = command.workflow_sid
    if target is not None and target.startswith("WW"):
        if target not in state.workflows:
            raise Refused(f"RoutingTarget: there is no Workflow {target} in this workspace")
        if workflow_sid is not None and workflow_sid != target:
            raise Refused("RoutingTarget and WorkflowSid name different Workflows")
        workflow_sid = target
    workflow = _workflow(state, workflow_sid, required=target is None and command.task_queue_sid is None)
    to_worker = target is not None and target.startswith("WK")
    if command.ignore_capacity and not to_worker:
        raise Refused("IgnoreCapacity: only with a Worker as RoutingTarget")
    if to_worker and target not in state.workers:
        raise Refused(f"RoutingTarget: there is no Worker {target} in this workspace")
    queue_sid = command.task_queue_sid
    if target is not None and target.startswith("WQ"):
        queue_sid = target
    if queue_sid is not None and queue_sid not in state.task_queues:
        raise Refused(f"there is no TaskQueue {queue_sid} in this workspace")
    return _Route(workflow, queue_sid, to_worker)


def _workflow(state: WorkspaceState, sid: str | None, *, required: bool) -> Workflow | None:
    if sid is not None:
        if sid not in state.workflows:
            raise Refused(f"WorkflowSid: there is no Workflow {sid} in this workspace")
        return state.workflows[sid]
    if len(state.workflows) == 1:
        return next(iter(state.workflows.values()))
    if required:
        raise Refused("WorkflowSid field is required")
    return None


def _channel_sid(state: WorkspaceState, sid_or_unique_name: str) -> str:
    try:
        return state.task_channel(sid_or_unique_name).sid
    except NotFound:
        raise Refused(
            f"TaskChannel: there is no TaskChannel {sid_or_unique_name!r} in this workspace"
        ) from None


def _check_version(task: Task, if_match: int | None) -> None:
    if if_match is not None and if_match != task.version:
        raise VersionMismatch(f"Task {task.sid} has version {task.version}, If-Match names {if_match}")


def _check_status_change(state: WorkspaceState, task: Task, command: UpdateTask) -> None:
    wanted = command.assignment_status
    if wanted not in _VERBS:
        raise Refused(f"AssignmentStatus: expected canceled, wrapping or completed, found {wanted}")
    sent = command.attributes is not UNSET or command.attributes_merge is not UNSET
    if wanted is not TaskStatus.CANCELED and sent:
        raise Refused(f"Attributes and AssignmentStatus={wanted} must be sent in separate requests")
    if task.open_transfer is not None and wanted is TaskStatus.CANCELED and not is_held(task):
        return
    check_no_transfer(task.open_transfer, f"{_VERBS[wanted]} task {task.sid}")
    check_task_move(task, wanted, state.workspace.sid, state.workspace.account_sid)


def _change_status(board: Board, task: Task, status: TaskStatus, reason: str | None, now_ms: int) -> None:
    if status is TaskStatus.CANCELED:
        if task.open_transfer is not None:
            withdraw(board, task, task.open_transfer, now_ms, reroute=False)
        cancel_task(board, task, reason, now_ms)
    elif status is TaskStatus.COMPLETED:
        complete_task(board, task, reason, now_ms)
    else:
        wrap_task(board, task, reason, now_ms)
