"""What goes, and when: finished and deleted tasks, old events, what a deleted workspace leaves.

Rows go in batches of bounded size, each a transaction of its own, so that nobody waits long for a lock and a
stop loses nothing. Whole days of events and statistics go by dropping their partitions.
"""

from engine.storage.partitions import DAYS_AHEAD, drop_partitions, ensure_partitions
from engine.storage.pool import Database
from engine.storage.queries import query

_FINISHED_TASKS = query("pick_finished_tasks")
_DELETED_TASKS = query("pick_deleted_tasks")
_PURGE_RESERVATIONS = query("purge_reservations")
_PURGE_TRANSFERS = query("purge_transfers")
_PURGE_TASKS = query("purge_tasks")
_PURGE_CONFIGURATIONS = query("purge_configurations")
_OLD_DEFAULT_ROWS = (
    query("purge_default_events"),
    query("purge_default_event_deliveries"),
    query("purge_default_alerts"),
    query("purge_default_statistics_counts"),
    query("purge_default_statistics_durations"),
)
_ADD_LOG_POSITIONS = query("add_log_positions")
_PURGE_LOG_POSITIONS = query("purge_log_positions")
_PURGE_IDEMPOTENCY_KEYS = query("purge_idempotency_keys")
_PURGE_DESK = (query("purge_desk_links"), query("purge_desk_sessions"))
_DELETED_WORKSPACES = query("deleted_workspaces")
_PURGE_WORKSPACE_ROW = query("purge_workspace_row")

_WORKSPACE_CHILDREN = (
    # leaves first: what refers to others goes before them
    query("purge_workspace_reservations"),
    query("purge_workspace_transfers"),
    query("purge_workspace_tasks"),
    query("purge_workspace_callbacks"),
    query("purge_workspace_worker_channels"),
    query("purge_workspace_workers"),
    query("purge_workspace_configurations"),
    query("purge_workspace_workflows"),
    query("purge_workspace_task_queues"),
    query("purge_workspace_task_channels"),
    query("purge_workspace_activities"),
    query("purge_workspace_leases"),
)


class Retention:
    """Purges. Every method raises StoreUnavailable when the database does not answer.

    Args:
        database: the pools.
        batch_rows: the most rows that one statement removes.
    """

    def __init__(self, database: Database, *, batch_rows: int = 1000) -> None:
        self._database = database
        self._batch_rows = batch_rows

    async def purge_finished(self, now_ms: int, keep_ms: int) -> int:
        """Remove tasks that finished more than `keep_ms` ago, and deleted ones, with all that is theirs.

        Returns how many tasks went.
        """
        gone = 0
        for picking, before_ms in ((_FINISHED_TASKS, now_ms - keep_ms), (_DELETED_TASKS, now_ms)):
            while removed := await self._purge_tasks(picking, before_ms):
                gone += removed
        return gone

    async def purge_idempotency_keys(self, now_ms: int, keep_ms: int) -> None:
        """Remove the answers that were kept by idempotency key for `keep_ms` or longer."""
        await self._in_batches(_PURGE_IDEMPOTENCY_KEYS, now_ms - keep_ms)

    async def purge_desk(self, now_ms: int) -> None:
        """Remove the links to the desk, and the sign-ins, that have expired."""
        for statement in _PURGE_DESK:
            await self._in_batches(statement, now_ms)

    async def purge_configurations(self) -> int:
        """Remove the workflow configurations that are neither current nor any open task's."""
        async with self._database.committing() as connection:
            return _count(await connection.execute(_PURGE_CONFIGURATIONS))

    async def purge_events(self, now_ms: int, keep_ms: int) -> list[str]:
        """Drop the days whose events are all older than `keep_ms`, with their statistics.

        Returns the names of the partitions dropped.
        """
        before_ms = now_ms - keep_ms
        for statement in _OLD_DEFAULT_ROWS:
            await self._in_batches(statement, before_ms)
        async with self._database.committing() as connection:
            dropped = await drop_partitions(connection, before_ms)
            await connection.execute(_PURGE_LOG_POSITIONS)
            return dropped

    async def purge_deleted_workspaces(self, now_ms: int, keep_ms: int = 0) -> int:
        """Remove what is left of workspaces deleted more than `keep_ms` ago, and the workspaces.

        Their events stay until their day is dropped. Returns how many workspaces went.
        """
        async with self._database.committing() as connection:
            await connection.execute(_ADD_LOG_POSITIONS)  # what their events still need outlives them
            rows = await connection.fetch(_DELETED_WORKSPACES, now_ms - keep_ms)
        for row in rows:
            await self._purge_workspace(row["workspace_sid"])
        return len(rows)

    async def ensure_partitions(self, now_ms: int, days_ahead: int = DAYS_AHEAD) -> list[str]:
        """Make the partitions of the coming days; returns the names of the new ones."""
        async with self._database.committing() as connection:
            return await ensure_partitions(connection, now_ms, days_ahead)

    async def _purge_tasks(self, picking: str, before_ms: int) -> int:
        """Remove one batch of tasks; returns how many went."""
        async with self._database.committing() as connection, connection.transaction():
            picked = await connection.fetch(picking, before_ms, self._batch_rows)
            if not picked:
                return 0
            keys = ([row["workspace_sid"] for row in picked], [row["sid"] for row in picked])
            await connection.execute(_PURGE_RESERVATIONS, *keys)
            await connection.execute(_PURGE_TRANSFERS, *keys)
            return _count(await connection.execute(_PURGE_TASKS, *keys))

    async def _purge_workspace(self, workspace_sid: str) -> None:
        for statement in _WORKSPACE_CHILDREN:
            await self._in_batches(statement, workspace_sid)
        async with self._database.committing() as connection:
            await connection.execute(_PURGE_WORKSPACE_ROW, workspace_sid)

    async def _in_batches(self, statement: str, argument: str | int) -> None:
        while True:
            async with self._database.committing() as connection:
                removed = _count(await connection.execute(statement, argument, self._batch_rows))
            if removed < self._batch_rows:
                return


def _count(status: str) -> int:
    """Return the number of rows in a command's status, such as `DELETE 7`."""
    return int(status.rpartition(" ")[2])
