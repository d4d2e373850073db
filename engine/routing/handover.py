"""What a transfer does to its task: how it waits, fails, is taken back or is complete (behaviour §3).

Theory of operation
-------------------
A transfer is open from its creation to its one outcome. Meanwhile its task is reserved while somebody is
offered it and assigned otherwise, whether or not the worker who transfers it still holds it.

To a worker there is one offer; when that ends unaccepted the transfer has failed. To a queue the task moves
there and waits for whom TargetWorkers takes, past the workflow's filters; an attempt that ends unaccepted is
told and the task waits on, until somebody accepts, the transfer is canceled, or the task was offered too
often. Nobody is offered a task that he holds an accepted reservation of.

After a failure or a cancellation the task is assigned again to those who hold it, in the queue it came from.
When nobody does (a COLD transfer whose initiator has completed), it is routed from the top of its workflow as
it is now, and its time to live starts anew: nobody is left who could hand it on.
"""

from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.entities import (
    Reservation,
    ReservationStatus,
    Task,
    TaskStatus,
    Transfer,
    TransferStatus,
    TransferType,
)
from engine.routing.lifecycle import (
    cancel_task,
    dies_ms,
    end_offers,
    is_held,
    is_offered,
    settle_transfer,
    stop_waiting,
)
from engine.routing.progress import enter_workflow, is_direct, move_to_queue, wait
from engine.routing.records import record_task, record_transfer
from engine.routing.states import move_task

OFFERED_TOO_OFTEN = "Max assignment count exceeded"

_FAILED_BECAUSE = {
    ReservationStatus.REJECTED: "the reservation was rejected",
    ReservationStatus.TIMEOUT: "the reservation timed out",
    ReservationStatus.CANCELED: "the reservation was canceled",
}


def doom(
    board: Board, task: Task, reservation: Reservation, status: ReservationStatus, now_ms: int
) -> Transfer | None:
    """Fail the transfer of an offer that is about to end unaccepted, when nothing is left to try.

    Before the offer ends, so that its own event tells of it. Returns the offer's transfer, failed or not.
    """
    transfer = task.open_transfer if reservation.transfer_sid is not None else None
    if transfer is None or is_offered(task, beside=reservation):
        return transfer
    if transfer.type is TransferType.WORKER or _was_offered_too_often(board, task):
        transfer.failed_reason = f"Transfer failed because {_FAILED_BECAUSE[status]}"
        settle_transfer(board, transfer, TransferStatus.FAILED, now_ms)
    return transfer


def end_attempt(board: Board, task: Task, transfer: Transfer, now_ms: int) -> None:
    """Go on after the last offer of a transfer ended unaccepted: wait on, or give the task back."""
    if not transfer.is_open:
        give_back(board, task, transfer, now_ms)
        return
    _move(board, task, TaskStatus.ASSIGNED, now_ms)
    record_transfer(board.state, "task.transfer-attempt-failed", task, transfer, now_ms)
    wait(board, task, now_ms)


def withdraw(board: Board, task: Task, transfer: Transfer, now_ms: int, *, reroute: bool = True) -> None:
    """Cancel an open transfer and give the task back; `reroute` False leaves one that nobody holds pending.

    A task that is left pending waits for nothing: its caller ends it.
    """
    settle_transfer(board, transfer, TransferStatus.CANCELED, now_ms)
    stop_waiting(board, task)
    give_back(board, task, transfer, now_ms, reroute=reroute)


def give_back(board: Board, task: Task, transfer: Transfer, now_ms: int, *, reroute: bool = True) -> None:
    """Let those who hold a task have it alone again; one that nobody holds is routed anew."""
    state = board.state
    reserved = task.status is TaskStatus.RESERVED
    held = is_held(task)
    if not held:
        _move(board, task, TaskStatus.PENDING, now_ms)
    elif reserved:
        _move(board, task, TaskStatus.ASSIGNED, now_ms)
    end_offers(board, task, ReservationStatus.CANCELED, now_ms)
    record_transfer(state, f"task.transfer-{transfer.status}", task, transfer, now_ms)
    if transfer.type is TransferType.QUEUE and task.task_queue_sid != transfer.initiating_queue_sid:
        move_to_queue(board, task, transfer.initiating_queue_sid, now_ms)
        state.put_task(task)
    if reserved or not held:
        record_task(state, "task.updated", task, now_ms)
    if not held:
        _release(board, task, now_ms, reroute=reroute)


def _release(board: Board, task: Task, now_ms: int, *, reroute: bool) -> None:
    """Let a task that nobody holds be as one that was never assigned, and route it."""
    task.date_assigned_ms = None
    deadlines = board.state.deadlines
    deadlines.cancel(Due.ASSIGNED_TOO_LONG, task.sid)
    if not reroute:
        return
    deadlines.set(Due.TASK_TTL, task.sid, dies_ms(task))
    if _was_offered_too_often(board, task):
        cancel_task(board, task, OFFERED_TOO_OFTEN, now_ms)
        return
    _route_anew(board, task, now_ms)


def _route_anew(board: Board, task: Task, now_ms: int) -> None:
    workflow = board.state.workflows.get(task.workflow_sid or "")
    if is_direct(task):
        wait(board, task, now_ms)
    elif workflow is None:
        # It was deleted while the task was assigned; the queue is still there, because the task is in it.
        task.entry_filter_index = task.filter_index = task.filter_entered_ms = task.step_deadline_ms = None
        wait(board, task, now_ms)
    else:
        # Queues that an older configuration names may be gone: only waiting tasks keep them.
        task.workflow_version = workflow.configuration_version
        enter_workflow(board, task, now_ms)


def _was_offered_too_often(board: Board, task: Task) -> bool:
    return task.assignment_count >= board.state.limits.assignment_count_max


def _move(board: Board, task: Task, status: TaskStatus, now_ms: int) -> None:
    move_task(task, status, now_ms)
    task.version += 1
    board.state.put_task(task)
