"""Expressions as the rest of the product uses them: parse once, then evaluate, bind and compare."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias, TypeGuard

from engine.expressions.bind import bind_tree, fold
from engine.expressions.canonical import canonical_text
from engine.expressions.compile import compile_tree
from engine.expressions.errors import ExpressionError
from engine.expressions.grammar import parse_expression
from engine.expressions.nodes import (
    And,
    Comparison,
    Literal,
    Node,
    Operator,
    Path,
    Scalar,
    Segments,
    Truth,
    Value,
    comparisons,
    paths_of,
)
from engine.expressions.predicates import Predicate

__all__ = ["Expression", "ExpressionError", "equalities", "memberships", "parse"]

PathValue: TypeAlias = tuple[Segments, Scalar]

LENGTH_MAX = 1_048_576
"""Longest text that is read by default, in characters."""
DEPTH_MAX = 500
"""Deepest nesting of brackets that is read by default."""
CACHED_LENGTH_MAX = 1_000
CACHED_EXPRESSIONS_MAX = 2_048
"""Texts up to this length, and this many of them, are parsed once."""


class Expression:
    """A boolean condition over named values. Immutable; equal when its canonical text is.

    What it derives (canonical text, paths, the compiled function) is made on first use and kept.

    Args:
        folded: the tree as `bind.fold` leaves it.
        root: the tree as it was written, when that differs.
        text: the text it was read from, if any.
    """

    __slots__ = ("_canonical", "_folded", "_paths", "_predicate", "_root", "_text")

    def __init__(self, folded: Node, *, root: Node | None = None, text: str | None = None) -> None:
        self._folded = folded
        self._root = folded if root is None else root
        self._text = text
        self._canonical: str | None = None
        self._paths: frozenset[Segments] | None = None
        self._predicate: Predicate | None = None

    @property
    def text(self) -> str:
        """The text as it was written; of a bound expression, its canonical text."""
        return self.canonical if self._text is None else self._text

    @property
    def root(self) -> Node:
        """The tree as it was written, before folding; of a bound expression, its residual."""
        return self._root

    @property
    def canonical(self) -> str:
        """One text per meaning after folding; parses back to an equal expression."""
        if self._canonical is None:
            self._canonical = canonical_text(self._folded)
        return self._canonical

    @property
    def paths(self) -> frozenset[Segments]:
        """Every path whose value can still decide the outcome."""
        if self._paths is None:
            self._paths = frozenset(
                path
                for comparison in comparisons(self._folded)
                for operand in (comparison.left, comparison.right)
                for path in paths_of(operand)
            )
        return self._paths

    @property
    def constant(self) -> bool | None:
        """The outcome when it depends on nothing; else None."""
        return self._folded.value if isinstance(self._folded, Truth) else None

    def evaluate(self, env: Mapping[str, Any]) -> bool:
        """Tell whether the expression holds.

        Args:
            env: JSON-like values by the first name of a path; an absent one is null.
        """
        predicate = self._predicate
        if predicate is None:
            predicate = self._predicate = compile_tree(self._folded)
        return predicate(env)

    def bind(self, roots: Mapping[str, Any]) -> "Expression":
        """Return the residual once the names in `roots` are known.

        For every env, `bind(roots).evaluate(env)` equals `evaluate({**env, **roots})`.

        Args:
            roots: JSON-like values by first name; later changes to them do not matter.
        """
        if not any(path[0] in roots for path in self.paths):
            return self
        return Expression(bind_tree(self._folded, roots))

    def conjuncts(self) -> tuple[Node, ...]:
        """Return the conditions that must all hold, simplified; none for an expression that always holds."""
        if isinstance(self._folded, And):
            return self._folded.operands
        if isinstance(self._folded, Truth) and self._folded.value:
            return ()
        return (self._folded,)

    def __eq__(self, other: object) -> bool:
        return self.canonical == other.canonical if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def parse(text: str, *, length_max: int = LENGTH_MAX, depth_max: int = DEPTH_MAX) -> Expression:
    """Read an expression (behaviour §6).

    Args:
        text: the expression.
        length_max: longest text to read, in characters.
        depth_max: deepest nesting of brackets to read.

    Raises:
        ExpressionError: it is none; nothing else is raised for any text.
    """
    if len(text) <= min(CACHED_LENGTH_MAX, length_max):
        return _parsed_short(text, depth_max)
    return _parsed(text, length_max, depth_max)


@lru_cache(maxsize=CACHED_EXPRESSIONS_MAX)
def _parsed_short(text: str, depth_max: int) -> Expression:
    return _parsed(text, len(text), depth_max)


def _parsed(text: str, length_max: int, depth_max: int) -> Expression:
    root = parse_expression(text, length_max=length_max, depth_max=depth_max)
    return Expression(fold(root), root=root, text=text)


def equalities(expression: Expression) -> list[PathValue]:
    """Return (path, scalar) for every conjunct `path == scalar`, written either way round.

    An index by value may use the scalar as key: Python's 1 == True can only make it find too many, so
    evaluate the expression on what it finds.
    """
    return _conjuncts_of(expression, Operator.EQ)


def memberships(expression: Expression) -> list[PathValue]:
    """Return (path, scalar) for every conjunct `path HAS scalar`, also when written `scalar IN path`."""
    return _conjuncts_of(expression, Operator.HAS)


def _conjuncts_of(expression: Expression, operator: Operator) -> list[PathValue]:
    found: list[PathValue] = []
    for node in expression.conjuncts():
        if not isinstance(node, Comparison) or node.operator is not operator:
            continue
        left, right = node.left, node.right
        if isinstance(left, Path) and isinstance(right, Literal) and _is_scalar(right.value):
            found.append((left.segments, right.value))
    return found


def _is_scalar(value: Value) -> TypeGuard[Scalar]:
    return not isinstance(value, tuple | Mapping)
