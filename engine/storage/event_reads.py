"""Reads of the event log, newest first."""

from dataclasses import replace
from functools import partial
from typing import Any

from engine.routing.views import EventView
from engine.sids import is_sid
from engine.storage.listing import Listing
from engine.storage.paging import BadCursor, Key, Order, Page, PageRequest
from engine.storage.pool import Connection
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.redaction import redacted
from engine.storage.rows import mapper_of

_EVENTS: Listing[EventView] = Listing(query("select_events"), mapper_of(EventView), "EV")

_NEWEST_FIRST: Order[EventView] = Order(
    (
        Key("e.event_date_ms", int, lambda view: view.event_date_ms, descending=True),
        Key("e.sequence", int, lambda view: view.sequence, descending=True),
    ),
    by_sid=True,
)

_NO_FILTERS = (None,) * 8
_EVER = (0, 2**63 - 1)
_SID_TIME_SLACK_MS = 3_600_000
"""How far an event's date may be from the time in its SID before the search widens to all partitions."""


class EventReads(Reader):
    """Events."""

    async def event(self, workspace_sid: str, sid: str) -> EventView | None:
        """Fetch an event."""
        async with self._database.reading() as connection:
            found = await _find(connection, workspace_sid, sid)
        return None if found is None else self._told(found)

    async def events(
        self,
        workspace_sid: str,
        page: PageRequest,
        *,
        start_ms: int,
        end_ms: int,
        event_type: str | None = None,
        reservation_sid: str | None = None,
        task_queue_sid: str | None = None,
        task_sid: str | None = None,
        worker_sid: str | None = None,
        workflow_sid: str | None = None,
        task_channel_sid: str | None = None,
        sid: str | None = None,
    ) -> Page[EventView]:
        """List the events from `start_ms` to `end_ms`, both included, newest first.

        A cursor is the SID of an event. Raises BadCursor.
        """
        parameters = (
            workspace_sid,
            start_ms,
            end_ms,
            event_type,
            reservation_sid,
            task_queue_sid,
            task_sid,
            worker_sid,
            workflow_sid,
            task_channel_sid,
            sid,
        )
        async with self._database.reading() as connection:
            place = partial(_place, connection, workspace_sid)
            found = await _EVENTS.page_by_item(connection, parameters, page, _NEWEST_FIRST, place)
        return Page([self._told(view) for view in found.items], found.next, found.previous)

    def _told(self, view: EventView) -> EventView:
        """Return an event as it may be told now: an old one without the attributes of its task."""
        if view.event_date_ms >= self._clock() - self._attributes_ms:
            return view
        return replace(view, data=redacted(view.data))


async def _find(connection: Connection, workspace_sid: str, sid: str) -> EventView | None:
    """Look near the time in the SID first: that needs one or two partitions, the whole log all of them."""
    minted_ms = _minted_ms(sid)
    if minted_ms is None:
        return None
    near = (minted_ms - _SID_TIME_SLACK_MS, minted_ms + _SID_TIME_SLACK_MS)
    for dates in (near, _EVER):
        found = await _EVENTS.one(connection, "e.sid = $12", (workspace_sid, *dates, *_NO_FILTERS, sid))
        if found:
            return found
    return None


async def _place(connection: Connection, workspace_sid: str, token: str) -> list[Any]:
    """Return where in the order an event stands, or stood: an expired one leaves the time in its SID."""
    minted_ms = _minted_ms(token)
    if minted_ms is None:
        raise BadCursor("the page token is not one of this list")
    found = await _find(connection, workspace_sid, token)
    return _NEWEST_FIRST.place(found) if found else [minted_ms, 0]


def _minted_ms(sid: str) -> int | None:
    """Return the milliseconds in a SID; None when it is not an event's."""
    return int(sid[2:14], 16) if is_sid(sid, "EV") else None
