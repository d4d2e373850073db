"""Chains of AND and OR whose parts exclude or exhaust each other: `x == 1 AND x == 2`, `x != 1 OR x != 2`.

Only comparisons of one path with constants that stand side by side in a chain are looked at, each once and
against the narrowest limits so far: linear in the chain.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.expressions.canonical import comparison_text, path_text
from engine.expressions.lint_cases import shown
from engine.expressions.nodes import And, Comparison, Literal, Node, Operator, Or, Path, Segments, Truth
from engine.expressions.semantics import Kind, kind_of
from engine.expressions.simplify import MIRRORED

_OPPOSITES = {
    Operator.EQ: Operator.NE,
    Operator.NE: Operator.EQ,
    Operator.LT: Operator.GE,
    Operator.LE: Operator.GT,
    Operator.GT: Operator.LE,
    Operator.GE: Operator.LT,
}
_LOWER = frozenset({Operator.EQ, Operator.GT, Operator.GE})
_UPPER = frozenset({Operator.EQ, Operator.LT, Operator.LE})
_STRICT = frozenset({Operator.LT, Operator.GT})
_NOUNS: Mapping[Kind, str] = {Kind.BOOLEAN: "boolean", Kind.NUMBER: "number", Kind.STRING: "text"}


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit of the values of one kind, whether it is itself left out, and the comparison that sets it."""

    value: Any
    strict: bool
    source: Comparison


@dataclass(slots=True)
class _Between:
    """The narrowest limits that a chain has set so far."""

    low: _Limit | None = None
    high: _Limit | None = None

    def narrow(self, op: Operator, limit: _Limit) -> Comparison | None:
        """Take a further limit in; returns the earlier comparison that it leaves no value together with."""
        rival = None
        if op in _LOWER:
            if self.high is not None and _apart(limit, self.high):
                rival = self.high.source
            if self.low is None or (limit.value, limit.strict) > (self.low.value, self.low.strict):
                self.low = limit
        if op in _UPPER:
            if self.low is not None and self.low is not limit and _apart(self.low, limit):
                rival = rival or self.low.source
            if self.high is None or (limit.value, not limit.strict) < (self.high.value, not self.high.strict):
                self.high = limit
        return rival


def _apart(low: _Limit, high: _Limit) -> bool:
    if low.value == high.value:
        return low.strict or high.strict
    return bool(low.value > high.value)


def contradictions(root: Node) -> Iterator[tuple[Comparison, str]]:
    """Yield (comparison, message) for every comparison that makes its chain never, or always, hold."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Comparison | Truth):
            continue
        waiting.extend(reversed(node.operands))
        if isinstance(node, And | Or):
            yield from _chain(node)


def _chain(node: And | Or) -> Iterator[tuple[Comparison, str]]:
    """Look at an OR through its opposite: `a OR b` always holds when `NOT a AND NOT b` never does."""
    seen: dict[tuple[Segments, Kind], _Between] = {}
    for operand in node.operands:
        read = _read(operand)
        if read is None:
            continue
        comparison, path, op, value = read
        between = seen.setdefault((path, kind_of(value)), _Between())
        op = _OPPOSITES[op] if isinstance(node, Or) else op
        rival = between.narrow(op, _Limit(value, op in _STRICT, comparison))
        if rival is not None:
            yield comparison, _message(node, rival, comparison, path, kind_of(value))


def _read(node: Node) -> tuple[Comparison, Segments, Operator, Any] | None:
    """Return a comparison of a path with a constant, turned so that the path is on the left."""
    if not isinstance(node, Comparison) or node.operator not in _OPPOSITES:
        return None
    op, left, right = node.operator, node.left, node.right
    if isinstance(left, Literal):
        op, left, right = MIRRORED[op], right, left
    if isinstance(left, Path) and isinstance(right, Literal) and kind_of(right.value) in _NOUNS:
        return node, left.segments, op, right.value
    return None


def _message(node: And | Or, rival: Comparison, comparison: Comparison, path: Segments, kind: Kind) -> str:
    first, second = shown(comparison_text(rival)), shown(comparison_text(comparison))
    if isinstance(node, And):
        return f"{first} and {second} never hold together; write OR if one of them is enough"
    name = shown(path_text(path))
    return f"{first} or {second} holds whatever {_NOUNS[kind]} {name} is; write AND if both shall hold"
