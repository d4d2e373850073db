"""What a committed batch means to the workers that are connected: frames, each for one worker.

A function of the batch alone: of its events, which were frozen when they happened, and of the entities it
changed, as they are now. So wherever the sockets are, the node that committed the batch can tell them.

A reservation's status and version and a worker's version, attributes and activity are those of the event;
the SDK counts a worker's version along, so that a later one would put it ahead for good. A task is told as
the batch left it: who refuses a transfer learns at once that the task is assigned again.

Who is told of a task: whoever has an open reservation of it, or whose reservation ended in this batch. When
reservations end unaccepted and nothing else is told of the task, they are told that it was updated, because
its status is not the same any more.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from engine.bridge import payloads
from engine.bridge.payloads import Payload, Scope
from engine.routing.capacity import in_use
from engine.routing.effects import Changes, Event
from engine.routing.entities import ReservationStatus, Task, TaskStatus, WorkerChannel, Workspace
from engine.routing.views import TaskView, WorkerChannelView, WorkerView

_DEFAULT_TASK_TIMEOUT_S = 86_400

_STATUS_OF_EVENT = {
    "reservation.created": ReservationStatus.PENDING,
    "reservation.accepted": ReservationStatus.ACCEPTED,
    "reservation.rejected": ReservationStatus.REJECTED,
    "reservation.timeout": ReservationStatus.TIMEOUT,
    "reservation.canceled": ReservationStatus.CANCELED,
    "reservation.rescinded": ReservationStatus.RESCINDED,
    "reservation.wrapup": ReservationStatus.WRAPPING,
    "reservation.completed": ReservationStatus.COMPLETED,
}
_UNACCEPTED = frozenset({"reservation.rejected", "reservation.timeout", "reservation.canceled"})
_NAMES = (
    ("task_channel_sid", "task_channel_unique_name"),
    ("task_queue_sid", "task_queue_name"),
    ("workflow_sid", "workflow_name"),
)


@dataclass(slots=True, frozen=True)
class Frame:
    """One message to all sockets of one worker.

    `about` is the SID of the reservation, channel, activity or task that it is about.
    """

    worker_sid: str
    event_type: str
    about: str
    payload: Payload

    def text(self) -> str:
        """Return the message as it is sent."""
        return orjson.dumps({"event_type": self.event_type, "payload": self.payload}).decode()


@dataclass(slots=True)
class Batch:
    """A committed batch and who listens.

    `listens` tells whether a worker is connected, `available` whether an activity makes available.
    """

    scope: Scope
    changes: Changes
    listens: Callable[[str], bool]
    available: Callable[[str], bool]
    names: dict[str, str] = field(default_factory=dict)
    """Names of channels, queues and workflows by SID, as the events have them."""

    def holders(self, task_sid: str) -> list[str]:
        """Return the listening workers that are told of a task."""
        task = self.changes.tasks.get(task_sid)
        found = dict.fromkeys(each.worker_sid for each in task.reservations.values()) if task else {}
        for reservation in self.changes.reservations.values():
            if reservation.task_sid == task_sid:
                found[reservation.worker_sid] = None
        return [worker_sid for worker_sid in found if self.listens(worker_sid)]


def translate(
    workspace: Workspace,
    changes: Changes,
    now_ms: int,
    listens: Callable[[str], bool],
    available: Callable[[str], bool],
) -> list[Frame]:
    """Return the frames of a batch, in the order of its events.

    Args:
        workspace: whose batch it is.
        changes: what it did.
        now_ms: for the age of tasks.
        listens: tells whether a worker is connected.
        available: tells whether an activity makes available.
    """
    scope = Scope(workspace.account_sid, workspace.sid, now_ms)
    batch = Batch(scope, changes, listens, available, _names(changes))
    frames: list[Frame] = []
    for event in changes.events:
        make = _FRAMES.get(event.event_type)
        if make is not None:
            frames += make(batch, event)
    return frames + list(_updated_tasks(batch))


def _names(changes: Changes) -> dict[str, str]:
    names: dict[str, str] = {}
    for event in changes.events:
        data = event.data
        for sid, name in _NAMES:
            if sid in data and name in data:
                names[data[sid]] = data[name]
    return names


def _worker(batch: Batch, event: Event) -> Iterator[Frame]:
    data = event.data
    worker = batch.changes.workers.get(data["worker_sid"])
    if worker is None or not batch.listens(worker.sid):
        return
    view = WorkerView(
        sid=worker.sid,
        friendly_name=data["worker_name"],
        activity_sid=data["worker_activity_sid"],
        activity_name=data["worker_activity_name"],
        available=batch.available(data["worker_activity_sid"]),
        attributes=data["worker_attributes"],
        date_created_ms=worker.date_created_ms,
        date_updated_ms=event.event_date_ms,
        date_status_changed_ms=worker.date_status_changed_ms,
        version=int(data["worker_version"]),
    )
    yield Frame(worker.sid, event.event_type, view.activity_sid, payloads.worker(batch.scope, view))


def _channel(batch: Batch, event: Event) -> Iterator[Frame]:
    data = event.data
    if not batch.listens(data["worker_sid"]):
        return
    for channel in batch.changes.worker_channels.values():
        if (channel.worker_sid, channel.task_channel_sid) == (data["worker_sid"], data["task_channel_sid"]):
            view = _channel_view(channel, data["task_channel_unique_name"])
            payload = payloads.channel(batch.scope, view)
            yield Frame(channel.worker_sid, event.event_type, channel.sid, payload)


def _channel_view(channel: WorkerChannel, unique_name: str) -> WorkerChannelView:
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


def _reservation(batch: Batch, event: Event) -> Iterator[Frame]:
    data = event.data
    entity = batch.changes.reservations.get(data["reservation_sid"])
    if entity is None or not batch.listens(entity.worker_sid):
        return
    payload = payloads.reservation(
        batch.scope,
        entity,
        data["worker_name"],
        _task_view(batch, event),
        status=_STATUS_OF_EVENT[event.event_type],
        version=int(data["reservation_version"]),
    )
    yield Frame(entity.worker_sid, event.event_type, entity.sid, payload)


def _task(batch: Batch, event: Event) -> Iterator[Frame]:
    task_sid = event.data["task_sid"]
    for worker_sid in batch.holders(task_sid):
        payload = payloads.task(batch.scope, _task_view(batch, event))
        yield Frame(worker_sid, event.event_type, task_sid, payload)


def _canceled_task(batch: Batch, event: Event) -> Iterator[Frame]:
    """Tell the holders; when a task for one worker ends without having been offered, tell that worker."""
    frames = list(_task(batch, event))
    yield from frames
    worker_sid = event.data.get("task_routing_target", "")
    if not frames and worker_sid.startswith("WK") and batch.listens(worker_sid):
        payload = payloads.task(batch.scope, _task_view(batch, event))
        yield Frame(worker_sid, "reservation.failed", event.data["task_sid"], payload)


def _updated_tasks(batch: Batch) -> Iterator[Frame]:
    """Tell of tasks that went on because a reservation ended unaccepted, unless an event has told it."""
    told = {event.task_sid for event in batch.changes.events if event.event_type in _TOLD_OF_TASKS}
    ended = {e.task_sid: e for e in batch.changes.events if e.event_type in _UNACCEPTED}
    for task_sid, event in ended.items():
        if task_sid is None or task_sid in told or task_sid not in batch.changes.tasks:
            continue
        for worker_sid in batch.holders(task_sid):
            payload = payloads.task(batch.scope, _task_view(batch, event))
            yield Frame(worker_sid, "task.updated", task_sid, payload)


def _task_view(batch: Batch, event: Event) -> TaskView:
    task = batch.changes.tasks.get(event.data["task_sid"])
    return _task_of_event(event) if task is None else _task_of_batch(batch, task)


def _task_of_batch(batch: Batch, task: Task) -> TaskView:
    names = batch.names
    return TaskView(
        sid=task.sid,
        status=task.status,
        attributes=task.attributes,
        addons=task.addons,
        priority=task.priority,
        reason=task.reason,
        timeout_s=task.timeout_s,
        task_channel_sid=task.task_channel_sid,
        task_channel_unique_name=names.get(task.task_channel_sid, ""),
        workflow_sid=task.workflow_sid,
        workflow_friendly_name=names.get(task.workflow_sid or ""),
        task_queue_sid=task.task_queue_sid,
        task_queue_friendly_name=names.get(task.task_queue_sid or ""),
        routing_target=task.routing_target,
        ignore_capacity=task.ignore_capacity,
        virtual_start_ms=task.virtual_start_ms,
        task_queue_entered_ms=task.task_queue_entered_ms,
        date_created_ms=task.date_created_ms,
        date_updated_ms=task.date_updated_ms,
        version=task.version,
    )


def _task_of_event(event: Event) -> TaskView:
    """Tell a task that the batch did not change or that it deleted, from what the event says of it.

    Its reservation has ended with this event. Events do not have add-ons and time to live: the defaults.
    """
    data: Mapping[str, str] = event.data
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


_FRAMES: dict[str, Callable[[Batch, Event], Iterator[Frame]]] = {
    "worker.activity.update": _worker,
    "worker.attributes.update": _worker,
    "worker.capacity.update": _channel,
    "worker.channel.availability.update": _channel,
    **dict.fromkeys(_STATUS_OF_EVENT, _reservation),
    "task.updated": _task,
    "task.canceled": _canceled_task,
    "task.completed": _task,
    "task.wrapup": _task,
}
_TOLD_OF_TASKS = frozenset(event_type for event_type in _FRAMES if event_type.startswith("task."))
