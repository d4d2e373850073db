"""One reservation: made, moved, ended. What follows for its task is decided in `rounds` and `lifecycle`."""

from engine.routing import capacity
from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.effects import AssignmentCallback
from engine.routing.entities import Reservation, ReservationStatus, Task, Worker, Workflow
from engine.routing.records import record_reservation, worker_data
from engine.routing.states import OPEN_RESERVATION, move_reservation

DEFAULT_TIMEOUT_S = 120

EVENT_OF_STATUS = {
    ReservationStatus.PENDING: "reservation.created",
    ReservationStatus.ACCEPTED: "reservation.accepted",
    ReservationStatus.REJECTED: "reservation.rejected",
    ReservationStatus.TIMEOUT: "reservation.timeout",
    ReservationStatus.CANCELED: "reservation.canceled",
    ReservationStatus.RESCINDED: "reservation.rescinded",
    ReservationStatus.WRAPPING: "reservation.wrapup",
    ReservationStatus.COMPLETED: "reservation.completed",
}


def open_reservation(
    board: Board, task: Task, worker: Worker, now_ms: int, transfer_sid: str | None = None
) -> Reservation:
    """Reserve `worker` for `task`: capacity, timer, place in the idle line, callback (behaviour §3, §4)."""
    state = board.state
    workflow = state.workflows.get(task.workflow_sid or "")
    timeout_s = workflow.task_reservation_timeout_s if workflow else DEFAULT_TIMEOUT_S
    reservation = Reservation(
        sid=state.new_sid("WR"),
        sequence=state.next_sequence(),
        task_sid=task.sid,
        worker_sid=worker.sid,
        task_queue_sid=task.task_queue_sid,
        workflow_sid=task.workflow_sid,
        task_channel_sid=task.task_channel_sid,
        status=ReservationStatus.PENDING,
        timeout_s=timeout_s,
        deadline_ms=now_ms + timeout_s * 1000,
        date_created_ms=now_ms,
        date_updated_ms=now_ms,
        worker_previous_activity_sid=worker.activity_sid,
        transfer_sid=transfer_sid,
    )
    state.reservations[reservation.sid] = reservation
    task.reservations[reservation.sid] = reservation
    capacity.attach(worker, reservation)
    worker.version += 1
    worker.last_reserved_ms = now_ms
    worker.last_reserved_sequence = reservation.sequence
    channel = worker.channels[task.task_channel_sid]
    channel.last_reserved_ms = now_ms
    channel.last_reserved_sequence = reservation.sequence
    state.changes.worker_channels[channel.sid] = channel
    state.put_worker(worker)
    state.put_reservation(reservation)
    state.deadlines.set(Due.RESERVATION, reservation.sid, reservation.deadline_ms)
    board.eligibility.figures_changed(worker, task.task_channel_sid)
    return reservation


def announce(board: Board, reservation: Reservation, task: Task, now_ms: int) -> None:
    """Record `reservation.created` and request the assignment callback, once the task is reserved."""
    record_reservation(board.state, EVENT_OF_STATUS[ReservationStatus.PENDING], reservation, now_ms)
    workflow = board.state.workflows.get(task.workflow_sid or "")
    if workflow is not None and workflow.assignment_callback_url:
        _request_callback(board, reservation, task, workflow, now_ms)


def set_status(board: Board, reservation: Reservation, status: ReservationStatus, now_ms: int) -> None:
    """Move a reservation, with its capacity and its timer, and record the event of its new status."""
    state = board.state
    worker = state.workers[reservation.worker_sid]
    channel = worker.channels[reservation.task_channel_sid]
    was_pending = reservation.status is ReservationStatus.PENDING
    capacity.count(channel, reservation.status, -1)
    move_reservation(reservation, status, now_ms)
    capacity.count(channel, status, +1)
    if was_pending:
        state.deadlines.cancel(Due.RESERVATION, reservation.sid)
        state.settle_callback(reservation.sid)
    if status not in OPEN_RESERVATION:
        del state.reservations[reservation.sid]
        del state.tasks[reservation.task_sid].reservations[reservation.sid]
        del worker.reservations[reservation.sid]
    state.put_reservation(reservation)
    record_reservation(state, EVENT_OF_STATUS[status], reservation, now_ms)
    board.eligibility.figures_changed(worker, reservation.task_channel_sid)


def _request_callback(
    board: Board, reservation: Reservation, task: Task, workflow: Workflow, now_ms: int
) -> None:
    state = board.state
    worker = state.workers[reservation.worker_sid]
    fields = {
        "AccountSid": state.workspace.account_sid,
        "WorkspaceSid": state.workspace.sid,
        "WorkflowSid": workflow.sid,
        "TaskSid": task.sid,
        "TaskAttributes": task.attributes,
        "TaskAge": str((now_ms - task.date_created_ms) // 1000),
        "TaskPriority": str(task.priority),
        "TaskQueueSid": task.task_queue_sid or "",
        "ReservationSid": reservation.sid,
        "WorkerSid": worker.sid,
        "WorkerName": worker.friendly_name,
        "WorkerAttributes": worker.attributes,
        "Timestamp": str(now_ms // 1000),
    }
    state.request_callback(
        AssignmentCallback(
            reservation_sid=reservation.sid,
            task_sid=task.sid,
            worker_sid=worker.sid,
            workflow_sid=workflow.sid,
            url=workflow.assignment_callback_url,
            fallback_url=workflow.fallback_assignment_callback_url,
            date_created_ms=now_ms,
            fields=fields,
        )
    )


def move_worker(board: Board, worker: Worker, activity_sid: str, now_ms: int) -> None:
    """Put a worker into an activity; nothing is recorded when it is there already."""
    if worker.activity_sid == activity_sid:
        return
    state = board.state
    previous_sid, since_ms = worker.activity_sid, worker.date_status_changed_ms
    worker.activity_sid = activity_sid
    worker.date_status_changed_ms = worker.date_updated_ms = now_ms
    worker.version += 1
    state.put_worker(worker)
    previous = state.activities.get(previous_sid)
    data = {
        **worker_data(state, worker),
        "worker_previous_activity_sid": previous_sid,
        "worker_previous_activity_name": previous.friendly_name if previous else "",
        "worker_time_in_previous_activity": str((now_ms - since_ms) // 1000),
        "worker_time_in_previous_activity_ms": str(now_ms - since_ms),
    }
    name = state.activities[activity_sid].friendly_name
    description = f"Worker {worker.friendly_name} updated to {name} Activity"
    state.record("worker.activity.update", worker.sid, description, data, now_ms)
    board.eligibility.put_worker(worker)
