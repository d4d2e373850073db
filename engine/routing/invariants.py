"""What must hold of a board between two commands; for tests, the simulator and a suspicious operator."""

from engine.routing import capacity
from engine.routing.board import Board
from engine.routing.entities import ReservationStatus, Task, TaskStatus
from engine.routing.progress import demand_of, target_of
from engine.routing.states import OPEN_RESERVATION, OPEN_TASK
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
        assert waits == (task.status is TaskStatus.PENDING), f"{task.sid} {task.status}: waits is {waits}"
        if task.status is TaskStatus.RESERVED:
            assert statuses, f"{task.sid} is reserved without a reservation"
            assert set(statuses) == {R.PENDING}, f"{task.sid} is reserved: {statuses}"
        elif task.status in (TaskStatus.ASSIGNED, TaskStatus.WRAPPING):
            expected = R.ACCEPTED if task.status is TaskStatus.ASSIGNED else R.WRAPPING
            assert statuses == [expected], f"{task.sid} is {task.status}: {statuses}"
        else:
            assert not statuses, f"{task.sid} is {task.status}: {statuses}"
        assert (task.date_finished_ms is None) == (task.status in OPEN_TASK), task.sid


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
        if task.status is not TaskStatus.PENDING:
            continue
        class_ = board.eligibility.class_of(task.sid)
        assert class_ is not None, task.sid
        demand = demand_of(board, task, target_of(board, task), now_ms)
        assert class_.key == demand.key(), f"{task.sid} waits in the wrong class"
        refused = {sid for sid, refusal in task.refusals.items() if refusal.until_ms > now_ms}
        assert not class_.ready - refused, f"{task.sid} waits beside {sorted(class_.ready - refused)}"
