"""Statistics as types: the property sets of contract §6 and the inner shapes of §8."""

from typing import TypedDict

from engine.api.kinds import (
    AccountSid,
    ActivitySid,
    Count,
    Date,
    QueueSid,
    TaskSid,
    Url,
    WorkerSid,
    WorkflowSid,
    WorkspaceSid,
)


class ActivityCount(TypedDict):
    """How many workers are in an activity."""

    sid: ActivitySid
    friendly_name: str
    workers: Count


class Durations(TypedDict):
    """Seconds that something took, without fractions."""

    avg: Count
    min: Count
    max: Count
    total: Count


class ActivityDurations(Durations):
    """Seconds that workers spent in an activity."""

    sid: ActivitySid
    friendly_name: str


class SplitSide(TypedDict):
    """What ended waiting on one side of a threshold."""

    tasks_canceled: Count
    reservations_accepted: Count


class Split(TypedDict):
    """What ended waiting above and at most at a threshold."""

    above: SplitSide
    below: SplitSide


class _Waiting(TypedDict):
    longest_task_waiting_age: Count
    longest_task_waiting_sid: TaskSid | None
    tasks_by_status: dict[str, Count]
    total_tasks: Count


class _Activities(TypedDict):
    activity_statistics: list[ActivityCount]


class _QueueWorkers(TypedDict):
    total_available_workers: Count
    total_eligible_workers: Count


class _Priorities(TypedDict):
    tasks_by_priority: dict[str, Count]


class WorkersRealTime(_Activities):
    """Present figures of workers."""

    total_workers: Count


class WorkspaceRealTime(_Waiting, WorkersRealTime):
    """Present figures of a workspace."""


class TaskQueueRealTime(_Waiting, _Activities, _QueueWorkers):
    """Present figures of a queue."""


class WorkflowRealTime(_Waiting):
    """Present figures of a workflow."""


class _Window(TypedDict):
    start_time: Date
    end_time: Date
    reservations_created: Count
    reservations_accepted: Count
    reservations_rejected: Count
    reservations_timed_out: Count
    reservations_canceled: Count
    reservations_rescinded: Count


class _Tasks(_Window):
    wait_duration_until_accepted: Durations
    wait_duration_until_canceled: Durations
    split_by_wait_time: dict[str, Split]
    tasks_canceled: Count
    tasks_deleted: Count
    tasks_moved: Count


class _Mean(TypedDict):
    avg_task_acceptance_time: float


class _WholeMean(TypedDict):
    avg_task_acceptance_time: Count
    tasks_completed: Count


class _OfWorkspace(_Tasks):
    tasks_created: Count
    tasks_timed_out_in_workflow: Count


class _OfQueue(_Tasks):
    tasks_entered: Count


class _OfWorkflow(_Tasks):
    tasks_entered: Count
    tasks_timed_out_in_workflow: Count


class WorkspaceCumulative(_Mean, _OfWorkspace):
    """What happened in a workspace."""


class TaskQueueCumulative(_Mean, _OfQueue):
    """What happened in a queue."""


class WorkflowCumulative(_Mean, _OfWorkflow):
    """What happened in a workflow."""


class WorkersCumulative(_Window):
    """What workers did."""

    activity_durations: list[ActivityDurations]


class _Place(TypedDict):
    account_sid: AccountSid
    workspace_sid: WorkspaceSid


class _Resource(_Place):
    url: Url


class _Queue(_Resource):
    task_queue_sid: QueueSid


class _Workflow(_Resource):
    workflow_sid: WorkflowSid


class WorkspaceStatistics(_Resource):
    """Both kinds of figures of a workspace."""

    realtime: WorkspaceRealTime
    cumulative: WorkspaceCumulative


class WorkspaceRealTimeStatistics(WorkspaceRealTime, _Priorities, _Resource):
    """Present figures of a workspace, by priority too."""


class WorkspaceCumulativeStatistics(_OfWorkspace, _WholeMean, _Resource):
    """What happened in a workspace within a window."""


class TaskQueueStatistics(_Queue):
    """Both kinds of figures of a queue."""

    realtime: TaskQueueRealTime
    cumulative: TaskQueueCumulative


class TaskQueuesStatistics(_Place):
    """Both kinds of figures of one of several queues."""

    realtime: TaskQueueRealTime
    cumulative: TaskQueueCumulative
    task_queue_sid: QueueSid


class TaskQueueRealTimeStatistics(TaskQueueRealTime, _Priorities, _Queue):
    """Present figures of a queue, by priority too."""

    longest_relative_task_age_in_queue: Count
    longest_relative_task_sid_in_queue: TaskSid | None


class TaskQueueCumulativeStatistics(_OfQueue, _WholeMean, _Queue):
    """What happened in a queue within a window."""

    wait_duration_in_queue_until_accepted: Durations


class TaskQueueData(TaskQueueRealTime, _Priorities):
    """Present figures of one of several queues."""

    task_queue_sid: QueueSid


class TaskQueueBulkRealTimeStatistics(_Resource):
    """Present figures of several queues."""

    task_queue_data: list[TaskQueueData]
    task_queue_response_count: Count


class WorkersStatistics(_Resource):
    """Both kinds of figures of the workers."""

    realtime: WorkersRealTime
    cumulative: WorkersCumulative


class WorkersRealTimeStatistics(WorkersRealTime, _Resource):
    """Present figures of the workers."""


class WorkersCumulativeStatistics(WorkersCumulative, _Resource):
    """What the workers did within a window."""


class WorkerStatistics(_Resource):
    """What one worker did within a window."""

    cumulative: WorkersCumulative
    worker_sid: WorkerSid


class WorkflowStatistics(_Workflow):
    """Both kinds of figures of a workflow."""

    realtime: WorkflowRealTime
    cumulative: WorkflowCumulative


class WorkflowRealTimeStatistics(WorkflowRealTime, _Priorities, _Workflow):
    """Present figures of a workflow, by priority too."""


class WorkflowCumulativeStatistics(_OfWorkflow, _WholeMean, _Workflow):
    """What happened in a workflow within a window."""
