"""Commands about workers and their channels (behaviour §1, §3, §4)."""

from engine.routing.board import Board
from engine.routing.commands import UNSET, CreateWorker, DeleteWorker, UpdateWorker, UpdateWorkerChannel
from engine.routing.effects import Kind
from engine.routing.entities import Reservation, ReservationStatus, TaskChannel, Worker, WorkerChannel
from engine.routing.errors import NotFound, Refused, VersionMismatch
from engine.routing.handover import doom
from engine.routing.merging import new_attributes
from engine.routing.records import worker_channel_data, worker_data
from engine.routing.reservations import move_worker, set_status
from engine.routing.rounds import end_round_if_over, refuse
from engine.routing.state import WorkspaceState
from engine.routing.viewing import worker_channel_view, worker_view
from engine.routing.views import WorkerChannelView, WorkerView

NAME_TAKEN = "Worker with the same friendly name already exists"
NOT_UNAVAILABLE = "Unable to reject pending reservations when updating to an Available activity state."


def create_worker(board: Board, command: CreateWorker, now_ms: int) -> WorkerView:
    """Create a worker with a channel of capacity 1 for every task channel."""
    state = board.state
    if command.friendly_name.lower() in state.names:
        raise Refused(NAME_TAKEN)
    activity_sid = command.activity_sid or state.workspace.default_activity_sid
    if activity_sid is None or activity_sid not in state.activities:
        raise Refused(f"ActivitySid: there is no Activity {activity_sid} in this workspace")
    worker = Worker(
        sid=command.sid,
        sequence=state.next_sequence(),
        friendly_name=command.friendly_name,
        activity_sid=activity_sid,
        attributes=command.attributes,
        date_created_ms=now_ms,
        date_updated_ms=now_ms,
        date_status_changed_ms=now_ms,
    )
    state.workers[worker.sid] = worker
    state.names[worker.friendly_name.lower()] = worker.sid
    for channel in state.task_channels.values():
        add_worker_channel(state, worker, channel, now_ms)
    state.put_worker(worker)
    board.eligibility.put_worker(worker)
    data = worker_data(state, worker)
    state.record("worker.created", worker.sid, f"Worker {worker.friendly_name} created", data, now_ms)
    return worker_view(state, worker)


def update_worker(board: Board, command: UpdateWorker, now_ms: int) -> WorkerView:
    """Change a worker's name, attributes or activity."""
    state = board.state
    worker = state.worker(command.sid)
    _check_version(worker, command.if_match)
    _check_update(state, worker, command)
    attributes = new_attributes(
        worker.attributes, command.attributes, command.attributes_merge, state.limits.attributes_chars_max
    )
    renamed = command.friendly_name is not UNSET and command.friendly_name != worker.friendly_name
    if command.friendly_name is not UNSET and renamed:
        del state.names[worker.friendly_name.lower()]
        worker.friendly_name = command.friendly_name
        state.names[worker.friendly_name.lower()] = worker.sid
    if attributes is not UNSET:
        worker.attributes = attributes
    if renamed or attributes is not UNSET:
        worker.version += 1
        worker.date_updated_ms = now_ms
        state.put_worker(worker)
        board.eligibility.put_worker(worker)
    if attributes is not UNSET:
        description = f"Worker {worker.friendly_name} attributes updated"
        data = worker_data(state, worker)
        state.record("worker.attributes.update", worker.sid, description, data, now_ms)
    if command.activity_sid is not UNSET:
        move_worker(board, worker, command.activity_sid, now_ms)
    if command.reject_pending_reservations:
        for reservation in _open_in_order(worker):
            if reservation.status is ReservationStatus.PENDING:
                refuse(board, reservation, ReservationStatus.REJECTED, now_ms)
    return worker_view(state, worker)


def delete_worker(board: Board, command: DeleteWorker, now_ms: int) -> None:
    """Delete a worker; its pending offers go back, accepted ones refuse the delete (OQ-13)."""
    state = board.state
    worker = state.worker(command.sid)
    _check_version(worker, command.if_match)
    held = [r for r in _open_in_order(worker) if r.status is not ReservationStatus.PENDING]
    if held:
        tasks = ", ".join(reservation.task_sid for reservation in held[:5])
        raise Refused(
            f"Cannot delete worker {worker.sid}: it holds {len(held)} accepted or wrapping "
            f"reservation(s), of {tasks}{' …' if len(held) > 5 else ''}"
        )
    offered = []
    for reservation in _open_in_order(worker):
        task = state.tasks[reservation.task_sid]
        offered.append((task, doom(board, task, reservation, ReservationStatus.CANCELED, now_ms)))
        set_status(board, reservation, ReservationStatus.CANCELED, now_ms)
    board.eligibility.remove_worker(worker)
    del state.workers[worker.sid]
    del state.names[worker.friendly_name.lower()]
    state.remove(Kind.WORKER, worker.sid)
    since_ms = worker.date_status_changed_ms
    data = worker_data(state, worker) | {"worker_time_in_activity_ms": str(now_ms - since_ms)}
    state.record("worker.deleted", worker.sid, f"Worker {worker.friendly_name} deleted", data, now_ms)
    for task, transfer in offered:
        end_round_if_over(board, task, transfer, now_ms)


def update_worker_channel(board: Board, command: UpdateWorkerChannel, now_ms: int) -> WorkerChannelView:
    """Change a channel's capacity or availability; tasks already held stay (behaviour §4)."""
    state = board.state
    worker = state.worker(command.worker_sid)
    channel = _channel_of(state, worker, command.channel)
    previous_capacity = channel.configured_capacity
    capacity_changed = command.capacity is not UNSET and command.capacity != previous_capacity
    available_changed = command.available is not UNSET and command.available != channel.available
    if command.capacity is not UNSET:
        channel.configured_capacity = command.capacity
    if command.available is not UNSET:
        channel.available = command.available
    for changed, event_type in (
        (capacity_changed, "worker.capacity.update"),
        (available_changed, "worker.channel.availability.update"),
    ):
        if not changed:
            continue
        worker.version += 1
        data = worker_channel_data(state, worker, channel)
        data["worker_channel_previous_capacity"] = str(previous_capacity)
        description = f"Worker {worker.friendly_name}: {event_type}"
        state.record(event_type, worker.sid, description, data, now_ms)
    if capacity_changed or available_changed:
        channel.date_updated_ms = now_ms
        state.put_worker(worker)
        state.changes.worker_channels[channel.sid] = channel
        board.eligibility.figures_changed(worker, channel.task_channel_sid)
    return worker_channel_view(state, channel)


def add_worker_channel(state: WorkspaceState, worker: Worker, channel: TaskChannel, now_ms: int) -> None:
    """Give a worker its channel of capacity 1 (behaviour §1)."""
    worker_channel = WorkerChannel(
        sid=state.new_sid("WC"),
        worker_sid=worker.sid,
        task_channel_sid=channel.sid,
        configured_capacity=1,
        available=True,
        date_created_ms=now_ms,
        date_updated_ms=now_ms,
    )
    worker.channels[channel.sid] = worker_channel
    state.changes.worker_channels[worker_channel.sid] = worker_channel


def _check_update(state: WorkspaceState, worker: Worker, command: UpdateWorker) -> None:
    if command.friendly_name is not UNSET:
        holder = state.names.get(command.friendly_name.lower())
        if holder not in (None, worker.sid):
            raise Refused(NAME_TAKEN)
    activity_sid = worker.activity_sid if command.activity_sid is UNSET else command.activity_sid
    activity = state.activities.get(activity_sid)
    if activity is None:
        raise Refused(f"ActivitySid: there is no Activity {activity_sid} in this workspace")
    if command.reject_pending_reservations and activity.available:
        raise Refused(NOT_UNAVAILABLE)


def _check_version(worker: Worker, if_match: int | None) -> None:
    if if_match is not None and if_match != worker.version:
        raise VersionMismatch(f"Worker {worker.sid} has version {worker.version}, If-Match names {if_match}")


def _channel_of(state: WorkspaceState, worker: Worker, name: str) -> WorkerChannel:
    for channel in worker.channels.values():
        unique_name = state.task_channels[channel.task_channel_sid].unique_name
        if name in (channel.sid, channel.task_channel_sid, unique_name):
            return channel
    raise NotFound("WorkerChannel", name)


def _open_in_order(worker: Worker) -> list[Reservation]:
    return sorted(worker.reservations.values(), key=lambda reservation: reservation.sequence)
