"""What a client may see of an entity, from a committed batch: its events, and the entities it changed.

An event has the names that go with SIDs, and the values of its moment; the entities have the rest.
"""

from engine.routing.capacity import in_use
from engine.routing.effects import Changes, Event
from engine.routing.entities import Task, TaskStatus, TransferMode, TransferStatus, Worker, WorkerChannel
from engine.routing.viewing import named_task_view
from engine.routing.views import TaskView, TransferView, WorkerChannelView, WorkerView

_DEFAULT_TASK_TIMEOUT_S = 86_400
_NAMES = (
    ("task_channel_sid", "task_channel_unique_name"),
    ("task_queue_sid", "task_queue_name"),
    ("workflow_sid", "workflow_name"),
)


def names_in(changes: Changes) -> dict[str, str]:
    """Return the names of channels, queues and workflows by SID, as the events of a batch have them."""
    names: dict[str, str] = {}
    for event in changes.events:
        data = event.data
        for sid, name in _NAMES:
            if sid in data and name in data:
                names[data[sid]] = data[name]
    return names


def worker_of(worker: Worker, event: Event, *, available: bool) -> WorkerView:
    """View a worker as of the event; `available` tells of the activity that the event names."""
    data = event.data
    return WorkerView(
        sid=worker.sid,
        friendly_name=data["worker_name"],
        activity_sid=data["worker_activity_sid"],
        activity_name=data["worker_activity_name"],
        available=available,
        attributes=data["worker_attributes"],
        date_created_ms=worker.date_created_ms,
        date_updated_ms=event.event_date_ms,
        date_status_changed_ms=worker.date_status_changed_ms,
        version=int(data["worker_version"]),
    )


def channel_of(channel: WorkerChannel, unique_name: str) -> WorkerChannelView:
    """View a worker channel as the batch left it."""
    return WorkerChannelView(
        sid=channel.sid,
        worker_sid=channel.worker_sid,
        task_channel_sid=channel.task_channel_sid,
        task_channel_unique_name=unique_name,
        configured_capacity=channel.configured_capacity,
        available=channel.available,
        assigned_tasks=channel.accepted,
        open_reservations=in_use(channel),
        date_created_ms=channel.date_created_ms,
        date_updated_ms=channel.date_updated_ms,
        last_reserved_ms=channel.last_reserved_ms,
    )


def task_of(changes: Changes, names: dict[str, str], event: Event) -> TaskView:
    """View the task of an event as the batch left it; as of the event, when the batch did not change it."""
    task = changes.tasks.get(event.data["task_sid"])
    return _task_of_event(event) if task is None else _task_of_batch(names, task)


def _task_of_batch(names: dict[str, str], task: Task) -> TaskView:
    return named_task_view(
        task,
        names.get(task.task_channel_sid, ""),
        names.get(task.workflow_sid or ""),
        names.get(task.task_queue_sid or ""),
    )


def _task_of_event(event: Event) -> TaskView:
    """View a task that the batch deleted or did not change: add-ons and time to live are the defaults."""
    data = event.data
    return TaskView(
        sid=data["task_sid"],
        status=TaskStatus(data["task_assignment_status"]),
        attributes=data["task_attributes"],
        addons="{}",
        priority=int(data["task_priority"]),
        reason=data.get("task_canceled_reason", data.get("task_completed_reason")),
        timeout_s=_DEFAULT_TASK_TIMEOUT_S,
        task_channel_sid=data["task_channel_sid"],
        task_channel_unique_name=data["task_channel_unique_name"],
        workflow_sid=data.get("workflow_sid"),
        workflow_friendly_name=data.get("workflow_name"),
        task_queue_sid=data.get("task_queue_sid"),
        task_queue_friendly_name=data.get("task_queue_name"),
        routing_target=data.get("task_routing_target"),
        ignore_capacity=data["task_ignore_capacity"] == "true",
        virtual_start_ms=int(data["task_virtual_start_time"]) * 1000,
        task_queue_entered_ms=None,
        date_created_ms=int(data["task_date_created"]) * 1000,
        date_updated_ms=event.event_date_ms,
        version=int(data["task_version"]),
    )


def transfer_of(changes: Changes, event: Event) -> TransferView:
    """View the transfer that an event tells of, as of the event."""
    data = event.data
    task = changes.tasks.get(data["task_sid"])
    known = {each.sid: each for each in (task.transfers if task else ())} | changes.transfers
    entity = known.get(data["transfer_sid"])
    return TransferView(
        sid=data["transfer_sid"],
        task_sid=data["task_sid"],
        initiating_reservation_sid=data["transfer_initiating_reservation_sid"],
        initiating_worker_sid=data["transfer_initiating_worker_sid"],
        initiating_queue_sid=data.get("transfer_initiating_queue_sid"),
        initiating_workflow_sid=data.get("transfer_initiating_workflow_sid"),
        to_sid=data["transfer_to"],
        mode=TransferMode(data["transfer_mode"]),
        status=TransferStatus(data["transfer_status"]),
        date_created_ms=entity.date_created_ms if entity else event.event_date_ms,
        date_updated_ms=event.event_date_ms,
        failed_reason=data.get("transfer_failed_reason"),
        priority=None,
        version=entity.version if entity else 0,
    )
