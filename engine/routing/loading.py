"""Rows to a live board: derived values, capacity, waiting lines and deadlines are rebuilt, never stored."""

from collections.abc import Callable

from engine.expressions.expression import ExpressionError, parse
from engine.routing import capacity
from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.eligibility import Eligibility
from engine.routing.entities import Reservation, ReservationStatus, Task, TaskStatus
from engine.routing.lifecycle import dies_ms
from engine.routing.limits import RoutingLimits
from engine.routing.progress import wait
from engine.routing.rows import WorkspaceRows
from engine.routing.state import WorkspaceState
from engine.routing.values import parse_attributes
from engine.routing.workflow import parse_configuration


def load_board(
    rows: WorkspaceRows, new_sid: Callable[[str], str], limits: RoutingLimits, now_ms: int
) -> Board:
    """Rebuild the board of a workspace from its rows."""
    state = WorkspaceState(rows.workspace, new_sid, limits)
    board = Board(state, Eligibility(state, limits))
    _load_configuration(state, rows)
    _load_people(state, rows)
    for channel_sid in state.task_channels:
        board.eligibility.add_channel(channel_sid)
    for worker in state.workers.values():
        board.eligibility.put_worker(worker)
    for queue in state.task_queues.values():
        board.eligibility.put_queue(queue)
    for task in sorted(state.tasks.values(), key=lambda task: task.sequence):
        _resume(board, task, now_ms)
    for reservation in sorted(state.reservations.values(), key=lambda item: item.sequence):
        if reservation.status is ReservationStatus.PENDING:
            state.deadlines.set(Due.RESERVATION, reservation.sid, reservation.deadline_ms)
    state.changes.warnings.clear()
    return board


def _load_configuration(state: WorkspaceState, rows: WorkspaceRows) -> None:
    state.activities.update((item.sid, item) for item in rows.activities)
    state.task_channels.update((item.sid, item) for item in rows.task_channels)
    state.workflows.update((item.sid, item) for item in rows.workflows)
    for queue in rows.task_queues:
        try:
            queue.predicate = parse(queue.target_workers) if queue.target_workers.strip() else None
        except ExpressionError as error:
            raise ValueError(f"queue {queue.sid}: stored TargetWorkers: {error}") from error
        state.task_queues[queue.sid] = queue
    for key, text in rows.configurations.items():
        state.configurations[key] = parse_configuration(text)


def _load_people(state: WorkspaceState, rows: WorkspaceRows) -> None:
    for worker in sorted(rows.workers, key=lambda worker: worker.sequence):
        state.workers[worker.sid] = worker
        state.names[worker.friendly_name.lower()] = worker.sid
    for channel in rows.worker_channels:
        state.workers[channel.worker_sid].channels[channel.task_channel_sid] = channel
    for task in sorted(rows.tasks, key=lambda task: task.sequence):
        task.values = parse_attributes(task.attributes)
        state.tasks[task.sid] = task
    for transfer in sorted(rows.transfers, key=lambda transfer: transfer.sequence):
        state.transfers[transfer.sid] = transfer
        state.tasks[transfer.task_sid].transfers += (transfer,)
    for reservation in sorted(rows.reservations, key=lambda item: item.sequence):
        _attach(state, reservation)


def _attach(state: WorkspaceState, reservation: Reservation) -> None:
    state.reservations[reservation.sid] = reservation
    state.tasks[reservation.task_sid].reservations[reservation.sid] = reservation
    capacity.attach(state.workers[reservation.worker_sid], reservation)


def _resume(board: Board, task: Task, now_ms: int) -> None:
    deadlines, limits = board.state.deadlines, board.state.limits
    transferred = task.open_transfer is not None
    if task.status in (TaskStatus.PENDING, TaskStatus.RESERVED) and not transferred:
        deadlines.set(Due.TASK_TTL, task.sid, dies_ms(task))
    if task.status is TaskStatus.PENDING or (task.status is TaskStatus.ASSIGNED and transferred):
        wait(board, task, now_ms)
    if task.date_assigned_ms is not None and (task.status is TaskStatus.ASSIGNED or transferred):
        deadlines.set(Due.ASSIGNED_TOO_LONG, task.sid, task.date_assigned_ms + limits.assigned_s_max * 1000)
