"""Commands about reservations: a client's update, a callback's answer, the timer (behaviour §3, §8)."""

from engine.routing.board import Board
from engine.routing.commands import AssignmentCallbackFailed, AssignmentInstructed, UpdateReservation
from engine.routing.entities import Reservation, ReservationStatus, TransferMode
from engine.routing.errors import NotFound, Refused, VersionMismatch
from engine.routing.holding import complete_alone, wrap_alone
from engine.routing.rounds import accept, refuse
from engine.routing.states import check_no_transfer, check_reservation_move
from engine.routing.viewing import reservation_view
from engine.routing.views import ReservationView

R = ReservationStatus
_BY_CLIENT = (R.ACCEPTED, R.REJECTED, R.WRAPPING, R.COMPLETED)


def update_reservation(board: Board, command: UpdateReservation, now_ms: int) -> ReservationView:
    """Accept, reject, wrap or complete a reservation."""
    state = board.state
    reservation = state.reservation(command.sid)
    if command.task_sid not in (None, reservation.task_sid):
        raise NotFound("Reservation", command.sid)
    if command.worker_sid not in (None, reservation.worker_sid):
        raise NotFound("Reservation", command.sid)
    if command.if_match is not None and command.if_match != reservation.version:
        raise VersionMismatch(
            f"Reservation {reservation.sid} has version {reservation.version}, "
            f"If-Match names {command.if_match}"
        )
    if command.status not in _BY_CLIENT:
        raise Refused(
            f"ReservationStatus: expected {', '.join(_BY_CLIENT[:-1])} or {_BY_CLIENT[-1]}, "
            f"found {command.status}"
        )
    if command.activity_sid is not None and command.activity_sid not in state.activities:
        raise Refused(f"WorkerActivitySid: there is no Activity {command.activity_sid} in this workspace")
    check_reservation_move(reservation, command.status)
    _check_transfer(board, reservation, command.status)
    _move(board, reservation, command.status, command.activity_sid, now_ms)
    return reservation_view(state, reservation)


def follow_instruction(board: Board, command: AssignmentInstructed, now_ms: int) -> None:
    """Do what the assignment callback answered; too late an answer changes nothing."""
    state = board.state
    reservation = state.reservations.get(command.reservation_sid)
    if reservation is None or reservation.status is not R.PENDING:
        return
    state.settle_callback(reservation.sid)
    if command.instruction == "accept":
        accept(board, reservation, now_ms)
    elif command.instruction == "reject":
        activity_sid = command.activity_sid if command.activity_sid in state.activities else None
        refuse(board, reservation, R.REJECTED, now_ms, activity_sid=activity_sid)


def fail_callback(board: Board, command: AssignmentCallbackFailed, now_ms: int) -> None:
    """Cancel the reservation whose callback URLs both failed; the task is routed again (OQ-7)."""
    reservation = board.state.reservations.get(command.reservation_sid)
    if reservation is not None and reservation.status is R.PENDING:
        refuse(board, reservation, R.CANCELED, now_ms)


def time_out(board: Board, reservation_sid: str, now_ms: int) -> None:
    """End a reservation whose timer ran out; its worker goes to the TimeoutActivity (OQ-6)."""
    timeout_activity_sid = board.state.workspace.timeout_activity_sid
    reservation = board.state.reservations[reservation_sid]
    refuse(board, reservation, R.TIMEOUT, now_ms, activity_sid=timeout_activity_sid)


def _check_transfer(board: Board, reservation: Reservation, wanted: ReservationStatus) -> None:
    """Refuse to let a worker go whose WARM transfer is under way: who began it stays until its outcome."""
    transfer = board.state.tasks[reservation.task_sid].open_transfer
    if transfer is None or transfer.initiating_reservation_sid != reservation.sid:
        return
    if transfer.mode is TransferMode.WARM:
        verb = "wrap up" if wanted is R.WRAPPING else "complete"
        check_no_transfer(transfer, f"{verb} reservation {reservation.sid}")


def _move(
    board: Board, reservation: Reservation, status: ReservationStatus, activity_sid: str | None, now_ms: int
) -> None:
    if status is R.ACCEPTED:
        accept(board, reservation, now_ms)
    elif status is R.REJECTED:
        refuse(board, reservation, R.REJECTED, now_ms, activity_sid=activity_sid)
    elif status is R.WRAPPING:
        wrap_alone(board, reservation, now_ms)
    else:
        complete_alone(board, reservation, now_ms)
