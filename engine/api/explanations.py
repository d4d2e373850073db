"""Explanations of tasks as types: what `explain.py` renders."""

from typing import TypedDict

from engine.api.kinds import (
    AccountSid,
    ChannelSid,
    Count,
    Date,
    QueueSid,
    ReservationSid,
    TaskSid,
    Url,
    WorkerSid,
    WorkflowSid,
    WorkspaceSid,
)
from engine.routing.entities import ReservationStatus, TaskStatus
from engine.routing.explain_views import Reason, RouteKind


class RouteExplanation(TypedDict):
    """What brought a task to where it waits."""

    kind: RouteKind
    workflow_sid: WorkflowSid | None
    workflow_friendly_name: str | None
    configuration_version: int | None
    is_current_configuration: bool | None
    filter_index: int | None
    filter_friendly_name: str | None
    filter_expression: str | None
    target_index: int | None
    target_count: int | None


class AsksExplanation(TypedDict):
    """What a task asks of a worker."""

    target_workers: str | None
    expression: str | None
    bound_expression: str | None
    order_by: str | None
    skip_if: str | None
    worker: str | None
    worker_named_by: str | None
    worker_note: str | None
    ignore_capacity: bool


class TimerExplanation(TypedDict):
    """Something that happens by itself."""

    name: str
    date: Date
    seconds_left: Count
    then: str


class PositionExplanation(TypedDict):
    """How many tasks are before it; null where that does not apply or is too much to count."""

    tasks_before_among_alike: Count | None
    tasks_alike: Count | None
    tasks_before_in_queue: Count | None
    tasks_in_queue: Count | None


class WorkerLink(TypedDict):
    """The link to a worker."""

    worker: Url


class OfferExplanation(TypedDict):
    """Who is offered or holds the task."""

    sid: ReservationSid
    reservation_status: ReservationStatus
    worker_sid: WorkerSid
    worker_name: str
    date_since: Date
    date_timeout: Date | None
    seconds_left: Count | None
    chosen_because: str
    url: Url
    links: WorkerLink


class WorkerReason(TypedDict):
    """Why one worker is not offered the task."""

    worker_sid: WorkerSid
    worker_name: str
    reason: Reason
    explanation: str
    url: Url


class ReasonExplanation(TypedDict):
    """All workers with the same first reason."""

    reason: Reason
    explanation: str
    unblocked: str
    worker_count: Count
    examples: list[WorkerReason]


class ExplanationLinks(TypedDict):
    """Links of an explanation."""

    task: Url
    task_queue: Url | None
    workflow: Url | None
    workspace: Url


class Explanation(TypedDict):
    """Why a task waits, or why its worker has it; its workers stand beside it, a page at a time."""

    account_sid: AccountSid
    workspace_sid: WorkspaceSid
    task_sid: TaskSid
    assignment_status: TaskStatus
    reason: str | None
    summary: str
    date_evaluated: Date
    priority: int
    assignment_count: Count | None
    task_channel_sid: ChannelSid
    task_channel_unique_name: str
    task_queue_sid: QueueSid | None
    task_queue_friendly_name: str | None
    routing_target: str | None
    route: RouteExplanation | None
    asks: AsksExplanation | None
    timers: list[TimerExplanation]
    position: PositionExplanation | None
    reservations: list[OfferExplanation]
    worker_count: Count
    reasons: list[ReasonExplanation]
    reasons_left_out: Count
    url: Url
    links: ExplanationLinks
