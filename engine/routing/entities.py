"""The nouns of the routing core, as slotted dataclasses.

Every field without a leading comment group is a column of the entity's table; fields under "derived" are
rebuilt by the loader and never stored. All times are milliseconds since the epoch (`_ms`), all durations
seconds (`_s`). Only open tasks (pending, reserved, assigned, wrapping), their open reservations (pending,
accepted, wrapping) and their transfers live in memory; finished ones live in their rows.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from engine.expressions.expression import Expression
from engine.routing.attributes import latest_values


class TaskOrder(StrEnum):
    """Whether a queue hands out its oldest or its newest task first."""

    FIFO = "FIFO"
    LIFO = "LIFO"


class TaskStatus(StrEnum):
    """The assignment status of a task (contract §3)."""

    PENDING = "pending"
    RESERVED = "reserved"
    ASSIGNED = "assigned"
    WRAPPING = "wrapping"
    COMPLETED = "completed"
    CANCELED = "canceled"


class ReservationStatus(StrEnum):
    """The status of a reservation (contract §3)."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    CANCELED = "canceled"
    RESCINDED = "rescinded"
    WRAPPING = "wrapping"
    COMPLETED = "completed"


class TransferMode(StrEnum):
    """Whether who transfers a task stays until another has it (WARM) or wraps up at once (COLD)."""

    WARM = "WARM"
    COLD = "COLD"


class TransferType(StrEnum):
    """What a transfer goes to."""

    WORKER = "WORKER"
    QUEUE = "QUEUE"


class TransferStatus(StrEnum):
    """The status of a transfer (behaviour §3); it is open while initiated."""

    INITIATED = "initiated"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(slots=True)
class Workspace:
    """A workspace and the counters of its log and its orders."""

    sid: str
    account_sid: str
    friendly_name: str
    event_callback_url: str
    events_filter: str | None
    multi_task_enabled: bool
    prioritize_queue_order: TaskOrder
    default_activity_sid: str | None
    timeout_activity_sid: str | None
    date_created_ms: int
    date_updated_ms: int
    event_sequence: int = 0
    """The sequence of the last event recorded; gapless from 1."""
    sequence: int = 0
    """The last number given to a worker, task, reservation or transfer: the tie-breaker of every order."""


@dataclass(slots=True)
class Activity:
    """What a worker may be doing, and whether that makes it available."""

    sid: str
    friendly_name: str
    available: bool
    date_created_ms: int
    date_updated_ms: int


@dataclass(slots=True)
class TaskChannel:
    """A kind of task; each worker has a capacity for it."""

    sid: str
    unique_name: str
    friendly_name: str
    channel_optimized_routing: bool
    date_created_ms: int
    date_updated_ms: int


@dataclass(slots=True)
class WorkerChannel:
    """A worker's capacity on one task channel; exactly one exists for every (worker, task channel)."""

    sid: str
    worker_sid: str
    task_channel_sid: str
    configured_capacity: int
    available: bool
    date_created_ms: int
    date_updated_ms: int
    last_reserved_ms: int | None = None
    last_reserved_sequence: int = 0
    """Sequence of the newest reservation on this channel; 0 = never reserved."""
    # derived: the open reservations on this channel, by status
    pending: int = 0
    accepted: int = 0
    wrapping: int = 0


@dataclass(slots=True)
class Worker:
    """Somebody or something that handles tasks."""

    sid: str
    sequence: int
    friendly_name: str
    activity_sid: str
    attributes: str
    date_created_ms: int
    date_updated_ms: int
    date_status_changed_ms: int
    version: int = 0
    last_reserved_ms: int | None = None
    last_reserved_sequence: int = 0
    """Sequence of the newest reservation on any channel; 0 = never reserved."""
    # derived
    channels: dict[str, WorkerChannel] = field(default_factory=dict)
    """By task channel SID."""
    values: dict[str, Any] = field(default_factory=dict)
    """What TargetWorkers reads: the parsed attributes overlaid with the built-in fields."""
    environment: dict[str, Any] = field(default_factory=dict)
    """What target expressions read: `values` and the channels' figures, under `worker`."""
    reservations: dict[str, "Reservation"] = field(default_factory=dict)
    """Open reservations by SID."""


@dataclass(slots=True)
class TaskQueue:
    """Where tasks wait for the workers that TargetWorkers selects."""

    sid: str
    friendly_name: str
    target_workers: str
    max_reserved_workers: int
    task_order: TaskOrder
    reservation_activity_sid: str | None
    assignment_activity_sid: str | None
    date_created_ms: int
    date_updated_ms: int
    # derived
    predicate: Expression | None = None
    """`target_workers` parsed; None when it is empty, which matches nobody."""


@dataclass(slots=True)
class Workflow:
    """How tasks find their queue; `configuration` is the text as it was saved."""

    sid: str
    friendly_name: str
    configuration: str
    configuration_version: int
    """Counts the saved configurations; a task keeps the version it entered with."""
    assignment_callback_url: str
    fallback_assignment_callback_url: str
    task_reservation_timeout_s: int
    date_created_ms: int
    date_updated_ms: int


@dataclass(slots=True)
class Reservation:
    """One offer of one task to one worker, and what became of it."""

    sid: str
    sequence: int
    task_sid: str
    worker_sid: str
    task_queue_sid: str | None
    workflow_sid: str | None
    task_channel_sid: str
    status: ReservationStatus
    timeout_s: int
    deadline_ms: int
    date_created_ms: int
    date_updated_ms: int
    version: int = 0
    worker_previous_activity_sid: str | None = None
    canceled_reason_code: int | None = None
    transfer_sid: str | None = None
    """The transfer that this is an offer of; None in the task's ordinary rounds."""


@dataclass(slots=True)
class Transfer:
    """One attempt to hand an assigned task to another worker, or to whom a queue takes (behaviour §3)."""

    sid: str
    sequence: int
    task_sid: str
    initiating_reservation_sid: str
    initiating_worker_sid: str
    initiating_queue_sid: str | None
    """Where the task was; it goes back there when a transfer to a queue is canceled or fails."""
    initiating_workflow_sid: str | None
    to_sid: str
    """A worker's or a queue's SID."""
    mode: TransferMode
    status: TransferStatus
    date_created_ms: int
    date_updated_ms: int
    failed_reason: str | None = None
    priority: int | None = None
    """The priority that the task was given with the transfer; None left it."""
    version: int = 0

    @property
    def type(self) -> TransferType:
        """What it goes to."""
        return TransferType.WORKER if self.to_sid.startswith("WK") else TransferType.QUEUE

    @property
    def is_open(self) -> bool:
        """Tell whether its outcome is still to come."""
        return self.status is TransferStatus.INITIATED


@dataclass(slots=True)
class Task:
    """A piece of work, and where it stands in its workflow."""

    sid: str
    sequence: int
    status: TaskStatus
    attributes: str
    addons: str
    priority: int
    reason: str | None
    timeout_s: int
    task_channel_sid: str
    workflow_sid: str | None
    workflow_version: int
    """The `configuration_version` of its workflow that this task is routed by."""
    task_queue_sid: str | None
    routing_target: str | None
    ignore_capacity: bool
    virtual_start_ms: int
    date_created_ms: int
    date_updated_ms: int
    task_queue_entered_ms: int | None = None
    date_assigned_ms: int | None = None
    date_finished_ms: int | None = None
    version: int = 0
    # where it stands in its workflow
    entry_filter_index: int | None = None
    """What the last walk from the top chose; the same result later leaves the task in its step."""
    filter_index: int | None = None
    """Index of the filter it is in; `DEFAULT_FILTER` in the default filter; None outside any filter."""
    target_index: int = 0
    filter_entered_ms: int | None = None
    step_deadline_ms: int | None = None
    """When the current target times out; None when it never does."""
    skip_if_open: bool = False
    """Whether the skip_if of its step is still to be asked: after the next pass of the matcher."""
    assignment_count: int = 0
    """How many times it went from pending to reserved."""
    # derived
    reservations: dict[str, Reservation] = field(default_factory=dict)
    """Open reservations by SID."""
    refusals: dict[str, "Refusal"] = field(default_factory=dict)
    """Per worker SID: how often the worker let this task go, and until when it is not offered again."""
    transfers: tuple[Transfer, ...] = ()
    """All its transfers, oldest first; only the last may be open."""

    @property
    def values(self) -> dict[str, Any]:
        """The parsed attributes; not kept, because most tasks wait and nobody asks."""
        return latest_values(self.attributes)

    @property
    def open_transfer(self) -> Transfer | None:
        """The transfer that is under way, or None."""
        if not self.transfers or not self.transfers[-1].is_open:
            return None
        return self.transfers[-1]


@dataclass(slots=True)
class Refusal:
    """Back-off of one task towards one worker (behaviour: OQ-5). Not stored: a restart forgives.

    `ended_ms` and `status` tell when and how the worker's last reservation of the task ended.
    """

    count: int
    until_ms: int
    ended_ms: int
    status: ReservationStatus

    def holds(self, now_ms: int) -> bool:
        """Tell whether the task is not to be offered to the worker yet."""
        return self.until_ms > now_ms


DEFAULT_FILTER = -1
