"""Reads of what a workspace is set up from: itself, activities, task channels, task queues, workflows."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from engine.routing.views import ActivityView, TaskChannelView, TaskQueueView, WorkflowView, WorkspaceView
from engine.storage.listing import Listing
from engine.storage.paging import Key, Order, Page, PageRequest, order_of, sid_key
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.rows import TASK_ORDERS, mapper_of

_WORKSPACES: Listing[WorkspaceView] = Listing(
    query("select_workspaces"), mapper_of(WorkspaceView, enums={"prioritize_queue_order": TASK_ORDERS}), "WS"
)
_ACTIVITIES: Listing[ActivityView] = Listing(query("select_activities"), mapper_of(ActivityView), "WA")
_TASK_CHANNELS: Listing[TaskChannelView] = Listing(
    query("select_task_channels"), mapper_of(TaskChannelView), "TC"
)
_TASK_QUEUES: Listing[TaskQueueView] = Listing(
    query("select_task_queues"),
    mapper_of(TaskQueueView, derived=("warnings",), enums={"task_order": TASK_ORDERS}),
    "WQ",
)
_WORKFLOWS: Listing[WorkflowView] = Listing(
    query("select_workflows"), mapper_of(WorkflowView, derived=("warnings",)), "WW"
)

_WORKSPACE_ORDER = order_of(sid_key("w.workspace_sid"))
_ACTIVITY_ORDER = order_of(sid_key("a.sid"))
_TASK_CHANNEL_ORDER = order_of(sid_key("c.sid"))
_WORKFLOW_ORDER = order_of(sid_key("w.sid"))

_QUEUE_KEYS: dict[str, tuple[str, type[str] | type[int]]] = {
    "date_updated": ("q.date_updated_ms", int),
    "friendly_name": ('q.friendly_name COLLATE "C"', str),
}


def plain_order(
    ordering: Sequence[tuple[str, bool]] | None,
    keys: dict[str, tuple[str, type[str] | type[int]]],
    sid_column: str,
) -> Order[Any]:
    """Make an order of (name, descending) pairs; creation is the SID's order and ends it.

    `keys` maps a name to its SQL expression and type. Raises ValueError for a name that is not there.
    """
    chosen: list[Key[Any]] = []
    for name, descending in ordering or ():
        if name == "date_created":
            return order_of(*chosen, sid_key(sid_column, descending=descending))
        if name not in keys:
            raise ValueError(f"this list cannot be ordered by {name}")
        column, kind = keys[name]
        field = f"{name}_ms" if name.startswith("date_") else name
        chosen.append(Key(column, kind, attrgetter(field), descending))
    return order_of(*chosen, sid_key(sid_column))


class ConfigurationReads(Reader):
    """Workspaces, activities, task channels, task queues and workflows."""

    async def workspace(self, account_sid: str, sid: str) -> WorkspaceView | None:
        """Fetch a workspace of the account; None when there is none, or it was deleted."""
        async with self._database.reading() as connection:
            return await _WORKSPACES.one(connection, "w.workspace_sid = $3", (account_sid, None, sid))

    async def workspaces(
        self, account_sid: str, page: PageRequest, *, friendly_name: str | None = None
    ) -> Page[WorkspaceView]:
        """List an account's workspaces, oldest first. Raises BadCursor."""
        async with self._database.reading() as connection:
            return await _WORKSPACES.page(connection, (account_sid, friendly_name), page, _WORKSPACE_ORDER)

    async def activity(self, workspace_sid: str, sid: str) -> ActivityView | None:
        """Fetch an activity."""
        async with self._database.reading() as connection:
            return await _ACTIVITIES.one(connection, "a.sid = $4", (workspace_sid, None, None, sid))

    async def activities(
        self,
        workspace_sid: str,
        page: PageRequest,
        *,
        friendly_name: str | None = None,
        available: bool | None = None,
    ) -> Page[ActivityView]:
        """List activities, oldest first. Raises BadCursor."""
        parameters = (workspace_sid, friendly_name, available)
        async with self._database.reading() as connection:
            return await _ACTIVITIES.page(connection, parameters, page, _ACTIVITY_ORDER)

    async def task_channel(self, workspace_sid: str, sid_or_unique_name: str) -> TaskChannelView | None:
        """Fetch a task channel by its SID or its unique name."""
        async with self._database.reading() as connection:
            return await _TASK_CHANNELS.one(
                connection, "(c.sid = $2 OR c.unique_name = $2)", (workspace_sid, sid_or_unique_name)
            )

    async def task_channels(self, workspace_sid: str, page: PageRequest) -> Page[TaskChannelView]:
        """List task channels, oldest first. Raises BadCursor."""
        async with self._database.reading() as connection:
            return await _TASK_CHANNELS.page(connection, (workspace_sid,), page, _TASK_CHANNEL_ORDER)

    async def task_queue(self, workspace_sid: str, sid: str) -> TaskQueueView | None:
        """Fetch a task queue."""
        async with self._database.reading() as connection:
            return await _TASK_QUEUES.one(connection, "q.sid = $3", (workspace_sid, None, sid))

    async def task_queues(
        self,
        workspace_sid: str,
        page: PageRequest,
        *,
        friendly_name: str | None = None,
        ordering: Sequence[tuple[str, bool]] | None = None,
        predicate: Callable[[TaskQueueView], bool] | None = None,
    ) -> Page[TaskQueueView]:
        """List task queues, oldest first unless `ordering` has (name, descending) pairs.

        Names are date_created, date_updated and friendly_name. `predicate` decides which queues count.
        Raises BadCursor, or ValueError for another name.
        """
        order = plain_order(ordering, _QUEUE_KEYS, "q.sid")
        async with self._database.reading() as connection:
            return await _TASK_QUEUES.page(connection, (workspace_sid, friendly_name), page, order, predicate)

    async def workflow(self, workspace_sid: str, sid: str) -> WorkflowView | None:
        """Fetch a workflow."""
        async with self._database.reading() as connection:
            return await _WORKFLOWS.one(connection, "w.sid = $3", (workspace_sid, None, sid))

    async def workflows(
        self, workspace_sid: str, page: PageRequest, *, friendly_name: str | None = None
    ) -> Page[WorkflowView]:
        """List workflows, oldest first. Raises BadCursor."""
        async with self._database.reading() as connection:
            return await _WORKFLOWS.page(connection, (workspace_sid, friendly_name), page, _WORKFLOW_ORDER)
