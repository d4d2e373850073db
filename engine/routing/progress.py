"""A pending task's way through its workflow: filters, targets, their clock, what it waits for (behaviour
§5).

Theory of operation
-------------------
A task enters a filter at its first target. The deadline of a target is a base plus the target's timeout;
the base is the moment the filter was entered, then the deadline before (so the limits are cumulative), or,
after a skip, the moment of the skip (OQ-3). A deadline acts only on a pending task. If it passes while the
task is reserved it acts when the round ends unaccepted, and then every step whose deadline has passed as
well is used up in turn (OQ-2).

`entry_filter_index` is what the last walk from the top chose. A later walk (the attributes changed, a
reservation ended unaccepted) with the same result leaves the task in its step with its clock; another
result enters that filter anew. A task with a worker or a queue as its routing target has no filter and
waits until its TTL (OQ-20). A task that is being transferred to a queue waits there past its filters; its
place in them is kept aside.
"""

from typing import Any

from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.effects import RoutingWarning
from engine.routing.eligibility import Demand, Named
from engine.routing.entities import DEFAULT_FILTER, Task, Transfer, TransferType
from engine.routing.lifecycle import cancel_task
from engine.routing.records import record_match, record_task
from engine.routing.values import time_values, value_at
from engine.routing.workflow import KnownBy, Target, WorkflowConfiguration

TIMED_OUT = "Task canceled on Workflow timeout"
SKIPPED_OUT = "Task canceled: skipped out of the Workflow, which has no default filter"
NO_MATCH = "Task canceled: no filter of the Workflow matches and it has no default filter"

_MINUTE_MS = 60_000


def enter_workflow(board: Board, task: Task, now_ms: int) -> None:
    """Route a pending task from the top of its workflow's configuration."""
    record_task(board.state, "workflow.entered", task, now_ms)
    _enter_chosen_filter(board, task, _walk(board, task, now_ms), now_ms)


def enter_queue(board: Board, task: Task, queue_sid: str, now_ms: int) -> None:
    """Put a task straight into a queue, where it waits until its TTL."""
    move_to_queue(board, task, queue_sid, now_ms)
    wait(board, task, now_ms)


def reevaluate(board: Board, task: Task, now_ms: int, *, entering: bool = False) -> None:
    """Walk the filters again for a pending task; the same choice leaves it in its step.

    `entering` puts the step's skip_if question again, as after a round that ended unaccepted.
    """
    if is_direct(task):
        wait(board, task, now_ms)
        return
    chosen = _walk(board, task, now_ms)
    if chosen != task.entry_filter_index or chosen is None:
        _enter_chosen_filter(board, task, chosen, now_ms)
    elif task.step_deadline_ms is not None and task.step_deadline_ms <= now_ms:
        time_out_step(board, task, now_ms)
    else:
        wait(board, task, now_ms, entering=entering)


def time_out_step(board: Board, task: Task, now_ms: int) -> None:
    """Leave every step whose deadline has passed; fall out of the workflow after the last one."""
    task.version += 1
    task.date_updated_ms = now_ms
    while task.step_deadline_ms is not None and task.step_deadline_ms <= now_ms:
        record_task(board.state, "task-queue.timeout", task, now_ms)
        configuration = _configuration(board, task)
        if task.target_index + 1 < len(configuration.targets(task.filter_index)):
            _place(board, task, task.target_index + 1, task.step_deadline_ms, now_ms)
            continue
        following = _next_filter(configuration, task, now_ms)
        if following is None:
            record_task(board.state, "workflow.timeout", task, now_ms)
            cancel_task(board, task, TIMED_OUT, now_ms)
            return
        _place_in_filter(board, task, following, now_ms)
    wait(board, task, now_ms, entering=True)


def skip_step(board: Board, task: Task, now_ms: int) -> None:
    """Leave a step because of its skip_if; the default filter is the last resort (behaviour §5)."""
    task.version += 1
    task.date_updated_ms = now_ms
    configuration = _configuration(board, task)
    if task.target_index + 1 < len(configuration.targets(task.filter_index)):
        _place(board, task, task.target_index + 1, now_ms, now_ms)
    elif (following := _next_filter(configuration, task, now_ms)) is not None:
        _place_in_filter(board, task, following, now_ms)
    elif configuration.default_filter is not None and task.filter_index != DEFAULT_FILTER:
        _place_in_filter(board, task, DEFAULT_FILTER, now_ms)
    else:
        record_task(board.state, "workflow.skipped", task, now_ms)
        cancel_task(board, task, SKIPPED_OUT, now_ms)
        return
    wait(board, task, now_ms, entering=True)


def should_skip(board: Board, task: Task) -> bool:
    """Ask the skip_if of the step that the task has entered (behaviour §5, skip_if).

    It is not asked while somebody is ready for the task: the one worker who has just refused it is offered it
    again after the back-off, which the hosted service would do at once (OQ-5).
    """
    target = target_of(board, task)
    class_ = board.eligibility.class_of(task.sid)
    if target is None or target.skip_if is None or class_ is None or class_.ready:
        return False
    return target.skip_if.evaluate({"workers": _worker_counts(board, target)})


def wait(board: Board, task: Task, now_ms: int, *, entering: bool = False) -> None:
    """Let a pending task wait for its step's workers; `entering` puts the skip_if question.

    A task that is being transferred to a queue waits for the workers of that.
    """
    target = target_of(board, task)
    if target is not None and target.known_by is not None:
        _check_known_worker(board, task, target)
    board.eligibility.add_task(task, demand_of(board, task, target, now_ms))
    deadlines = board.state.deadlines
    if target is None or task.step_deadline_ms is None:
        deadlines.cancel(Due.STEP, task.sid)
    else:
        deadlines.set(Due.STEP, task.sid, task.step_deadline_ms)
    if target is not None and target.reads_time:
        deadlines.set(Due.TIME_OF_DAY, task.sid, (now_ms // _MINUTE_MS + 1) * _MINUTE_MS)
    else:
        deadlines.cancel(Due.TIME_OF_DAY, task.sid)
    asks_to_skip = target is not None and target.skip_if is not None
    board.set_skip_if_open(task, asks_to_skip and (entering or task.skip_if_open))


def is_direct(task: Task) -> bool:
    """Tell whether the task goes past the filters: to a worker or a queue named at its creation."""
    return task.filter_index is None


def target_of(board: Board, task: Task) -> Target | None:
    """Return the target in which the task stands, or None when it goes past the filters."""
    if task.open_transfer is not None:
        return None
    configuration = board.state.configuration_of(task)
    if configuration is None or task.filter_index is None:
        return None
    return configuration.targets(task.filter_index)[task.target_index]


def demand_of(board: Board, task: Task, target: Target | None, now_ms: int) -> Demand:
    """Return what the task asks of a worker, with its values and the time of day bound in."""
    transfer = task.open_transfer
    if transfer is not None:
        return _demand_of_transfer(task, transfer)
    if target is None:
        named = (KnownBy.SID, task.routing_target) if _targets_worker(task) else None
        queue_sid = None if named else task.task_queue_sid
        return Demand(task.task_channel_sid, queue_sid, None, None, named, task.ignore_capacity)
    return _bound(board, target, task, now_ms)


def _demand_of_transfer(task: Task, transfer: Transfer) -> Demand:
    if transfer.type is TransferType.QUEUE:
        return Demand(task.task_channel_sid, transfer.to_sid)
    return Demand(task.task_channel_sid, None, named=(KnownBy.SID, transfer.to_sid))


def _targets_worker(task: Task) -> bool:
    return task.routing_target is not None and task.routing_target.startswith("WK")


def _bound(board: Board, target: Target, task: Task, now_ms: int) -> Demand:
    """Return what a task asks for in a target: one object for all that ask for the same."""
    time = time_values(now_ms) if target.reads_time else {}
    spelled = ""
    if target.task_paths or time:
        values = task.values
        # repr tells True from 1 and "1" from 1, which would collide as keys.
        spelled = repr(([value_at(values, path) for path in target.task_paths], time))
    named = _known_worker(task, target)
    key = task.task_channel_sid, spelled, named
    demand = target.bindings.get(key)
    if demand is None:
        if len(target.bindings) >= board.state.limits.bindings_per_target_max:
            target.bindings.clear()
        residual = None
        if target.expression is not None:
            residual = target.expression.bind({"task": task.values, "taskrouter": time})
        demand = Demand(task.task_channel_sid, target.queue_sid, residual, target.order_by, named)
        target.bindings[key] = demand
    return demand


def _known_worker(task: Task, target: Target) -> Named | None:
    if target.known_by is None:
        return None
    value = value_at(task.values, target.known_worker_path)
    return target.known_by, value if isinstance(value, str) else None


def _check_known_worker(board: Board, task: Task, target: Target) -> None:
    assert target.known_by is not None
    value = value_at(task.values, target.known_worker_path)
    if not isinstance(value, str):
        if not _is_json_null(task, target.known_worker_path):
            _warn_known_worker(board, task, 40154, "the attribute is missing or not text")
        return
    worker = board.state.named_worker(target.known_by, value)
    if worker is None:
        code = 40155 if target.known_by is KnownBy.SID and value.startswith("WK") else 40154
        _warn_known_worker(board, task, code, f"there is no worker {value!r} in this workspace")
    elif worker.sid not in board.eligibility.members(target.queue_sid):
        _warn_known_worker(board, task, 40152, f"worker {worker.sid} is not in queue {target.queue_sid}")


def _is_json_null(task: Task, path: tuple[str | int, ...]) -> bool:
    parent, last = value_at(task.values, path[:-1]), path[-1]
    if isinstance(parent, list):
        return isinstance(last, int) and last < len(parent) and parent[last] is None
    return isinstance(parent, dict) and last in parent and parent[last] is None


def _warn_known_worker(board: Board, task: Task, code: int, message: str) -> None:
    board.state.warn(RoutingWarning(code, f"known worker: {message}", task.sid, None, task.workflow_sid))


def _configuration(board: Board, task: Task) -> WorkflowConfiguration:
    configuration = board.state.configuration_of(task)
    assert configuration is not None, f"task {task.sid} has a filter but no configuration"
    return configuration


def _filter_environment(task: Task, now_ms: int) -> dict[str, Any]:
    return {**task.values, "taskrouter": time_values(now_ms)}


def _walk(board: Board, task: Task, now_ms: int) -> int | None:
    return _configuration(board, task).walk(_filter_environment(task, now_ms))


def _next_filter(configuration: WorkflowConfiguration, task: Task, now_ms: int) -> int | None:
    if task.filter_index is None or task.filter_index == DEFAULT_FILTER:
        return None
    return configuration.first_match(_filter_environment(task, now_ms), below=task.filter_index)


def _enter_chosen_filter(board: Board, task: Task, chosen: int | None, now_ms: int) -> None:
    task.entry_filter_index = chosen
    if chosen is None:
        record_task(board.state, "workflow.timeout", task, now_ms)
        board.state.warn(RoutingWarning(14222, NO_MATCH, task.sid, None, task.workflow_sid))
        cancel_task(board, task, NO_MATCH, now_ms)
        return
    _place_in_filter(board, task, chosen, now_ms)
    wait(board, task, now_ms, entering=True)


def _place_in_filter(board: Board, task: Task, filter_index: int, now_ms: int) -> None:
    task.filter_index = filter_index
    task.filter_entered_ms = now_ms
    _place(board, task, 0, now_ms, now_ms)


def _place(board: Board, task: Task, target_index: int, base_ms: int, now_ms: int) -> None:
    target = _configuration(board, task).targets(task.filter_index)[target_index]
    task.target_index = target_index
    task.step_deadline_ms = None if target.timeout_s is None else base_ms + target.timeout_s * 1000
    if target.priority is not None:
        task.priority = target.priority
    board.state.put_task(task)
    if task.task_queue_sid != target.queue_sid:
        move_to_queue(board, task, target.queue_sid, now_ms)
    record_match(board.state, task, now_ms)


def move_to_queue(board: Board, task: Task, queue_sid: str | None, now_ms: int) -> None:
    """Put a task into a queue, or back to where it is in none."""
    if task.task_queue_sid is not None:
        record_task(board.state, "task-queue.moved", task, now_ms)
    task.task_queue_sid = queue_sid
    task.task_queue_entered_ms = None if queue_sid is None else now_ms
    if queue_sid is not None:
        record_task(board.state, "task-queue.entered", task, now_ms)


def _worker_counts(board: Board, target: Target) -> dict[str, int]:
    assert target.skip_if is not None
    counts = {str(path[1]): 0 for path in target.skip_if.paths if path[0] == "workers" and len(path) > 1}
    if not counts:
        return counts
    state = board.state
    for worker_sid in board.eligibility.members(target.queue_sid):
        activity = state.activities[state.workers[worker_sid].activity_sid]
        for name in ("available" if activity.available else "unavailable", activity.sid):
            if name in counts:
                counts[name] += 1
    return counts
