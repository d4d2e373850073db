"""Reads of tasks, reservations and transfers.

A finished task, and what is its own with it, stays visible for the retention time; a deleted one does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from engine.routing.entities import ReservationStatus, TaskStatus, TransferStatus
from engine.routing.views import ReservationView, TaskView, TransferView
from engine.storage.listing import Listing
from engine.storage.paging import Key, Order, Page, PageRequest, order_of, sid_key
from engine.storage.pool import Connection
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.rows import RESERVATION_STATUSES, TASK_STATUSES, TRANSFER_ENUMS, mapper_of

_TASK_VIEW = mapper_of(TaskView, enums={"status": TASK_STATUSES})
_VIEWS = query("select_tasks")
_TASKS: Listing[TaskView] = Listing(_VIEWS.replace("{rows}", query("pick_tasks")), _TASK_VIEW, "WT")
_TASKS_BY_STATUS: Listing[TaskView] = Listing(
    _VIEWS.replace("{rows}", query("pick_tasks_by_status")), _TASK_VIEW, "WT", leading="t.status"
)
_RESERVATIONS: Listing[ReservationView] = Listing(
    query("select_reservations"),
    mapper_of(ReservationView, enums={"status": RESERVATION_STATUSES}),
    "WR",
)
_RESERVATION_ORDER = order_of(sid_key("r.sid"))
_TRANSFERS: Listing[TransferView] = Listing(
    query("select_transfers"), mapper_of(TransferView, enums=TRANSFER_ENUMS), "TT"
)
_TRANSFER_ORDER = order_of(sid_key("tt.sid"))

_WORKFLOWS_NAMED = query("workflow_sids_by_name")
_QUEUES_NAMED = query("task_queue_sids_by_name")
_NOBODY = ""
_ALL_STATUSES = sorted(TaskStatus)


@dataclass(slots=True, frozen=True)
class _TaskFilters:
    """The parameters $2 to $8 of the task queries; None = any."""

    finished_after_ms: int
    priority: int | None = None
    workflow_sid: str | None = None
    task_queue_sid: str | None = None
    routing_target: str | None = None
    has_addons: bool | None = None
    statuses: Sequence[TaskStatus] | None = None

    def parameters(self, workspace_sid: str) -> tuple[Any, ...]:
        return (workspace_sid, *(getattr(self, field.name) for field in fields(self)))


class TaskReads(Reader):
    """Tasks, reservations by task or by worker, transfers by task."""

    async def task(self, workspace_sid: str, sid: str) -> TaskView | None:
        """Fetch a task that is still visible."""
        parameters = (*_TaskFilters(self._finished_after_ms()).parameters(workspace_sid), sid)
        async with self._database.reading() as connection:
            return await _TASKS.one(connection, "t.sid = $9", parameters)

    async def tasks(
        self,
        workspace_sid: str,
        page: PageRequest,
        *,
        priority: int | None = None,
        statuses: Sequence[TaskStatus] = (),
        workflow_sid: str | None = None,
        workflow_name: str | None = None,
        task_queue_sid: str | None = None,
        task_queue_name: str | None = None,
        routing_target: str | None = None,
        has_addons: bool | None = None,
        ordering: Sequence[tuple[str, bool]] = (),
        predicate: Callable[[TaskView], bool] | None = None,
    ) -> Page[TaskView]:
        """List the visible tasks, oldest first unless `ordering` has (name, descending) pairs.

        Names are date_created, priority and virtual_start_time; what remains equal is oldest first. No
        `statuses` = any. `predicate` decides which tasks count. Raises BadCursor, or ValueError for another
        name.
        """
        order = task_order(ordering)
        async with self._database.reading() as connection:
            workflow = await _named(connection, _WORKFLOWS_NAMED, workspace_sid, workflow_name, workflow_sid)
            queue = await _named(connection, _QUEUES_NAMED, workspace_sid, task_queue_name, task_queue_sid)
            if _NOBODY in {workflow, queue}:
                return Page([], None, None)
            listing, wanted = _TASKS, sorted(set(statuses)) or None
            if order.by_sid and (wanted or workflow or queue):
                listing, wanted = _TASKS_BY_STATUS, wanted or _ALL_STATUSES
            filters = _TaskFilters(
                self._finished_after_ms(), priority, workflow, queue, routing_target, has_addons, wanted
            )
            parameters = filters.parameters(workspace_sid)
            return await listing.page(connection, parameters, page, order, predicate)

    async def task_reservation(self, workspace_sid: str, task_sid: str, sid: str) -> ReservationView | None:
        """Fetch a reservation of that task."""
        return await self._reservation(workspace_sid, task_sid, None, sid)

    async def task_reservations(
        self,
        workspace_sid: str,
        task_sid: str,
        page: PageRequest,
        *,
        status: ReservationStatus | None = None,
        worker_sid: str | None = None,
    ) -> Page[ReservationView]:
        """List the reservations of a task, oldest first. Raises BadCursor."""
        return await self._reservations(workspace_sid, task_sid, worker_sid, status, page)

    async def worker_reservation(
        self, workspace_sid: str, worker_sid: str, sid: str
    ) -> ReservationView | None:
        """Fetch a reservation of that worker."""
        return await self._reservation(workspace_sid, None, worker_sid, sid)

    async def worker_reservations(
        self,
        workspace_sid: str,
        worker_sid: str,
        page: PageRequest,
        *,
        status: ReservationStatus | None = None,
    ) -> Page[ReservationView]:
        """List the reservations of a worker, oldest first. Raises BadCursor."""
        return await self._reservations(workspace_sid, None, worker_sid, status, page)

    async def transfer(self, workspace_sid: str, task_sid: str, sid: str) -> TransferView | None:
        """Fetch a transfer of that task."""
        parameters = (workspace_sid, self._finished_after_ms(), task_sid, None, sid)
        async with self._database.reading() as connection:
            return await _TRANSFERS.one(connection, "tt.sid = $5", parameters)

    async def transfers(
        self, workspace_sid: str, task_sid: str, page: PageRequest, *, status: TransferStatus | None = None
    ) -> Page[TransferView]:
        """List the transfers of a task, oldest first. Raises BadCursor."""
        parameters = (workspace_sid, self._finished_after_ms(), task_sid, status)
        async with self._database.reading() as connection:
            return await _TRANSFERS.page(connection, parameters, page, _TRANSFER_ORDER)

    async def _reservation(
        self, workspace_sid: str, task_sid: str | None, worker_sid: str | None, sid: str
    ) -> ReservationView | None:
        parameters = (workspace_sid, self._finished_after_ms(), task_sid, worker_sid, None, sid)
        async with self._database.reading() as connection:
            return await _RESERVATIONS.one(connection, "r.sid = $6", parameters)

    async def _reservations(
        self,
        workspace_sid: str,
        task_sid: str | None,
        worker_sid: str | None,
        status: ReservationStatus | None,
        page: PageRequest,
    ) -> Page[ReservationView]:
        parameters = (workspace_sid, self._finished_after_ms(), task_sid, worker_sid, status)
        async with self._database.reading() as connection:
            return await _RESERVATIONS.page(connection, parameters, page, _RESERVATION_ORDER)


async def _named(
    connection: Connection, statement: str, workspace_sid: str, name: str | None, sid: str | None
) -> str | None:
    """Turn a name filter into a SID filter, so that the list is walked by an index.

    Returns the SID to filter by, None for any, `_NOBODY` when nothing can match. Names are unique within
    a workspace; should two entities share one, the older is meant.
    """
    if name is None:
        return sid
    found = [row["sid"] for row in await connection.fetch(statement, workspace_sid, name)]
    if sid is not None:
        return sid if sid in found else _NOBODY
    return found[0] if found else _NOBODY


def task_order(ordering: Sequence[tuple[str, bool]]) -> Order[TaskView]:
    """Make the order; creation is the SID's order, so whatever follows date_created cannot matter."""
    keys: list[Key[TaskView]] = []
    for name, descending in ordering:
        if name == "date_created":
            return _walkable(*keys, sid_key("t.sid", descending=descending))
        keys.append(_task_key(name, descending, first=not keys))
    return _walkable(*keys, sid_key("t.sid"))


def _walkable(*keys: Key[TaskView]) -> Order[TaskView]:
    """Have the orders read in runs that no index has: of more than two keys, or of two directions."""
    directions = {key.descending for key in keys}
    return replace(order_of(*keys), in_runs=len(keys) > 2 or len(directions) > 1)


def _task_key(name: str, descending: bool, *, first: bool) -> Key[TaskView]:
    if name == "priority":
        # Negated, as its index is. Among the few tasks with the same virtual start that index would be walked
        # past all others, so there it is kept out.
        column = "(-t.priority)" if first else "(-t.priority + 0)"
        return Key(column, int, lambda view: -view.priority, not descending)
    if name == "virtual_start_time":
        return Key("t.virtual_start_ms", int, lambda view: view.virtual_start_ms, descending)
    raise ValueError(f"tasks cannot be ordered by {name}")
