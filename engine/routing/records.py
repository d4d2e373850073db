"""The data of events: which fields an event of each kind carries (behaviour §9).

Keys are the snake_case of the callback's fields; every value is text. A field without a value is left out.
What every event tells (its workspace) is added when it is recorded.
"""

from engine.routing.capacity import in_use
from engine.routing.entities import (
    Activity,
    Reservation,
    ReservationStatus,
    Task,
    TaskChannel,
    TaskQueue,
    TaskStatus,
    Transfer,
    Worker,
    WorkerChannel,
    Workflow,
)
from engine.routing.state import WorkspaceState
from engine.routing.values import value_at

Data = dict[str, str]


def task_data(state: WorkspaceState, task: Task, now_ms: int) -> Data:
    """Return the Task* group and the SIDs and names of where the task stands."""
    channel = state.task_channels.get(task.task_channel_sid)
    created_ms, virtual_start_ms = task.date_created_ms, task.virtual_start_ms
    created = str(created_ms // 1000)
    data = {
        "task_sid": task.sid,
        "task_attributes": task.attributes,
        "task_age": str((now_ms - created_ms) // 1000),
        "task_priority": str(task.priority),
        "task_assignment_status": str(task.status),
        "task_version": str(task.version),
        "task_date_created": created,
        "task_virtual_start_time": (
            created if virtual_start_ms == created_ms else str(virtual_start_ms // 1000)
        ),
        "task_ignore_capacity": "true" if task.ignore_capacity else "false",
        "task_channel_sid": task.task_channel_sid,
        "task_channel_unique_name": channel.unique_name if channel else "",
    }
    if task.reason is not None:
        canceled = task.status is TaskStatus.CANCELED
        data["task_canceled_reason" if canceled else "task_completed_reason"] = data["reason"] = task.reason
    if task.task_queue_entered_ms is not None:
        data["task_queue_entered_date"] = str(task.task_queue_entered_ms // 1000)
    if task.task_queue_sid is not None:
        data["task_queue_sid"] = task.task_queue_sid
        if (queue := state.task_queues.get(task.task_queue_sid)) is not None:
            data["task_queue_name"] = queue.friendly_name
            data["task_queue_target_expression"] = queue.target_workers
    if task.workflow_sid is not None:
        data["workflow_sid"] = task.workflow_sid
        if (workflow := state.workflows.get(task.workflow_sid)) is not None:
            data["workflow_name"] = workflow.friendly_name
    if task.routing_target is not None:
        data["task_routing_target"] = task.routing_target
    return data


def worker_data(state: WorkspaceState, worker: Worker) -> Data:
    """Return the Worker* group."""
    activity = state.activities.get(worker.activity_sid)
    return {
        "worker_sid": worker.sid,
        "worker_name": worker.friendly_name,
        "worker_attributes": worker.attributes,
        "worker_activity_sid": worker.activity_sid,
        "worker_activity_name": activity.friendly_name if activity else "",
        "worker_version": str(worker.version),
    }


def add_known_worker(state: WorkspaceState, task: Task, data: Data) -> None:
    """Add `known_worker_sid` when the task's target names a worker that exists (behaviour §5)."""
    configuration = state.configuration_of(task)
    if configuration is None or task.filter_index is None:
        return
    target = configuration.targets(task.filter_index)[task.target_index]
    if target.known_by is None:
        return
    value = value_at(task.values, target.known_worker_path)
    worker = state.named_worker(target.known_by, value) if isinstance(value, str) else None
    if worker is not None:
        data["known_worker_sid"] = worker.sid


def reservation_data(
    state: WorkspaceState, reservation: Reservation, task: Task, worker: Worker, now_ms: int
) -> Data:
    """Return the fields of a reservation event: its task, its worker, its channel's figures."""
    channel = worker.channels[reservation.task_channel_sid]
    data = task_data(state, task, now_ms)
    data |= worker_data(state, worker)
    if reservation.transfer_sid is None:
        add_known_worker(state, task, data)
    else:
        data |= transfer_data(state.transfers[reservation.transfer_sid])
    data["reservation_sid"] = reservation.sid
    data["reservation_version"] = str(reservation.version)
    data["reservation_timeout"] = str(reservation.timeout_s)
    data["worker_channel_capacity"] = str(channel.configured_capacity)
    data["worker_channel_consumed_capacity"] = str(in_use(channel))
    return data


def transfer_data(transfer: Transfer) -> Data:
    """Return the Transfer* group: the fields of a transfer event, and what an offer of a transfer adds."""
    data = {
        "transfer_sid": transfer.sid,
        "transfer_type": str(transfer.type),
        "transfer_mode": str(transfer.mode),
        "transfer_to": transfer.to_sid,
        "transfer_status": str(transfer.status),
        "transfer_initiating_reservation_sid": transfer.initiating_reservation_sid,
        "transfer_initiating_worker_sid": transfer.initiating_worker_sid,
        "transfer_initiating_queue_sid": transfer.initiating_queue_sid,
        "transfer_initiating_workflow_sid": transfer.initiating_workflow_sid,
        "transfer_failed_reason": transfer.failed_reason,
    }
    return {name: value for name, value in data.items() if value is not None}


def worker_channel_data(state: WorkspaceState, worker: Worker, channel: WorkerChannel) -> Data:
    """Return the fields of a capacity or channel availability event."""
    return {
        **worker_data(state, worker),
        "worker_channel_available": "true" if channel.available else "false",
        "worker_channel_available_capacity": str(max(channel.configured_capacity - in_use(channel), 0)),
        "worker_channel_task_count": str(channel.accepted),
        "task_channel_sid": channel.task_channel_sid,
        "task_channel_unique_name": state.task_channels[channel.task_channel_sid].unique_name,
    }


def activity_data(activity: Activity) -> Data:
    """Return the fields of an activity event."""
    return {
        "activity_sid": activity.sid,
        "activity_name": activity.friendly_name,
        "activity_available": "true" if activity.available else "false",
    }


def task_channel_data(channel: TaskChannel) -> Data:
    """Return the fields of a task channel event."""
    return {
        "task_channel_sid": channel.sid,
        "task_channel_name": channel.friendly_name,
        "task_channel_unique_name": channel.unique_name,
        "task_channel_optimized_routing": "true" if channel.channel_optimized_routing else "false",
    }


def task_queue_data(queue: TaskQueue) -> Data:
    """Return the fields of a queue event."""
    return {
        "task_queue_sid": queue.sid,
        "task_queue_name": queue.friendly_name,
        "task_queue_target_expression": queue.target_workers,
    }


def workflow_data(workflow: Workflow) -> Data:
    """Return the fields of a workflow event."""
    return {"workflow_sid": workflow.sid, "workflow_name": workflow.friendly_name}


def record_task(state: WorkspaceState, event_type: str, task: Task, now_ms: int) -> None:
    """Record an event about a task; the description says what happened in its type's own words."""
    data = task_data(state, task, now_ms)
    state.record(event_type, task.sid, f"Task {task.sid}: {event_type}", data, now_ms)


def record_transfer(
    state: WorkspaceState, event_type: str, task: Task, transfer: Transfer, now_ms: int
) -> None:
    """Record an event about a transfer; it is found by the reservation and the worker it began with."""
    data = {
        **task_data(state, task, now_ms),
        **transfer_data(transfer),
        "reservation_sid": transfer.initiating_reservation_sid,
        "worker_sid": transfer.initiating_worker_sid,
    }
    description = transfer.failed_reason or f"Task {task.sid}: {event_type}"
    state.record(event_type, task.sid, description, data, now_ms)


def record_match(state: WorkspaceState, task: Task, now_ms: int) -> None:
    """Record that a task has entered a target."""
    data = task_data(state, task, now_ms)
    add_known_worker(state, task, data)
    state.record(
        "workflow.target-matched", task.sid, f"Task {task.sid}: workflow.target-matched", data, now_ms
    )


def record_cancellation(state: WorkspaceState, task: Task, now_ms: int) -> None:
    """Record that a task was canceled; the description is the reason, if there is one (contract §5.4)."""
    description = task.reason or f"Task {task.sid}: task.canceled"
    state.record("task.canceled", task.sid, description, task_data(state, task, now_ms), now_ms)


def record_reservation(state: WorkspaceState, event_type: str, reservation: Reservation, now_ms: int) -> None:
    """Record an event about a reservation whose task and worker are in memory."""
    task = state.tasks[reservation.task_sid]
    worker = state.workers[reservation.worker_sid]
    data = reservation_data(state, reservation, task, worker, now_ms)
    if reservation.status is ReservationStatus.ACCEPTED and task.task_queue_entered_ms is not None:
        data["task_age_in_queue"] = str((now_ms - task.task_queue_entered_ms) // 1000)
    state.record(event_type, reservation.sid, f"Reservation {reservation.sid}: {event_type}", data, now_ms)
