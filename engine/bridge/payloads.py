"""Entities as the SDK takes them: every key present, dates in seconds, attributes as text (SDK protocol §5).

Two times are milliseconds: `last_reserved_time` of a channel and `token_lifetime` of a token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.routing.entities import Reservation, ReservationStatus, Transfer
from engine.routing.values import available_capacity_percentage
from engine.routing.views import (
    ActivityView,
    ReservationView,
    TaskQueueView,
    TaskView,
    TransferView,
    WorkerChannelView,
    WorkerView,
)

Payload = dict[str, Any]

TOKEN_LIFETIME_MS_MAX = 2**31 - 1
"""Longest lifetime told: the SDK's timer overflows beyond it and fires at once."""


@dataclass(slots=True, frozen=True)
class Scope:
    """Whose entities are told of, as of `now_ms`."""

    account_sid: str
    workspace_sid: str
    now_ms: int

    def sids(self) -> Payload:
        """Return the two keys that every payload begins with."""
        return {"account_sid": self.account_sid, "workspace_sid": self.workspace_sid}


def init(scope: Scope, worker_sid: str, lifetime_ms: int) -> Payload:
    """Tell a socket who it is and how long its token lives."""
    lifetime_ms = min(max(lifetime_ms, 0), TOKEN_LIFETIME_MS_MAX)
    return {"channel_id": worker_sid, **scope.sids(), "token_lifetime": lifetime_ms}


def worker(scope: Scope, view: WorkerView) -> Payload:
    """Tell a worker (§5.1)."""
    return {
        **scope.sids(),
        "sid": view.sid,
        "friendly_name": view.friendly_name,
        "attributes": view.attributes,
        "activity_sid": view.activity_sid,
        "activity_name": view.activity_name,
        "available": view.available,
        "date_created": view.date_created_ms // 1000,
        "date_updated": view.date_updated_ms // 1000,
        "date_status_changed": view.date_status_changed_ms // 1000,
        "version": view.version,
    }


def activity(scope: Scope, view: ActivityView) -> Payload:
    """Tell an activity (§5.2)."""
    return {
        **scope.sids(),
        "sid": view.sid,
        "friendly_name": view.friendly_name,
        "available": view.available,
        "date_created": view.date_created_ms // 1000,
        "date_updated": view.date_updated_ms // 1000,
    }


def channel(scope: Scope, view: WorkerChannelView) -> Payload:
    """Tell a worker channel (§5.3)."""
    percentage = available_capacity_percentage(view.configured_capacity, view.open_reservations)
    return {
        **scope.sids(),
        "sid": view.sid,
        "worker_sid": view.worker_sid,
        "task_channel_sid": view.task_channel_sid,
        "task_channel_unique_name": view.task_channel_unique_name,
        "configured_capacity": view.configured_capacity,
        "available": view.available,
        "assigned_tasks": view.assigned_tasks,
        "available_capacity_percentage": percentage,
        "date_created": view.date_created_ms // 1000,
        "date_updated": view.date_updated_ms // 1000,
        "last_reserved_time": view.last_reserved_ms,
    }


def task(scope: Scope, view: TaskView) -> Payload:
    """Tell a task (§5.4); its keys are not those of the REST API."""
    return {
        **scope.sids(),
        "sid": view.sid,
        "attributes": view.attributes,
        "addons": view.addons,
        "assignment_status": view.status,
        "age": max(0, scope.now_ms - view.date_created_ms) // 1000,
        "priority": view.priority,
        "reason": view.reason,
        "routing_target": view.routing_target,
        "timeout": view.timeout_s,
        "queue_sid": view.task_queue_sid,
        "queue_name": view.task_queue_friendly_name,
        "workflow_sid": view.workflow_sid,
        "workflow_name": view.workflow_friendly_name,
        "task_channel_sid": view.task_channel_sid,
        "task_channel_unique_name": view.task_channel_unique_name,
        "date_created": view.date_created_ms // 1000,
        "date_updated": view.date_updated_ms // 1000,
        "virtual_start_time": view.virtual_start_ms // 1000,
        "version": view.version,
    }


def reservation(
    scope: Scope,
    entity: Reservation,
    worker_name: str,
    task_view: TaskView,
    *,
    status: ReservationStatus | None = None,
    version: int | None = None,
    came_by: Transfer | TransferView | None = None,
    outgoing: Transfer | TransferView | None = None,
) -> Payload:
    """Tell a reservation with its task (§5.5).

    Args:
        scope: whose it is.
        entity: the reservation.
        worker_name: of its worker.
        task_view: its task.
        status: its status at an earlier moment; None = the present one.
        version: its version at that moment.
        came_by: the transfer that it is an offer of. The SDK crashes on a null: without one there is no key.
        outgoing: the transfer under way that its worker has begun; likewise.
    """
    told: Payload = {
        **scope.sids(),
        "sid": entity.sid,
        "worker_sid": entity.worker_sid,
        "worker_name": worker_name,
        "reservation_status": status or entity.status,
        "reservation_timeout": entity.timeout_s,
        "worker_previous_activity_sid": entity.worker_previous_activity_sid,
        "task_sid": entity.task_sid,
        "task_channel_sid": entity.task_channel_sid,
        "date_created": entity.date_created_ms // 1000,
        "date_updated": entity.date_updated_ms // 1000,
        "version": entity.version if version is None else version,
        "task": task(scope, task_view),
    }
    if entity.canceled_reason_code is not None:
        told["canceled_reason_code"] = entity.canceled_reason_code
    if came_by is not None:
        told["task_transfer"] = transfer(scope, came_by)
    if outgoing is not None:
        told["active_outgoing_task_transfer"] = transfer(scope, outgoing)
    return told


def transfer(scope: Scope, view: Transfer | TransferView) -> Payload:
    """Tell a transfer (§5.7)."""
    told: Payload = {
        **scope.sids(),
        "sid": view.sid,
        "task_sid": view.task_sid,
        "transfer_type": view.type,
        "transfer_mode": view.mode,
        "transfer_to": view.to_sid,
        "transfer_status": view.status,
        "date_created": view.date_created_ms // 1000,
        "date_updated": view.date_updated_ms // 1000,
        "initiating_reservation_sid": view.initiating_reservation_sid,
        "initiating_worker_sid": view.initiating_worker_sid,
        "initiating_queue_sid": view.initiating_queue_sid,
        "initiating_workflow_sid": view.initiating_workflow_sid,
    }
    if view.failed_reason is not None:
        told["transfer_failed_reason"] = view.failed_reason
    return told


def flat_reservation(scope: Scope, view: ReservationView, entity: Reservation) -> Payload:
    """Tell a reservation in the answer to its update (§5.6).

    Without its task: the SDK would take the task's new status from here, where applications expect it to
    come with the event that follows. Without transfers: the SDK refuses an answer that has them.
    """
    return {
        **scope.sids(),
        "sid": view.sid,
        "worker_sid": view.worker_sid,
        "worker_name": view.worker_name,
        "reservation_status": view.status,
        "reservation_timeout": entity.timeout_s,
        "worker_previous_activity_sid": entity.worker_previous_activity_sid,
        "task_sid": view.task_sid,
        "task_channel_sid": entity.task_channel_sid,
        "date_created": view.date_created_ms // 1000,
        "date_updated": view.date_updated_ms // 1000,
        "version": view.version,
    }


def task_queue(scope: Scope, view: TaskQueueView) -> Payload:
    """Tell a queue (§5.8)."""
    return {
        **scope.sids(),
        "sid": view.sid,
        "friendly_name": view.friendly_name,
        "target_workers": view.target_workers,
        "max_reserved_workers": view.max_reserved_workers,
        "task_order": view.task_order,
        "lifo_queue": view.task_order == "LIFO",
        "assignment_activity_sid": view.assignment_activity_sid,
        "assignment_activity_name": view.assignment_activity_name,
        "reservation_activity_sid": view.reservation_activity_sid,
        "reservation_activity_name": view.reservation_activity_name,
        "date_created": view.date_created_ms // 1000,
        "date_updated": view.date_updated_ms // 1000,
    }


def listed(contents: Sequence[Payload], after_sid: str | None, next_token: str | None = None) -> Payload:
    """Return a page of a list (§3.2): what leads to the next page is null when there is none."""
    return {
        "contents": list(contents),
        "after_sid": after_sid,
        "before_sid": None,
        "page": 0,
        "total": len(contents),
        "start": 0,
        "end": max(len(contents) - 1, 0),
        "nextPage": 0,
        "lastPage": 0,
        "meta": {"list_key": "contents", "next_token": next_token},
    }
