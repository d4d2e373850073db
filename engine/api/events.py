"""Events (contract §5.3): read only, newest first."""

from typing import Any

import orjson
from aiohttp import web

from engine.api import answers, fields
from engine.api.call import Call
from engine.api.documents import Event
from engine.api.operations import Fields, operation, optional
from engine.api.paging import Paging, empty_page
from engine.api.representations import Place, iso_date
from engine.api.windows import WINDOW, window_of
from engine.routing.views import EventView

_SUBJECTS = Fields(
    event_type=optional("EventType", fields.text, "Only those of exactly this type."),
    reservation_sid=optional("ReservationSid", fields.sid("WR"), "Only those about this reservation."),
    task_queue_sid=optional("TaskQueueSid", fields.sid("WQ"), "Only those about this queue."),
    task_sid=optional("TaskSid", fields.sid("WT"), "Only those about this task."),
    worker_sid=optional("WorkerSid", fields.sid("WK"), "Only those about this worker."),
    workflow_sid=optional("WorkflowSid", fields.sid("WW"), "Only those about this workflow."),
    sid=optional("Sid", fields.sid("EV"), "Only this one."),
)
_CHANNEL = Fields(
    channel=optional("TaskChannel", fields.text, "Only those about this task channel: SID or unique name.")
)

_COLLECTIONS = {
    "WT": "Tasks",
    "WK": "Workers",
    "WQ": "TaskQueues",
    "WW": "Workflows",
    "WA": "Activities",
    "TC": "TaskChannels",
}
_NESTED = {"WR": ("task_sid", "Tasks", "Reservations"), "WC": ("worker_sid", "Workers", "Channels")}


@operation("ListEvent", answers=Event, lists="events", query=WINDOW | _SUBJECTS | _CHANNEL)
async def list_events(call: Call) -> web.Response:
    """List the workspace's events within a window of time."""
    query = call.query()
    paging = Paging.read(query)
    asked = call.filters(query)
    window = window_of(asked, call.api.clock())
    channel, channel_sid = asked.pop("channel"), None
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
        **asked,
    )
    return paging.answer(call, "events", page, event)


@operation("FetchEvent", answers=Event)
async def fetch_event(call: Call) -> web.Response:
    """Answer one event."""
    view = call.found(await call.reads.event(call.workspace_sid, call.path("EV")))
    return answers.document(event(call.place(), view))


def event(place: Place, view: EventView) -> Event:
    """Render an event; its data is an object whose values are text."""
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
