"""The syntax tree of an expression: small immutable nodes, and the one walk over them.

Trees can be as deep as the parser allows, so nothing here recurses: nodes compare by identity, and every
pass over a tree goes through `rewrite` or an explicit stack. Compare meanings by canonical text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

Segment: TypeAlias = str | int
Segments: TypeAlias = tuple[Segment, ...]
Scalar: TypeAlias = str | int | float | bool | None
Array: TypeAlias = tuple["Scalar | Array | Mapping[str, object]", ...]
Value: TypeAlias = Scalar | Array | Mapping[str, object]

OBJECT: Mapping[str, object] = MappingProxyType({})
"""Stands for any JSON object: operators see only that it is one."""


class Operator(StrEnum):
    """A comparison; the value is its canonical spelling."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    CONTAINS = "CONTAINS"
    HAS = "HAS"
    IN = "IN"
    NOT_IN = "NOT IN"


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A constant: a scalar, an array of constants (a tuple), or `OBJECT`."""

    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A name to look up: `worker.skills[0]` is `("worker", "skills", 0)`."""

    segments: Segments


@dataclass(frozen=True, slots=True, eq=False)
class ListOf:
    """A list of which at least one item is a path."""

    items: tuple[Literal | Path, ...]


Operand: TypeAlias = Literal | Path | ListOf


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """`left operator right`; `column` is where the operator stands in the text, 1-based."""

    operator: Operator
    left: Operand
    right: Operand
    column: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is left of a comparison whose outcome is known."""

    value: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Not:
    """Holds when its only operand does not."""

    operands: tuple["Node"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class And:
    """Holds when all of two or more operands do."""

    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Or:
    """Holds when at least one of two or more operands does."""

    operands: tuple["Node", ...]


Node: TypeAlias = Comparison | Truth | Not | And | Or
Branch: TypeAlias = Not | And | Or


def rewrite(
    root: Node, leaf: Callable[[Comparison], Node], branch: Callable[[Branch, list[Node]], Node]
) -> Node:
    """Rebuild a tree from its leaves upwards without recursion.

    Args:
        root: the tree.
        leaf: gives the replacement of a comparison.
        branch: gives the replacement of a Not, And or Or from its rewritten operands, in source order.
    """
    done: list[Node] = []
    waiting: list[tuple[Node, bool]] = [(root, False)]
    while waiting:
        node, operands_done = waiting.pop()
        if isinstance(node, Comparison):
            done.append(leaf(node))
        elif isinstance(node, Truth):
            done.append(node)
        elif operands_done:
            count = len(node.operands)
            operands = done[-count:]
            del done[-count:]
            done.append(branch(node, operands))
        else:
            waiting.append((node, True))
            waiting.extend((operand, False) for operand in reversed(node.operands))
    return done[0]


def comparisons(root: Node) -> list[Comparison]:
    """Return every comparison of a tree in source order."""
    found: list[Comparison] = []
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Comparison):
            found.append(node)
        elif not isinstance(node, Truth):
            waiting.extend(reversed(node.operands))
    return found


def paths_of(operand: Operand) -> list[Segments]:
    """Return the paths that an operand reads, in source order."""
    if isinstance(operand, Path):
        return [operand.segments]
    if isinstance(operand, ListOf):
        return [item.segments for item in operand.items if isinstance(item, Path)]
    return []
