"""How entities become rows for the database, and records become entities.

The columns of a table carry the names of the entity's stored fields, in the order of its constructor: so
`attrgetter` writes a row, and the constructor reads it back. The SQL lists the columns in the same order.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import orjson

from engine.routing.effects import AssignmentCallback, Event, KeptAnswer
from engine.routing.entities import (
    Activity,
    Reservation,
    ReservationStatus,
    Task,
    TaskChannel,
    TaskOrder,
    TaskQueue,
    TaskStatus,
    Transfer,
    TransferMode,
    TransferStatus,
    Worker,
    WorkerChannel,
    Workflow,
    Workspace,
)

Columns = list[tuple[Any, ...]]


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


E = TypeVar("E", bound=_Dataclass)


@dataclass(slots=True, frozen=True)
class Mapper(Generic[E]):
    """Maps one kind of entity.

    `enums` are the fields that hold an enumeration: text in the row. `json_fields` hold a dict: JSON text.
    `get` reads all fields, `get_plain` those that are not JSON.
    """

    entity: Callable[..., E]
    fields: tuple[str, ...]
    get: Callable[[Any], tuple[Any, ...]]
    get_plain: Callable[[Any], tuple[Any, ...]]
    enums: Mapping[str, Mapping[str, Any]]
    json_fields: tuple[str, ...]

    def json_rows(self, entities: Iterable[E]) -> str:
        """Return a JSON array with an array per entity: its stored fields, but for the JSON ones."""
        return json_rows(map(self.get_plain, entities))

    def json_lines(self, entities: Iterable[E], name: str) -> str:
        """Return one of the JSON fields of each entity, a line each: JSON text holds no line break."""
        return b"\n".join(map(orjson.dumps, map(attrgetter(name), entities))).decode()

    def columns(self, entities: Iterable[E]) -> Columns:
        """Return one tuple of values per stored field. There must be at least one entity."""
        columns = list(zip(*map(self.get, entities), strict=True))
        for name in self.json_fields:
            index = self.fields.index(name)
            columns[index] = tuple(orjson.dumps(value).decode() for value in columns[index])
        return columns

    def entities(self, records: Iterable[Iterable[Any]]) -> list[E]:
        """Make entities of records whose columns stand in the order of `fields`."""
        if not self.enums and not self.json_fields:
            return [self.entity(*record) for record in records]
        return [self._entity(record) for record in records]

    def _entity(self, record: Iterable[Any]) -> E:
        values = list(record)
        for name, members in self.enums.items():
            index = self.fields.index(name)
            values[index] = members[values[index]]
        for name in self.json_fields:
            index = self.fields.index(name)
            values[index] = orjson.loads(values[index])
        return self.entity(*values)


def json_rows(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return a JSON array of arrays, from which the statements of a commit read rows."""
    return orjson.dumps(list(rows)).decode()


def mapper_of(
    entity: type[E],
    *,
    derived: tuple[str, ...] = (),
    enums: Mapping[str, Mapping[str, Any]] | None = None,
    json_fields: tuple[str, ...] = (),
) -> Mapper[E]:
    """Describe a dataclass whose fields are columns, except for the `derived` ones."""
    names = tuple(field.name for field in fields(entity) if field.name not in derived)
    plain = tuple(name for name in names if name not in json_fields)
    return Mapper(entity, names, attrgetter(*names), attrgetter(*plain), enums or {}, json_fields)


TASK_ORDERS = {member.value: member for member in TaskOrder}
TASK_STATUSES = {member.value: member for member in TaskStatus}
RESERVATION_STATUSES = {member.value: member for member in ReservationStatus}
TRANSFER_ENUMS: Mapping[str, Mapping[str, Any]] = {
    "mode": {member.value: member for member in TransferMode},
    "status": {member.value: member for member in TransferStatus},
}

WORKSPACE = mapper_of(Workspace, enums={"prioritize_queue_order": TASK_ORDERS})
ACTIVITY = mapper_of(Activity)
TASK_CHANNEL = mapper_of(TaskChannel)
TASK_QUEUE = mapper_of(TaskQueue, derived=("predicate",), enums={"task_order": TASK_ORDERS})
WORKFLOW = mapper_of(Workflow)
WORKER = mapper_of(Worker, derived=("channels", "values", "environment", "reservations"))
WORKER_CHANNEL = mapper_of(WorkerChannel, derived=("pending", "accepted", "wrapping"))
TASK = mapper_of(Task, derived=("reservations", "refusals", "transfers"), enums={"status": TASK_STATUSES})
_TASK_STATUS = TASK.fields.index("status")
_TASK_TEXTS = tuple(
    TASK.fields.index(name) for name in ("addons", "task_channel_sid", "workflow_sid", "task_queue_sid")
)
_TASK_CREATED = TASK.fields.index("date_created_ms")
_TASK_DATES = tuple(
    TASK.fields.index(name)
    for name in ("virtual_start_ms", "date_updated_ms", "task_queue_entered_ms", "filter_entered_ms")
)


def open_tasks(records: Iterable[Iterable[Any]], same: dict[Any, Any]) -> list[Task]:
    """Do what `TASK.entities` does, for very many that stay in memory: equal values are one object.

    `same` holds the texts that were met so far; it begins empty.
    """
    tasks = []
    for record in records:
        values = list(record)
        values[_TASK_STATUS] = TASK_STATUSES[values[_TASK_STATUS]]
        for index in _TASK_TEXTS:
            values[index] = same.setdefault(values[index], values[index])
        created_ms = values[_TASK_CREATED]
        for index in _TASK_DATES:
            if values[index] == created_ms:
                values[index] = created_ms
        tasks.append(Task(*values))
    return tasks


RESERVATION = mapper_of(Reservation, enums={"status": RESERVATION_STATUSES})
TRANSFER = mapper_of(Transfer, enums=TRANSFER_ENUMS)
EVENT = mapper_of(Event, json_fields=("data",))
CALLBACK = mapper_of(AssignmentCallback, json_fields=("fields",))
KEPT_ANSWER = mapper_of(KeptAnswer)
