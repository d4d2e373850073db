"""Alerts: written in batches, read newest first."""

from collections.abc import Sequence
from typing import Any

from engine.alerts import Alert, AlertLevel
from engine.sids import is_sid
from engine.storage.listing import Listing
from engine.storage.paging import Key, Order, Page, PageRequest, sid_key
from engine.storage.pool import Connection, Database
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.rows import mapper_of

_ROWS = mapper_of(Alert, enums={"level": {member.value: member for member in AlertLevel}})
_INSERT = query("insert_alerts")
_ALERTS: Listing[Alert] = Listing(query("select_alerts"), _ROWS, "NO")
_NEWEST_FIRST: Order[Alert] = Order(
    (Key("date_ms", int, lambda alert: alert.date_ms, descending=True), sid_key("sid", descending=True)),
    by_sid=True,
)
_NO_FILTERS = (0, 2**63 - 1, *(None,) * 6)


class Alerts:
    """Adds alerts (implements `engine.alert_writer.AlertStore`).

    Args:
        database: the pools.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, alerts: Sequence[Alert]) -> None:
        """Add alerts, at least one; those that are there already stay. Raises StoreUnavailable."""
        async with self._database.committing() as connection:
            await connection.execute(_INSERT, *_ROWS.columns(alerts))


class AlertReads(Reader):
    """Alerts."""

    async def alert(self, workspace_sid: str, sid: str) -> Alert | None:
        """Fetch an alert."""
        async with self._database.reading() as connection:
            return await _find(connection, workspace_sid, sid)

    async def alerts(
        self,
        workspace_sid: str,
        page: PageRequest,
        *,
        start_ms: int,
        end_ms: int,
        code: int | None = None,
        level: AlertLevel | None = None,
        task_sid: str | None = None,
        worker_sid: str | None = None,
        reservation_sid: str | None = None,
        workflow_sid: str | None = None,
    ) -> Page[Alert]:
        """List the alerts from `start_ms` to `end_ms`, both included, newest first.

        A cursor is the SID of one. Raises BadCursor.
        """
        about = (task_sid, worker_sid, reservation_sid, workflow_sid)
        level_text = None if level is None else level.value
        parameters = (workspace_sid, start_ms, end_ms, code, level_text, *about)
        async with self._database.reading() as connection:

            async def place(sid: str) -> list[Any]:
                return _NEWEST_FIRST.place(await _find(connection, workspace_sid, sid))

            return await _ALERTS.page_by_item(connection, parameters, page, _NEWEST_FIRST, place)


async def _find(connection: Connection, workspace_sid: str, sid: str) -> Alert | None:
    if not is_sid(sid, "NO"):
        return None
    return await _ALERTS.one(connection, "sid = $10", (workspace_sid, *_NO_FILTERS, sid))
