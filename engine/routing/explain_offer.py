"""Who is offered or holds a task, until when, and why this worker was chosen."""

from engine.expressions.canonical import path_text
from engine.expressions.order_by import OrderBy
from engine.expressions.reasons import value_shown
from engine.expressions.semantics import look_up
from engine.routing.board import Board, Choice
from engine.routing.deadlines import Due
from engine.routing.eligibility import Demand
from engine.routing.entities import Reservation, ReservationStatus, Task, TransferType, Worker
from engine.routing.explain_views import OfferView
from engine.routing.lifecycle import in_order

R = ReservationStatus

_SAID = {
    R.PENDING: "Offered to {name} {ago} s ago; no answer yet, {left} s are left.",
    R.ACCEPTED: "Held by {name}, who accepted it {ago} s ago.",
    R.WRAPPING: "Held by {name}, who has been wrapping it up for {ago} s.",
}


def offers_of(board: Board, task: Task, demand: Demand) -> tuple[OfferView, ...]:
    """Tell who is offered or holds a task, in the order they were reserved; several do after a transfer.

    Why a worker was chosen is what was noted when the round began; attributes are told as they are now.
    """
    choice = board.choices.get(task.sid)
    return tuple(_offer(board, reservation, demand, choice) for reservation in in_order(task))


def summary_of(offers: tuple[OfferView, ...], now_ms: int) -> str:
    """Say in a sentence per reservation who is offered or holds the task."""
    return " ".join(
        _SAID[offer.status].format(
            name=offer.worker_name,
            ago=_seconds(now_ms - offer.since_ms),
            left=_seconds((offer.until_ms or now_ms) - now_ms + 999),
        )
        for offer in offers
    )


def _offer(board: Board, reservation: Reservation, demand: Demand, choice: Choice | None) -> OfferView:
    worker = board.state.workers[reservation.worker_sid]
    deadlines = board.state.deadlines
    return OfferView(
        reservation_sid=reservation.sid,
        worker_sid=worker.sid,
        worker_name=worker.friendly_name,
        status=reservation.status,
        since_ms=reservation.date_updated_ms,
        until_ms=deadlines.due_of(Due.RESERVATION, reservation.sid),
        chosen_because=_chosen_because(board, reservation, worker, demand, choice),
    )


def _chosen_because(
    board: Board, reservation: Reservation, worker: Worker, demand: Demand, choice: Choice | None
) -> str:
    if reservation.transfer_sid is None:
        return _chosen_by_matcher(reservation, worker, demand, choice)
    transfer = board.state.transfers[reservation.transfer_sid]
    giver = board.state.workers.get(transfer.initiating_worker_sid)
    came = f"transferred by {giver.friendly_name if giver else transfer.initiating_worker_sid}"
    if transfer.type is TransferType.WORKER:
        return f"{came} to it"
    queue = board.state.task_queues.get(transfer.to_sid)
    because = _chosen_by_matcher(reservation, worker, demand, choice)
    return f"{came} to {queue.friendly_name if queue else transfer.to_sid}; {because}"


def _chosen_by_matcher(
    reservation: Reservation, worker: Worker, demand: Demand, choice: Choice | None
) -> str:
    if demand.named is not None and demand.admits(worker):
        return "it is the only worker that may take the task"
    ready, idle_since_ms = choice or (0, {})
    if worker.sid not in idle_since_ms:
        return (
            f"{_criterion(worker, demand.order_by)}; the other workers of that moment are not known any more"
        )
    if ready == 1:
        return "it was the only worker that could be offered the task"
    rank = list(idle_since_ms).index(worker.sid) + 1
    since_ms = idle_since_ms[worker.sid]
    idle = "it had none before"
    if since_ms is not None:
        idle = f"its last one was {_seconds(reservation.date_created_ms - since_ms)} s before"
    place = "first" if rank == 1 else f"number {rank}"
    among = f"{place} of {ready} workers that could be offered the task"
    return f"{among}: {_criterion(worker, demand.order_by)}, {idle}"


def _criterion(worker: Worker, order_by: OrderBy | None) -> str:
    longest_idle = "longest without a reservation"
    if order_by is None:
        return longest_idle
    if order_by.key(worker.environment) is None:
        return f"{longest_idle} (order_by is ignored where a value is no integer)"
    values = ", ".join(
        f"{path_text(path)} is {value_shown(look_up(path, worker.environment))}"
        for path, _ in order_by.clauses
    )
    return f"order_by {order_by.canonical} ({values} now), then {longest_idle}"


def _seconds(duration_ms: int) -> int:
    return max(duration_ms, 0) // 1000
