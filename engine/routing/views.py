"""What a client may see of an entity, with the names that go with the SIDs.

A view is made twice: by the core, at the moment a command was handled (it becomes the answer once the batch
is committed), and by the store's reads from committed rows. The API renders views and nothing else. Nobody
changes a view; views are not declared frozen because that makes a task's 4 µs dearer.
"""

from dataclasses import dataclass

from engine.routing.entities import (
    ReservationStatus,
    TaskOrder,
    TaskStatus,
    TransferMode,
    TransferStatus,
    TransferType,
)
from engine.routing.voice import VoiceOrder


@dataclass(slots=True)
class WorkspaceView:
    """A workspace, with the names of its activities."""

    sid: str
    account_sid: str
    friendly_name: str
    event_callback_url: str
    events_filter: str | None
    multi_task_enabled: bool
    prioritize_queue_order: TaskOrder
    default_activity_sid: str | None
    default_activity_name: str | None
    timeout_activity_sid: str | None
    timeout_activity_name: str | None
    date_created_ms: int
    date_updated_ms: int


@dataclass(slots=True)
class ActivityView:
    """An activity."""

    sid: str
    friendly_name: str
    available: bool
    date_created_ms: int
    date_updated_ms: int


@dataclass(slots=True)
class TaskChannelView:
    """A task channel."""

    sid: str
    unique_name: str
    friendly_name: str
    channel_optimized_routing: bool
    date_created_ms: int
    date_updated_ms: int


@dataclass(slots=True)
class TaskQueueView:
    """A queue, with the names of its activities."""

    sid: str
    friendly_name: str
    target_workers: str
    max_reserved_workers: int
    task_order: TaskOrder
    reservation_activity_sid: str | None
    reservation_activity_name: str | None
    assignment_activity_sid: str | None
    assignment_activity_name: str | None
    date_created_ms: int
    date_updated_ms: int
    warnings: tuple[str, ...] = ()
    """Probable mistakes in what was just saved; only in the answer to that command, never in rows."""


@dataclass(slots=True)
class WorkflowView:
    """A workflow."""

    sid: str
    friendly_name: str
    configuration: str
    assignment_callback_url: str
    fallback_assignment_callback_url: str
    task_reservation_timeout_s: int
    date_created_ms: int
    date_updated_ms: int
    warnings: tuple[str, ...] = ()
    """Probable mistakes in what was just saved; only in the answer to that command, never in rows."""


@dataclass(slots=True)
class WorkerView:
    """A worker, with its activity."""

    sid: str
    friendly_name: str
    activity_sid: str
    activity_name: str
    available: bool
    attributes: str
    date_created_ms: int
    date_updated_ms: int
    date_status_changed_ms: int
    version: int


@dataclass(slots=True)
class WorkerChannelView:
    """A worker channel, with its use."""

    sid: str
    worker_sid: str
    task_channel_sid: str
    task_channel_unique_name: str
    configured_capacity: int
    available: bool
    assigned_tasks: int
    """Accepted reservations."""
    open_reservations: int
    """Pending, accepted and wrapping ones: what uses capacity (behaviour §4)."""
    date_created_ms: int
    date_updated_ms: int
    last_reserved_ms: int | None


@dataclass(slots=True)
class TaskView:
    """A task, with the names of its channel, workflow and queue."""

    sid: str
    status: TaskStatus
    attributes: str
    addons: str
    priority: int
    reason: str | None
    timeout_s: int
    task_channel_sid: str
    task_channel_unique_name: str
    workflow_sid: str | None
    workflow_friendly_name: str | None
    task_queue_sid: str | None
    task_queue_friendly_name: str | None
    routing_target: str | None
    ignore_capacity: bool
    virtual_start_ms: int
    task_queue_entered_ms: int | None
    date_created_ms: int
    date_updated_ms: int
    version: int


@dataclass(slots=True)
class ReservationView:
    """A reservation, with the name of its worker."""

    sid: str
    task_sid: str
    worker_sid: str
    worker_name: str
    status: ReservationStatus
    date_created_ms: int
    date_updated_ms: int
    version: int
    transfer_sid: str | None = None
    """The transfer that it came from."""


@dataclass(slots=True)
class TransferView:
    """A transfer."""

    sid: str
    task_sid: str
    initiating_reservation_sid: str
    initiating_worker_sid: str
    initiating_queue_sid: str | None
    initiating_workflow_sid: str | None
    to_sid: str
    mode: TransferMode
    status: TransferStatus
    date_created_ms: int
    date_updated_ms: int
    failed_reason: str | None
    priority: int | None
    version: int

    @property
    def type(self) -> TransferType:
        """What it goes to."""
        return TransferType.WORKER if self.to_sid.startswith("WK") else TransferType.QUEUE


@dataclass(slots=True)
class VoiceOrderView:
    """What the voice gateway is to be told, and the reservation as it is."""

    order: VoiceOrder
    reservation: ReservationView


@dataclass(slots=True)
class EventView:
    """An event of the log."""

    sid: str
    sequence: int
    event_type: str
    event_date_ms: int
    description: str
    resource_type: str
    resource_sid: str
    actor_type: str | None
    actor_sid: str | None
    data: str
    """JSON text of an object with string values."""
