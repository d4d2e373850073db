"""What must hold of a board between two commands; for tests, the simulator and a suspicious operator."""

from engine.routing import capacity
from engine.routing.board import Board
from engine.routing.entities import (
    Reservation,
    ReservationStatus,
    Task,
    TaskStatus,
    TransferMode,
    TransferStatus,
    TransferType,
)
from engine.routing.matching import working_on
from engine.routing.progress import demand_of, target_of
from engine.routing.states import HELD, OPEN_RESERVATION, OPEN_TASK
from engine.routing.statistics import STATUSES, WORKSPACE
from engine.routing.statistics_views import TaskFigures, Waiting

R = ReservationStatus


def check(board: Board, now_ms: int, *, after_match: bool = True) -> None:
    """Raise AssertionError naming the first rule that does not hold.

    `after_match`: the matcher has just run to its end at `now_ms`, so nothing matchable may be left.
    """
    _check_tasks(board)
    _check_capacity(board)
    _check_indexes(board)
    _check_tally(board)
    if after_match:
        _check_nothing_matchable(board, now_ms)


def _check_tasks(board: Board) -> None:
    for task in board.state.tasks.values():
        statuses = sorted(reservation.status for reservation in task.reservations.values())
        waits = board.eligibility.is_waiting(task.sid)
        handed_on = task.status is TaskStatus.ASSIGNED and task.open_transfer is not None
        expected = task.status is TaskStatus.PENDING or handed_on
        assert waits == expected, f"{task.sid} {task.status}: waits is {waits}"
        told = f"{task.sid} is {task.status}: {statuses}"
        offered = R.PENDING in statuses
        assert offered == (task.status is TaskStatus.RESERVED), told
        if task.transfers:
            _check_transferred(task, told)
        elif task.status is TaskStatus.RESERVED:
            assert set(statuses) == {R.PENDING}, told
        elif task.status in (TaskStatus.ASSIGNED, TaskStatus.WRAPPING):
            assert statuses == [R.ACCEPTED if task.status is TaskStatus.ASSIGNED else R.WRAPPING], told
        else:
            assert not statuses, told
        assert (task.date_finished_ms is None) == (task.status in OPEN_TASK), task.sid
    known = {transfer.sid for task in board.state.tasks.values() for transfer in task.transfers}
    assert set(board.state.transfers) == known, "transfers of tasks that are not there"


def _check_transferred(task: Task, told: str) -> None:
    """A task that was transferred: one who holds it per leg, offers of the open transfer only."""
    open_ = task.open_transfer
    reservations = list(task.reservations.values())
    held = [reservation for reservation in reservations if reservation.status in HELD]
    legs = [reservation.transfer_sid for reservation in held]
    assert len(legs) == len(set(legs)), f"{told}: two reservations of one leg"
    ended = [transfer.status for transfer in task.transfers[:-1]]
    assert TransferStatus.INITIATED not in ended, f"{told}: transfers {ended} before the last"
    complete = {t.sid for t in task.transfers if t.status is TransferStatus.COMPLETE}
    assert set(legs) <= {*complete, None}, f"{told}: held by {legs}"
    for reservation in reservations:
        if reservation.status is R.PENDING:
            assert reservation.transfer_sid == (open_.sid if open_ else None), f"{told}: {reservation.sid}"
    if open_ is None:
        _check_ended_transfers(task, held, told)
        return
    assert task.status in (TaskStatus.RESERVED, TaskStatus.ASSIGNED), told
    assert open_.type is TransferType.QUEUE or task.status is TaskStatus.RESERVED, told
    assert open_.mode is TransferMode.COLD or open_.initiating_reservation_sid in task.reservations, told


def _check_ended_transfers(task: Task, held: list[Reservation], told: str) -> None:
    statuses = {reservation.status for reservation in held}
    if task.status in (TaskStatus.PENDING, TaskStatus.RESERVED):
        assert not held, told
    elif task.status is TaskStatus.ASSIGNED:
        assert held, told
    elif task.status is TaskStatus.WRAPPING:
        assert statuses == {R.WRAPPING}, told


def _check_capacity(board: Board) -> None:
    for worker in board.state.workers.values():
        for channel in worker.channels.values():
            mine = [
                r.status
                for r in worker.reservations.values()
                if r.task_channel_sid == channel.task_channel_sid
            ]
            counted = (channel.pending, channel.accepted, channel.wrapping)
            actual = tuple(mine.count(status) for status in (R.PENDING, R.ACCEPTED, R.WRAPPING))
            assert counted == actual, f"{worker.sid} on {channel.task_channel_sid}: {counted} != {actual}"
    for reservation in board.state.reservations.values():
        assert reservation.status in OPEN_RESERVATION, reservation.sid
        assert reservation.sid in board.state.tasks[reservation.task_sid].reservations, reservation.sid
        assert reservation.sid in board.state.workers[reservation.worker_sid].reservations, reservation.sid


def _check_indexes(board: Board) -> None:
    state, eligibility = board.state, board.eligibility
    multi = state.workspace.multi_task_enabled
    for queue in state.task_queues.values():
        members = {
            worker.sid
            for worker in state.workers.values()
            if queue.predicate is not None and queue.predicate.evaluate(worker.values)
        }
        assert eligibility.members(queue.sid) == members, f"members of {queue.sid}"
    for channel_sid in state.task_channels:
        ready = {
            worker.sid
            for worker in state.workers.values()
            if capacity.is_ready(
                worker, worker.channels[channel_sid], state.activities[worker.activity_sid], multi
            )
        }
        assert eligibility.ready[channel_sid] == ready, f"ready on {channel_sid}"
        line = eligibility.line(channel_sid)
        for sid in ready:
            assert line.keys.get(sid) == eligibility.idle_key(state.workers[sid], channel_sid), sid
    for class_ in eligibility.classes():
        eligible = {
            worker.sid for worker in state.workers.values() if eligibility.is_eligible(class_.demand, worker)
        }
        assert class_.eligible == eligible, f"eligible of {class_.key}"
        ready = eligibility.ready[class_.demand.channel_sid]
        expected = eligible if class_.demand.ignores_capacity else eligible & ready
        assert class_.ready == expected, f"ready of {class_.key}"


def _check_tally(board: Board) -> None:
    tasks = [task for task in board.state.tasks.values() if task.status in OPEN_TASK]
    groups: dict[tuple[str, str | None], list[Task]] = {(WORKSPACE, None): []}
    for task in tasks:
        for scope in (WORKSPACE, task.task_queue_sid, task.workflow_sid):
            for channel_sid in (None, task.task_channel_sid):
                if scope is not None:
                    groups.setdefault((scope, channel_sid), []).append(task)
    assert board.tally.counts() == _figures(tasks).by_status
    for (scope, channel_sid), group in groups.items():
        expected, told = _figures(group), board.tally.figures(scope, channel_sid)
        assert told.by_status == expected.by_status, f"{scope} on {channel_sid}: {told} != {expected}"
        assert told.by_priority == expected.by_priority, f"{scope} on {channel_sid}: {told} != {expected}"
        assert told.longest == expected.longest, f"{scope} on {channel_sid}: {told} != {expected}"
        if scope in board.state.task_queues:
            assert told.longest_in_queue == expected.longest_in_queue, f"{scope}: {told} != {expected}"


def _figures(tasks: list[Task]) -> TaskFigures:
    statuses = [task.status for task in tasks]
    priorities = [task.priority for task in tasks]
    waiting = [task for task in tasks if task.status is TaskStatus.PENDING]
    created = min(((task.date_created_ms, task.sequence, task.sid) for task in waiting), default=None)
    entered = min(
        ((task.task_queue_entered_ms or 0, task.sequence, task.sid) for task in waiting), default=None
    )
    return TaskFigures(
        by_status={str(status): statuses.count(status) for status in STATUSES},
        by_priority={priority: priorities.count(priority) for priority in sorted(set(priorities))},
        longest=Waiting(created[2], created[0]) if created else Waiting(),
        longest_in_queue=Waiting(entered[2], entered[0]) if entered else Waiting(),
    )


def _check_nothing_matchable(board: Board, now_ms: int) -> None:
    for task in board.state.tasks.values():
        if not board.eligibility.is_waiting(task.sid):
            continue
        class_ = board.eligibility.class_of(task.sid)
        assert class_ is not None, task.sid
        demand = demand_of(board, task, target_of(board, task), now_ms)
        assert class_.key == demand.key, f"{task.sid} waits in the wrong class"
        refused = {sid for sid, refusal in task.refusals.items() if refusal.until_ms > now_ms}
        offerable = class_.ready - refused - working_on(task)
        assert not offerable, f"{task.sid} waits beside {sorted(offerable)}"
