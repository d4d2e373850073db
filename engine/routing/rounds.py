"""A round of offers for one task: started by the matcher, ended by an accept or by the last refusal."""

from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.entities import (
    Refusal,
    Reservation,
    ReservationStatus,
    Task,
    TaskStatus,
    Transfer,
    TransferStatus,
    Worker,
)
from engine.routing.handover import OFFERED_TOO_OFTEN, doom, end_attempt
from engine.routing.lifecycle import cancel_task, end_offers, is_offered, settle_transfer, stop_waiting
from engine.routing.progress import reevaluate
from engine.routing.records import record_transfer
from engine.routing.reservations import announce, move_worker, open_reservation, set_status
from engine.routing.states import move_task


def start_round(board: Board, task: Task, workers: list[Worker], now_ms: int) -> None:
    """Reserve the chosen workers for a pending task, or one being transferred (behaviour §3)."""
    state = board.state
    stop_waiting(board, task)
    state.deadlines.cancel(Due.STEP, task.sid)
    move_task(task, TaskStatus.RESERVED, now_ms)
    task.version += 1
    task.assignment_count += 1
    state.put_task(task)
    transfer = task.open_transfer
    transfer_sid = transfer.sid if transfer is not None else None
    reservations = [open_reservation(board, task, worker, now_ms, transfer_sid) for worker in workers]
    for reservation in reservations:
        announce(board, reservation, task, now_ms)
    queue = state.task_queues.get(task.task_queue_sid or "")
    if state.workspace.multi_task_enabled or queue is None or queue.reservation_activity_sid is None:
        return
    for worker in workers:
        move_worker(board, worker, queue.reservation_activity_sid, now_ms)


def accept(board: Board, reservation: Reservation, now_ms: int) -> None:
    """Accept a pending reservation: the task is assigned, its other offers are rescinded.

    An offer of a transfer completes that; those who hold the task already hold it on.
    """
    state = board.state
    task = state.tasks[reservation.task_sid]
    transfer = task.open_transfer if reservation.transfer_sid is not None else None
    if transfer is not None:
        settle_transfer(board, transfer, TransferStatus.COMPLETE, now_ms)
    move_task(task, TaskStatus.ASSIGNED, now_ms)
    task.version += 1
    task.date_assigned_ms = now_ms
    task.refusals.clear()
    state.put_task(task)
    state.deadlines.cancel(Due.TASK_TTL, task.sid)
    state.deadlines.set(Due.ASSIGNED_TOO_LONG, task.sid, now_ms + state.limits.assigned_s_max * 1000)
    set_status(board, reservation, ReservationStatus.ACCEPTED, now_ms)
    end_offers(board, task, ReservationStatus.RESCINDED, now_ms)
    if transfer is not None:
        record_transfer(state, "task.transfer-completed", task, transfer, now_ms)
    queue = state.task_queues.get(task.task_queue_sid or "")
    if not state.workspace.multi_task_enabled and queue is not None and queue.assignment_activity_sid:
        worker = state.workers[reservation.worker_sid]
        move_worker(board, worker, queue.assignment_activity_sid, now_ms)


def refuse(
    board: Board,
    reservation: Reservation,
    status: ReservationStatus,
    now_ms: int,
    *,
    activity_sid: str | None = None,
) -> None:
    """End a pending reservation unaccepted, with the worker's back-off and, if given, its move (OQ-5)."""
    task = board.state.tasks[reservation.task_sid]
    worker = board.state.workers[reservation.worker_sid]
    transfer = doom(board, task, reservation, status, now_ms)
    set_status(board, reservation, status, now_ms)
    _back_off(board, task, worker.sid, status, now_ms)
    if activity_sid is not None:
        move_worker(board, worker, activity_sid, now_ms)
    end_round_if_over(board, task, transfer, now_ms)


def end_round_if_over(board: Board, task: Task, transfer: Transfer | None, now_ms: int) -> None:
    """Route the task on when its last offer, one of `transfer` or of none, has ended unaccepted."""
    if is_offered(task) or task.status is not TaskStatus.RESERVED:
        return
    if transfer is not None:
        end_attempt(board, task, transfer, now_ms)
        return
    move_task(task, TaskStatus.PENDING, now_ms)
    task.version += 1
    board.state.put_task(task)
    if task.assignment_count >= board.state.limits.assignment_count_max:
        cancel_task(board, task, OFFERED_TOO_OFTEN, now_ms)
        return
    reevaluate(board, task, now_ms, entering=True)


def _back_off(board: Board, task: Task, worker_sid: str, status: ReservationStatus, now_ms: int) -> None:
    limits = board.state.limits
    earlier = task.refusals.get(worker_sid)
    count = earlier.count + 1 if earlier else 1
    # 2^20 base steps exceed any sensible maximum; the bound keeps the number small.
    wait_ms = min(limits.refusal_backoff_base_ms << min(count - 1, 20), limits.refusal_backoff_max_ms)
    task.refusals[worker_sid] = Refusal(count, now_ms + wait_ms, now_ms, status)
