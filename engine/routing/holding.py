"""Those who hold a task: all wrap it up, or one of several lets go of it (behaviour §2, §3).

After a completed WARM transfer several workers hold a task, each by a reservation of its own. The task is
wrapping when all of them are, and completed when the last of them is done.
"""

from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.entities import Reservation, ReservationStatus, Task, TaskStatus
from engine.routing.lifecycle import complete_task, in_order
from engine.routing.records import record_task
from engine.routing.reservations import set_status
from engine.routing.states import move_task


def wrap_task(board: Board, task: Task, reason: str | None, now_ms: int) -> None:
    """Move an assigned task to wrapping, with the reservations of those who hold it."""
    if reason is not None:
        task.reason = reason
    move_task(task, TaskStatus.WRAPPING, now_ms)
    task.version += 1
    board.state.deadlines.cancel(Due.ASSIGNED_TOO_LONG, task.sid)
    board.state.put_task(task)
    record_task(board.state, "task.wrapup", task, now_ms)
    for reservation in in_order(task):
        if reservation.status is ReservationStatus.ACCEPTED:
            set_status(board, reservation, ReservationStatus.WRAPPING, now_ms)


def wrap_alone(board: Board, reservation: Reservation, now_ms: int) -> None:
    """Move a reservation to wrapping; its task follows when nobody else is working on it."""
    task = board.state.tasks[reservation.task_sid]
    if task.open_transfer is None and not _is_worked_on(task, beside=reservation):
        wrap_task(board, task, None, now_ms)
        return
    set_status(board, reservation, ReservationStatus.WRAPPING, now_ms)
    board.eligibility.unpark_task(task.sid)


def complete_alone(board: Board, reservation: Reservation, now_ms: int) -> None:
    """Complete a reservation; its task follows when nobody else holds it, or wraps up with those who do."""
    task = board.state.tasks[reservation.task_sid]
    if task.open_transfer is None and len(task.reservations) == 1:
        complete_task(board, task, None, now_ms)
        return
    set_status(board, reservation, ReservationStatus.COMPLETED, now_ms)
    board.eligibility.unpark_task(task.sid)
    if task.open_transfer is None and task.status is TaskStatus.ASSIGNED and not _is_worked_on(task):
        wrap_task(board, task, None, now_ms)


def _is_worked_on(task: Task, *, beside: Reservation | None = None) -> bool:
    """Tell whether a reservation of the task, another than `beside`, is accepted and not wrapping."""
    return any(
        reservation.status is ReservationStatus.ACCEPTED and reservation is not beside
        for reservation in task.reservations.values()
    )
