"""Deliveries of events to their receiver: what became of each, and once more. Ours, beside the contract."""

from aiohttp import web

from engine.api import answers, fields
from engine.api.call import Call
from engine.api.documents import Delivery
from engine.api.envelopes import Replay
from engine.api.operations import Fields, operation, optional, required
from engine.api.paging import Paging
from engine.api.problems import bad_request
from engine.api.representations import Place, iso_date
from engine.routing.deliveries import DeliveryStatus, DeliveryView, parse_events_filter

_FILTERS = Fields(
    status=optional("Status", fields.choice(DeliveryStatus), "Only those that stand there."),
    event_type=optional("EventType", fields.text, "Only those of events of exactly this type."),
    event_sid=optional("EventSid", fields.sid("EV"), "Only that of this event."),
    task_sid=optional("TaskSid", fields.sid("WT"), "Only those of events about this task."),
    worker_sid=optional("WorkerSid", fields.sid("WK"), "Only those of events about this worker."),
    resource_sid=optional("ResourceSid", fields.text, "Only those of events of this resource."),
)
_STRETCH = Fields(
    start_ms=required("StartDate", fields.instant_ms, "The first instant whose events are delivered again."),
    end_ms=optional("EndDate", fields.instant_ms, "The last one; by default now."),
    types=optional("EventType", fields.text, "Only events of these types, between commas."),
)


@operation("ListDelivery", answers=Delivery, lists="deliveries", query=_FILTERS)
async def list_deliveries(call: Call) -> web.Response:
    """List the deliveries of events, that of the newest event first."""
    query = call.query()
    paging = Paging.read(query)
    page = await call.reads.deliveries(call.workspace_sid, paging.by_sid("ED"), **call.filters(query))
    return paging.answer(call, "deliveries", page, delivery)


@operation("FetchDelivery", answers=Delivery)
async def fetch_delivery(call: Call) -> web.Response:
    """Answer one delivery."""
    return answers.document(delivery(call.place(), await _found(call)))


@operation("Redeliver", status=202, answers=Delivery)
async def redeliver(call: Call) -> web.Response:
    """Deliver an event again, whatever became of it; tried as long as a new one."""
    await call.api.redelivery.redeliver(await _found(call), call.api.clock())
    return answers.document(delivery(call.place(), await _found(call)), 202)


@operation("ReplayDelivery", status=202, answers=Replay, body=_STRETCH)
async def replay(call: Call) -> web.Response:
    """Deliver all events of a stretch of time again, also those that EventsFilter left out then."""
    asked = await call.fields()
    now_ms = call.api.clock()
    end_ms = now_ms if asked["end_ms"] is None else asked["end_ms"]
    if end_ms < asked["start_ms"]:
        raise bad_request("EndDate must not be before StartDate")
    types = parse_events_filter(asked["types"])
    count = await call.api.redelivery.replay(
        call.workspace_sid, asked["start_ms"], end_ms, sorted(types) if types else None, now_ms
    )
    return answers.document(Replay(deliveries=count), 202)


async def _found(call: Call) -> DeliveryView:
    return call.found(await call.reads.delivery(call.workspace_sid, call.path("ED")))


def delivery(place: Place, view: DeliveryView) -> Delivery:
    """Render a delivery."""
    pending = view.status is DeliveryStatus.PENDING
    return {
        "account_sid": place.account_sid,
        "attempts": view.attempts,
        "date_event": iso_date(view.event_date_ms),
        "date_last_attempt": iso_date(view.last_attempt_ms),
        "date_next_attempt": iso_date(view.next_attempt_ms) if pending and view.next_attempt_ms else None,
        "event_sid": view.event_sid,
        "event_type": view.event_type,
        "last_error": view.last_error,
        "last_status": view.last_status,
        "resource_sid": view.resource_sid,
        "resource_type": view.resource_type,
        "sequence": view.sequence,
        "sid": view.sid,
        "status": view.status,
        "task_sid": view.task_sid,
        "url": f"{place.workspace_url}/Deliveries/{view.sid}",
        "worker_sid": view.worker_sid,
        "workspace_sid": place.workspace_sid,
    }
