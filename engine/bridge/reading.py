"""The calls that read (SDK protocol §3.1): one page or one thing from committed rows."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from engine.api import fields, task_queues, workers
from engine.api.paging import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from engine.api.problems import bad_request
from engine.bridge import payloads
from engine.bridge.call import SdkCall
from engine.bridge.payloads import Payload
from engine.bridge.snapshot import Listed
from engine.routing.entities import ReservationStatus
from engine.routing.states import OPEN_RESERVATION
from engine.storage.bridge_reads import Offer
from engine.storage.reads import Page, PageRequest

_STATUS = fields.choice(ReservationStatus)


async def fetch_worker(call: SdkCall) -> Payload:
    """Answer a worker."""
    view = call.found(await call.reads.worker(call.workspace_sid, call.names["WK"]))
    return payloads.worker(call.scope, view)


async def list_activities(call: SdkCall) -> Payload:
    """Answer the activities of the workspace."""
    request = await _after(call, "WA", lambda sid: call.reads.activity(call.workspace_sid, sid))
    page = await call.reads.activities(call.workspace_sid, request)
    _note(call, Listed.ACTIVITIES, [view.sid for view in page.items])
    return payloads.listed([payloads.activity(call.scope, view) for view in page.items], page.next)


async def list_channels(call: SdkCall) -> Payload:
    """Answer the channels of a worker."""
    ws, wk = call.workspace_sid, call.names["WK"]
    call.found(await call.reads.worker(ws, wk))
    request = await _after(call, "WC", lambda sid: call.reads.worker_channel(ws, wk, sid))
    page = await call.reads.worker_channels(ws, wk, request)
    _note(call, Listed.CHANNELS, [view.sid for view in page.items])
    return payloads.listed([payloads.channel(call.scope, view) for view in page.items], page.next)


async def list_reservations(call: SdkCall) -> Payload:
    """Answer a worker's reservations with their tasks: the open ones unless `ReservationStatus` names others.

    `ReservationStatus` is a comma list. The oldest come first.
    """
    ws, wk = call.workspace_sid, call.names["WK"]
    worker = call.found(await call.reads.worker(ws, wk))
    size, after = _size(call), call.form.value("AfterSid", fields.sid("WR"), "")
    if after:
        offer = await call.bridge.reads.offer(ws, after)
        _check_known("AfterSid", after, offer is not None and offer.reservation.worker_sid == wk)
    offers = await call.bridge.reads.offers(ws, wk, _statuses(call), after=after, size=size + 1)
    shown = offers[:size]
    _note(call, Listed.RESERVATIONS, [offer.reservation.sid for offer in shown])
    contents = [_told(call, offer, worker.friendly_name) for offer in shown]
    return payloads.listed(contents, shown[-1].reservation.sid if len(offers) > size else None)


async def fetch_reservation(call: SdkCall) -> Payload:
    """Answer a reservation of a worker with its task."""
    ws, wk = call.workspace_sid, call.names["WK"]
    view = call.found(await call.reads.worker_reservation(ws, wk, call.names["WR"]))
    return _told(call, call.found(await call.bridge.reads.offer(ws, view.sid)), view.worker_name)


async def fetch_task(call: SdkCall) -> Payload:
    """Answer a task."""
    view = call.found(await call.reads.task(call.workspace_sid, call.names["WT"]))
    return payloads.task(call.scope, view)


async def fetch_task_queue(call: SdkCall) -> Payload:
    """Answer a queue."""
    view = call.found(await call.reads.task_queue(call.workspace_sid, call.names["WQ"]))
    return payloads.task_queue(call.scope, view)


async def list_workers(call: SdkCall) -> Payload:
    """Answer the workers that the filters leave."""
    request = await _page(call, "WK", lambda sid: call.reads.worker(call.workspace_sid, sid))
    page = await workers.find(call.reads, call.workspace_sid, call.form, request)
    return _listed(call, page, [payloads.worker(call.scope, view) for view in page.items])


async def list_task_queues(call: SdkCall) -> Payload:
    """Answer the queues that the filters leave."""
    request = await _page(call, "WQ", lambda sid: call.reads.task_queue(call.workspace_sid, sid))
    page = await task_queues.find(call.reads, call.workspace_sid, call.form, request)
    return _listed(call, page, [payloads.task_queue(call.scope, view) for view in page.items])


Find = Callable[[str], Awaitable[Any]]


def _size(call: SdkCall) -> int:
    size = call.form.value("PageSize", fields.whole_number, PAGE_SIZE_DEFAULT)
    return min(max(size, 1), PAGE_SIZE_MAX)


async def _after(call: SdkCall, prefix: str, find: Find) -> PageRequest:
    """Return the page asked for. Raises 400 when AfterSid names nothing that there is."""
    after = call.form.value("AfterSid", fields.sid(prefix), None)
    if after is not None:
        _check_known("AfterSid", after, await find(after) is not None)
    return PageRequest(_size(call), after=after)


async def _page(call: SdkCall, prefix: str, find: Find) -> PageRequest:
    """Return the page asked for: an ordered list goes on from NextToken, another one from AfterSid."""
    if "Ordering" not in call.form:
        return await _after(call, prefix, find)
    return PageRequest(_size(call), after=call.form.value("NextToken", fields.text, None))


def _listed(call: SdkCall, page: Page[Any], contents: Sequence[Payload]) -> Payload:
    ordered = "Ordering" in call.form
    return payloads.listed(contents, None if ordered else page.next, page.next if ordered else None)


def _check_known(name: str, sid: str, known: bool) -> None:
    if not known:
        raise bad_request(f"Value '{sid}' provided for {name} names nothing in this list")


def _statuses(call: SdkCall) -> list[ReservationStatus]:
    words = [word.strip() for text in call.form.all("ReservationStatus") for word in text.split(",")]
    named = [_STATUS("ReservationStatus", word) for word in dict.fromkeys(words) if word]
    return named or sorted(OPEN_RESERVATION)


def _told(call: SdkCall, offer: Offer, worker_name: str) -> Payload:
    return payloads.reservation(
        call.scope,
        offer.reservation,
        worker_name,
        call.found(offer.task),
        came_by=offer.came_by,
        outgoing=offer.outgoing,
    )


def _note(call: SdkCall, what: Listed, sids: list[str]) -> None:
    """Tell the caller's socket what its client knows, when it is the caller's own state."""
    if call.names.get("WK", call.session.worker_sid) == call.session.worker_sid:
        more = "AfterSid" in call.form
        call.bridge.hub.told(call.session.token, call.caller, what, sids, more=more)
