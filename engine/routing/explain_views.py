"""What an explanation of a task says; made by `explain`, rendered by the API."""

from dataclasses import dataclass
from enum import StrEnum

from engine.routing.entities import ReservationStatus
from engine.routing.views import TaskView


class Reason(StrEnum):
    """Why a worker is not offered a waiting task: the first that applies, in this order."""

    TARGET_WORKERS = "target_workers"
    TARGET_EXPRESSION = "target_expression"
    KNOWN_WORKER = "known_worker"
    ROUTING_TARGET = "routing_target"
    WORKING_ON_IT = "working_on_it"
    """It holds the task, which is being transferred."""
    ACTIVITY = "activity"
    CHANNEL = "channel_unavailable"
    CAPACITY = "capacity"
    SINGLE_TASKING = "single_tasking"
    BACK_OFF = "back_off"
    NONE = "none"
    """It can be offered the task now."""


class RouteKind(StrEnum):
    """What brought a task to where it waits."""

    FILTER = "filter"
    DEFAULT_FILTER = "default_filter"
    TASK_QUEUE = "task_queue"
    WORKER = "worker"
    TRANSFER = "transfer"
    """It goes where a transfer sends it; filter and target are those it was in before."""


@dataclass(slots=True, frozen=True)
class RouteView:
    """Where a task stands in its workflow; the filter's fields are None when it goes past the filters."""

    kind: RouteKind
    workflow_sid: str | None
    workflow_name: str | None
    configuration_version: int | None
    is_current_configuration: bool | None
    filter_index: int | None
    filter_name: str | None
    filter_expression: str | None
    target_index: int | None
    target_count: int | None


@dataclass(slots=True, frozen=True)
class AskedView:
    """What a task asks of a worker.

    `expression` is the target's as it was written, `bound_expression` the same with the values of the task
    (and of the clock) in place. `worker` is the only worker that may take it, as it is named: by
    `worker_named_by`; `worker_note` says what is wrong with that name.
    """

    target_workers: str | None
    expression: str | None
    bound_expression: str | None
    order_by: str | None
    skip_if: str | None
    worker: str | None
    worker_named_by: str | None
    worker_note: str | None
    ignores_capacity: bool


@dataclass(slots=True, frozen=True)
class TimerView:
    """Something that happens by itself at `at_ms`."""

    name: str
    at_ms: int
    then: str


@dataclass(slots=True, frozen=True)
class PositionView:
    """How many tasks are before it: among those that ask for the same workers, and in its queue.

    A figure is None where it does not apply, or where too many tasks wait to count them in passing.
    """

    before_among_alike: int | None
    alike: int
    before_in_queue: int | None
    in_queue: int | None


@dataclass(slots=True, frozen=True)
class OfferView:
    """Who is offered or holds the task; `until_ms` is when that ends by itself."""

    reservation_sid: str
    worker_sid: str
    worker_name: str
    status: ReservationStatus
    since_ms: int
    until_ms: int | None
    chosen_because: str


@dataclass(slots=True, frozen=True)
class WorkerReasonView:
    """One worker's first reason, with the actual value."""

    sid: str
    friendly_name: str
    reason: Reason
    explanation: str


@dataclass(slots=True, frozen=True)
class ReasonView:
    """All workers with the same first reason; `examples` are a few of them."""

    reason: Reason
    explanation: str
    unblocked: str
    workers: int
    examples: tuple[WorkerReasonView, ...]


@dataclass(slots=True, frozen=True)
class TaskExplanation:
    """Why a task is where it is, as of `evaluated_ms`.

    The parts that make no sense in its state are None or empty: `position`, `reasons` and the workers are
    there while it is pending, `offers` while it is reserved, assigned or wrapping. `workers` is one page of
    `worker_count`, by SID; `next_worker` and `previous_worker` are the cursors of the pages beside it.
    """

    task: TaskView
    evaluated_ms: int
    summary: str
    assignment_count: int | None = None
    route: RouteView | None = None
    asked: AskedView | None = None
    timers: tuple[TimerView, ...] = ()
    position: PositionView | None = None
    offers: tuple[OfferView, ...] = ()
    reasons: tuple[ReasonView, ...] = ()
    reasons_left_out: int = 0
    worker_count: int = 0
    workers: tuple[WorkerReasonView, ...] = ()
    next_worker: str | None = None
    previous_worker: str | None = None
