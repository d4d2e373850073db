"""Keyset paging, forwards and backwards, over the list queries.

Theory of operation
-------------------
An order whose keys all go in the direction of an index, or all against it, is one walk of that index, however
long the list is. An order that goes both ways at once (lowest priority first, oldest first within it) is not:
sorting would read all rows of the first priority for every page. So it is read in runs. A run is the rows
that share a value of the first key. The rows ahead are taken as the index has them; of the runs that are
whole in there nothing is missing, so that they are put in order here. The last one may be cut off: it is read
again, by itself, in its own order. With the rest of the run in which the cursor stands that makes three walks
at the most, each of about a page, in one snapshot.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from engine.storage.paging import Key, Order, Page, PageRequest, decode_cursor, encode_cursor
from engine.storage.pool import Connection
from engine.storage.rows import Mapper

_CHUNK = 500
"""How many rows are read at a time when a predicate decides which of them count."""

V = TypeVar("V")


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
        cursor = None if request.token is None else decode_cursor(request.token, order, self.prefix)
        walk = Walk(self, parameters, order, forward=request.before is None)
        return await walk.page(connection, request, cursor, predicate)

    async def page_by_item(
        self,
        connection: Connection,
        parameters: Sequence[Any],
        request: PageRequest,
        order: Order[V],
        place: Callable[[str], Awaitable[list[Any]]],
    ) -> Page[V]:
        """Return the page of a list whose cursors are SIDs, but whose order is another.

        `place` looks up the values of the order's keys by the SID, and raises BadCursor.
        """
        cursor = None if request.token is None else await place(request.token)
        walk = Walk(self, parameters, order, forward=request.before is None)
        return await walk.page(connection, request, cursor)


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
        if not self.order.in_runs:
            return await self._beyond(connection, self.order, cursor, size)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await self._runs(connection, cursor, size)

    async def _runs(self, connection: Connection, cursor: list[Any] | None, size: int) -> list[V]:
        """Read what is left of the cursor's run, whole runs beyond it, and the beginning of the last one."""
        found = [] if cursor is None else await self._run(connection, cursor[0], cursor[1:], size)
        if len(found) == size:
            return found
        wanted = size - len(found)
        ahead = await self._beyond(connection, self._straight(), cursor and cursor[:1], wanted)
        if len(ahead) < wanted:
            return found + self.order.arrange(ahead, forward=self.forward)
        value = self.order.keys[0].value
        cut = value(ahead[-1])
        whole = [view for view in ahead if value(view) != cut]
        found += self.order.arrange(whole, forward=self.forward)
        return found + await self._run(connection, cut, None, wanted - len(whole))

    def _straight(self) -> Order[V]:
        """Return the order of the index: run after run, but each in the direction of the runs."""
        first, last = self.order.keys[0], self.order.keys[-1]
        return Order((first, replace(last, descending=first.descending)))

    async def _run(self, connection: Connection, value: Any, cursor: list[Any] | None, size: int) -> list[V]:
        """Read the rows whose first key has this value, beyond the cursor of the other keys."""
        first, rest = self.order.keys[0], Order(self.order.keys[1:])
        return await self._beyond(connection, rest, cursor, size, run=(first, value))

    async def _beyond(
        self,
        connection: Connection,
        order: Order[V],
        cursor: list[Any] | None,
        size: int,
        run: tuple[Key[V], Any] | None = None,
    ) -> list[V]:
        """Read rows in `order` beyond `cursor`, the values of all or only the first of its keys."""
        values = [*self.parameters, size]
        conditions = []
        if run is not None:
            key, value = run
            conditions.append(f"{key.column} = {_place(key, len(values) + 1)}")
            values.append(value)
        if cursor:
            conditions.append(_beyond(order.keys[: len(cursor)], self.forward, len(values) + 1))
            values += cursor
        walk_order = _order_by(order, self.forward, self.listing.leading)
        narrowed = "".join(f"AND {condition} " for condition in conditions)
        sql = self.listing.sql.replace(
            "{page}", f"{narrowed}{walk_order} LIMIT ${len(self.parameters) + 1}"
        ).replace("{order}", _order_by(order, self.forward))
        views: list[V] = self.listing.mapper.entities(await connection.fetch(sql, *values))
        return views


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


def _beyond(keys: Sequence[Key[Any]], forward: bool, first_parameter: int) -> str:
    """Write the condition "further on than the cursor", whose values begin at parameter `first_parameter`."""
    columns = [key.column for key in keys]
    signs = ["<" if key.descending == forward else ">" for key in keys]
    places = [_place(key, first_parameter + i) for i, key in enumerate(keys)]
    if len(set(signs)) == 1:
        return f"({', '.join(columns)}) {signs[0]} ({', '.join(places)})"
    alternatives = []
    for i, (column, sign, place) in enumerate(zip(columns, signs, places, strict=True)):
        equal = [f"{c} = {p}" for c, p in zip(columns[:i], places[:i], strict=True)]
        alternatives.append(" AND ".join([*equal, f"{column} {sign} {place}"]))
    # The first bound is implied by the rest, but only as a condition of its own can an index use it.
    return f"{columns[0]} {signs[0]}= {places[0]} AND (({') OR ('.join(alternatives)}))"


def _place(key: Key[Any], number: int) -> str:
    return f"${number}::{_SQL_TYPE[key.kind]}"


_SQL_TYPE: dict[type, str] = {str: "text", int: "bigint"}
