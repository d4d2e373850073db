"""Orders, pages and the cursors between them.

A list has a total order: keys of which the last is the unique SID. A page is what lies just beyond a cursor;
the cursor is an item's place in that order: its SID when the SID alone is the order, else the values of its
keys, encoded. So pages neither skip nor repeat an item that stays, whatever comes and goes between two calls.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

import orjson

from engine.sids import is_sid

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

    @property
    def token(self) -> str | None:
        """The cursor, whichever way it leads."""
        return self.after if self.before is None else self.before


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

    `by_sid` says that the item's SID is the cursor: the only key, or enough to look the keys up. `in_runs`
    says that no index has this order, but one has the first key and then the SID (see listing.py).
    """

    keys: tuple[Key[V], ...]
    by_sid: bool = False
    in_runs: bool = False

    def place(self, view: V | None) -> list[Any]:
        """Return where a view stands: the values of the keys. Raises BadCursor when there is none."""
        if view is None:
            raise BadCursor("the page token is not one of this list")
        return [key.value(view) for key in self.keys]

    def arrange(self, views: list[V], *, forward: bool) -> list[V]:
        """Return the views in this order, or in its reverse."""
        for key in reversed(self.keys):
            views = sorted(views, key=key.value, reverse=key.descending == forward)
        return views


def order_of(*keys: Key[Any]) -> Order[Any]:
    """Make an order of keys that end with a `sid_key`."""
    return Order(keys, by_sid=len(keys) == 1)


def sid_key(column: str, *, descending: bool = False) -> Key[Any]:
    """Make the key that ends an order, or is all of the default one: SIDs sort by creation."""
    return Key(column, str, attrgetter("sid"), descending)


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
