"""Views of live entities: what a client may see, frozen at the moment a command was handled."""

from engine.routing import capacity
from engine.routing.entities import (
    Activity,
    Reservation,
    Task,
    TaskChannel,
    TaskQueue,
    Transfer,
    Worker,
    WorkerChannel,
    Workflow,
)
from engine.routing.state import WorkspaceState
from engine.routing.views import (
    ActivityView,
    ReservationView,
    TaskChannelView,
    TaskQueueView,
    TaskView,
    TransferView,
    WorkerChannelView,
    WorkerView,
    WorkflowView,
    WorkspaceView,
)


def workspace_view(state: WorkspaceState) -> WorkspaceView:
    """View the workspace."""
    workspace = state.workspace
    return WorkspaceView(
        sid=workspace.sid,
        account_sid=workspace.account_sid,
        friendly_name=workspace.friendly_name,
        event_callback_url=workspace.event_callback_url,
        events_filter=workspace.events_filter,
        multi_task_enabled=workspace.multi_task_enabled,
        prioritize_queue_order=workspace.prioritize_queue_order,
        default_activity_sid=workspace.default_activity_sid,
        default_activity_name=_activity_name(state, workspace.default_activity_sid),
        timeout_activity_sid=workspace.timeout_activity_sid,
        timeout_activity_name=_activity_name(state, workspace.timeout_activity_sid),
        date_created_ms=workspace.date_created_ms,
        date_updated_ms=workspace.date_updated_ms,
    )


def activity_view(activity: Activity) -> ActivityView:
    """View an activity."""
    return ActivityView(
        sid=activity.sid,
        friendly_name=activity.friendly_name,
        available=activity.available,
        date_created_ms=activity.date_created_ms,
        date_updated_ms=activity.date_updated_ms,
    )


def task_channel_view(channel: TaskChannel) -> TaskChannelView:
    """View a task channel."""
    return TaskChannelView(
        sid=channel.sid,
        unique_name=channel.unique_name,
        friendly_name=channel.friendly_name,
        channel_optimized_routing=channel.channel_optimized_routing,
        date_created_ms=channel.date_created_ms,
        date_updated_ms=channel.date_updated_ms,
    )


def task_queue_view(state: WorkspaceState, queue: TaskQueue, warnings: tuple[str, ...] = ()) -> TaskQueueView:
    """View a queue, with warnings about what was just saved."""
    return TaskQueueView(
        sid=queue.sid,
        friendly_name=queue.friendly_name,
        target_workers=queue.target_workers,
        max_reserved_workers=queue.max_reserved_workers,
        task_order=queue.task_order,
        reservation_activity_sid=queue.reservation_activity_sid,
        reservation_activity_name=_activity_name(state, queue.reservation_activity_sid),
        assignment_activity_sid=queue.assignment_activity_sid,
        assignment_activity_name=_activity_name(state, queue.assignment_activity_sid),
        date_created_ms=queue.date_created_ms,
        date_updated_ms=queue.date_updated_ms,
        warnings=warnings,
    )


def workflow_view(workflow: Workflow, warnings: tuple[str, ...] = ()) -> WorkflowView:
    """View a workflow, with warnings about what was just saved."""
    return WorkflowView(
        sid=workflow.sid,
        friendly_name=workflow.friendly_name,
        configuration=workflow.configuration,
        assignment_callback_url=workflow.assignment_callback_url,
        fallback_assignment_callback_url=workflow.fallback_assignment_callback_url,
        task_reservation_timeout_s=workflow.task_reservation_timeout_s,
        date_created_ms=workflow.date_created_ms,
        date_updated_ms=workflow.date_updated_ms,
        warnings=warnings,
    )


def worker_view(state: WorkspaceState, worker: Worker) -> WorkerView:
    """View a worker."""
    activity = state.activities[worker.activity_sid]
    return WorkerView(
        sid=worker.sid,
        friendly_name=worker.friendly_name,
        activity_sid=activity.sid,
        activity_name=activity.friendly_name,
        available=activity.available,
        attributes=worker.attributes,
        date_created_ms=worker.date_created_ms,
        date_updated_ms=worker.date_updated_ms,
        date_status_changed_ms=worker.date_status_changed_ms,
        version=worker.version,
    )


def worker_channel_view(state: WorkspaceState, channel: WorkerChannel) -> WorkerChannelView:
    """View a worker channel."""
    return WorkerChannelView(
        sid=channel.sid,
        worker_sid=channel.worker_sid,
        task_channel_sid=channel.task_channel_sid,
        task_channel_unique_name=state.task_channels[channel.task_channel_sid].unique_name,
        configured_capacity=channel.configured_capacity,
        available=channel.available,
        assigned_tasks=channel.accepted,
        open_reservations=capacity.in_use(channel),
        date_created_ms=channel.date_created_ms,
        date_updated_ms=channel.date_updated_ms,
        last_reserved_ms=channel.last_reserved_ms,
    )


def task_view(state: WorkspaceState, task: Task) -> TaskView:
    """View a task."""
    channel = state.task_channels.get(task.task_channel_sid)
    workflow = state.workflows.get(task.workflow_sid or "")
    queue = state.task_queues.get(task.task_queue_sid or "")
    return named_task_view(
        task,
        channel.unique_name if channel else "",
        workflow.friendly_name if workflow else None,
        queue.friendly_name if queue else None,
    )


def named_task_view(task: Task, task_channel: str, workflow: str | None, task_queue: str | None) -> TaskView:
    """View a task by the names of its channel, workflow and queue."""
    return TaskView(
        sid=task.sid,
        status=task.status,
        attributes=task.attributes,
        addons=task.addons,
        priority=task.priority,
        reason=task.reason,
        timeout_s=task.timeout_s,
        task_channel_sid=task.task_channel_sid,
        task_channel_unique_name=task_channel,
        workflow_sid=task.workflow_sid,
        workflow_friendly_name=workflow,
        task_queue_sid=task.task_queue_sid,
        task_queue_friendly_name=task_queue,
        routing_target=task.routing_target,
        ignore_capacity=task.ignore_capacity,
        virtual_start_ms=task.virtual_start_ms,
        task_queue_entered_ms=task.task_queue_entered_ms,
        date_created_ms=task.date_created_ms,
        date_updated_ms=task.date_updated_ms,
        version=task.version,
    )


def reservation_view(state: WorkspaceState, reservation: Reservation) -> ReservationView:
    """View a reservation."""
    return ReservationView(
        sid=reservation.sid,
        task_sid=reservation.task_sid,
        worker_sid=reservation.worker_sid,
        worker_name=state.workers[reservation.worker_sid].friendly_name,
        status=reservation.status,
        date_created_ms=reservation.date_created_ms,
        date_updated_ms=reservation.date_updated_ms,
        version=reservation.version,
        transfer_sid=reservation.transfer_sid,
    )


def transfer_view(transfer: Transfer) -> TransferView:
    """View a transfer."""
    return TransferView(
        sid=transfer.sid,
        task_sid=transfer.task_sid,
        initiating_reservation_sid=transfer.initiating_reservation_sid,
        initiating_worker_sid=transfer.initiating_worker_sid,
        initiating_queue_sid=transfer.initiating_queue_sid,
        initiating_workflow_sid=transfer.initiating_workflow_sid,
        to_sid=transfer.to_sid,
        mode=transfer.mode,
        status=transfer.status,
        date_created_ms=transfer.date_created_ms,
        date_updated_ms=transfer.date_updated_ms,
        failed_reason=transfer.failed_reason,
        priority=transfer.priority,
        version=transfer.version,
    )


def _activity_name(state: WorkspaceState, sid: str | None) -> str | None:
    activity = state.activities.get(sid or "")
    return activity.friendly_name if activity else None
