"""The documents that clients get, as types: exact property sets and types of contract §5 and §7.

What renders a document is checked against its type, and the OpenAPI document is made of these types; so the
three cannot differ. A property is always there; `| None` says that it may be null.
"""

from typing import TypedDict

from engine.alerts import AlertLevel
from engine.api.kinds import (
    AccountSid,
    ActivitySid,
    AlertSid,
    AnySid,
    CallbackUrl,
    ChannelSid,
    Count,
    Date,
    DeliverySid,
    EventData,
    EventSid,
    Int64,
    JsonText,
    QueueSid,
    ReservationSid,
    TaskSid,
    TransferSid,
    Url,
    WorkerChannelSid,
    WorkerSid,
    WorkflowSid,
    WorkspaceSid,
)
from engine.routing.deliveries import DeliveryStatus
from engine.routing.entities import (
    ReservationStatus,
    TaskOrder,
    TaskStatus,
    TransferMode,
    TransferStatus,
    TransferType,
)


class WorkspaceLinks(TypedDict):
    """Links of a workspace."""

    activities: Url
    statistics: Url
    real_time_statistics: Url
    cumulative_statistics: Url
    task_queues: Url
    tasks: Url
    workers: Url
    workflows: Url
    task_channels: Url
    events: Url


class Workspace(TypedDict):
    """A workspace."""

    account_sid: AccountSid
    date_created: Date
    date_updated: Date
    default_activity_name: str | None
    default_activity_sid: ActivitySid | None
    event_callback_url: CallbackUrl
    events_filter: str | None
    friendly_name: str
    multi_task_enabled: bool
    sid: WorkspaceSid
    timeout_activity_name: str | None
    timeout_activity_sid: ActivitySid | None
    prioritize_queue_order: TaskOrder
    url: Url
    links: WorkspaceLinks


class WorkspaceLink(TypedDict):
    """The link of what has only one."""

    workspace: Url


class Activity(TypedDict):
    """An activity."""

    account_sid: AccountSid
    available: bool
    date_created: Date
    date_updated: Date
    friendly_name: str
    sid: ActivitySid
    workspace_sid: WorkspaceSid
    url: Url
    links: WorkspaceLink


class TaskLinks(TypedDict):
    """Links of a task."""

    task_queue: Url | None
    workflow: Url | None
    workspace: Url
    reservations: Url


class Task(TypedDict):
    """A task."""

    account_sid: AccountSid
    age: Count
    assignment_status: TaskStatus
    attributes: JsonText
    addons: JsonText
    date_created: Date
    date_updated: Date
    task_queue_entered_date: Date | None
    priority: int
    reason: str | None
    sid: TaskSid
    task_queue_sid: QueueSid | None
    task_queue_friendly_name: str | None
    task_channel_sid: ChannelSid
    task_channel_unique_name: str
    timeout: int
    workflow_sid: WorkflowSid | None
    workflow_friendly_name: str | None
    workspace_sid: WorkspaceSid
    url: Url
    links: TaskLinks
    virtual_start_time: Date
    ignore_capacity: bool
    routing_target: str | None


class ReservationLinks(TypedDict):
    """Links of a reservation."""

    task: Url
    worker: Url
    workspace: Url


class TaskReservation(TypedDict):
    """A reservation as its task has it."""

    account_sid: AccountSid
    date_created: Date
    date_updated: Date
    reservation_status: ReservationStatus
    sid: ReservationSid
    task_sid: TaskSid
    worker_name: str
    worker_sid: WorkerSid
    workspace_sid: WorkspaceSid
    url: Url
    links: ReservationLinks


class WorkerReservation(TaskReservation):
    """A reservation as its worker has it."""


class TransferLinks(TypedDict):
    """Links of a transfer."""

    task: Url
    initiating_reservation: Url
    initiating_worker: Url
    to: Url
    workspace: Url


class Transfer(TypedDict):
    """An attempt to hand a task to another worker or to a queue."""

    account_sid: AccountSid
    date_created: Date
    date_updated: Date
    initiating_queue_sid: QueueSid | None
    initiating_reservation_sid: ReservationSid
    initiating_worker_sid: WorkerSid
    initiating_workflow_sid: WorkflowSid | None
    priority: Int64 | None
    sid: TransferSid
    task_sid: TaskSid
    transfer_failed_reason: str | None
    transfer_mode: TransferMode
    transfer_status: TransferStatus
    transfer_to: AnySid
    transfer_type: TransferType
    workspace_sid: WorkspaceSid
    url: Url
    links: TransferLinks


class TaskChannel(TypedDict):
    """A task channel."""

    account_sid: AccountSid
    date_created: Date
    date_updated: Date
    friendly_name: str
    sid: ChannelSid
    unique_name: str
    workspace_sid: WorkspaceSid
    channel_optimized_routing: bool
    url: Url
    links: WorkspaceLink


class TaskQueueLinks(TypedDict):
    """Links of a queue."""

    assignment_activity: Url | None
    reservation_activity: Url | None
    workspace: Url
    statistics: Url
    real_time_statistics: Url
    cumulative_statistics: Url
    list_statistics: Url
    bulk_real_time_statistics: Url


class TaskQueue(TypedDict):
    """A queue."""

    account_sid: AccountSid
    assignment_activity_sid: ActivitySid | None
    assignment_activity_name: str | None
    date_created: Date
    date_updated: Date
    friendly_name: str
    max_reserved_workers: int
    reservation_activity_sid: ActivitySid | None
    reservation_activity_name: str | None
    sid: QueueSid
    target_workers: str
    task_order: TaskOrder
    url: Url
    workspace_sid: WorkspaceSid
    links: TaskQueueLinks


class WorkerLinks(TypedDict):
    """Links of a worker."""

    channels: Url
    worker_channels: Url
    activity: Url
    workspace: Url
    statistics: Url
    real_time_statistics: Url
    cumulative_statistics: Url
    worker_statistics: Url
    reservations: Url


class Worker(TypedDict):
    """A worker."""

    account_sid: AccountSid
    activity_name: str
    activity_sid: ActivitySid
    attributes: JsonText
    available: bool
    date_created: Date
    date_status_changed: Date
    date_updated: Date
    friendly_name: str
    sid: WorkerSid
    workspace_sid: WorkspaceSid
    url: Url
    links: WorkerLinks


class WorkerChannel(TypedDict):
    """A worker's channel."""

    account_sid: AccountSid
    assigned_tasks: Count
    available: bool
    available_capacity_percentage: Count
    configured_capacity: Count
    date_created: Date
    date_updated: Date
    sid: WorkerChannelSid
    task_channel_sid: ChannelSid
    task_channel_unique_name: str
    worker_sid: WorkerSid
    workspace_sid: WorkspaceSid
    url: Url


class WorkflowLinks(TypedDict):
    """Links of a workflow."""

    statistics: Url
    real_time_statistics: Url
    cumulative_statistics: Url


class Workflow(TypedDict):
    """A workflow."""

    account_sid: AccountSid
    assignment_callback_url: CallbackUrl
    configuration: JsonText
    date_created: Date
    date_updated: Date
    document_content_type: str
    fallback_assignment_callback_url: CallbackUrl
    friendly_name: str
    sid: WorkflowSid
    task_reservation_timeout: int
    workspace_sid: WorkspaceSid
    url: Url
    links: WorkflowLinks


class Event(TypedDict):
    """An event of the log."""

    account_sid: AccountSid
    actor_sid: AnySid | None
    actor_type: str | None
    actor_url: Url | None
    description: str
    event_data: EventData
    event_date: Date
    event_date_ms: Int64
    event_type: str
    resource_sid: AnySid
    resource_type: str
    resource_url: Url | None
    sid: EventSid
    source: str
    source_ip_address: str | None
    url: Url
    workspace_sid: WorkspaceSid


class StreamedEvent(Event):
    """An event of the log, told by the stream."""

    sequence: Int64


class Alert(TypedDict):
    """Something that went wrong while talking to the application."""

    account_sid: AccountSid
    alert_text: str
    date_generated: Date
    error_code: str
    event_sid: EventSid | None
    log_level: AlertLevel
    more_info: Url
    occurrences: Count
    request_url: str | None
    reservation_sid: ReservationSid | None
    sid: AlertSid
    task_sid: TaskSid | None
    url: Url
    worker_sid: WorkerSid | None
    workflow_sid: WorkflowSid | None
    workspace_sid: WorkspaceSid


class Delivery(TypedDict):
    """What became of telling the workspace's receiver of an event."""

    account_sid: AccountSid
    attempts: Count
    date_event: Date
    date_last_attempt: Date | None
    date_next_attempt: Date | None
    event_sid: EventSid
    event_type: str
    last_error: str | None
    last_status: int | None
    resource_sid: AnySid
    resource_type: str
    sequence: Int64
    sid: DeliverySid
    status: DeliveryStatus
    task_sid: TaskSid | None
    url: Url
    worker_sid: WorkerSid | None
    workspace_sid: WorkspaceSid
