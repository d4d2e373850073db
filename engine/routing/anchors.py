"""Which predicates a worker's values can concern, without evaluating them all.

An *anchor* of a predicate is one of its top-level conditions of the form `path == scalar` or `path HAS
scalar`: only workers with that scalar at that path can satisfy it. Predicates are filed by their anchor,
and workers by the scalars they have at the paths in use, so that a changed worker meets only the
predicates that it may satisfy, and a new predicate only the workers that may satisfy it. Without that,
100,000 tasks each wanting another worker would cost an evaluation per task and worker. What is found is a
superset: Python's 1 == True, and the other conditions, are for the predicate itself to judge.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from engine.expressions.expression import Expression, equalities, memberships
from engine.routing.values import value_at

Scalar = str | int | float | bool
AnchorPath = tuple[str | int, ...]
T = TypeVar("T")


@dataclass(slots=True, frozen=True)
class Anchor:
    """A scalar that a worker must have at `path` (below the worker's values), alone or in a list."""

    path: AnchorPath
    value: Scalar


def anchor_of(predicate: Expression, prefix: tuple[str, ...]) -> Anchor | None:
    """Return an anchor of a predicate whose paths into the worker begin with `prefix`, or None.

    `worker.channel.*` is no anchor: those figures change without the worker's values.
    """
    for path, value in (*equalities(predicate), *memberships(predicate)):
        below = path[len(prefix) :]
        if value is None or not below or path[: len(prefix)] != prefix:
            continue
        if not prefix or below[0] != "channel":
            return Anchor(below, value)
    return None


def scalars_at(values: dict[str, Any], path: AnchorPath) -> tuple[Scalar, ...]:
    """Return the scalars a worker has at a path: the value itself, or the scalars of a list."""
    value = value_at(values, path)
    if isinstance(value, str | int | float):
        return (value,)
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str | int | float))
    return ()


class AnchoredItems(Generic[T]):
    """Items filed by their anchor; those without one concern every worker."""

    __slots__ = ("_anchored", "_free")

    def __init__(self) -> None:
        self._free: dict[T, None] = {}
        self._anchored: dict[AnchorPath, dict[Scalar, dict[T, None]]] = {}

    def add(self, item: T, anchor: Anchor | None) -> None:
        """File an item."""
        if anchor is None:
            self._free[item] = None
        else:
            self._anchored.setdefault(anchor.path, {}).setdefault(anchor.value, {})[item] = None

    def remove(self, item: T, anchor: Anchor | None) -> None:
        """Take an item out; paths and values that nothing is filed under any more are dropped."""
        if anchor is None:
            del self._free[item]
            return
        by_value = self._anchored[anchor.path]
        items = by_value[anchor.value]
        del items[item]
        if not items:
            del by_value[anchor.value]
        if not by_value:
            del self._anchored[anchor.path]

    def concerning(self, values: dict[str, Any]) -> Iterator[T]:
        """Iterate over the items a worker with these values may satisfy; some may come twice."""
        yield from self._free
        for path, by_value in self._anchored.items():
            for scalar in scalars_at(values, path):
                yield from by_value.get(scalar, ())


class WorkerPostings:
    """Workers by the scalars they have at the paths that anchors have asked for."""

    __slots__ = ("_posted", "_postings")

    def __init__(self) -> None:
        self._postings: dict[AnchorPath, dict[Scalar, dict[str, None]]] = {}
        self._posted: dict[str, dict[AnchorPath, tuple[Scalar, ...]]] = {}

    def find(self, anchor: Anchor, workers: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
        """Return the SIDs of the workers that meet an anchor.

        `workers` gives (SID, values) of all workers; it is read when the path is asked for the first time.
        """
        if anchor.path not in self._postings:
            self._postings[anchor.path] = {}
            for sid, values in workers:
                self._post(sid, anchor.path, values)
        return list(self._postings[anchor.path].get(anchor.value, ()))

    def put(self, sid: str, values: dict[str, Any]) -> None:
        """Take in a new worker, or one whose values changed."""
        self.remove(sid)
        for path in self._postings:
            self._post(sid, path, values)

    def remove(self, sid: str) -> None:
        """Forget a worker."""
        for path, scalars in self._posted.pop(sid, {}).items():
            by_value = self._postings[path]
            for scalar in scalars:
                sids = by_value[scalar]
                del sids[sid]
                if not sids:
                    del by_value[scalar]

    def _post(self, sid: str, path: AnchorPath, values: dict[str, Any]) -> None:
        # A list may name a value twice, or 1 and true, which are one key.
        scalars = tuple(dict.fromkeys(scalars_at(values, path)))
        if not scalars:
            return
        self._posted.setdefault(sid, {})[path] = scalars
        by_value = self._postings[path]
        for scalar in scalars:
            by_value.setdefault(scalar, {})[sid] = None
