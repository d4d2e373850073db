"""The end of a task: completed, canceled, deleted, and what happens to its reservations and its transfer then
(behaviour §2).
"""

from operator import attrgetter

from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.effects import Kind
from engine.routing.entities import (
    Reservation,
    ReservationStatus,
    Task,
    TaskStatus,
    Transfer,
    TransferStatus,
)
from engine.routing.records import record_cancellation, record_task, record_transfer
from engine.routing.reservations import set_status
from engine.routing.states import HELD, OPEN_TASK, move_task, move_transfer


def cancel_task(board: Board, task: Task, reason: str | None, now_ms: int) -> None:
    """Cancel a pending or reserved task; its open reservations are canceled with it."""
    task.reason = reason
    move_task(task, TaskStatus.CANCELED, now_ms)
    task.version += 1
    stop_waiting(board, task)
    record_cancellation(board.state, task, now_ms)
    end_reservations(board, task, ReservationStatus.CANCELED, now_ms)
    _finish(board, task, now_ms)


def complete_task(board: Board, task: Task, reason: str | None, now_ms: int) -> None:
    """Complete an assigned or wrapping task and its reservation."""
    if reason is not None:
        task.reason = reason
    move_task(task, TaskStatus.COMPLETED, now_ms)
    task.version += 1
    record_task(board.state, "task.completed", task, now_ms)
    end_reservations(board, task, ReservationStatus.COMPLETED, now_ms)
    _finish(board, task, now_ms)


def delete_task(board: Board, task: Task, event_type: str, now_ms: int) -> None:
    """Delete a task in any state: pending reservations are canceled, accepted ones completed."""
    stop_waiting(board, task)
    transfer = task.open_transfer
    if transfer is not None:
        settle_transfer(board, transfer, TransferStatus.CANCELED, now_ms)
    for reservation in in_order(task):
        pending = reservation.status is ReservationStatus.PENDING
        end = ReservationStatus.CANCELED if pending else ReservationStatus.COMPLETED
        set_status(board, reservation, end, now_ms)
    if transfer is not None:
        record_transfer(board.state, "task.transfer-canceled", task, transfer, now_ms)
    record_task(board.state, event_type, task, now_ms)
    board.state.remove(Kind.TASK, task.sid)
    forget_task(board, task)
    if task.date_finished_ms is not None:
        _bury(board, task, task.date_finished_ms)


def stop_waiting(board: Board, task: Task) -> None:
    """Take a task out of its waiting line."""
    board.eligibility.remove_task(task.sid)
    board.set_skip_if_open(task, False)
    board.state.deadlines.cancel(Due.TIME_OF_DAY, task.sid)
    board.state.deadlines.cancel(Due.OFFER_AGAIN, task.sid)


def end_reservations(board: Board, task: Task, status: ReservationStatus, now_ms: int) -> None:
    """End every open reservation of a task in the order they were made."""
    for reservation in in_order(task):
        set_status(board, reservation, status, now_ms)


def end_offers(board: Board, task: Task, status: ReservationStatus, now_ms: int) -> None:
    """End the pending reservations of a task in the order they were made; those who hold it keep it."""
    for reservation in in_order(task):
        if reservation.status is ReservationStatus.PENDING:
            set_status(board, reservation, status, now_ms)


def is_held(task: Task) -> bool:
    """Tell whether some worker has the task: accepted it, and may be wrapping it up."""
    return any(reservation.status in HELD for reservation in task.reservations.values())


def is_offered(task: Task, *, beside: Reservation | None = None) -> bool:
    """Tell whether a reservation of the task, another than `beside`, is pending."""
    return any(
        reservation.status is ReservationStatus.PENDING and reservation is not beside
        for reservation in task.reservations.values()
    )


def settle_transfer(board: Board, transfer: Transfer, status: TransferStatus, now_ms: int) -> None:
    """Give an open transfer its outcome."""
    move_transfer(transfer, status, now_ms)
    board.state.put_transfer(transfer)


def dies_ms(task: Task) -> int:
    """Return when the time to live of a task that nobody holds ends (behaviour §2).

    It counts from creation; for one that came back from a transfer, from the end of that.
    """
    since_ms = task.transfers[-1].date_updated_ms if task.transfers else task.date_created_ms
    return since_ms + task.timeout_s * 1000


def in_order(task: Task) -> list[Reservation]:
    """Return the open reservations of a task, oldest first."""
    return sorted(task.reservations.values(), key=attrgetter("sequence"))


def forget_task(board: Board, task: Task) -> None:
    """Drop a task from memory; its row stays."""
    board.state.deadlines.cancel_all(task.sid)
    board.choices.pop(task.sid, None)
    for transfer in task.transfers:
        del board.state.transfers[transfer.sid]
    del board.state.tasks[task.sid]


def adopt_finished_task(board: Board, task: Task) -> None:
    """Take a finished task into memory until it leaves the API, unless it is there already."""
    state = board.state
    if task.status in OPEN_TASK or task.date_finished_ms is None:
        return
    if task.sid in state.tasks or task.sid in board.deleted:
        return
    state.tasks[task.sid] = task
    _evict_later(board, task.sid, task.date_finished_ms)


def evict_finished(board: Board, task_sid: str) -> None:
    """Forget a finished task, or that it was deleted, when it has left the API anyway."""
    if task_sid in board.deleted:
        del board.deleted[task_sid]
    else:
        forget_task(board, board.state.tasks[task_sid])


def _evict_later(board: Board, task_sid: str, finished_ms: int) -> None:
    until_ms = finished_ms + board.state.limits.finished_task_retention_s * 1000
    board.state.deadlines.set(Due.FINISHED_EVICTION, task_sid, until_ms)


def _bury(board: Board, task: Task, finished_ms: int) -> None:
    # Whoever read the row before the deletion was committed may still bring the task back.
    board.deleted[task.sid] = None
    _evict_later(board, task.sid, finished_ms)


def _finish(board: Board, task: Task, now_ms: int) -> None:
    task.date_finished_ms = now_ms
    task.step_deadline_ms = None
    board.state.put_task(task)
    forget_task(board, task)
