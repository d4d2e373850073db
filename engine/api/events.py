"""Events (contract §5.3): read only, newest first."""

from typing import Any

import orjson
from aiohttp import web

from engine.api import answers, fields
from engine.api.call import Call
from engine.api.paging import Paging, empty_page
from engine.api.representations import Document, Place, iso_date
from engine.api.windows import read_window
from engine.routing.views import EventView

_RESERVATION = fields.sid("WR")
_QUEUE = fields.sid("WQ")
_TASK = fields.sid("WT")
_WORKER = fields.sid("WK")
_WORKFLOW = fields.sid("WW")
_EVENT = fields.sid("EV")

_COLLECTIONS = {
    "WT": "Tasks",
    "WK": "Workers",
    "WQ": "TaskQueues",
    "WW": "Workflows",
    "WA": "Activities",
    "TC": "TaskChannels",
}
_NESTED = {"WR": ("task_sid", "Tasks", "Reservations"), "WC": ("worker_sid", "Workers", "Channels")}


async def list_events(call: Call) -> web.Response:
    """List the workspace's events within a window of time."""
    query = call.query()
    paging = Paging.read(query)
    window = read_window(query, call.api.clock())
    filters = {
        "event_type": query.value("EventType", fields.text, None),
        "reservation_sid": query.value("ReservationSid", _RESERVATION, None),
        "task_queue_sid": query.value("TaskQueueSid", _QUEUE, None),
        "task_sid": query.value("TaskSid", _TASK, None),
        "worker_sid": query.value("WorkerSid", _WORKER, None),
        "workflow_sid": query.value("WorkflowSid", _WORKFLOW, None),
        "sid": query.value("Sid", _EVENT, None),
    }
    channel = query.value("TaskChannel", fields.text, None)
    channel_sid = None
    if channel is not None:
        view = await call.reads.task_channel(call.workspace_sid, channel)
        if view is None:
            return paging.answer(call, "events", empty_page(), event)
        channel_sid = view.sid
    page = await call.reads.events(
        call.workspace_sid,
        paging.by_sid("EV"),
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        task_channel_sid=channel_sid,
        **filters,
    )
    return paging.answer(call, "events", page, event)


async def fetch_event(call: Call) -> web.Response:
    """Answer one event."""
    view = call.found(await call.reads.event(call.workspace_sid, call.path("EV")))
    return answers.document(event(call.place(), view))


def event(place: Place, view: EventView) -> Document:
    """Render an event (17 properties); its data is an object whose values are text."""
    return {
        "account_sid": place.account_sid,
        "actor_sid": view.actor_sid,
        "actor_type": view.actor_type,
        "actor_url": _resource_url(place, view.actor_sid, view.data),
        "description": view.description,
        "event_data": orjson.Fragment(view.data),
        "event_date": iso_date(view.event_date_ms),
        "event_date_ms": view.event_date_ms,
        "event_type": view.event_type,
        "resource_sid": view.resource_sid,
        "resource_type": view.resource_type,
        "resource_url": _resource_url(place, view.resource_sid, view.data),
        "sid": view.sid,
        "source": "twilio",
        "source_ip_address": None,
        "url": f"{place.workspace_url}/Events/{view.sid}",
        "workspace_sid": place.workspace_sid,
    }


def _resource_url(place: Place, sid: str | None, data: str) -> str | None:
    """Return the URL of what an event is about, or was done by; None when it has none of its own."""
    if not sid:
        return None
    prefix = sid[:2]
    if prefix == "WS":
        return f"{place.root}/v1/Workspaces/{sid}"
    if prefix in _COLLECTIONS:
        return f"{place.workspace_url}/{_COLLECTIONS[prefix]}/{sid}"
    return _nested_url(place, sid, orjson.loads(data)) if prefix in _NESTED else None


def _nested_url(place: Place, sid: str, data: dict[str, Any]) -> str | None:
    key, parent, child = _NESTED[sid[:2]]
    parent_sid = data.get(key)
    return f"{place.workspace_url}/{parent}/{parent_sid}/{child}/{sid}" if parent_sid else None
