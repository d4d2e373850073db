"""Where a task stands in its workflow: its filter and target, what it asks for, its timers and its place."""

from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.eligibility import Demand, EligibilityClass
from engine.routing.entities import DEFAULT_FILTER, Task, TaskStatus
from engine.routing.explain_views import AskedView, PositionView, RouteKind, RouteView, TimerView
from engine.routing.progress import is_direct
from engine.routing.waiting import OrderKey
from engine.routing.workflow import Filter, KnownBy, Target, WorkflowConfiguration

COUNTED_TASKS_MAX = 500_000
"""Counting the tasks before one takes about 50 ns for each that waits."""
_TASKS_PER_CLASS = 10
"""What looking at a class costs, in tasks."""


def route_of(board: Board, task: Task) -> RouteView:
    """Tell which filter and target, queue or worker a task was sent to, and by which configuration."""
    workflow = board.state.workflows.get(task.workflow_sid or "")
    configuration = board.state.configuration_of(task)
    index = task.filter_index
    filter_ = _filter(configuration, index)
    inside = configuration is not None and not is_direct(task)
    is_current = None if workflow is None else workflow.configuration_version == task.workflow_version
    return RouteView(
        kind=_kind(task),
        workflow_sid=task.workflow_sid,
        workflow_name=workflow.friendly_name if workflow else None,
        configuration_version=task.workflow_version if workflow else None,
        is_current_configuration=is_current,
        filter_index=None if filter_ is None else index,
        filter_name=filter_.friendly_name if filter_ else None,
        filter_expression=filter_.expression.text if filter_ else None,
        target_index=task.target_index if inside else None,
        target_count=len(configuration.targets(index)) if configuration is not None and inside else None,
    )


def _filter(configuration: WorkflowConfiguration | None, index: int | None) -> Filter | None:
    """Return the filter that was hit; a configuration goes with its workflow, assigned tasks or not."""
    if configuration is None or index is None or index == DEFAULT_FILTER:
        return None
    return configuration.filters[index]


def _kind(task: Task) -> RouteKind:
    if task.open_transfer is not None:
        return RouteKind.TRANSFER
    if task.filter_index is not None:
        return RouteKind.DEFAULT_FILTER if task.filter_index == DEFAULT_FILTER else RouteKind.FILTER
    return RouteKind.WORKER if task.task_queue_sid is None else RouteKind.TASK_QUEUE


def asked_of(board: Board, task: Task, demand: Demand, target: Target | None) -> AskedView:
    """Tell what a task asks of a worker; `demand` is what it waits for, or would if it waited."""
    queue = board.state.task_queues.get(demand.queue_sid or "")
    expression = target.expression if target else None
    skip_if = target.skip_if if target else None
    known_by, name = demand.named or (None, None)
    return AskedView(
        target_workers=queue.target_workers if queue else None,
        expression=expression.text if expression else None,
        bound_expression=demand.residual.text if demand.residual else None,
        order_by=demand.order_by.text if demand.order_by else None,
        skip_if=skip_if.text if skip_if else None,
        worker=name,
        worker_named_by=_named_by(task, known_by, target),
        worker_note=_worker_note(board, demand),
        ignores_capacity=demand.ignores_capacity,
    )


def _named_by(task: Task, known_by: KnownBy | None, target: Target | None) -> str | None:
    if known_by is None:
        return None
    if task.open_transfer is not None:
        return "transfer"
    return f"known_worker_{known_by.value}" if target is not None else "routing_target"


def _worker_note(board: Board, demand: Demand) -> str | None:
    if demand.named is None:
        return None
    if demand.named[1] is None:
        return "the attribute that names the worker is missing or not text"
    worker = board.state.named_worker(*demand.named)
    if worker is None:
        return "there is no such worker in this workspace"
    if demand.queue_sid is not None and worker.sid not in board.eligibility.members(demand.queue_sid):
        return "TargetWorkers of the queue does not take this worker"
    return None


def timers_of(board: Board, task: Task) -> tuple[TimerView, ...]:
    """Tell what happens to an open task by itself, and when."""
    deadlines = board.state.deadlines
    found = (
        ("step", _step_ends_ms(task), _after_step(board, task)),
        ("back_off", deadlines.due_of(Due.OFFER_AGAIN, task.sid), "it is offered again"),
        ("ttl", deadlines.due_of(Due.TASK_TTL, task.sid), "it is canceled: Task TTL Exceeded"),
        ("assigned", deadlines.due_of(Due.ASSIGNED_TOO_LONG, task.sid), "it is deleted"),
    )
    return tuple(TimerView(name, at_ms, then) for name, at_ms, then in found if at_ms is not None)


def _step_ends_ms(task: Task) -> int | None:
    in_step = task.status in (TaskStatus.PENDING, TaskStatus.RESERVED) and task.open_transfer is None
    return task.step_deadline_ms if in_step else None


def _after_step(board: Board, task: Task) -> str:
    configuration = board.state.configuration_of(task)
    count = len(configuration.targets(task.filter_index)) if configuration is not None else 0
    last = task.target_index + 1 >= count
    then = "goes to the next filter that matches, else it is canceled" if last else "goes to the next target"
    reserved = task.status is TaskStatus.RESERVED
    return f"if its offers end unaccepted, it {then}" if reserved else f"it {then}"


def position_of(board: Board, task: Task, class_: EligibilityClass) -> PositionView:
    """Tell how many tasks are offered before a waiting one."""
    key = board.eligibility.order_key(task, class_)
    alike = len(class_.waiting) + len(class_.parked)
    few = alike <= COUNTED_TASKS_MAX
    before = _before(board, class_, key) if few else None
    queue_sid = class_.demand.queue_sid
    if queue_sid is None or not few:
        return PositionView(before, alike, None, None)
    left = COUNTED_TASKS_MAX
    in_queue, before_in_queue = 0, before or 0
    for other in board.eligibility.classes():
        mine = other.demand.queue_sid == queue_sid
        size = len(other.waiting) + len(other.parked) if mine else 0
        left -= _TASKS_PER_CLASS + size
        if left < 0:
            return PositionView(before, alike, None, None)
        in_queue += size
        if size and other is not class_:
            before_in_queue += _before(board, other, key)
    return PositionView(before, alike, before_in_queue, in_queue)


def _before(board: Board, class_: EligibilityClass, key: OrderKey) -> int:
    parked = sum(board.eligibility.order_key(task, class_) < key for task in class_.parked.values())
    return class_.waiting.before(key) + parked
