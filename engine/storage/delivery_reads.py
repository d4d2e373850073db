"""The deliveries of events as the API shows them, and the wish to have them made again."""

from collections.abc import Sequence

from engine.routing.deliveries import DeliveryStatus, DeliveryView
from engine.sids import is_sid
from engine.storage.listing import Listing, Walk
from engine.storage.paging import BadCursor, Key, Order, Page, PageRequest
from engine.storage.pool import Connection, Database
from engine.storage.queries import query
from engine.storage.rows import mapper_of

_DELIVERIES: Listing[DeliveryView] = Listing(
    query("select_deliveries"),
    mapper_of(DeliveryView, enums={"status": {member.value: member for member in DeliveryStatus}}),
    "ED",
)
_REDELIVER = query("redeliver")
_REPLAY = query("replay_deliveries")

_NEWEST_FIRST: Order[DeliveryView] = Order(
    (
        Key("d.event_date_ms", int, lambda view: view.event_date_ms, descending=True),
        Key("d.sequence", int, lambda view: view.sequence, descending=True),
    ),
    by_sid=True,
)
_NO_FILTERS = (None,) * 5


class Deliveries:
    """Reads deliveries and asks for new ones. Every method raises StoreUnavailable.

    Args:
        database: the pools.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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
    ) -> Page[DeliveryView]:
        """List deliveries, newest event first. A cursor is the SID of a delivery. Raises BadCursor."""
        parameters = (workspace_sid, status and status.value, event_type, task_sid, worker_sid, resource_sid)
        token = page.after if page.before is None else page.before
        async with self._database.reading() as connection:
            cursor = None
            if token is not None:
                found = await _find(connection, workspace_sid, token)
                if found is None:
                    raise BadCursor("the page token is not one of this list")
                cursor = [found.event_date_ms, found.sequence]
            walk = Walk(_DELIVERIES, parameters, _NEWEST_FIRST, forward=page.before is None)
            return await walk.page(connection, page, cursor)

    async def redeliver(self, delivery: DeliveryView, now_ms: int) -> None:
        """Have a delivery made anew, whatever became of it; its age counts from now."""
        key = (delivery.workspace_sid, delivery.event_date_ms, delivery.sequence)
        async with self._database.committing() as connection:
            await connection.execute(_REDELIVER, *key, now_ms)

    async def replay(
        self, workspace_sid: str, start_ms: int, end_ms: int, event_types: Sequence[str] | None, now_ms: int
    ) -> int:
        """Have all events between two moments, both included, delivered anew; returns how many.

        Also those that were not wanted when they happened.
        """
        async with self._database.committing() as connection:
            status = await connection.execute(_REPLAY, workspace_sid, start_ms, end_ms, event_types, now_ms)
        return int(status.rpartition(" ")[2])


async def _find(connection: Connection, workspace_sid: str, sid: str) -> DeliveryView | None:
    if not is_sid(sid, "ED"):
        return None
    return await _DELIVERIES.one(connection, "e.sid = $7", (workspace_sid, *_NO_FILTERS, f"EV{sid[2:]}"))
