"""One batch, one transaction: every row, event and outbox entry of `Changes`, under the owner's epoch.

The lease row is locked first. A takeover therefore either waits until this transaction is over, or was
committed before it and shows its newer epoch here: no stale row can land (architecture §4).
"""

import orjson

from engine.errors import Fenced
from engine.ownership import Lease
from engine.routing.effects import Changes, Kind
from engine.storage import rows
from engine.storage.deliveries import insert_deliveries
from engine.storage.kept_answers import keep_answers
from engine.storage.pool import Connection
from engine.storage.queries import query

_LOCK_LEASE = query("lock_lease")
_UPSERT_WORKSPACE = query("upsert_workspace")
_KEEP_CONFIGURATIONS = query("keep_workflow_configurations")
_INSERT_EVENTS = query("insert_events")
_INSERT_CALLBACKS = query("insert_callbacks")
_DELETE_CALLBACKS = query("delete_callbacks")
_MARK_WORKSPACE_DELETED = query("mark_workspace_deleted")
_DELETE_CALLBACKS_OF_WORKSPACE = query("delete_callbacks_of_workspace")

_UPSERTS = (
    # (the field of Changes, its mapper, its statement); what refers to others comes after them
    ("activities", rows.ACTIVITY, query("upsert_activities")),
    ("task_channels", rows.TASK_CHANNEL, query("upsert_task_channels")),
    ("task_queues", rows.TASK_QUEUE, query("upsert_task_queues")),
    ("workflows", rows.WORKFLOW, query("upsert_workflows")),
    ("workers", rows.WORKER, query("upsert_workers")),
    ("worker_channels", rows.WORKER_CHANNEL, query("upsert_worker_channels")),
    ("tasks", rows.TASK, query("upsert_tasks")),
    ("reservations", rows.RESERVATION, query("upsert_reservations")),
    ("transfers", rows.TRANSFER, query("upsert_transfers")),
)

_DELETES: dict[Kind, tuple[str, ...]] = {
    Kind.ACTIVITY: (query("delete_activities"),),
    Kind.TASK_CHANNEL: (
        query("delete_worker_channels_of_task_channels"),
        query("delete_task_channels"),
    ),
    Kind.TASK_QUEUE: (query("delete_task_queues"),),
    Kind.WORKFLOW: (query("delete_workflows"),),
    Kind.WORKER: (query("delete_worker_channels_of_workers"), query("delete_workers")),
    Kind.WORKER_CHANNEL: (query("delete_worker_channels"),),
    Kind.RESERVATION: (query("delete_reservations"),),
}

_MARK_TASKS = (query("mark_tasks_deleted"), query("mark_reservations_of_tasks_deleted"))
_DELETE_CALLBACKS_OF_TASKS = query("delete_callbacks_of_tasks")


async def check_epoch(connection: Connection, lease: Lease) -> None:
    """Lock the lease row until the transaction ends. Raises Fenced when the lease is no longer this one."""
    epoch = await connection.fetchval(_LOCK_LEASE, lease.workspace_sid)
    if epoch != lease.epoch:
        raise Fenced(f"workspace {lease.workspace_sid} is at epoch {epoch}, this owner has {lease.epoch}")


async def write_changes(connection: Connection, workspace_sid: str, changes: Changes, now_ms: int) -> None:
    """Write a batch inside the open transaction.

    Additions come before deletions: what was made and removed, or made and settled, in the same batch
    leaves nothing behind.
    """
    if changes.workspace:
        await connection.execute(_UPSERT_WORKSPACE, *rows.WORKSPACE.row(changes.workspace))
    for name, mapper, statement in _UPSERTS:
        if entities := getattr(changes, name):
            await connection.execute(statement, workspace_sid, *mapper.columns(entities.values()))
    if changes.configurations:
        await _keep_configurations(connection, workspace_sid, changes.configurations)
    if changes.events:
        await _append_events(connection, workspace_sid, changes)
    if changes.callbacks:
        await connection.execute(_INSERT_CALLBACKS, workspace_sid, *rows.CALLBACK.columns(changes.callbacks))
    if changes.callbacks_settled:
        await connection.execute(_DELETE_CALLBACKS, workspace_sid, changes.callbacks_settled)
    if changes.kept_answers:
        await keep_answers(connection, changes.kept_answers)
    if changes.removed:
        await _remove(connection, workspace_sid, changes.removed, now_ms)


async def _append_events(connection: Connection, workspace_sid: str, changes: Changes) -> None:
    await connection.execute(_INSERT_EVENTS, workspace_sid, orjson.dumps(changes.events).decode())
    if changes.workspace:
        await insert_deliveries(connection, changes.workspace, changes.events)


async def _keep_configurations(
    connection: Connection, workspace_sid: str, configurations: dict[tuple[str, int], str]
) -> None:
    saved = [(sid, version, text) for (sid, version), text in configurations.items()]
    await connection.execute(_KEEP_CONFIGURATIONS, workspace_sid, *zip(*saved, strict=True))


async def _remove(
    connection: Connection, workspace_sid: str, removed: list[tuple[Kind, str]], now_ms: int
) -> None:
    by_kind: dict[Kind, list[str]] = {}
    for kind, sid in removed:
        by_kind.setdefault(kind, []).append(sid)
    for kind, statements in _DELETES.items():
        for statement in statements if kind in by_kind else ():
            await connection.execute(statement, workspace_sid, by_kind[kind])
    if tasks := by_kind.get(Kind.TASK):
        await _remove_tasks(connection, workspace_sid, tasks, now_ms)
    if Kind.WORKSPACE in by_kind:
        await connection.execute(_MARK_WORKSPACE_DELETED, workspace_sid, now_ms)
        await connection.execute(_DELETE_CALLBACKS_OF_WORKSPACE, workspace_sid)


async def _remove_tasks(connection: Connection, workspace_sid: str, tasks: list[str], now_ms: int) -> None:
    for statement in _MARK_TASKS:
        await connection.execute(statement, workspace_sid, tasks, now_ms)
    await connection.execute(_DELETE_CALLBACKS_OF_TASKS, workspace_sid, tasks)
