"""Rows to a live board: derived values, capacity, waiting lines and deadlines are rebuilt, never stored.

Half a million tasks take seconds. So it is done in steps of some milliseconds, between which their caller can
let others have their turn.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import TypeVar

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
from engine.routing.workflow import parse_configuration

T = TypeVar("T")
Steps = Generator[None, None, T]
"""What is done a step at each `next`; it returns what was made."""

_PARSED_AT_ONCE = 50
_ENTITIES_AT_ONCE = 250
_BY_SEQUENCE = attrgetter("sequence")


def load_board(
    rows: WorkspaceRows, new_sid: Callable[[str], str], limits: RoutingLimits, now_ms: int
) -> Steps[Board]:
    """Rebuild the board of a workspace from its rows."""
    state = WorkspaceState(rows.workspace, new_sid, limits)
    board = Board(state, Eligibility(state, limits))
    yield from _load_configuration(state, rows)
    yield from _load_people(state, rows)
    for channel_sid in state.task_channels:
        board.eligibility.add_channel(channel_sid)
    for workers in _slices(state.workers.values(), _ENTITIES_AT_ONCE):
        for worker in workers:
            board.eligibility.put_worker(worker)
        yield
    for queues in _slices(state.task_queues.values(), _ENTITIES_AT_ONCE):
        for queue in queues:
            board.eligibility.put_queue(queue)
        yield
    for tasks in _slices(state.tasks.values(), _ENTITIES_AT_ONCE):
        for task in tasks:
            _resume(board, task, now_ms)
            board.tally.note(task)
        yield
    for reservation in sorted(state.reservations.values(), key=_BY_SEQUENCE):
        if reservation.status is ReservationStatus.PENDING:
            state.deadlines.set(Due.RESERVATION, reservation.sid, reservation.deadline_ms)
    state.changes.warnings.clear()
    return board


def _load_configuration(state: WorkspaceState, rows: WorkspaceRows) -> Steps[None]:
    state.activities.update((item.sid, item) for item in rows.activities)
    state.task_channels.update((item.sid, item) for item in rows.task_channels)
    state.workflows.update((item.sid, item) for item in rows.workflows)
    for queues in _slices(rows.task_queues, _PARSED_AT_ONCE):
        for queue in queues:
            try:
                queue.predicate = parse(queue.target_workers) if queue.target_workers.strip() else None
            except ExpressionError as error:
                raise ValueError(f"queue {queue.sid}: stored TargetWorkers: {error}") from error
            state.task_queues[queue.sid] = queue
        yield
    for key, text in rows.configurations.items():
        state.configurations[key] = parse_configuration(text, was_saved=True)
        yield


def _load_people(state: WorkspaceState, rows: WorkspaceRows) -> Steps[None]:
    for worker in sorted(rows.workers, key=_BY_SEQUENCE):
        state.workers[worker.sid] = worker
        state.names[worker.friendly_name.lower()] = worker.sid
    yield
    for channel in rows.worker_channels:
        state.workers[channel.worker_sid].channels[channel.task_channel_sid] = channel
    yield
    # By the date they were made, tasks are as good as in order: sorting looks at each of them once.
    state.tasks.update((task.sid, task) for task in sorted(rows.tasks, key=_BY_SEQUENCE))
    yield
    for transfer in sorted(rows.transfers, key=_BY_SEQUENCE):
        state.transfers[transfer.sid] = transfer
        state.tasks[transfer.task_sid].transfers += (transfer,)
    for reservation in sorted(rows.reservations, key=_BY_SEQUENCE):
        _attach(state, reservation)


def _slices(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


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
