"""The transition tables of tasks, reservations and transfers, and the one place that refuses a move.

Theory of operation
-------------------
A task is offered in rounds. A round starts when reservations are created for a pending task (it becomes
reserved) and ends when one of them is accepted (assigned; the others are rescinded) or when all have ended
unaccepted (pending again). From assigned the task only goes forward: wrapping, completed. A task is canceled
only from pending or reserved. A reservation's end states are final.

A transfer lets an assigned task be offered to others: reserved while such an offer is open, assigned
otherwise, pending only when the transfer has failed and nobody holds the task any more (`handover`). Who
accepts an offer of a transfer holds the task beside those who held it already: one more *leg*.

Invariants: a reserved task has at least one pending reservation and, unless a transfer is open, no other open
one; a task that was never transferred has exactly one open reservation while it is assigned (an accepted one)
or wrapping (a wrapping one); of a transferred one there is at most one accepted or wrapping reservation per
leg, that is per completed transfer and one of the ordinary round; a pending task has none. At most the last
transfer of a task is open. Whatever is not in these tables does not happen (behaviour §2, §3).
"""

from engine.routing.entities import (
    Reservation,
    ReservationStatus,
    Task,
    TaskStatus,
    Transfer,
    TransferStatus,
)
from engine.routing.errors import Gone, Refused, RoutingError
from engine.routing.voice import NOT_PENDING, SUPERVISE
from engine.routing.voice_fields import InstructionRefused

T = TaskStatus
R = ReservationStatus

TASK_MOVES: dict[TaskStatus, frozenset[TaskStatus]] = {
    T.PENDING: frozenset({T.RESERVED, T.CANCELED}),
    T.RESERVED: frozenset({T.PENDING, T.ASSIGNED, T.CANCELED}),
    T.ASSIGNED: frozenset({T.WRAPPING, T.COMPLETED, T.RESERVED, T.PENDING}),
    T.WRAPPING: frozenset({T.COMPLETED}),
    T.COMPLETED: frozenset(),
    T.CANCELED: frozenset(),
}

RESERVATION_MOVES: dict[ReservationStatus, frozenset[ReservationStatus]] = {
    R.PENDING: frozenset({R.ACCEPTED, R.REJECTED, R.TIMEOUT, R.CANCELED, R.RESCINDED}),
    R.ACCEPTED: frozenset({R.WRAPPING, R.COMPLETED}),
    R.WRAPPING: frozenset({R.COMPLETED}),
    R.REJECTED: frozenset(),
    R.TIMEOUT: frozenset(),
    R.CANCELED: frozenset(),
    R.RESCINDED: frozenset(),
    R.COMPLETED: frozenset(),
}

TRANSFER_MOVES: dict[TransferStatus, frozenset[TransferStatus]] = {
    TransferStatus.INITIATED: frozenset(
        {TransferStatus.COMPLETE, TransferStatus.FAILED, TransferStatus.CANCELED}
    ),
    TransferStatus.COMPLETE: frozenset(),
    TransferStatus.FAILED: frozenset(),
    TransferStatus.CANCELED: frozenset(),
}

OPEN_TASK = frozenset({T.PENDING, T.RESERVED, T.ASSIGNED, T.WRAPPING})
OPEN_RESERVATION = frozenset({R.PENDING, R.ACCEPTED, R.WRAPPING})
HELD = frozenset({R.ACCEPTED, R.WRAPPING})
"""The statuses of a reservation whose worker has the task."""

_TASK_REFUSALS = {
    T.CANCELED: "Cannot cancel task {task} in workspace {workspace} for account {account} "
    "because it is not pending or reserved.",
    T.COMPLETED: "Cannot complete task {task} in workspace {workspace} for account {account} "
    "because it is not currently assigned.",
    T.WRAPPING: "Cannot wrap up a task {task} in workspace {workspace} for account {account} "
    "because it's not currently assigned.",
}


def check_task_move(task: Task, wanted: TaskStatus, workspace_sid: str, account_sid: str) -> None:
    """Raise Refused, in the documented words, unless a client may move `task` to `wanted` now."""
    if wanted in TASK_MOVES[task.status]:
        return
    message = _TASK_REFUSALS[wanted].format(task=task.sid, workspace=workspace_sid, account=account_sid)
    raise Refused(f"{message} Its status is {task.status}.")


def check_reservation_move(reservation: Reservation, wanted: ReservationStatus) -> None:
    """Raise Refused or Gone unless `reservation` may move to `wanted` now."""
    if wanted not in RESERVATION_MOVES[reservation.status]:
        raise finished_reservation_refusal(reservation, wanted)


def finished_reservation_refusal(reservation: Reservation, wanted: ReservationStatus) -> RoutingError:
    """Build the refusal of an illegal move: Gone when another worker has the task (behaviour §3)."""
    message = (
        f"Reservation {reservation.sid} is already in state [{reservation.status}] "
        f"and cannot be updated to [{wanted}]"
    )
    return Gone(message) if reservation.status is R.RESCINDED else Refused(message)


def instruction_refusal(reservation: Reservation, instruction: str) -> InstructionRefused:
    """Build the refusal of a voice instruction to a reservation in the wrong state (behaviour §3)."""
    needed = "n Accepted" if instruction == SUPERVISE else " Pending"
    return InstructionRefused(
        f"Unable to execute {instruction.capitalize()} instruction. "
        f"Reservation {reservation.sid} is not currently in a{needed} state. "
        f"Its status is {reservation.status}.",
        NOT_PENDING[instruction],
    )


def move_task(task: Task, status: TaskStatus, now_ms: int) -> None:
    """Carry out a move of the table; any other is a defect."""
    assert status in TASK_MOVES[task.status], f"task {task.sid}: {task.status} → {status}"
    task.status = status
    task.date_updated_ms = now_ms


def move_reservation(reservation: Reservation, status: ReservationStatus, now_ms: int) -> None:
    """Carry out a move of the table; any other is a defect."""
    assert status in RESERVATION_MOVES[reservation.status], (
        f"reservation {reservation.sid}: {reservation.status} → {status}"
    )
    reservation.status = status
    reservation.version += 1
    reservation.date_updated_ms = now_ms


def move_transfer(transfer: Transfer, status: TransferStatus, now_ms: int) -> None:
    """Carry out a move of the table; any other is a defect."""
    assert status in TRANSFER_MOVES[transfer.status], f"transfer {transfer.sid}: {transfer.status} → {status}"
    transfer.status = status
    transfer.version += 1
    transfer.date_updated_ms = now_ms


def not_transferable(task_sid: str, why: str) -> Refused:
    """Build the refusal of a transfer; `why` is a clause."""
    return Refused(f"Cannot transfer task {task_sid} because {why}.")


def ended_transfer_refusal(transfer: Transfer) -> Refused:
    """Build the refusal to cancel a transfer that has its outcome, in the hosted service's words."""
    return Refused(f"Transfer {transfer.sid} is already {transfer.status} . Cannot cancel transfer.")


def check_no_transfer(transfer: Transfer | None, what: str) -> None:
    """Raise Refused when there is an open transfer: `what` ("complete task WT…") waits for its outcome."""
    if transfer is not None:
        raise Refused(
            f"Cannot {what} because its transfer {transfer.sid} to {transfer.to_sid} is {transfer.status}. "
            "Cancel the transfer first."
        )
