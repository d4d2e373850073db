"""What a batch of commands did, for the store to write and the dispatcher to send.

The core never writes: it notes each changed entity once (the last state in the batch wins), each event in
order, and each callback. `Changes` is taken by `WorkspaceCore.take_changes()` after the batch and written in
one transaction; nothing of it reaches the outside before that transaction is durable.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from engine.routing.entities import (
    Activity,
    Reservation,
    Task,
    TaskChannel,
    TaskQueue,
    Transfer,
    Worker,
    WorkerChannel,
    Workflow,
    Workspace,
)


class Kind(StrEnum):
    """The kinds of entity; values are the names of their tables."""

    WORKSPACE = "workspaces"
    ACTIVITY = "activities"
    TASK_CHANNEL = "task_channels"
    TASK_QUEUE = "task_queues"
    WORKFLOW = "workflows"
    WORKER = "workers"
    WORKER_CHANNEL = "worker_channels"
    TASK = "tasks"
    RESERVATION = "reservations"
    TRANSFER = "transfers"


@dataclass(slots=True)
class Event:
    """One line of the workspace's log. `data` has snake_case keys and string values (behaviour §9).

    Never changed once recorded; not declared frozen, which makes its construction 3 µs dearer.
    """

    sid: str
    sequence: int
    event_type: str
    event_date_ms: int
    description: str
    resource_type: str
    resource_sid: str
    actor_type: str | None
    actor_sid: str | None
    data: dict[str, str]
    task_sid: str | None = None
    worker_sid: str | None = None
    reservation_sid: str | None = None
    task_queue_sid: str | None = None
    workflow_sid: str | None = None
    task_channel_sid: str | None = None


@dataclass(slots=True, frozen=True)
class AssignmentCallback:
    """One assignment callback to send: an outbox row from its commit until its outcome is committed.

    `fields` are the form fields in the order they are sent (behaviour §8), decoded text.
    """

    reservation_sid: str
    task_sid: str
    worker_sid: str
    workflow_sid: str
    url: str
    fallback_url: str
    date_created_ms: int
    fields: dict[str, str]


@dataclass(slots=True, frozen=True)
class KeptAnswer:
    """What was answered to a request with an idempotency key, to be kept with what the request did.

    The key is unique within `scope_sid` (a workspace, or an account) and `path`. `answer` is opaque here.
    """

    scope_sid: str
    path: str
    key: str
    part: int
    fingerprint: bytes
    answer: bytes
    date_created_ms: int


@dataclass(slots=True)
class Changes:
    """Everything one batch changed, deduplicated per entity."""

    workspace: Workspace | None = None
    activities: dict[str, Activity] = field(default_factory=dict)
    task_channels: dict[str, TaskChannel] = field(default_factory=dict)
    task_queues: dict[str, TaskQueue] = field(default_factory=dict)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    configurations: dict[tuple[str, int], str] = field(default_factory=dict)
    """New configurations by (workflow SID, version): a batch may save several, and a task keep each."""
    workers: dict[str, Worker] = field(default_factory=dict)
    worker_channels: dict[str, WorkerChannel] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    removed: list[tuple[Kind, str]] = field(default_factory=list)
    """Deleted entities. A removed task takes its reservations and transfers along; a workspace everything."""
    events: list[Event] = field(default_factory=list)
    callbacks: list[AssignmentCallback] = field(default_factory=list)
    callbacks_settled: list[str] = field(default_factory=list)
    """Reservation SIDs whose assignment callback needs no further sending: their outbox rows go."""
    warnings: list["RoutingWarning"] = field(default_factory=list)
    kept_answers: list[KeptAnswer] = field(default_factory=list)
    """Added by the runtime: the core knows no keys."""

    def __bool__(self) -> bool:
        """True when there is anything to write."""
        return bool(
            self.workspace
            or self.tasks
            or self.reservations
            or self.transfers
            or self.workers
            or self.worker_channels
            or self.events
            or self.callbacks
            or self.callbacks_settled
            or self.removed
            or self.activities
            or self.task_channels
            or self.task_queues
            or self.workflows
            or self.kept_answers
        )


@dataclass(slots=True, frozen=True)
class RoutingWarning:
    """Something the operator should see in the log: an error code of the dictionary and a sentence."""

    code: int
    message: str
    task_sid: str | None = None
    worker_sid: str | None = None
    workflow_sid: str | None = None
