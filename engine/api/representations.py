"""Views as the documents that clients get; `documents.py` says what is in them.

Every property is always there, null when it has no value. Dates are to the second, in UTC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, overload

from engine.api import documents as doc
from engine.routing.entities import TransferType
from engine.routing.values import available_capacity_percentage
from engine.routing.views import (
    ActivityView,
    ReservationView,
    TaskChannelView,
    TaskQueueView,
    TaskView,
    TransferView,
    WorkerChannelView,
    WorkerView,
    WorkflowView,
    WorkspaceView,
)

Document = dict[str, Any]


@dataclass(slots=True, frozen=True)
class Place:
    """Where and when a view is rendered: `root` is scheme and host, ages are those at `now_ms`."""

    root: str
    account_sid: str
    workspace_sid: str
    now_ms: int

    @property
    def workspace_url(self) -> str:
        """The URL of the workspace."""
        return f"{self.root}/v1/Workspaces/{self.workspace_sid}"


@overload
def iso_date(moment_ms: int) -> str: ...
@overload
def iso_date(moment_ms: int | None) -> str | None: ...
def iso_date(moment_ms: int | None) -> str | None:
    """Return `YYYY-MM-DDTHH:MM:SSZ`, the fraction cut off; None for None."""
    return None if moment_ms is None else _iso_second(moment_ms // 1_000)


@lru_cache(maxsize=4_096)
def _iso_second(moment_s: int) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def workspace(place: Place, view: WorkspaceView) -> doc.Workspace:
    """Render a workspace."""
    url = f"{place.root}/v1/Workspaces/{view.sid}"
    return {
        "account_sid": view.account_sid,
        "date_created": iso_date(view.date_created_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "default_activity_name": view.default_activity_name,
        "default_activity_sid": view.default_activity_sid,
        "event_callback_url": view.event_callback_url,
        "events_filter": view.events_filter,
        "friendly_name": view.friendly_name,
        "multi_task_enabled": view.multi_task_enabled,
        "sid": view.sid,
        "timeout_activity_name": view.timeout_activity_name,
        "timeout_activity_sid": view.timeout_activity_sid,
        "prioritize_queue_order": view.prioritize_queue_order,
        "url": url,
        "links": {
            "activities": f"{url}/Activities",
            "statistics": f"{url}/Statistics",
            "real_time_statistics": f"{url}/RealTimeStatistics",
            "cumulative_statistics": f"{url}/CumulativeStatistics",
            "task_queues": f"{url}/TaskQueues",
            "tasks": f"{url}/Tasks",
            "workers": f"{url}/Workers",
            "workflows": f"{url}/Workflows",
            "task_channels": f"{url}/TaskChannels",
            "events": f"{url}/Events",
        },
    }


def activity(place: Place, view: ActivityView) -> doc.Activity:
    """Render an activity."""
    base = place.workspace_url
    return {
        "account_sid": place.account_sid,
        "available": view.available,
        "date_created": iso_date(view.date_created_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "friendly_name": view.friendly_name,
        "sid": view.sid,
        "workspace_sid": place.workspace_sid,
        "url": f"{base}/Activities/{view.sid}",
        "links": {"workspace": base},
    }


def task(place: Place, view: TaskView) -> doc.Task:
    """Render a task; `age` counts up to now, also when the task is finished."""
    base = place.workspace_url
    url = f"{base}/Tasks/{view.sid}"
    queue, workflow_sid = view.task_queue_sid, view.workflow_sid
    return {
        "account_sid": place.account_sid,
        "age": max(0, place.now_ms - view.date_created_ms) // 1_000,
        "assignment_status": view.status,
        "attributes": view.attributes,
        "addons": view.addons,
        "date_created": iso_date(view.date_created_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "task_queue_entered_date": iso_date(view.task_queue_entered_ms),
        "priority": view.priority,
        "reason": view.reason,
        "sid": view.sid,
        "task_queue_sid": queue,
        "task_queue_friendly_name": view.task_queue_friendly_name,
        "task_channel_sid": view.task_channel_sid,
        "task_channel_unique_name": view.task_channel_unique_name,
        "timeout": view.timeout_s,
        "workflow_sid": workflow_sid,
        "workflow_friendly_name": view.workflow_friendly_name,
        "workspace_sid": place.workspace_sid,
        "url": url,
        "links": {
            "task_queue": f"{base}/TaskQueues/{queue}" if queue else None,
            "workflow": f"{base}/Workflows/{workflow_sid}" if workflow_sid else None,
            "workspace": base,
            "reservations": f"{url}/Reservations",
        },
        "virtual_start_time": iso_date(view.virtual_start_ms),
        "ignore_capacity": view.ignore_capacity,
        "routing_target": view.routing_target,
    }


def task_reservation(place: Place, view: ReservationView) -> doc.TaskReservation:
    """Render a reservation under its task."""
    return _reservation(place, view, f"{place.workspace_url}/Tasks/{view.task_sid}")


def worker_reservation(place: Place, view: ReservationView) -> doc.WorkerReservation:
    """Render a reservation under its worker."""
    return _reservation(place, view, f"{place.workspace_url}/Workers/{view.worker_sid}")


def _reservation(place: Place, view: ReservationView, parent_url: str) -> doc.TaskReservation:
    base = place.workspace_url
    return {
        "account_sid": place.account_sid,
        "date_created": iso_date(view.date_created_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "reservation_status": view.status,
        "sid": view.sid,
        "task_sid": view.task_sid,
        "worker_name": view.worker_name,
        "worker_sid": view.worker_sid,
        "workspace_sid": place.workspace_sid,
        "url": f"{parent_url}/Reservations/{view.sid}",
        "links": {
            "task": f"{base}/Tasks/{view.task_sid}",
            "worker": f"{base}/Workers/{view.worker_sid}",
            "workspace": base,
        },
    }


def transfer(place: Place, view: TransferView) -> doc.Transfer:
    """Render a transfer."""
    base = place.workspace_url
    task_url = f"{base}/Tasks/{view.task_sid}"
    kind = "Workers" if view.type is TransferType.WORKER else "TaskQueues"
    return {
        "account_sid": place.account_sid,
        "date_created": iso_date(view.date_created_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "initiating_queue_sid": view.initiating_queue_sid,
        "initiating_reservation_sid": view.initiating_reservation_sid,
        "initiating_worker_sid": view.initiating_worker_sid,
        "initiating_workflow_sid": view.initiating_workflow_sid,
        "priority": view.priority,
        "sid": view.sid,
        "task_sid": view.task_sid,
        "transfer_failed_reason": view.failed_reason,
        "transfer_mode": view.mode,
        "transfer_status": view.status,
        "transfer_to": view.to_sid,
        "transfer_type": view.type,
        "workspace_sid": place.workspace_sid,
        "url": f"{task_url}/Transfers/{view.sid}",
        "links": {
            "task": task_url,
            "initiating_reservation": f"{task_url}/Reservations/{view.initiating_reservation_sid}",
            "initiating_worker": f"{base}/Workers/{view.initiating_worker_sid}",
            "to": f"{base}/{kind}/{view.to_sid}",
            "workspace": base,
        },
    }


def task_channel(place: Place, view: TaskChannelView) -> doc.TaskChannel:
    """Render a task channel."""
    base = place.workspace_url
    return {
        "account_sid": place.account_sid,
        "date_created": iso_date(view.date_created_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "friendly_name": view.friendly_name,
        "sid": view.sid,
        "unique_name": view.unique_name,
        "workspace_sid": place.workspace_sid,
        "channel_optimized_routing": view.channel_optimized_routing,
        "url": f"{base}/TaskChannels/{view.sid}",
        "links": {"workspace": base},
    }


def task_queue(place: Place, view: TaskQueueView) -> doc.TaskQueue:
    """Render a task queue."""
    base = place.workspace_url
    url = f"{base}/TaskQueues/{view.sid}"
    assignment, reservation = view.assignment_activity_sid, view.reservation_activity_sid
    return {
        "account_sid": place.account_sid,
        "assignment_activity_sid": assignment,
        "assignment_activity_name": view.assignment_activity_name,
        "date_created": iso_date(view.date_created_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "friendly_name": view.friendly_name,
        "max_reserved_workers": view.max_reserved_workers,
        "reservation_activity_sid": reservation,
        "reservation_activity_name": view.reservation_activity_name,
        "sid": view.sid,
        "target_workers": view.target_workers,
        "task_order": view.task_order,
        "url": url,
        "workspace_sid": place.workspace_sid,
        "links": {
            "assignment_activity": f"{base}/Activities/{assignment}" if assignment else None,
            "reservation_activity": f"{base}/Activities/{reservation}" if reservation else None,
            "workspace": base,
            "statistics": f"{url}/Statistics",
            "real_time_statistics": f"{url}/RealTimeStatistics",
            "cumulative_statistics": f"{url}/CumulativeStatistics",
            "list_statistics": f"{base}/TaskQueues/Statistics",
            "bulk_real_time_statistics": f"{base}/TaskQueues/RealTimeStatistics",
        },
    }


def worker(place: Place, view: WorkerView) -> doc.Worker:
    """Render a worker."""
    base = place.workspace_url
    url = f"{base}/Workers/{view.sid}"
    return {
        "account_sid": place.account_sid,
        "activity_name": view.activity_name,
        "activity_sid": view.activity_sid,
        "attributes": view.attributes,
        "available": view.available,
        "date_created": iso_date(view.date_created_ms),
        "date_status_changed": iso_date(view.date_status_changed_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "friendly_name": view.friendly_name,
        "sid": view.sid,
        "workspace_sid": place.workspace_sid,
        "url": url,
        "links": {
            "channels": f"{url}/Channels",
            "worker_channels": f"{url}/Channels",
            "activity": f"{base}/Activities/{view.activity_sid}",
            "workspace": base,
            "statistics": f"{base}/Workers/Statistics",
            "real_time_statistics": f"{base}/Workers/RealTimeStatistics",
            "cumulative_statistics": f"{base}/Workers/CumulativeStatistics",
            "worker_statistics": f"{url}/Statistics",
            "reservations": f"{url}/Reservations",
        },
    }


def worker_channel(place: Place, view: WorkerChannelView) -> doc.WorkerChannel:
    """Render a worker's channel."""
    free = available_capacity_percentage(view.configured_capacity, view.open_reservations)
    return {
        "account_sid": place.account_sid,
        "assigned_tasks": view.assigned_tasks,
        "available": view.available,
        "available_capacity_percentage": free,
        "configured_capacity": view.configured_capacity,
        "date_created": iso_date(view.date_created_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "sid": view.sid,
        "task_channel_sid": view.task_channel_sid,
        "task_channel_unique_name": view.task_channel_unique_name,
        "worker_sid": view.worker_sid,
        "workspace_sid": place.workspace_sid,
        "url": f"{place.workspace_url}/Workers/{view.worker_sid}/Channels/{view.sid}",
    }


def workflow(place: Place, view: WorkflowView) -> doc.Workflow:
    """Render a workflow."""
    url = f"{place.workspace_url}/Workflows/{view.sid}"
    return {
        "account_sid": place.account_sid,
        "assignment_callback_url": view.assignment_callback_url,
        "configuration": view.configuration,
        "date_created": iso_date(view.date_created_ms),
        "date_updated": iso_date(view.date_updated_ms),
        "document_content_type": "application/json",
        "fallback_assignment_callback_url": view.fallback_assignment_callback_url,
        "friendly_name": view.friendly_name,
        "sid": view.sid,
        "task_reservation_timeout": view.task_reservation_timeout_s,
        "workspace_sid": place.workspace_sid,
        "url": url,
        "links": {
            "statistics": f"{url}/Statistics",
            "real_time_statistics": f"{url}/RealTimeStatistics",
            "cumulative_statistics": f"{url}/CumulativeStatistics",
        },
    }


Rendering = Callable[[Place, Any], Mapping[str, object]]
