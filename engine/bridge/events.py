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

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson

from engine.bridge import payloads
from engine.bridge.batch_views import channel_of, names_in, task_of, transfer_of, worker_of
from engine.bridge.payloads import Payload, Scope
from engine.routing.effects import Changes, Event
from engine.routing.entities import Reservation, ReservationStatus, Transfer, Workspace

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
    batch = Batch(scope, changes, listens, available, names_in(changes))
    frames: list[Frame] = []
    for event in changes.events:
        make = _FRAMES.get(event.event_type)
        if make is not None:
            frames += make(batch, event)
    return frames + list(_updated_tasks(batch))


def _worker(batch: Batch, event: Event) -> Iterator[Frame]:
    data = event.data
    worker = batch.changes.workers.get(data["worker_sid"])
    if worker is None or not batch.listens(worker.sid):
        return
    view = worker_of(worker, event, available=batch.available(data["worker_activity_sid"]))
    yield Frame(worker.sid, event.event_type, view.activity_sid, payloads.worker(batch.scope, view))


def _channel(batch: Batch, event: Event) -> Iterator[Frame]:
    data = event.data
    if not batch.listens(data["worker_sid"]):
        return
    for channel in batch.changes.worker_channels.values():
        if (channel.worker_sid, channel.task_channel_sid) == (data["worker_sid"], data["task_channel_sid"]):
            view = channel_of(channel, data["task_channel_unique_name"])
            payload = payloads.channel(batch.scope, view)
            yield Frame(channel.worker_sid, event.event_type, channel.sid, payload)


def _reservation(batch: Batch, event: Event) -> Iterator[Frame]:
    data = event.data
    entity = batch.changes.reservations.get(data["reservation_sid"])
    if entity is None or not batch.listens(entity.worker_sid):
        return
    payload = payloads.reservation(
        batch.scope,
        entity,
        data["worker_name"],
        task_of(batch.changes, batch.names, event),
        status=_STATUS_OF_EVENT[event.event_type],
        version=int(data["reservation_version"]),
        came_by=transfer_of(batch.changes, event) if "transfer_sid" in data else None,
        outgoing=_outgoing(batch, entity),
    )
    yield Frame(entity.worker_sid, event.event_type, entity.sid, payload)


def _outgoing(batch: Batch, reservation: Reservation) -> Transfer | None:
    """Return the transfer under way that began with a reservation, if the batch has to do with it."""
    task = batch.changes.tasks.get(reservation.task_sid)
    for transfer in (*batch.changes.transfers.values(), *(task.transfers if task else ())):
        if transfer.is_open and transfer.initiating_reservation_sid == reservation.sid:
            return transfer
    return None


def _transfer(batch: Batch, event: Event) -> Iterator[Frame]:
    """Tell the worker who began a transfer."""
    worker_sid = event.data["transfer_initiating_worker_sid"]
    if batch.listens(worker_sid):
        payload = payloads.transfer(batch.scope, transfer_of(batch.changes, event))
        yield Frame(worker_sid, event.event_type, payload["sid"], payload)


def _task(batch: Batch, event: Event) -> Iterator[Frame]:
    task_sid = event.data["task_sid"]
    for worker_sid in batch.holders(task_sid):
        payload = payloads.task(batch.scope, task_of(batch.changes, batch.names, event))
        yield Frame(worker_sid, event.event_type, task_sid, payload)


def _canceled_task(batch: Batch, event: Event) -> Iterator[Frame]:
    """Tell the holders; when a task for one worker ends without having been offered, tell that worker."""
    frames = list(_task(batch, event))
    yield from frames
    worker_sid = event.data.get("task_routing_target", "")
    if not frames and worker_sid.startswith("WK") and batch.listens(worker_sid):
        payload = payloads.task(batch.scope, task_of(batch.changes, batch.names, event))
        yield Frame(worker_sid, "reservation.failed", event.data["task_sid"], payload)


def _updated_tasks(batch: Batch) -> Iterator[Frame]:
    """Tell of tasks that went on because a reservation ended unaccepted, unless an event has told it."""
    told = {event.task_sid for event in batch.changes.events if event.event_type in _TOLD_OF_TASKS}
    ended = {e.task_sid: e for e in batch.changes.events if e.event_type in _UNACCEPTED}
    for task_sid, event in ended.items():
        if task_sid is None or task_sid in told or task_sid not in batch.changes.tasks:
            continue
        for worker_sid in batch.holders(task_sid):
            payload = payloads.task(batch.scope, task_of(batch.changes, batch.names, event))
            yield Frame(worker_sid, "task.updated", task_sid, payload)


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
    "task.transfer-initiated": _transfer,
    "task.transfer-attempt-failed": _transfer,
    "task.transfer-completed": _transfer,
    "task.transfer-failed": _transfer,
    "task.transfer-canceled": _transfer,
}
_TOLD_OF_TASKS = frozenset({"task.updated", "task.canceled", "task.completed", "task.wrapup"})
