"""The inputs of the core: what a client, a callback's answer or the runtime asks of one workspace.

Values arrive typed and within their documented bounds (the API checks form, range and length); what depends
on state (does the queue exist, is the move legal, is the name free) is the core's to check. SIDs of what a
client creates are minted before the command is built. `UNSET` means "not sent: leave it as it is".

The result of `WorkspaceCore.handle(command, now_ms)` is the view named beside each command.
"""

from dataclasses import dataclass
from enum import Enum

from engine.routing.entities import ReservationStatus, Task, TaskOrder, TaskStatus, TransferMode
from engine.routing.statistics_views import Scope
from engine.routing.voice import Verdict, VoiceInstruction


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(slots=True, frozen=True)
class UpdateWorkspace:
    """→ WorkspaceView"""

    friendly_name: str | Unset = UNSET
    event_callback_url: str | Unset = UNSET
    events_filter: str | Unset | None = UNSET
    multi_task_enabled: bool | Unset = UNSET
    prioritize_queue_order: TaskOrder | Unset = UNSET
    default_activity_sid: str | Unset = UNSET
    timeout_activity_sid: str | Unset = UNSET


@dataclass(slots=True, frozen=True)
class DeleteWorkspace:
    """→ None; afterwards the core takes no more commands."""


@dataclass(slots=True, frozen=True)
class CreateActivity:
    """→ ActivityView"""

    sid: str
    friendly_name: str
    available: bool = False


@dataclass(slots=True, frozen=True)
class UpdateActivity:
    """→ ActivityView"""

    sid: str
    friendly_name: str | Unset = UNSET


@dataclass(slots=True, frozen=True)
class DeleteActivity:
    """→ None. Refused for the default and timeout activity and while a worker is in it."""

    sid: str


@dataclass(slots=True, frozen=True)
class CreateTaskChannel:
    """→ TaskChannelView. Every worker gets a channel of capacity 1 for it."""

    sid: str
    friendly_name: str
    unique_name: str
    channel_optimized_routing: bool = False


@dataclass(slots=True, frozen=True)
class UpdateTaskChannel:
    """→ TaskChannelView. `sid` is the SID or the unique name."""

    sid: str
    friendly_name: str | Unset = UNSET
    channel_optimized_routing: bool | Unset = UNSET


@dataclass(slots=True, frozen=True)
class DeleteTaskChannel:
    """→ None. `sid` is the SID or the unique name. The five of the beginning are protected."""

    sid: str


@dataclass(slots=True, frozen=True)
class CreateTaskQueue:
    """→ TaskQueueView"""

    sid: str
    friendly_name: str
    target_workers: str = "1==1"
    max_reserved_workers: int = 1
    task_order: TaskOrder = TaskOrder.FIFO
    reservation_activity_sid: str | None = None
    assignment_activity_sid: str | None = None


@dataclass(slots=True, frozen=True)
class UpdateTaskQueue:
    """→ TaskQueueView"""

    sid: str
    friendly_name: str | Unset = UNSET
    target_workers: str | Unset = UNSET
    max_reserved_workers: int | Unset = UNSET
    task_order: TaskOrder | Unset = UNSET
    reservation_activity_sid: str | Unset | None = UNSET
    assignment_activity_sid: str | Unset | None = UNSET


@dataclass(slots=True, frozen=True)
class DeleteTaskQueue:
    """→ None"""

    sid: str


@dataclass(slots=True, frozen=True)
class CreateWorkflow:
    """→ WorkflowView"""

    sid: str
    friendly_name: str
    configuration: str
    assignment_callback_url: str = ""
    fallback_assignment_callback_url: str = ""
    task_reservation_timeout_s: int = 120


@dataclass(slots=True, frozen=True)
class UpdateWorkflow:
    """→ WorkflowView"""

    sid: str
    friendly_name: str | Unset = UNSET
    configuration: str | Unset = UNSET
    assignment_callback_url: str | Unset = UNSET
    fallback_assignment_callback_url: str | Unset = UNSET
    task_reservation_timeout_s: int | Unset = UNSET
    re_evaluate_tasks: bool = False


@dataclass(slots=True, frozen=True)
class DeleteWorkflow:
    """→ None. Refused while open tasks are controlled by it."""

    sid: str


@dataclass(slots=True, frozen=True)
class CreateWorker:
    """→ WorkerView. `attributes` is the JSON text of an object."""

    sid: str
    friendly_name: str
    attributes: str = "{}"
    activity_sid: str | None = None


@dataclass(slots=True, frozen=True)
class UpdateWorker:
    """→ WorkerView. `if_match` is the version the client saw.

    `attributes_merge` is the text of a merge patch (RFC 7396), never together with `attributes`.
    """

    sid: str
    friendly_name: str | Unset = UNSET
    attributes: str | Unset = UNSET
    activity_sid: str | Unset = UNSET
    reject_pending_reservations: bool = False
    if_match: int | None = None
    attributes_merge: str | Unset = UNSET


@dataclass(slots=True, frozen=True)
class DeleteWorker:
    """→ None. Pending reservations are canceled; accepted or wrapping ones refuse the delete."""

    sid: str
    if_match: int | None = None


@dataclass(slots=True, frozen=True)
class UpdateWorkerChannel:
    """→ WorkerChannelView. `channel` is a WC SID, a TC SID or the channel's unique name."""

    worker_sid: str
    channel: str
    capacity: int | Unset = UNSET
    available: bool | Unset = UNSET


@dataclass(slots=True, frozen=True)
class CreateTask:
    """→ TaskView, pending, before any matching.

    `task_channel` is a SID or a unique name; None = `default`. `workflow_sid` None = the only workflow.
    `ignore_capacity` None = true with a worker as routing target, else false.
    """

    sid: str
    attributes: str = "{}"
    workflow_sid: str | None = None
    task_channel: str | None = None
    priority: int | None = None
    timeout_s: int = 86_400
    virtual_start_ms: int | None = None
    routing_target: str | None = None
    ignore_capacity: bool | None = None
    task_queue_sid: str | None = None


@dataclass(slots=True, frozen=True)
class UpdateTask:
    """→ TaskView. `assignment_status` is one of canceled, wrapping, completed.

    `attributes_merge` is the text of a merge patch (RFC 7396), never together with `attributes`.
    """

    sid: str
    attributes: str | Unset = UNSET
    assignment_status: TaskStatus | Unset = UNSET
    reason: str | Unset = UNSET
    priority: int | Unset = UNSET
    task_channel: str | Unset = UNSET
    virtual_start_ms: int | Unset = UNSET
    if_match: int | None = None
    attributes_merge: str | Unset = UNSET


@dataclass(slots=True, frozen=True)
class DeleteTask:
    """→ None"""

    sid: str
    if_match: int | None = None


@dataclass(slots=True, frozen=True)
class AdoptFinishedTask:
    """→ None. Brings a finished task back from its row, so that the next command can address it.

    Ignored when the task is already in memory. The runtime sends it just before repeating a command that
    was answered `NotFound` although a committed, not yet expired row exists.
    """

    task: Task


@dataclass(slots=True, frozen=True)
class ExplainTask:
    """→ TaskExplanation of a task in memory. Changes nothing.

    At most `size` workers by SID are spelled out: those after `after`, or before `before`, both worker SIDs.
    """

    sid: str
    size: int = 50
    after: str | None = None
    before: str | None = None


@dataclass(slots=True, frozen=True)
class ReadRealTime:
    """→ tuple of RealTimeView, one for each of `sids` (one in all for a workspace or its workers).

    Changes nothing. `task_channel` is a SID or a unique name. Of the workers those are told that the queues
    `sids`, or the one named `queue_name`, take and whose name is `friendly_name`; without any, all.
    `unknown_is_empty` answers zeros for what does not exist instead of NotFound.
    """

    scope: Scope
    sids: tuple[str, ...] = ()
    task_channel: str | None = None
    unknown_is_empty: bool = False
    queue_name: str | None = None
    friendly_name: str | None = None


@dataclass(slots=True, frozen=True)
class UpdateReservation:
    """→ ReservationView. Exactly one of task_sid and worker_sid is the route it was addressed by.

    `status` is one of accepted, rejected, wrapping, completed; `activity_sid` goes with a rejection.
    """

    sid: str
    status: ReservationStatus
    task_sid: str | None = None
    worker_sid: str | None = None
    activity_sid: str | None = None
    if_match: int | None = None


@dataclass(slots=True, frozen=True)
class CreateTransfer:
    """→ TransferView, initiated. Hands an assigned task on (behaviour §3).

    `reservation_sid` is the open reservation of the worker who transfers; given `worker_sid` instead, that
    worker's reservation of the task is meant, and with both they must belong together. `to_sid` is a worker
    or a queue. A `priority` and `attributes` become the task's. `sid` was minted by the caller.
    """

    sid: str
    task_sid: str
    to_sid: str
    reservation_sid: str | None = None
    worker_sid: str | None = None
    mode: TransferMode = TransferMode.WARM
    priority: int | None = None
    attributes: str | Unset = UNSET


@dataclass(slots=True, frozen=True)
class CancelTransfer:
    """→ TransferView, canceled. Takes an initiated transfer back; refused when it has an outcome.

    `worker_sid`, if given, must be the worker who initiated it.
    """

    sid: str
    task_sid: str
    worker_sid: str | None = None
    if_match: int | None = None


@dataclass(slots=True, frozen=True)
class PrepareInstruction:
    """→ VoiceOrderView: what the voice gateway is to be told. Changes nothing.

    Refused unless the reservation is pending (accepted, to be supervised) and task and worker have what the
    instruction needs. At most one of task_sid and worker_sid is the route it was addressed by.
    """

    sid: str
    instruction: VoiceInstruction
    task_sid: str | None = None
    worker_sid: str | None = None
    if_match: int | None = None


@dataclass(slots=True, frozen=True)
class ConcludeInstruction:
    """→ ReservationView. What the voice gateway made of an instruction to a pending reservation.

    Carried out: an instruction that accepts does so now, and the SIDs of the call go into the task's
    attributes. Failed: an instruction that would have accepted cancels the reservation (behaviour §3).
    Refused when the reservation is over by now. `settles_callback`: an assignment callback gave it.
    """

    sid: str
    instruction: VoiceInstruction
    verdict: Verdict
    settles_callback: bool = False


@dataclass(slots=True, frozen=True)
class AssignmentInstructed:
    """→ None. The assignment callback's answer, or its absence: `instruction` None leaves it pending.

    `instruction` is "accept" or "reject". A reservation that is no longer pending makes this a no-op: the
    answer came too late. Voice instructions are concluded by `ConcludeInstruction`.
    """

    reservation_sid: str
    instruction: str | None = None
    activity_sid: str | None = None


@dataclass(slots=True, frozen=True)
class AssignmentCallbackFailed:
    """→ None. Both URLs failed: the reservation is canceled, the task routed again (behaviour §3, OQ-7)."""

    reservation_sid: str
    reason: str


Command = (
    UpdateWorkspace
    | DeleteWorkspace
    | CreateActivity
    | UpdateActivity
    | DeleteActivity
    | CreateTaskChannel
    | UpdateTaskChannel
    | DeleteTaskChannel
    | CreateTaskQueue
    | UpdateTaskQueue
    | DeleteTaskQueue
    | CreateWorkflow
    | UpdateWorkflow
    | DeleteWorkflow
    | CreateWorker
    | UpdateWorker
    | DeleteWorker
    | UpdateWorkerChannel
    | CreateTask
    | UpdateTask
    | DeleteTask
    | AdoptFinishedTask
    | ExplainTask
    | ReadRealTime
    | UpdateReservation
    | CreateTransfer
    | CancelTransfer
    | PrepareInstruction
    | ConcludeInstruction
    | AssignmentInstructed
    | AssignmentCallbackFailed
)
