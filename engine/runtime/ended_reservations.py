"""Why a command about a reservation is refused that is not live any more, from the rows."""

from engine.routing.commands import ConcludeInstruction, PrepareInstruction, UpdateReservation
from engine.routing.entities import Reservation
from engine.routing.errors import NotFound, VersionMismatch
from engine.routing.states import OPEN_RESERVATION, finished_reservation_refusal, instruction_refusal
from engine.runtime.ports import Store

OfReservation = UpdateReservation | PrepareInstruction | ConcludeInstruction


async def reservation_refusal(
    store: Store, workspace_sid: str, command: OfReservation, missing: NotFound, visible_after_ms: int
) -> Exception:
    """Return what to raise: `missing`, unless a row that can still be seen tells more.

    Reservations of tasks that finished up to `visible_after_ms` cannot be seen. Raises StoreUnavailable.
    """
    reservation = await store.reservation(workspace_sid, command.sid)
    if reservation is None or reservation.status in OPEN_RESERVATION:
        return missing
    if not _addressed_by_its_route(command, reservation):
        return NotFound("Reservation", command.sid)
    task = await store.finished_task(workspace_sid, reservation.task_sid, 0)
    if task is not None and (task.date_finished_ms or 0) <= visible_after_ms:
        return missing
    if_match = None if isinstance(command, ConcludeInstruction) else command.if_match
    if if_match not in {None, reservation.version}:
        return VersionMismatch(
            f"Reservation {reservation.sid} has version {reservation.version}, If-Match names {if_match}"
        )
    if isinstance(command, UpdateReservation):
        return finished_reservation_refusal(reservation, command.status)
    return instruction_refusal(reservation, command.instruction.name)


def _addressed_by_its_route(command: OfReservation, reservation: Reservation) -> bool:
    if isinstance(command, ConcludeInstruction):
        return True
    if command.task_sid is not None:
        return command.task_sid == reservation.task_sid
    return command.worker_sid == reservation.worker_sid
