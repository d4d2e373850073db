"""A target's `order_by`: in which order its matching workers are asked (behaviour §5, OQ-11)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard

from engine.expressions.canonical import path_text
from engine.expressions.expression import DEPTH_MAX, LENGTH_MAX
from engine.expressions.grammar import Clauses, parse_clauses
from engine.expressions.predicates import Reader, path_reader

SortKey: TypeAlias = tuple[tuple[bool, int], ...]

_LACKING = (True, 0)
"""Sorts after every present value, whichever the direction."""


@dataclass(frozen=True, slots=True, eq=False)
class OrderBy:
    """An ordering of workers by integer attributes. Immutable; equal when its canonical text is."""

    text: str
    clauses: Clauses
    """(path, descending) in order of precedence."""
    canonical: str
    _readers: tuple[tuple[Reader, int], ...] = field(repr=False)

    def key(self, env: Mapping[str, Any]) -> SortKey | None:
        """Return what to sort a worker by, ascending.

        Args:
            env: JSON-like values by the first name of a path, `worker` above all.

        Returns:
            None when a value is present that is no integer: the whole order_by is then to be ignored for
            the round (OQ-11). 5.0 counts as an integer, true does not, null counts as absent.
        """
        parts: list[tuple[bool, int]] = []
        for read, sign in self._readers:
            value = read(env)
            if value is None:
                parts.append(_LACKING)
            elif _is_integer(value):
                parts.append((False, sign * int(value)))
            else:
                return None
        return tuple(parts)

    def __eq__(self, other: object) -> bool:
        return self.canonical == other.canonical if isinstance(other, OrderBy) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.canonical)


def _is_integer(value: object) -> TypeGuard[float]:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def parse_order_by(text: str, *, length_max: int = LENGTH_MAX) -> OrderBy:
    """Read `path [ASC|DESC], …`; ASC when no direction is given.

    Any path is taken: only the syntax is checked, as it is for expressions.

    Raises:
        ExpressionError: it is no such list; nothing else is raised for any text.
    """
    clauses = parse_clauses(text, length_max=length_max, depth_max=DEPTH_MAX)
    readers = tuple((path_reader(path), -1 if descending else 1) for path, descending in clauses)
    canonical = ", ".join(
        f"{path_text(path)} {'DESC' if descending else 'ASC'}" for path, descending in clauses
    )
    return OrderBy(text, clauses, canonical, readers)
