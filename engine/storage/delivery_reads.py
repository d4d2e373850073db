"""Reads of the deliveries of events, newest event first."""

from typing import Any

from engine.routing.deliveries import DeliveryStatus, DeliveryView
from engine.sids import is_sid
from engine.storage.listing import Listing
from engine.storage.paging import Key, Order, Page, PageRequest
from engine.storage.pool import Connection
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.rows import mapper_of

_MAPPER = mapper_of(DeliveryView, enums={"status": {member.value: member for member in DeliveryStatus}})
_DELIVERIES: Listing[DeliveryView] = Listing(
    query("select_deliveries").replace("{lookup}", "LIMIT 1"), _MAPPER, "ED"
)
_DELIVERIES_OF_EVENTS: Listing[DeliveryView] = Listing(
    query("select_deliveries").replace("{lookup}", ""), _MAPPER, "ED"
)

_NEWEST_FIRST: Order[DeliveryView] = Order(
    (
        Key("d.event_date_ms", int, lambda view: view.event_date_ms, descending=True),
        Key("d.sequence", int, lambda view: view.sequence, descending=True),
    ),
    by_sid=True,
)
_NO_FILTERS = (None,) * 6


class DeliveryReads(Reader):
    """Deliveries of events."""

    async def delivery(self, workspace_sid: str, sid: str) -> DeliveryView | None:
        """Fetch a delivery by its own SID."""
        async with self._database.reading() as connection:
            return await _find(connection, workspace_sid, sid)

    async def deliveries(
        self,
        workspace_sid: str,
        page: PageRequest,
        *,
        status: DeliveryStatus | None = None,
        event_type: str | None = None,
        task_sid: str | None = None,
        worker_sid: str | None = None,
        resource_sid: str | None = None,
        event_sid: str | None = None,
    ) -> Page[DeliveryView]:
        """List deliveries. A cursor is the SID of one. Raises BadCursor."""
        status_text = None if status is None else status.value
        filters = (status_text, event_type, task_sid, worker_sid, resource_sid, event_sid)
        parameters = (workspace_sid, *filters)
        listing = _DELIVERIES_OF_EVENTS if task_sid or worker_sid or event_sid else _DELIVERIES
        async with self._database.reading() as connection:

            async def place(sid: str) -> list[Any]:
                return _NEWEST_FIRST.place(await _find(connection, workspace_sid, sid))

            return await listing.page_by_item(connection, parameters, page, _NEWEST_FIRST, place)


async def _find(connection: Connection, workspace_sid: str, sid: str) -> DeliveryView | None:
    if not is_sid(sid, "ED"):
        return None
    return await _DELIVERIES_OF_EVENTS.one(
        connection, "e.sid = $8", (workspace_sid, *_NO_FILTERS, f"EV{sid[2:]}")
    )
