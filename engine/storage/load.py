"""Reads a workspace's live state in one snapshot, for the core to rebuild itself from."""

from typing import Any, Final

from engine.routing.entities import Task
from engine.routing.rows import WorkspaceRows
from engine.storage import rows
from engine.storage.pool import Connection
from engine.storage.queries import query

_WORKSPACE = query("load_workspace")
_CONFIGURATIONS = query("load_configurations")
_ACTIVITIES = query("load_activities")
_TASK_CHANNELS = query("load_task_channels")
_TASK_QUEUES = query("load_task_queues")
_WORKFLOWS = query("load_workflows")
_WORKERS = query("load_workers")
_WORKER_CHANNELS = query("load_worker_channels")
_TASKS = query("load_tasks")
_RESERVATIONS = query("load_reservations")
_TRANSFERS = query("load_transfers")
_CALLBACKS = query("load_callbacks")
_LAST_EVENT = query("load_last_event")

TASKS_AT_ONCE: Final = 1_000


async def load_workspace(connection: Connection, workspace_sid: str) -> WorkspaceRows | None:
    """Read everything `WorkspaceCore.load` takes; None when there is no such workspace, or it was deleted."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        found = rows.WORKSPACE.entities(await connection.fetch(_WORKSPACE, workspace_sid))
        return await _load_children(connection, WorkspaceRows(found[0])) if found else None


async def _load_children(connection: Connection, loaded: WorkspaceRows) -> WorkspaceRows:
    sid = loaded.workspace.sid
    loaded.activities = rows.ACTIVITY.entities(await connection.fetch(_ACTIVITIES, sid))
    loaded.task_channels = rows.TASK_CHANNEL.entities(await connection.fetch(_TASK_CHANNELS, sid))
    loaded.task_queues = rows.TASK_QUEUE.entities(await connection.fetch(_TASK_QUEUES, sid))
    loaded.workflows = rows.WORKFLOW.entities(await connection.fetch(_WORKFLOWS, sid))
    loaded.workers = rows.WORKER.entities(await connection.fetch(_WORKERS, sid))
    loaded.worker_channels = rows.WORKER_CHANNEL.entities(await connection.fetch(_WORKER_CHANNELS, sid))
    loaded.tasks = await _tasks(connection, sid)
    loaded.reservations = rows.RESERVATION.entities(await connection.fetch(_RESERVATIONS, sid))
    loaded.transfers = rows.TRANSFER.entities(await connection.fetch(_TRANSFERS, sid))
    loaded.configurations = await _configurations(connection, sid, loaded.tasks)
    loaded.callbacks = rows.CALLBACK.entities(await connection.fetch(_CALLBACKS, sid))
    loaded.last_event_ms = await connection.fetchval(_LAST_EVENT, sid)
    return loaded


async def _tasks(connection: Connection, workspace_sid: str) -> list[Task]:
    """Read the open tasks, so many at a time that the loop stays free and memory holds no other copy."""
    cursor = await connection.cursor(_TASKS, workspace_sid)
    tasks: list[Task] = []
    same: dict[Any, Any] = {}
    while records := await cursor.fetch(TASKS_AT_ONCE):
        tasks += rows.open_tasks(records, same)
    return tasks


async def _configurations(
    connection: Connection, workspace_sid: str, tasks: list[Task]
) -> dict[tuple[str, int], str]:
    used = sorted({(task.workflow_sid, task.workflow_version) for task in tasks if task.workflow_sid})
    found = await connection.fetch(
        _CONFIGURATIONS, workspace_sid, [sid for sid, _ in used], [version for _, version in used]
    )
    return {(row["workflow_sid"], row["version"]): row["configuration"] for row in found}
