"""Reads of workers and their channels."""

from collections.abc import Callable, Sequence

from engine.routing.views import WorkerChannelView, WorkerView
from engine.storage.configuration_reads import plain_order
from engine.storage.listing import Listing
from engine.storage.paging import Page, PageRequest, order_of, sid_key
from engine.storage.pool import Connection
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.rows import mapper_of

_WORKERS: Listing[WorkerView] = Listing(query("select_workers"), mapper_of(WorkerView), "WK")
_WORKER_CHANNELS: Listing[WorkerChannelView] = Listing(
    query("select_worker_channels"), mapper_of(WorkerChannelView), "WC"
)

_ACTIVITY_SIDS = query("activity_sids")

_WORKER_CHANNEL_ORDER = order_of(sid_key("wc.sid"))

_WORKER_KEYS: dict[str, tuple[str, type[str] | type[int]]] = {
    "date_updated": ("w.date_updated_ms", int),
    "date_status_changed": ("w.date_status_changed_ms", int),
    "friendly_name": ('w.friendly_name COLLATE "C"', str),
}


class WorkerReads(Reader):
    """Workers and worker channels."""

    async def worker(self, workspace_sid: str, sid: str) -> WorkerView | None:
        """Fetch a worker."""
        async with self._database.reading() as connection:
            return await _WORKERS.one(connection, "w.sid = $5", (workspace_sid, None, None, None, sid))

    async def workers(
        self,
        workspace_sid: str,
        page: PageRequest,
        *,
        activity_name: str | None = None,
        activity_sid: str | None = None,
        available: bool | None = None,
        friendly_name: str | None = None,
        ordering: Sequence[tuple[str, bool]] | None = None,
        predicate: Callable[[WorkerView], bool] | None = None,
    ) -> Page[WorkerView]:
        """List workers, oldest first unless `ordering` has (name, descending) pairs.

        Names are date_created, date_updated, date_status_changed and friendly_name. `predicate` decides
        which workers count. Raises BadCursor, or ValueError for another name.
        """
        order = plain_order(ordering, _WORKER_KEYS, "w.sid")
        wanted = (activity_name, activity_sid, available)
        async with self._database.reading() as connection:
            activity, several = await _activities(connection, workspace_sid, wanted)
            parameters = (workspace_sid, activity, several, friendly_name)
            return await _WORKERS.page(connection, parameters, page, order, predicate)

    async def worker_channel(
        self, workspace_sid: str, worker_sid: str, sid_or_unique_name: str
    ) -> WorkerChannelView | None:
        """Fetch a worker's channel by its own SID, or by its task channel's SID or unique name."""
        condition = "(wc.sid = $3 OR wc.task_channel_sid = $3 OR c.unique_name = $3)"
        parameters = (workspace_sid, worker_sid, sid_or_unique_name)
        async with self._database.reading() as connection:
            return await _WORKER_CHANNELS.one(connection, condition, parameters)

    async def worker_channels(
        self, workspace_sid: str, worker_sid: str, page: PageRequest
    ) -> Page[WorkerChannelView]:
        """List a worker's channels, oldest first. Raises BadCursor."""
        async with self._database.reading() as connection:
            return await _WORKER_CHANNELS.page(
                connection, (workspace_sid, worker_sid), page, _WORKER_CHANNEL_ORDER
            )


async def _activities(
    connection: Connection, workspace_sid: str, wanted: tuple[str | None, str | None, bool | None]
) -> tuple[str | None, list[str] | None]:
    """Turn filters of activities into SIDs: the only one, or all of them; None and None for any.

    With the SIDs at hand the planner knows how many workers are meant, and by which index to find them.
    """
    if wanted == (None, None, None):
        return None, None
    found = [row["sid"] for row in await connection.fetch(_ACTIVITY_SIDS, workspace_sid, *wanted)]
    return (found[0], None) if len(found) == 1 else (None, found)
