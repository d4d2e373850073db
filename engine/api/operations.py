"""Operations and their parameters as tables: what a handler reads with is what the documentation tells.

A table names each field by the argument that it becomes, so that `fields.read(form)` can be handed to a
command or a read as it is. `openapi.py` describes the same tables.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from engine.api.forms import Form
from engine.api.limits import ApiLimits
from engine.clock import Clock
from engine.readers import Reader, Schema
from engine.routing.commands import Command
from engine.routing.views import ReservationView, TaskView, WorkerView
from engine.sids import SidFactory


class Terms(Protocol):
    """What some readers depend on."""

    @property
    def limits(self) -> ApiLimits:
        """The configured limits."""

    @property
    def clock(self) -> Clock:
        """Milliseconds since the epoch."""


AnyReader = Reader[Any] | Callable[[Terms], Reader[Any]]
Read = Callable[[str, str], Any]
Take = Callable[[Form, str, Read, Any], Any]


@dataclass(slots=True, frozen=True)
class Field:
    """One parameter: its name, what reads it, what it is about, and its value when it was not sent.

    `take` gets it from a form; `required` and `many` (a repeatable field) describe what that does.
    """

    name: str
    reader: AnyReader
    about: str
    default: Any
    take: Take
    required: bool = False
    many: bool = False

    def reader_for(self, terms: Terms | None) -> Reader[Any]:
        """Return what reads the text."""
        if isinstance(self.reader, Reader):
            return self.reader
        assert terms is not None
        return self.reader(terms)


def optional(name: str, reader: AnyReader, about: str, default: Any = None) -> Field:
    """Declare a field that counts as not sent when it is empty."""
    return Field(name, reader, about, default, Form.value)


def exact(name: str, reader: AnyReader, about: str, default: Any = None) -> Field:
    """Declare a field whose empty text is a value too."""
    return Field(name, reader, about, default, Form.exact)


def required(name: str, reader: AnyReader, about: str) -> Field:
    """Declare a field that must be sent."""
    return Field(name, reader, about, None, _required, required=True)


def repeated(name: str, reader: AnyReader, about: str, take: Take, *, required: bool = False) -> Field:
    """Declare a field that may be sent several times; `take` reads all of its values."""
    return Field(name, reader, about, None, take, required=required, many=True)


def _required(form: Form, name: str, read: Read, _default: Any) -> Any:
    return form.required(name, read)


_DEFAULTING = (Form.value, Form.exact)
"""What gives the default for a field that was not sent, and need not be asked then."""


class Fields:
    """The fields of a body or of a query, by the argument that each becomes."""

    __slots__ = ("_fields", "_made_for", "_takes")

    def __init__(self, **fields: Field) -> None:
        self._fields = fields
        self._made_for: Terms | None = None
        self._takes: list[tuple[str, Take, str, Read, Any, bool]] = []

    def __or__(self, others: "Fields") -> "Fields":
        return Fields(**self._fields, **others._fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def read(self, form: Form, terms: Terms | None = None) -> dict[str, Any]:
        """Return the values by argument; `terms` is for the readers that depend on it. Raises 400."""
        if terms is not self._made_for or not self._takes:
            self._make(terms)
        return {
            argument: take(form, name, read, unsent) if always or name in form else unsent
            for argument, take, name, read, unsent, always in self._takes
        }

    def _make(self, terms: Terms | None) -> None:
        """Make the readers that depend on the terms, once: a daemon has the same for all requests."""
        self._made_for = terms
        self._takes = [
            (
                argument,
                field.take,
                field.name,
                field.reader_for(terms).read,
                field.default,
                field.take not in _DEFAULTING,
            )
            for argument, field in self._fields.items()
        ]


NOTHING = Fields()
"""For operations that read nothing."""


class Maker(Terms, Protocol):
    """What commands are made with."""

    @property
    def mint(self) -> SidFactory:
        """Makes the SIDs of what is created."""


@dataclass(slots=True, frozen=True)
class Direct:
    """An operation that hands one command to a workspace and shows the view that it gets for it.

    `command` makes the command of the path's names and the body, or None when the body asks for something
    else; it has no effects, and raises what the endpoint answers. `rendering` makes the document of a view.
    """

    command: Callable[[Maker, Mapping[str, str], Form], Command | None]
    view: type[TaskView | WorkerView | ReservationView]
    rendering: Callable[[Any, Any], Mapping[str, object]]


@dataclass(slots=True, frozen=True)
class Operation:
    """What a route does.

    `id` names it for client generators (the contract's operationId where there is one). `answers` is the
    TypedDict of the document, or of the items of the list under the key `lists`; None for an empty answer or
    one of other content types, `media`. `envelope` is the TypedDict of what stands beside the items of a
    list, next to its `meta` where there is one. `body` is None when no body is read; `bodies` describes one
    that is no form, by content type. `tagged` answers have an ETag, `conditional` ones compare If-Match,
    `once` ones honour Idempotency-Key, `resumed` ones Last-Event-ID, `warned` ones may carry the linter's
    warnings. `live` ones read from the workspace itself, not only from rows. `refusals` are the statuses that
    others do not have.
    `direct` is set of operations that requests without a condition or key may have carried out in short.
    """

    id: str
    endpoint: Callable[[Any], Awaitable[web.StreamResponse]]
    status: int
    answers: Any = None
    lists: str = ""
    query: Fields = NOTHING
    body: Fields | None = None
    bodies: Mapping[str, Schema] | None = None
    tagged: bool = False
    conditional: bool = False
    once: bool = False
    resumed: bool = False
    warned: bool = False
    live: bool = False
    refusals: tuple[int, ...] = ()
    envelope: Any = None
    meta: bool = True
    direct: Direct | None = None
    media: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """What it does, in the words of the handler."""
        return (self.endpoint.__doc__ or "").strip()


def operation(
    operation_id: str, status: int = 200, **described: Any
) -> Callable[[Callable[[Any], Awaitable[web.StreamResponse]]], Operation]:
    """Make an Operation of a handler; `described` are its other fields."""
    return lambda endpoint: Operation(operation_id, endpoint, status, **described)


@dataclass(slots=True, frozen=True)
class Route:
    """What is done where; a placeholder of two capitals stands for a SID with that prefix."""

    method: str
    path: str
    operation: Operation

    @property
    def for_owner(self) -> bool:
        """Whether the node that owns the workspace has to carry it out; any node answers the others."""
        return "{WS}" in self.path and (self.method != "GET" or self.operation.live)
