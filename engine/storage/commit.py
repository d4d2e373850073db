"""One batch, one transaction: every row, event and outbox entry of `Changes`, under the owner's epoch.

Theory of operation
-------------------
A batch is one statement, `WITH lease AS (…), upsert_tasks AS (INSERT …), … SELECT … FROM lease`, with a part
per table that it touches: one round trip instead of one per table and two for the transaction around them.

The lease row is locked first, with the epoch as condition. A takeover therefore either waits until this
statement is over, or was committed before it and leaves it without a row in `lease`, in which case no part
writes anything: no stale row can land (architecture §4). The parts see the database as of the beginning of
the statement. That is late enough: all that this owner reads here was committed before it took the lease, or
by its own batches since.

The parts are carried out in no defined order and must not touch the same row twice. So a callback that was
made and settled in the same batch is not written at all, and removals, which may follow an addition, are
statements of their own in the same transaction. Idempotency keys need one, too: when another node has used a
key meanwhile, everything is undone.

The text depends only on which parts there are, so that driver and server prepare each once.
"""

import re
from functools import lru_cache
from typing import Any

from engine.errors import Fenced, KeyTaken
from engine.ownership import Lease
from engine.routing.deliveries import wanted_events
from engine.routing.effects import Changes, Kind
from engine.storage import rows
from engine.storage.pool import Connection
from engine.storage.queries import query

_UPSERTS = (
    # (the field of Changes, its mapper, its statement)
    ("activities", rows.ACTIVITY, "upsert_activities"),
    ("task_channels", rows.TASK_CHANNEL, "upsert_task_channels"),
    ("task_queues", rows.TASK_QUEUE, "upsert_task_queues"),
    ("workflows", rows.WORKFLOW, "upsert_workflows"),
    ("workers", rows.WORKER, "upsert_workers"),
    ("worker_channels", rows.WORKER_CHANNEL, "upsert_worker_channels"),
    ("tasks", rows.TASK, "upsert_tasks"),
    ("reservations", rows.RESERVATION, "upsert_reservations"),
    ("transfers", rows.TRANSFER, "upsert_transfers"),
)

_TEXTS = {
    name: query(name)
    for name in (
        "upsert_workspace",
        *(name for _, _, name in _UPSERTS),
        "keep_workflow_configurations",
        "insert_events",
        "insert_deliveries",
        "insert_callbacks",
        "delete_callbacks",
        "insert_idempotency_keys",
    )
}
_LEASE_HELD = query("lease_held")
_LEASE_TO_COME = query("lease_to_come")
_COMMITTED = query("committed")
_COMMITTED_KEYS = query("committed_keys")
_PARAMETER = re.compile(r"\$(\d+)")

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
_MARK_WORKSPACE_DELETED = query("mark_workspace_deleted")
_DELETE_CALLBACKS_OF_WORKSPACE = query("delete_callbacks_of_workspace")

_Parts = dict[str, tuple[Any, ...]]
"""By the name of its statement, the parameters of a part."""


async def commit_batch(connection: Connection, lease: Lease, changes: Changes, now_ms: int) -> None:
    """Write a batch in a transaction of its own, under the lease's epoch.

    `now_ms` dates deletions. Raises Fenced when the lease is no longer this one and KeyTaken when another
    node has used an idempotency key; then nothing was written.
    """
    if not changes.removed and not changes.kept_answers:
        await _write_held(connection, lease, changes)
        return
    async with connection.transaction():
        await _write_held(connection, lease, changes)
        await _remove(connection, lease.workspace_sid, changes.removed, now_ms)


async def write_new(connection: Connection, workspace_sid: str, changes: Changes, now_ms: int) -> None:
    """Write a workspace that has no lease yet, inside the open transaction that gives it one.

    Raises KeyTaken.
    """
    await _write(connection, _LEASE_TO_COME, (workspace_sid,), changes)
    await _remove(connection, workspace_sid, changes.removed, now_ms)


async def _write_held(connection: Connection, lease: Lease, changes: Changes) -> None:
    if not await _write(connection, _LEASE_HELD, (lease.workspace_sid, lease.epoch), changes):
        raise Fenced(f"workspace {lease.workspace_sid} is not at epoch {lease.epoch} any more")


async def _write(connection: Connection, lease: str, key: tuple[Any, ...], changes: Changes) -> bool:
    """Write everything but removals; False when the lease was not there."""
    parts = _parts(changes)
    parameters = [*key, *(value for values in parts.values() for value in values)]
    found = await connection.fetch(_statement(lease, tuple(parts)), *parameters)
    if found and found[0]["kept"] < len(changes.kept_answers):
        raise KeyTaken("a request with this Idempotency-Key was carried out meanwhile")
    return bool(found)


def _parts(changes: Changes) -> _Parts:
    parts: _Parts = {}
    if changes.workspace:
        parts["upsert_workspace"] = (rows.WORKSPACE.json_rows((changes.workspace,)),)
    for name, mapper, statement in _UPSERTS:
        if entities := getattr(changes, name):
            parts[statement] = (mapper.json_rows(entities.values()),)
    if changes.configurations:
        saved = [(sid, version, text) for (sid, version), text in changes.configurations.items()]
        parts["keep_workflow_configurations"] = (rows.json_rows(saved),)
    if changes.events:
        _add_events(parts, changes)
    _add_callbacks(parts, changes)
    if changes.kept_answers:
        parts["insert_idempotency_keys"] = tuple(rows.KEPT_ANSWER.columns(changes.kept_answers))
    return parts


def _add_events(parts: _Parts, changes: Changes) -> None:
    events = changes.events
    parts["insert_events"] = (rows.EVENT.json_rows(events), rows.EVENT.json_lines(events, "data"))
    if changes.workspace and (wanted := wanted_events(changes.workspace, events)):
        sequences = [event.sequence for event in wanted]
        parts["insert_deliveries"] = (sequences, [event.event_date_ms for event in wanted])


def _add_callbacks(parts: _Parts, changes: Changes) -> None:
    settled = frozenset(changes.callbacks_settled)
    if callbacks := [call for call in changes.callbacks if call.reservation_sid not in settled]:
        fields = rows.CALLBACK.json_lines(callbacks, "fields")
        parts["insert_callbacks"] = (rows.CALLBACK.json_rows(callbacks), fields)
    if settled:
        parts["delete_callbacks"] = (changes.callbacks_settled,)


@lru_cache(maxsize=500)
def _statement(lease: str, names: tuple[str, ...]) -> str:
    """Put the parts together, each one's parameters after those of the ones before it."""
    parts, taken = [f"lease AS (\n{lease}\n)"], _highest_parameter(lease)
    for name in names:
        parts.append(f"{name} AS (\n{_shifted(_TEXTS[name], taken - 1)}\n)")
        taken += _highest_parameter(_TEXTS[name]) - 1
    end = _COMMITTED_KEYS if "insert_idempotency_keys" in names else _COMMITTED
    return f"WITH {', '.join(parts)}\n{end}"


def _highest_parameter(text: str) -> int:
    return max(int(number) for number in _PARAMETER.findall(text))


def _shifted(text: str, by: int) -> str:
    """Renumber all parameters but $1, the workspace."""
    return _PARAMETER.sub(lambda found: found[0] if found[1] == "1" else f"${int(found[1]) + by}", text)


async def _remove(
    connection: Connection, workspace_sid: str, removed: list[tuple[Kind, str]], now_ms: int
) -> None:
    """Remove, or mark as removed, inside the open transaction."""
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
