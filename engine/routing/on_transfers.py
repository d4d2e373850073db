"""Commands about transfers: an assigned task is handed to another worker or to a queue (behaviour §3)."""

from engine.routing import capacity
from engine.routing.board import Board
from engine.routing.commands import UNSET, CancelTransfer, CreateTransfer
from engine.routing.entities import (
    Reservation,
    ReservationStatus,
    Task,
    TaskStatus,
    Transfer,
    TransferMode,
    TransferStatus,
    Worker,
)
from engine.routing.errors import NotFound, Refused, VersionMismatch
from engine.routing.handover import withdraw
from engine.routing.progress import move_to_queue, wait
from engine.routing.records import record_task, record_transfer
from engine.routing.reservations import set_status
from engine.routing.rounds import start_round
from engine.routing.states import HELD, ended_transfer_refusal, not_transferable
from engine.routing.viewing import transfer_view
from engine.routing.views import TransferView


def create_transfer(board: Board, command: CreateTransfer, now_ms: int) -> TransferView:
    """Hand a task on: offer it to a worker at once, or let it wait in a queue for the next match."""
    state = board.state
    task = state.task(command.task_sid)
    reservation = _initiating(board, task, command)
    _check_task(task)
    worker = _target_worker(board, task, command.to_sid)
    transfer = Transfer(
        sid=command.sid,
        sequence=state.next_sequence(),
        task_sid=task.sid,
        initiating_reservation_sid=reservation.sid,
        initiating_worker_sid=reservation.worker_sid,
        initiating_queue_sid=task.task_queue_sid,
        initiating_workflow_sid=task.workflow_sid,
        to_sid=command.to_sid,
        mode=command.mode,
        status=TransferStatus.INITIATED,
        date_created_ms=now_ms,
        date_updated_ms=now_ms,
        priority=command.priority,
    )
    state.transfers[transfer.sid] = transfer
    task.transfers += (transfer,)
    task.refusals.clear()
    state.put_transfer(transfer)
    record_transfer(state, "task.transfer-initiated", task, transfer, now_ms)
    _change_data(board, task, command, now_ms)
    if transfer.mode is TransferMode.COLD and reservation.status is ReservationStatus.ACCEPTED:
        set_status(board, reservation, ReservationStatus.WRAPPING, now_ms)
    if worker is not None:
        start_round(board, task, [worker], now_ms)
    else:
        _send_to_queue(board, task, transfer.to_sid, now_ms)
    return transfer_view(transfer)


def cancel_transfer(board: Board, command: CancelTransfer, now_ms: int) -> TransferView:
    """Take an open transfer back: its offers are canceled, the task is with those who hold it."""
    state = board.state
    transfer = state.transfer(command.sid)
    if transfer.task_sid != command.task_sid:
        raise NotFound("Transfer", command.sid)
    if command.worker_sid not in (None, transfer.initiating_worker_sid):
        raise NotFound("Transfer", command.sid)
    if command.if_match is not None and command.if_match != transfer.version:
        raise VersionMismatch(
            f"Transfer {transfer.sid} has version {transfer.version}, If-Match names {command.if_match}"
        )
    if not transfer.is_open:
        raise ended_transfer_refusal(transfer)
    withdraw(board, state.tasks[transfer.task_sid], transfer, now_ms)
    return transfer_view(transfer)


def _initiating(board: Board, task: Task, command: CreateTransfer) -> Reservation:
    """Return the reservation that the transfer starts from: the one named, the worker's, or the only one."""
    if command.reservation_sid is not None:
        named = task.reservations.get(command.reservation_sid)
        if named is None or command.worker_sid not in (None, named.worker_sid):
            raise NotFound("Reservation", command.reservation_sid)
        if named.status not in HELD:
            raise not_transferable(task.sid, f"reservation {named.sid} is {named.status}")
        return named
    if command.worker_sid is not None:
        board.state.worker(command.worker_sid)
    held = [
        reservation
        for reservation in task.reservations.values()
        if reservation.status in HELD and command.worker_sid in (None, reservation.worker_sid)
    ]
    if not held and command.worker_sid is not None:
        raise not_transferable(task.sid, f"worker {command.worker_sid} does not hold it")
    if not held:
        raise not_transferable(task.sid, f"its status is {task.status}")
    if len(held) > 1:
        raise Refused(f"ReservationSid field is required: {len(held)} workers hold task {task.sid}")
    return held[0]


def _check_task(task: Task) -> None:
    open_ = task.open_transfer
    if open_ is not None:
        raise not_transferable(task.sid, f"its transfer {open_.sid} to {open_.to_sid} is {open_.status}")
    if task.status is not TaskStatus.ASSIGNED:
        raise not_transferable(task.sid, f"its status is {task.status}, not assigned")


def _target_worker(board: Board, task: Task, to_sid: str) -> Worker | None:
    """Return the worker a transfer goes to, None for a queue; refuse one who is not available."""
    state = board.state
    if not to_sid.startswith("WK"):
        state.task_queue(to_sid)
        return None
    worker = state.worker(to_sid)
    if any(reservation.worker_sid == worker.sid for reservation in task.reservations.values()):
        raise not_transferable(task.sid, f"worker {worker.sid} has it already")
    activity = state.activities[worker.activity_sid]
    channel = worker.channels[task.task_channel_sid]
    obstacle = capacity.obstacle(worker, channel, activity, state.workspace.multi_task_enabled)
    if obstacle is not None:
        raise not_transferable(task.sid, f"worker {worker.sid} is not available: {obstacle.value}")
    return worker


def _change_data(board: Board, task: Task, command: CreateTransfer, now_ms: int) -> None:
    if command.attributes is UNSET and command.priority is None:
        return
    if command.attributes is not UNSET:
        task.attributes = command.attributes
    if command.priority is not None:
        task.priority = command.priority
    task.version += 1
    task.date_updated_ms = now_ms
    board.state.put_task(task)
    record_task(board.state, "task.updated", task, now_ms)


def _send_to_queue(board: Board, task: Task, queue_sid: str, now_ms: int) -> None:
    if task.task_queue_sid != queue_sid:
        move_to_queue(board, task, queue_sid, now_ms)
        task.version += 1
        task.date_updated_ms = now_ms
        board.state.put_task(task)
    wait(board, task, now_ms)
