"""The rows of all workspaces in memory: what Postgres would hold, without Postgres.

Implements `engine.runtime.ports.Store` and `LeaseStore` by the letter of the real store: rows are tuples made
by its own column mappers, so nothing here refers to anything in a core; which columns an upsert may change
is read from its SQL; additions come before deletions; the epoch is checked first; a batch is written whole or
not at all. `test_store_conformance.py` runs the real store's tests on it and replays a history into both.

Each operation happens in one step of the event loop, so histories are linear. Delays and faults are not here
but in `faults.py`.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from engine.errors import Fenced, KeyTaken
from engine.ownership import Lease
from engine.routing.effects import AssignmentCallback, Changes, Event, KeptAnswer, Kind
from engine.routing.entities import (
    Reservation,
    ReservationStatus,
    Task,
    TaskStatus,
    Transfer,
    Workspace,
)
from engine.routing.rows import WorkspaceRows
from engine.routing.states import OPEN_RESERVATION
from engine.runtime.once import KEPT_MS
from engine.storage import rows
from engine.storage.queries import known_queries
from tests.simulation.outbox import Deliveries, Outbox

Row = tuple[Any, ...]

MAPPERS = {
    Kind.ACTIVITY: rows.ACTIVITY,
    Kind.TASK_CHANNEL: rows.TASK_CHANNEL,
    Kind.TASK_QUEUE: rows.TASK_QUEUE,
    Kind.WORKFLOW: rows.WORKFLOW,
    Kind.WORKER: rows.WORKER,
    Kind.WORKER_CHANNEL: rows.WORKER_CHANNEL,
    Kind.TASK: rows.TASK,
    Kind.RESERVATION: rows.RESERVATION,
    Kind.TRANSFER: rows.TRANSFER,
}
_FINISHED = (TaskStatus.COMPLETED, TaskStatus.CANCELED)
_TASK_OF_RESERVATION = rows.RESERVATION.fields.index("task_sid")
_TASK_OF_TRANSFER = rows.TRANSFER.fields.index("task_sid")


def _fixed_columns(mapper: Any, statement: str) -> tuple[int, ...]:
    """Return the positions of the columns that an upsert leaves as they are."""
    changed = set(re.findall(r"(\w+) = excluded\.\1", known_queries()[statement]))
    return tuple(index for index, name in enumerate(mapper.fields) if name not in changed)


_FIXED = {kind: _fixed_columns(mapper, f"upsert_{kind.value}") for kind, mapper in MAPPERS.items()}
_FIXED_OF_WORKSPACE = _fixed_columns(rows.WORKSPACE, "upsert_workspace")


@dataclass(slots=True)
class Rows:
    """The rows of one workspace."""

    workspace: Row
    tables: dict[Kind, dict[str, Row]] = field(default_factory=lambda: {kind: {} for kind in MAPPERS})
    configurations: dict[tuple[str, int], str] = field(default_factory=dict)
    callbacks: dict[str, Row] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)
    event_sequences: set[int] = field(default_factory=set)
    open_tasks: dict[str, None] = field(default_factory=dict)
    open_reservations: dict[str, None] = field(default_factory=dict)
    deleted_tasks: set[str] = field(default_factory=set)
    deleted: bool = False
    last_event_ms: int = 0

    def note_open(self, changes: Changes) -> None:
        """Follow which tasks and reservations the loader would read."""
        for task in changes.tasks.values():
            _keep(
                self.open_tasks, task.sid, task.status not in _FINISHED and task.sid not in self.deleted_tasks
            )
        for reservation in changes.reservations.values():
            is_open = (
                reservation.status in OPEN_RESERVATION and reservation.task_sid not in self.deleted_tasks
            )
            _keep(self.open_reservations, reservation.sid, is_open)


@dataclass(slots=True)
class _LeaseRow:
    owner: str
    epoch: int
    expires_s: float


CommitListener = Callable[[str, Changes], None]


class MemoryStore(Outbox):
    """All rows, and `on_commit`, called with (workspace SID, changes) after each batch was written."""

    def __init__(self) -> None:
        super().__init__()
        self.workspaces: dict[str, Rows] = {}
        self.leases: dict[str, _LeaseRow] = {}
        self.answers: dict[tuple[str, str, str], dict[int, KeptAnswer]] = {}
        """What was kept by idempotency key, by its part."""
        self.on_commit: CommitListener = lambda _sid, _changes: None

    # Store

    async def create_workspace(self, owner: str, lease_ttl_s: float, changes: Changes) -> Lease:
        assert changes.workspace is not None
        sid = changes.workspace.sid
        if sid in self.workspaces:
            raise asyncpg.UniqueViolationError(f"workspace {sid} exists")
        _check(changes, None)
        self._check_keys(changes)
        self.workspaces[sid] = Rows(_row(rows.WORKSPACE, changes.workspace))
        self.leases[sid] = _LeaseRow(owner, 1, _now_s() + lease_ttl_s)
        self._write(sid, changes)
        return Lease(sid, owner, 1)

    async def commit(self, lease: Lease, changes: Changes) -> None:
        held = self.leases.get(lease.workspace_sid)
        if held is None or held.epoch != lease.epoch:
            raise Fenced(f"workspace {lease.workspace_sid} is at another epoch than {lease.epoch}")
        _check(changes, self.workspaces[lease.workspace_sid])
        self._check_keys(changes)
        self._write(lease.workspace_sid, changes)

    async def load(self, workspace_sid: str) -> WorkspaceRows | None:
        return self.live_rows(workspace_sid)

    async def finished_task(self, workspace_sid: str, sid: str, finished_after_ms: int) -> Task | None:
        task = self.task(workspace_sid, sid)
        if task is None or task.date_finished_ms is None or task.date_finished_ms <= finished_after_ms:
            return None
        return task

    async def reservation(self, workspace_sid: str, sid: str) -> Reservation | None:
        here = self.workspaces.get(workspace_sid)
        row = here.tables[Kind.RESERVATION].get(sid) if here else None
        if here is None or row is None:
            return None
        found = _entity(rows.RESERVATION, row)
        return None if found.task_sid in here.deleted_tasks else found

    async def transfer(self, workspace_sid: str, sid: str) -> Transfer | None:
        here = self.workspaces.get(workspace_sid)
        row = here.tables[Kind.TRANSFER].get(sid) if here else None
        if here is None or row is None:
            return None
        found: Transfer = _entity(rows.TRANSFER, row)
        return None if found.task_sid in here.deleted_tasks else found

    async def kept_answers(self, scope_sid: str, path: str, key: str, after_ms: int) -> list[KeptAnswer]:
        kept = self.answers.get((scope_sid, path, key), {})
        return [kept[part] for part in sorted(kept) if kept[part].date_created_ms > after_ms]

    async def workspace_sids(self) -> list[str]:
        return sorted(sid for sid, here in self.workspaces.items() if not here.deleted)

    async def ping(self) -> None:
        return

    # LeaseStore

    async def acquire(self, workspace_sid: str, owner: str, ttl_s: float) -> Lease | None:
        here = self.workspaces.get(workspace_sid)
        if here is None or here.deleted:
            return None
        now_s = _now_s()
        held = self.leases.setdefault(workspace_sid, _LeaseRow(owner, 0, now_s))
        if held.owner != owner and held.expires_s > now_s:
            return None
        held.owner, held.epoch, held.expires_s = owner, held.epoch + 1, now_s + ttl_s
        return Lease(workspace_sid, owner, held.epoch)

    async def renew(self, leases: list[Lease], ttl_s: float) -> set[str]:
        renewed = {lease.workspace_sid for lease in leases if self._is_ours(lease)}
        for sid in renewed:
            self.leases[sid].expires_s = _now_s() + ttl_s
        return renewed

    async def release(self, lease: Lease) -> None:
        if self._is_ours(lease):
            self.leases[lease.workspace_sid].expires_s = _now_s()

    def _is_ours(self, lease: Lease) -> bool:
        held = self.leases.get(lease.workspace_sid)
        return held is not None and (held.owner, held.epoch) == (lease.owner, lease.epoch)

    # Reading at once, as the simulator's clients and checkers do

    def live_rows(self, workspace_sid: str) -> WorkspaceRows | None:
        """Copy what a loader reads."""
        here = self.workspaces.get(workspace_sid)
        if here is None or here.deleted:
            return None
        loaded = WorkspaceRows(_entity(rows.WORKSPACE, here.workspace))
        transfers = here.tables[Kind.TRANSFER]
        of_open = {sid: None for sid, row in transfers.items() if row[_TASK_OF_TRANSFER] in here.open_tasks}
        live = {
            Kind.TASK: here.open_tasks,
            Kind.RESERVATION: here.open_reservations,
            Kind.TRANSFER: of_open,
        }
        for kind, table in here.tables.items():
            entities = _entities(MAPPERS[kind], [table[sid] for sid in sorted(live.get(kind, table))])
            setattr(loaded, kind.value, entities)
        loaded.callbacks = self.callbacks(workspace_sid)
        loaded.last_event_ms = here.last_event_ms
        current = {(flow.sid, flow.configuration_version) for flow in loaded.workflows}
        used = {(task.workflow_sid, task.workflow_version) for task in loaded.tasks}
        loaded.configurations = {
            key: text for key, text in here.configurations.items() if key in current or key in used
        }
        return loaded

    def workspace(self, workspace_sid: str) -> Workspace:
        """Copy a workspace's own row."""
        return _entity(rows.WORKSPACE, self.workspaces[workspace_sid].workspace)

    def task(self, workspace_sid: str, sid: str) -> Task | None:
        """Copy a task in any state; None when there is none or it was deleted."""
        here = self.workspaces.get(workspace_sid)
        if here is None or sid in here.deleted_tasks or sid not in here.tables[Kind.TASK]:
            return None
        return _entity(rows.TASK, here.tables[Kind.TASK][sid])

    def all_of(self, workspace_sid: str, kind: Kind) -> list[Any]:
        """Copy all rows of a kind, ended and finished ones too, in the order of their SIDs."""
        table = self.workspaces[workspace_sid].tables[kind]
        return _entities(MAPPERS[kind], [table[sid] for sid in sorted(table)])

    def callbacks(self, workspace_sid: str) -> list[AssignmentCallback]:
        """Copy the outbox."""
        outbox = self.workspaces[workspace_sid].callbacks
        return _entities(rows.CALLBACK, [outbox[sid] for sid in sorted(outbox)])

    def events(self, workspace_sid: str) -> list[Event]:
        """Copy the log, oldest first."""
        return _entities(rows.EVENT, self.workspaces[workspace_sid].events)

    # Writing

    def _check_keys(self, changes: Changes) -> None:
        for answer in changes.kept_answers:
            old = self.answers.get((answer.scope_sid, answer.path, answer.key), {}).get(answer.part)
            if old is not None and old.date_created_ms > answer.date_created_ms - KEPT_MS:
                raise KeyTaken(f"{answer.key} was used")

    def _write(self, sid: str, changes: Changes) -> None:
        here = self.workspaces[sid]
        if changes.workspace is not None:
            here.workspace = _merged(
                here.workspace, _row(rows.WORKSPACE, changes.workspace), _FIXED_OF_WORKSPACE
            )
        for kind, mapper in MAPPERS.items():
            table = here.tables[kind]
            for row in _rows(mapper, list(getattr(changes, kind.value).values())):
                key = row[mapper.fields.index("sid")]
                table[key] = _merged(table.get(key), row, _FIXED[kind])
        here.note_open(changes)
        for version, text in changes.configurations.items():
            here.configurations.setdefault(version, text)
        here.events.extend(_rows(rows.EVENT, changes.events))
        self._write_deliveries(sid, changes)
        here.event_sequences.update(event.sequence for event in changes.events)
        here.last_event_ms = max([here.last_event_ms, *(event.event_date_ms for event in changes.events)])
        for row in _rows(rows.CALLBACK, changes.callbacks):
            here.callbacks[row[0]] = row
        for reservation_sid in changes.callbacks_settled:
            here.callbacks.pop(reservation_sid, None)
        for answer in changes.kept_answers:
            self.answers.setdefault((answer.scope_sid, answer.path, answer.key), {})[answer.part] = answer
        for kind, removed_sid in changes.removed:
            self._remove(here, kind, removed_sid)
        self.on_commit(sid, changes)

    def _write_deliveries(self, sid: str, changes: Changes) -> None:
        if changes.workspace is None:
            return
        outbox = self.deliveries.setdefault(sid, Deliveries(changes.workspace))
        outbox.deleted = (Kind.WORKSPACE, sid) in changes.removed
        outbox.write(self.workspace(sid), changes)

    def _remove(self, here: Rows, kind: Kind, sid: str) -> None:
        if kind is Kind.WORKSPACE:
            here.deleted = True
            here.callbacks.clear()
            return
        if kind is Kind.TASK:
            here.deleted_tasks.add(sid)
            here.open_tasks.pop(sid, None)
            held = here.tables[Kind.RESERVATION]
            for key in [key for key in here.open_reservations if held[key][_TASK_OF_RESERVATION] == sid]:
                del here.open_reservations[key]
            task_sid = rows.CALLBACK.fields.index("task_sid")
            for key in [key for key, row in here.callbacks.items() if row[task_sid] == sid]:
                del here.callbacks[key]
            return
        here.tables[kind].pop(sid, None)
        column = {Kind.WORKER: "worker_sid", Kind.TASK_CHANNEL: "task_channel_sid"}.get(kind)
        if column is not None:
            channels = here.tables[Kind.WORKER_CHANNEL]
            index = rows.WORKER_CHANNEL.fields.index(column)
            for key in [key for key, row in channels.items() if row[index] == sid]:
                del channels[key]


def _check(changes: Changes, here: Rows | None) -> None:
    """Refuse what the schema's constraints would refuse, before anything is written."""
    for task in changes.tasks.values():
        if (task.status in _FINISHED) != (task.date_finished_ms is not None):
            raise asyncpg.CheckViolationError(f"task {task.sid}: {task.status}, {task.date_finished_ms}")
    for reservation in changes.reservations.values():
        ReservationStatus(reservation.status)
    for event in changes.events:
        if here is not None and event.sequence in here.event_sequences:
            raise asyncpg.UniqueViolationError(f"event {event.sequence} is there")
    for callback in changes.callbacks:
        if here is not None and callback.reservation_sid in here.callbacks:
            raise asyncpg.UniqueViolationError(f"callback {callback.reservation_sid} is there")


def _keep(sids: dict[str, None], sid: str, wanted: bool) -> None:
    if wanted:
        sids[sid] = None
    else:
        sids.pop(sid, None)


def _merged(old: Row | None, new: Row, fixed: tuple[int, ...]) -> Row:
    if old is None:
        return new
    values = list(new)
    for index in fixed:
        values[index] = old[index]
    return tuple(values)


def _rows(mapper: Any, entities: list[Any]) -> list[Row]:
    return list(zip(*mapper.columns(entities), strict=True)) if entities else []


def _row(mapper: Any, entity: Any) -> Row:
    return _rows(mapper, [entity])[0]


def _entities(mapper: Any, found: list[Row]) -> list[Any]:
    made: list[Any] = mapper.entities(found)
    return made


def _entity(mapper: Any, row: Row) -> Any:
    return _entities(mapper, [row])[0]


def _now_s() -> float:
    return asyncio.get_running_loop().time()
