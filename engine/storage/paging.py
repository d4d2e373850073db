"""Keyset paging, forwards and backwards, over the list queries.

A list has a total order: keys of which the last is the unique SID. A page is what lies just beyond a cursor;
the cursor is an item's place in that order: its SID when the SID alone is the order, else the values of its
keys, encoded. So pages neither skip nor repeat an item that stays, whatever comes and goes between two calls.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

import orjson

from engine.sids import is_sid
from engine.storage.pool import Connection
from engine.storage.rows import Mapper

_CHUNK = 500
"""How many rows are read at a time when a predicate decides which of them count."""

V = TypeVar("V")


class BadCursor(ValueError):
    """A page token that this list never handed out."""


@dataclass(slots=True, frozen=True)
class PageRequest:
    """Which page is wanted: at most `size` items beyond a cursor, or the first ones.

    `after` and `before` are cursors of an earlier `Page`; at most one of them is given.
    """

    size: int
    after: str | None = None
    before: str | None = None
    order: str | None = None


@dataclass(slots=True, frozen=True)
class Page(Generic[V]):
    """Some items in the list's order, and the cursors of its neighbours: None = there is no such page."""

    items: list[V]
    next: str | None
    """Pass as `after`."""
    previous: str | None
    """Pass as `before`."""


@dataclass(slots=True, frozen=True)
class Key(Generic[V]):
    """One key of an order: an SQL expression that is never NULL, and its value in a view."""

    column: str
    kind: type[str] | type[int]
    value: Callable[[V], Any]
    descending: bool = False


@dataclass(slots=True, frozen=True)
class Order(Generic[V]):
    """A total order: its last key is unique.

    `by_sid` says that the item's SID is the cursor: the only key, or enough to look the keys up.
    """

    keys: tuple[Key[V], ...]
    by_sid: bool = False


def order_of(*keys: Key[Any]) -> Order[Any]:
    """Make an order of keys that end with a `sid_key`."""
    return Order(keys, by_sid=len(keys) == 1)


def sid_key(column: str, *, descending: bool = False) -> Key[Any]:
    """Make the key that ends an order, or is all of the default one: SIDs sort by creation."""
    return Key(column, str, attrgetter("sid"), descending)


@dataclass(slots=True, frozen=True)
class Listing(Generic[V]):
    """A list query with its slots, how its records become views, and the SID prefix of its items.

    `leading` is a column with one value per walk that precedes the keys in the slot `{page}`.
    """

    sql: str
    mapper: Mapper[Any]
    prefix: str
    leading: str | None = None

    async def one(self, connection: Connection, condition: str, parameters: Sequence[Any]) -> V | None:
        """Return the row that `condition` picks; None when there is none.

        `condition` is SQL that refers to the parameters by number.
        """
        sql = self.sql.replace("{page}", f"AND {condition}").replace("{order}", "")
        found: list[V] = self.mapper.entities(await connection.fetch(sql, *parameters))
        return found[0] if found else None

    async def page(
        self,
        connection: Connection,
        parameters: Sequence[Any],
        request: PageRequest,
        order: Order[V],
        predicate: Callable[[V], bool] | None = None,
    ) -> Page[V]:
        """Return the page; `predicate` decides which rows count. Raises BadCursor."""
        token = request.after if request.before is None else request.before
        cursor = None if token is None else decode_cursor(token, order, self.prefix)
        walk = Walk(self, parameters, order, forward=request.before is None)
        return await walk.page(connection, request, cursor, predicate)


@dataclass(slots=True, frozen=True)
class Walk(Generic[V]):
    """One way through one list: which rows, in which order, towards which end."""

    listing: Listing[V]
    parameters: Sequence[Any]
    order: Order[V]
    forward: bool

    async def page(
        self,
        connection: Connection,
        request: PageRequest,
        cursor: list[Any] | None,
        predicate: Callable[[V], bool] | None = None,
    ) -> Page[V]:
        """Return the page beyond `cursor`, the values of the order's keys; None = from the list's end."""
        found = await self._collect(connection, cursor, request.size + 1, predicate)
        items = found[: request.size]
        if not self.forward:
            items.reverse()
        return _page(items, request, self.order, len(found) > request.size)

    async def _collect(
        self,
        connection: Connection,
        cursor: list[Any] | None,
        wanted: int,
        predicate: Callable[[V], bool] | None,
    ) -> list[V]:
        """Read on from the cursor until `wanted` views are found or the list ends."""
        chunk = wanted if predicate is None else max(wanted, _CHUNK)
        found: list[V] = []
        while len(found) < wanted:
            views = await self._chunk(connection, cursor, chunk)
            found.extend(views if predicate is None else filter(predicate, views))
            if len(views) < chunk:
                break
            cursor = [key.value(views[-1]) for key in self.order.keys]
        return found[:wanted]

    async def _chunk(self, connection: Connection, cursor: list[Any] | None, size: int) -> list[V]:
        limit = len(self.parameters) + 1
        order_by = _order_by(self.order, self.forward)
        walk_order = _order_by(self.order, self.forward, self.listing.leading)
        beyond = "" if cursor is None else f"AND {_beyond(self.order, self.forward, limit + 1)} "
        sql = self.listing.sql.replace("{page}", f"{beyond}{walk_order} LIMIT ${limit}")
        records = await connection.fetch(
            sql.replace("{order}", order_by), *self.parameters, size, *(cursor or ())
        )
        views: list[V] = self.listing.mapper.entities(records)
        return views


def encode_cursor(view: V, order: Order[V]) -> str:
    """Return the cursor of an item: its SID, or its keys' values as URL-safe text."""
    if order.by_sid:
        return str(attrgetter("sid")(view))
    values = [key.value(view) for key in order.keys]
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def decode_cursor(token: str, order: Order[Any], prefix: str) -> list[Any]:
    """Return the values of the keys. Raises BadCursor for anything `encode_cursor` does not make."""
    if order.by_sid:
        if not is_sid(token, prefix):
            raise BadCursor("the page token is not one of this list")
        return [token]
    try:
        values = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError) as error:
        raise BadCursor("the page token is not one of this list") from error
    kinds = [key.kind for key in order.keys]
    if not isinstance(values, list) or [type(value) for value in values] != kinds:
        raise BadCursor("the page token belongs to another order")
    if not is_sid(values[-1], prefix) or not all(_storable(value) for value in values):
        raise BadCursor("the page token is not one of this list")
    return values


def _storable(value: str | int) -> bool:
    """Tell whether the database can hold the value: no NUL in text, no integer beyond 64 bits."""
    return "\0" not in value if isinstance(value, str) else abs(value) < 2**63


def _page(items: list[V], request: PageRequest, order: Order[V], more: bool) -> Page[V]:
    """Add the neighbours' cursors: there is a page where this one came from; beyond it if more was found."""
    first, last = (encode_cursor(items[0], order), encode_cursor(items[-1], order)) if items else (None, None)
    if request.before is not None:
        return Page(items, last or request.before, first if more else None)
    came_from = None if request.after is None else first or request.after
    return Page(items, last if more else None, came_from)


def _order_by(order: Order[Any], forward: bool, leading: str | None = None) -> str:
    directions = ["DESC" if key.descending == forward else "ASC" for key in order.keys]
    terms = [f"{key.column} {direction}" for key, direction in zip(order.keys, directions, strict=True)]
    if leading:
        terms.insert(0, f"{leading} {directions[0]}")
    return "ORDER BY " + ", ".join(terms)


def _beyond(order: Order[Any], forward: bool, first_parameter: int) -> str:
    """Write the condition "further on than the cursor", whose values begin at parameter `first_parameter`."""
    columns = [key.column for key in order.keys]
    signs = ["<" if key.descending == forward else ">" for key in order.keys]
    places = [f"${first_parameter + i}::{_SQL_TYPE[key.kind]}" for i, key in enumerate(order.keys)]
    if len(set(signs)) == 1:
        return f"({', '.join(columns)}) {signs[0]} ({', '.join(places)})"
    alternatives = []
    for i, (column, sign, place) in enumerate(zip(columns, signs, places, strict=True)):
        equal = [f"{c} = {p}" for c, p in zip(columns[:i], places[:i], strict=True)]
        alternatives.append(" AND ".join([*equal, f"{column} {sign} {place}"]))
    # The first bound is implied by the rest, but only as a condition of its own can an index use it.
    return f"{columns[0]} {signs[0]}= {places[0]} AND (({') OR ('.join(alternatives)}))"


_SQL_TYPE: dict[type, str] = {str: "text", int: "bigint"}
