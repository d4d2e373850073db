"""Commands about the workspace and what is configured in it: activities, channels, queues, workflows."""

from collections.abc import Iterable

from engine.expressions.expression import Expression, ExpressionError, parse
from engine.routing import commands as c
from engine.routing.board import Board
from engine.routing.commands import UNSET
from engine.routing.effects import Kind, RoutingWarning
from engine.routing.entities import Activity, Task, TaskChannel, TaskQueue, TaskStatus, Workflow
from engine.routing.errors import Refused
from engine.routing.limits import EXPRESSION_LENGTH_MAX
from engine.routing.lint import Knowledge, first_warnings, lint_configuration, lint_target_workers
from engine.routing.on_workers import add_worker_channel
from engine.routing.progress import enter_workflow, is_direct
from engine.routing.records import (
    activity_data,
    task_channel_data,
    task_queue_data,
    workflow_data,
)
from engine.routing.state import WorkspaceState
from engine.routing.viewing import (
    activity_view,
    task_channel_view,
    task_queue_view,
    workflow_view,
    workspace_view,
)
from engine.routing.views import ActivityView, TaskChannelView, TaskQueueView, WorkflowView, WorkspaceView
from engine.routing.workflow import WorkflowConfiguration, parse_configuration

DEFAULT_CHANNELS = ("default", "voice", "sms", "chat", "video")


def update_workspace(board: Board, command: c.UpdateWorkspace, now_ms: int) -> WorkspaceView:
    """Change the workspace's own properties."""
    state = board.state
    workspace = state.workspace
    for name in ("default_activity_sid", "timeout_activity_sid"):
        sid = getattr(command, name)
        if sid is not UNSET and sid not in state.activities:
            raise Refused(f"{_pascal(name)}: there is no Activity {sid} in this workspace")
    changed = False
    for name in command.__slots__:
        value = getattr(command, name)
        if value is not UNSET and value != getattr(workspace, name):
            setattr(workspace, name, value)
            changed = True
    if changed:
        workspace.date_updated_ms = now_ms
        state.put_workspace()
        description = f"Workspace {workspace.friendly_name} updated"
        state.record("workspace.updated", workspace.sid, description, {}, now_ms)
        board.eligibility.reorder()
        for worker in state.workers.values():
            board.eligibility.refresh_worker(worker)
    return workspace_view(state)


def create_activity(board: Board, command: c.CreateActivity, now_ms: int) -> ActivityView:
    """Create an activity."""
    state = board.state
    _check_activity_name(state, command.friendly_name)
    if len(state.activities) >= state.limits.activities_max:
        raise Refused(f"a workspace has at most {state.limits.activities_max} activities")
    activity = Activity(command.sid, command.friendly_name, command.available, now_ms, now_ms)
    add_activity(state, activity, now_ms)
    return activity_view(activity)


def update_activity(board: Board, command: c.UpdateActivity, now_ms: int) -> ActivityView:
    """Rename an activity; nothing else of it can change."""
    state = board.state
    activity = state.activity(command.sid)
    name = command.friendly_name
    if name is UNSET or name == activity.friendly_name:
        return activity_view(activity)
    _check_activity_name(state, name)
    activity.friendly_name = name
    activity.date_updated_ms = now_ms
    state.changes.activities[activity.sid] = activity
    state.record(
        "activity.updated", activity.sid, f"Activity {name} updated", activity_data(activity), now_ms
    )
    for worker in state.workers.values():
        if worker.activity_sid == activity.sid:
            board.eligibility.put_worker(worker)
    return activity_view(activity)


def delete_activity(board: Board, command: c.DeleteActivity, now_ms: int) -> None:
    """Delete an activity that nothing uses (OQ-14)."""
    state = board.state
    activity = state.activity(command.sid)
    workspace = state.workspace
    for role, sid in (
        ("default", workspace.default_activity_sid),
        ("timeout", workspace.timeout_activity_sid),
    ):
        if sid == activity.sid:
            raise Refused(f"Cannot delete activity {activity.sid}: it is the workspace's {role} activity")
    workers = sum(worker.activity_sid == activity.sid for worker in state.workers.values())
    if workers:
        raise Refused(f"Cannot delete activity {activity.sid}: {workers} worker(s) are in it")
    for queue in state.task_queues.values():
        if activity.sid in (queue.reservation_activity_sid, queue.assignment_activity_sid):
            raise Refused(f"Cannot delete activity {activity.sid}: queue {queue.sid} names it")
    del state.activities[activity.sid]
    state.remove(Kind.ACTIVITY, activity.sid)
    description = f"Activity {activity.friendly_name} deleted"
    state.record("activity.deleted", activity.sid, description, activity_data(activity), now_ms)


def create_task_channel(board: Board, command: c.CreateTaskChannel, now_ms: int) -> TaskChannelView:
    """Create a task channel, and a worker channel of capacity 1 for every worker."""
    state = board.state
    if any(channel.unique_name == command.unique_name for channel in state.task_channels.values()):
        raise Refused(
            f"TaskChannel with the unique name {command.unique_name} already exists "
            f"for workspace {state.workspace.sid}"
        )
    channel = TaskChannel(
        command.sid,
        command.unique_name,
        command.friendly_name,
        command.channel_optimized_routing,
        now_ms,
        now_ms,
    )
    add_task_channel(board, channel, now_ms)
    for worker in state.workers.values():
        add_worker_channel(state, worker, channel, now_ms)
        board.eligibility.put_worker(worker)
    return task_channel_view(channel)


def update_task_channel(board: Board, command: c.UpdateTaskChannel, now_ms: int) -> TaskChannelView:
    """Change a task channel's friendly name or its routing."""
    state = board.state
    channel = state.task_channel(command.sid)
    before = (channel.friendly_name, channel.channel_optimized_routing)
    if command.friendly_name is not UNSET:
        channel.friendly_name = command.friendly_name
    if command.channel_optimized_routing is not UNSET:
        channel.channel_optimized_routing = command.channel_optimized_routing
    if before != (channel.friendly_name, channel.channel_optimized_routing):
        channel.date_updated_ms = now_ms
        state.changes.task_channels[channel.sid] = channel
        board.eligibility.optimize_channel(channel.sid)
        description = f"TaskChannel {channel.unique_name} updated"
        state.record("task-channel.updated", channel.sid, description, task_channel_data(channel), now_ms)
    return task_channel_view(channel)


def delete_task_channel(board: Board, command: c.DeleteTaskChannel, now_ms: int) -> None:
    """Delete a custom task channel that no open task uses."""
    state = board.state
    channel = state.task_channel(command.sid)
    if channel.unique_name in DEFAULT_CHANNELS:
        raise Refused(f"Cannot delete task channel {channel.sid}: {channel.unique_name} is a default channel")
    waiting = {task.sid for task in state.tasks.values() if task.task_channel_sid == channel.sid}
    held = {r.task_sid for r in state.reservations.values() if r.task_channel_sid == channel.sid}
    users = _open_tasks(state.tasks[sid] for sid in sorted(waiting | held))
    if users:
        raise Refused(f"Cannot delete task channel {channel.sid}: {_some(users)} use it")
    board.eligibility.remove_channel(channel.sid)
    for worker in state.workers.values():
        worker_channel = worker.channels.pop(channel.sid)
        state.changes.worker_channels.pop(worker_channel.sid, None)
        state.remove(Kind.WORKER_CHANNEL, worker_channel.sid)
    del state.task_channels[channel.sid]
    for worker in state.workers.values():
        board.eligibility.put_worker(worker)
    state.remove(Kind.TASK_CHANNEL, channel.sid)
    description = f"TaskChannel {channel.unique_name} deleted"
    state.record("task-channel.deleted", channel.sid, description, task_channel_data(channel), now_ms)


def create_task_queue(board: Board, command: c.CreateTaskQueue, now_ms: int) -> TaskQueueView:
    """Create a queue."""
    state = board.state
    _check_queue_name(state, command.friendly_name)
    _check_queue_activities(state, command.reservation_activity_sid, command.assignment_activity_sid)
    queue = TaskQueue(
        sid=command.sid,
        friendly_name=command.friendly_name,
        target_workers=command.target_workers,
        max_reserved_workers=command.max_reserved_workers,
        task_order=command.task_order,
        reservation_activity_sid=command.reservation_activity_sid,
        assignment_activity_sid=command.assignment_activity_sid,
        date_created_ms=now_ms,
        date_updated_ms=now_ms,
        predicate=parse_target_workers(command.target_workers),
    )
    warnings = first_warnings(lint_target_workers(queue.predicate, _knowledge(state)))
    add_task_queue(board, queue, now_ms)
    return task_queue_view(state, queue, warnings)


def update_task_queue(board: Board, command: c.UpdateTaskQueue, now_ms: int) -> TaskQueueView:
    """Change a queue; open reservations stay, later matches follow the new rules (OQ-18)."""
    state = board.state
    queue = state.task_queue(command.sid)
    if command.friendly_name is not UNSET and command.friendly_name != queue.friendly_name:
        _check_queue_name(state, command.friendly_name)
    _check_queue_activities(state, command.reservation_activity_sid, command.assignment_activity_sid)
    expression_changed = command.target_workers not in (UNSET, queue.target_workers)
    predicate = queue.predicate
    if command.target_workers is not UNSET and expression_changed:
        predicate = parse_target_workers(command.target_workers)
    warnings: tuple[str, ...] = ()
    if command.target_workers is not UNSET:
        warnings = first_warnings(lint_target_workers(predicate, _knowledge(state)))
    changed = False
    for name in command.__slots__:
        value = getattr(command, name)
        if name != "sid" and value is not UNSET and value != getattr(queue, name):
            setattr(queue, name, value)
            changed = True
    if not changed:
        return task_queue_view(state, queue, warnings)
    queue.predicate = predicate
    queue.date_updated_ms = now_ms
    state.changes.task_queues[queue.sid] = queue
    board.eligibility.put_queue(queue)
    if expression_changed:
        description = f"TaskQueue {queue.friendly_name} expression updated"
        state.record("task-queue.expression.updated", queue.sid, description, task_queue_data(queue), now_ms)
    return task_queue_view(state, queue, warnings)


def delete_task_queue(board: Board, command: c.DeleteTaskQueue, now_ms: int) -> None:
    """Delete a queue that neither a workflow nor an open task needs (behaviour §1)."""
    state = board.state
    queue = state.task_queue(command.sid)
    for workflow in state.workflows.values():
        configuration = state.configurations[workflow.sid, workflow.configuration_version]
        if queue.sid in configuration.queue_sids():
            raise Refused(f"Cannot delete queue {queue.sid}: workflow {workflow.sid} names it")
    users = _open_tasks(task for task in state.tasks.values() if _needs_queue(state, task, queue.sid))
    if users:
        raise Refused(f"Cannot delete queue {queue.sid}: {_some(users)} are in it or may still come to it")
    del state.task_queues[queue.sid]
    board.eligibility.remove_queue(queue.sid)
    state.remove(Kind.TASK_QUEUE, queue.sid)
    description = f"TaskQueue {queue.friendly_name} deleted"
    state.record("task-queue.deleted", queue.sid, description, task_queue_data(queue), now_ms)


def create_workflow(board: Board, command: c.CreateWorkflow, now_ms: int) -> WorkflowView:
    """Create a workflow; its configuration is checked against the queues that exist."""
    state = board.state
    configuration = parse_configuration(command.configuration, state.task_queues.__contains__)
    warnings = first_warnings(lint_configuration(configuration, _knowledge(state)))
    workflow = Workflow(
        sid=command.sid,
        friendly_name=command.friendly_name,
        configuration=command.configuration,
        configuration_version=1,
        assignment_callback_url=command.assignment_callback_url,
        fallback_assignment_callback_url=command.fallback_assignment_callback_url,
        task_reservation_timeout_s=command.task_reservation_timeout_s,
        date_created_ms=now_ms,
        date_updated_ms=now_ms,
    )
    add_workflow(state, workflow, configuration, now_ms)
    return workflow_view(workflow, warnings)


def update_workflow(board: Board, command: c.UpdateWorkflow, now_ms: int) -> WorkflowView:
    """Change a workflow. Waiting tasks keep their configuration unless they are to be re-evaluated."""
    state = board.state
    workflow = state.workflow(command.sid)
    warnings: tuple[str, ...] = ()
    if command.configuration is not UNSET:
        configuration = parse_configuration(command.configuration, state.task_queues.__contains__)
        warnings = first_warnings(lint_configuration(configuration, _knowledge(state)))
        if command.configuration != workflow.configuration:
            workflow.configuration_version += 1
        workflow.configuration = command.configuration
        _keep_configuration(state, workflow, configuration)
    for name in (
        "friendly_name",
        "assignment_callback_url",
        "fallback_assignment_callback_url",
        "task_reservation_timeout_s",
    ):
        value = getattr(command, name)
        if value is not UNSET:
            setattr(workflow, name, value)
    workflow.date_updated_ms = now_ms
    state.changes.workflows[workflow.sid] = workflow
    description = f"Workflow {workflow.friendly_name} updated"
    state.record("workflow.updated", workflow.sid, description, workflow_data(workflow), now_ms)
    if command.re_evaluate_tasks:
        _start_anew(board, workflow, now_ms)
    _forget_unused_configurations(state, workflow)
    return workflow_view(workflow, warnings)


def delete_workflow(board: Board, command: c.DeleteWorkflow, now_ms: int) -> None:
    """Delete a workflow that controls no pending or reserved task (behaviour §1)."""
    state = board.state
    workflow = state.workflow(command.sid)
    users = [
        task.sid
        for task in state.tasks.values()
        if task.workflow_sid == workflow.sid and task.status in (TaskStatus.PENDING, TaskStatus.RESERVED)
    ]
    if users:
        raise Refused(f"Cannot delete workflow {workflow.sid}: it controls {_some(users)}")
    del state.workflows[workflow.sid]
    for key in [key for key in state.configurations if key[0] == workflow.sid]:
        del state.configurations[key]
    state.remove(Kind.WORKFLOW, workflow.sid)
    description = f"Workflow {workflow.friendly_name} deleted"
    state.record("workflow.deleted", workflow.sid, description, workflow_data(workflow), now_ms)


def add_activity(state: WorkspaceState, activity: Activity, now_ms: int) -> None:
    """Put a new activity on the board and in the log."""
    state.activities[activity.sid] = activity
    state.changes.activities[activity.sid] = activity
    description = f"Activity {activity.friendly_name} created"
    state.record("activity.created", activity.sid, description, activity_data(activity), now_ms)


def add_task_channel(board: Board, channel: TaskChannel, now_ms: int) -> None:
    """Put a new task channel on the board and in the log."""
    board.state.task_channels[channel.sid] = channel
    board.state.changes.task_channels[channel.sid] = channel
    board.eligibility.add_channel(channel.sid)
    description = f"TaskChannel {channel.unique_name} created"
    board.state.record("task-channel.created", channel.sid, description, task_channel_data(channel), now_ms)


def add_task_queue(board: Board, queue: TaskQueue, now_ms: int) -> None:
    """Put a new queue on the board and in the log."""
    board.state.task_queues[queue.sid] = queue
    board.state.changes.task_queues[queue.sid] = queue
    board.eligibility.put_queue(queue)
    description = f"TaskQueue {queue.friendly_name} created"
    board.state.record("task-queue.created", queue.sid, description, task_queue_data(queue), now_ms)


def add_workflow(
    state: WorkspaceState, workflow: Workflow, configuration: WorkflowConfiguration, now_ms: int
) -> None:
    """Put a new workflow with its parsed configuration on the board and in the log."""
    state.workflows[workflow.sid] = workflow
    state.changes.workflows[workflow.sid] = workflow
    _keep_configuration(state, workflow, configuration)
    description = f"Workflow {workflow.friendly_name} created"
    state.record("workflow.created", workflow.sid, description, workflow_data(workflow), now_ms)


def parse_target_workers(text: str) -> Expression | None:
    """Parse a TargetWorkers expression; None for the empty text, which matches nobody (behaviour §1)."""
    if not text.strip():
        return None
    try:
        return parse(text, length_max=EXPRESSION_LENGTH_MAX)
    except ExpressionError as error:
        raise Refused(f"TargetWorkers: {error}") from None


def _knowledge(state: WorkspaceState) -> Knowledge:
    return Knowledge(
        workers=[worker.values for worker in state.workers.values()],
        activities={activity.sid: activity.friendly_name for activity in state.activities.values()},
        channels=[channel.unique_name for channel in state.task_channels.values()],
    )


def _check_activity_name(state: WorkspaceState, name: str) -> None:
    if any(activity.friendly_name == name for activity in state.activities.values()):
        raise Refused(f"Activity with the friendly name {name} already exists in {state.workspace.sid}")


def _check_queue_name(state: WorkspaceState, name: str) -> None:
    if any(queue.friendly_name == name for queue in state.task_queues.values()):
        workspace = state.workspace
        raise Refused(
            f"Queue named {name} already exists for workspace {workspace.sid} "
            f"for account {workspace.account_sid}"
        )


def _check_queue_activities(state: WorkspaceState, *sids: object) -> None:
    for name, sid in zip(("ReservationActivitySid", "AssignmentActivitySid"), sids, strict=True):
        if sid is not None and sid is not UNSET and sid not in state.activities:
            raise Refused(f"{name}: there is no Activity {sid} in this workspace")


def _keep_configuration(
    state: WorkspaceState, workflow: Workflow, configuration: WorkflowConfiguration
) -> None:
    key = (workflow.sid, workflow.configuration_version)
    state.configurations[key] = configuration
    state.changes.configurations[key] = workflow.configuration
    for message in configuration.warnings:
        state.warn(RoutingWarning(20001, message, workflow_sid=workflow.sid))


def _start_anew(board: Board, workflow: Workflow, now_ms: int) -> None:
    tasks = [
        task
        for task in board.state.tasks.values()
        if task.workflow_sid == workflow.sid and task.status is TaskStatus.PENDING and not is_direct(task)
    ]
    for task in sorted(tasks, key=lambda task: task.sequence):
        task.workflow_version = workflow.configuration_version
        task.version += 1
        task.date_updated_ms = now_ms
        enter_workflow(board, task, now_ms)


def _forget_unused_configurations(state: WorkspaceState, workflow: Workflow) -> None:
    used = {task.workflow_version for task in state.tasks.values() if task.workflow_sid == workflow.sid}
    used.add(workflow.configuration_version)
    for key in [key for key in state.configurations if key[0] == workflow.sid and key[1] not in used]:
        del state.configurations[key]


def _needs_queue(state: WorkspaceState, task: Task, queue_sid: str) -> bool:
    if task.task_queue_sid == queue_sid:
        return True
    transfer = task.open_transfer
    if transfer is not None and transfer.initiating_queue_sid == queue_sid:
        return True
    if is_direct(task) or task.status not in (TaskStatus.PENDING, TaskStatus.RESERVED):
        return False
    configuration = state.configuration_of(task)
    if configuration is None or task.workflow_sid not in state.workflows:
        return False
    return queue_sid in configuration.queue_sids()


def _open_tasks(tasks: Iterable[Task]) -> list[str]:
    return [task.sid for task in tasks if task.date_finished_ms is None]


def _some(sids: list[str]) -> str:
    more = f" … ({len(sids)} in all)" if len(sids) > 5 else ""
    return f"{len(sids)} open task(s), {', '.join(sids[:5])}{more}"


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
