"""Bring a tree to its simplest equivalent: constants folded, chains flattened, one form per comparison.

Every step here follows from `semantics.RULES`; an expression means the same before and after for every
environment. The forms left over are few, which makes canonical texts meet and `predicates.py` short:

* a constant stands on the right of ==, !=, < and the like; arrays and objects are gone from there;
* `array HAS value` has a path on its left; the same test on a literal list is spelled IN;
* a literal list holds distinct scalars in a fixed order (a list only ever answers "is it in there?").
"""

from collections.abc import Iterable, Mapping

from engine.expressions.nodes import (
    OBJECT,
    And,
    Branch,
    Comparison,
    ListOf,
    Literal,
    Node,
    Not,
    Operand,
    Operator,
    Or,
    Path,
    Scalar,
    Truth,
    Value,
)
from engine.expressions.semantics import Kind, apply, kind_of, settled

MIRRORED: Mapping[Operator, Operator] = {
    Operator.EQ: Operator.EQ,
    Operator.NE: Operator.NE,
    Operator.LT: Operator.GT,
    Operator.LE: Operator.GE,
    Operator.GT: Operator.LT,
    Operator.GE: Operator.LE,
    Operator.HAS: Operator.IN,
    Operator.IN: Operator.HAS,
}
"""What an operator becomes when its sides change places; CONTAINS and NOT IN have no mirror."""

_RANKS = {Kind.NULL: 0, Kind.BOOLEAN: 1, Kind.NUMBER: 2, Kind.STRING: 3}


def constant_of(value: object) -> Literal:
    """Return the literal for any JSON-like value, in its normal form."""
    kind = kind_of(value)
    if kind is Kind.OBJECT:
        return Literal(OBJECT)
    if isinstance(value, list | tuple):
        return Literal(_distinct_scalars(value))
    return Literal(_plain(value))


def _plain(scalar: object) -> Scalar:
    if isinstance(scalar, float) and scalar.is_integer():
        return int(scalar)
    assert scalar is None or isinstance(scalar, str | int | float)
    return scalar


def _distinct_scalars(values: Iterable[object]) -> tuple[Value, ...]:
    """Drop what can match nothing (inner arrays, objects) and duplicates, and sort: 1 and true stay two."""
    distinct: dict[tuple[int, Scalar], Scalar] = {}
    for value in values:
        rank = _RANKS.get(kind_of(value))
        if rank is not None:
            scalar = _plain(value)
            distinct[(rank, scalar)] = scalar
    return tuple(distinct[key] for key in sorted(distinct))


def simplify_comparison(node: Comparison) -> Node:
    """Return the simplest node that means the same as a comparison."""
    op, left, right = _oriented(node.operator, _normal(node.left), _normal(node.right))
    if isinstance(left, Literal) and isinstance(right, Literal):
        return Truth(apply(op, left.value, right.value))
    outcome = settled(op, _known_kind(left), _known_kind(right))
    if outcome is not None:
        return Truth(outcome)
    if isinstance(right, Literal):
        return _against_constant(op, left, right, node.column)
    if isinstance(left, Literal):
        return _of_constant(op, left, right, node.column)
    return Comparison(op, left, right, node.column)


def _oriented(op: Operator, left: Operand, right: Operand) -> tuple[Operator, Operand, Operand]:
    """Move constants and lists to the right; a list that is not searched counts only as some array."""
    if _wants_mirror(op, left, right):
        op, left, right = MIRRORED[op], right, left
    if isinstance(left, ListOf):
        left = Literal(())
    if isinstance(right, ListOf) and op not in (Operator.IN, Operator.NOT_IN):
        right = Literal(())
    return op, left, right


def _normal(operand: Operand) -> Operand:
    if isinstance(operand, Literal):
        return constant_of(operand.value)
    if isinstance(operand, ListOf):
        return list_of(operand.items)
    return operand


def list_of(items: Iterable[Literal | Path]) -> Literal | ListOf:
    """Return a list operand: a literal when no item is a path, else without the items that match nothing."""
    kept = tuple(item for item in items if isinstance(item, Path) or kind_of(item.value) in _RANKS)
    if any(isinstance(item, Path) for item in kept):
        return ListOf(kept)
    return Literal(_distinct_scalars(item.value for item in kept if isinstance(item, Literal)))


def _wants_mirror(op: Operator, left: Operand, right: Operand) -> bool:
    if op is Operator.HAS:
        return not isinstance(left, Path)
    if op is Operator.IN:
        return isinstance(right, Path)
    return op in MIRRORED and not isinstance(left, Path) and isinstance(right, Path)


def _known_kind(operand: Operand) -> Kind | None:
    if isinstance(operand, ListOf):
        return Kind.ARRAY
    return kind_of(operand.value) if isinstance(operand, Literal) else None


def _against_constant(op: Operator, left: Operand, right: Literal, column: int) -> Node:
    """Simplify `path op constant`."""
    kind = kind_of(right.value)
    if op is Operator.NE and kind is Kind.ARRAY:
        return simplify_comparison(Comparison(Operator.EQ, left, Literal(None), column))
    if op is Operator.NE and kind is Kind.OBJECT:
        return Not((Comparison(Operator.NOT_IN, Literal(()), left, column),))
    if op is Operator.HAS and kind not in _RANKS:
        return Truth(False)
    if op in (Operator.IN, Operator.NOT_IN):
        return _among(op, left, right, column)
    return Comparison(op, left, right, column)


def _among(op: Operator, left: Operand, right: Literal, column: int) -> Node:
    assert isinstance(right.value, tuple)
    if not right.value:
        return Truth(op is Operator.NOT_IN)
    if op is Operator.IN and len(right.value) == 1:
        return Comparison(Operator.EQ, left, Literal(right.value[0]), column)
    return Comparison(op, left, right, column)


def _of_constant(op: Operator, left: Literal, right: Operand, column: int) -> Node:
    """Simplify `constant CONTAINS path`, `constant NOT IN path`, and a search of a list with paths."""
    scalar = kind_of(left.value) in _RANKS
    if isinstance(right, ListOf):
        return _sought(op, left, right, column) if scalar else Truth(op is Operator.NOT_IN)
    return Comparison(op, left if scalar else Literal(()), right, column)


def _sought(op: Operator, left: Literal, right: ListOf, column: int) -> Node:
    known = [item.value for item in right.items if isinstance(item, Literal)]
    if apply(Operator.IN, left.value, known):
        return Truth(op is Operator.IN)
    paths = tuple(item for item in right.items if isinstance(item, Path))
    return Comparison(op, left, ListOf(paths), column)


def simplify_branch(node: Branch, operands: list[Node]) -> Node:
    """Return the simplest node for a Not, And or Or over simplified operands."""
    if isinstance(node, Not):
        return _negated(operands[0])
    return _chain(type(node), operands)


def _negated(operand: Node) -> Node:
    if isinstance(operand, Truth):
        return Truth(not operand.value)
    if isinstance(operand, Not):
        return operand.operands[0]
    return Not((operand,))


def _chain(kind: type[And] | type[Or], operands: list[Node]) -> Node:
    """Drop what changes nothing, stop at what decides, and flatten chains of the same kind."""
    deciding = kind is Or
    kept: list[Node] = []
    for operand in operands:
        if isinstance(operand, Truth):
            if operand.value is deciding:
                return operand
        elif isinstance(operand, kind):
            kept.extend(operand.operands)
        else:
            kept.append(operand)
    if not kept:
        return Truth(not deciding)
    return kept[0] if len(kept) == 1 else kind(tuple(kept))
