"""What is probably a mistake in one comparison: a table of rules over what its two sides can be.

A rule gets a comparison as it was written and answers what is wrong and what would be right, or None. The
first that speaks wins, so the more telling ones stand first. What never and always holds follows from
`semantics.RULES`, not from a second opinion.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from engine.expressions.canonical import operand_text, path_text, quoted
from engine.expressions.lint_cases import NOUNS, Case, Side, shown
from engine.expressions.nodes import ListOf, Literal, Operand, Operator, Path, Truth
from engine.expressions.semantics import Kind, kind_of, number_text, settled
from engine.expressions.simplify import simplify_comparison

VALUES_SHOWN_MAX = 10

_EQUALITIES = frozenset({Operator.EQ, Operator.NE})
_ORDERINGS = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*|\[[0-9]+\])*", re.ASCII)
_NUMERIC = re.compile(r"\s*-?[0-9]+(?:\.[0-9]+)?\s*", re.ASCII)
_HAS_NO_ORDER = "which has no order, so this never holds; use == or !="
_ALONE = dict.fromkeys(_ORDERINGS, _HAS_NO_ORDER) | {
    Operator.EQ: "which equals nothing; name one of its keys",
    Operator.NE: "which differs from everything; name one of its keys",
    Operator.CONTAINS: "but CONTAINS looks for text in text, so this never holds; use ==",
}
_TOGETHER = dict.fromkeys(_ORDERINGS, "they have no common order") | {
    Operator.EQ: "they are never equal",
    Operator.NE: "they are always unequal",
    Operator.CONTAINS: "CONTAINS looks for text in text",
}


def _text_of(side: Side) -> str | None:
    """Return the constant text that stands there, if one does."""
    value = side.operand.value if isinstance(side.operand, Literal) else None
    return value if isinstance(value, str) else None


def _quoted_name(case: Case) -> str | None:
    text = _text_of(case.left)
    if text is None or _NAME.fullmatch(text) is None:
        return None
    if case.operator is not Operator.HAS and not isinstance(case.right.operand, Literal):
        return None
    name = text if text.partition(".")[0] in case.roots else case.prefix + text
    return (
        f"{case.left.text} in quotes is text and not the value of that name; "
        f"write {shown(name)} {case.operator} {case.right.text}"
    )


def _quoted_path(case: Case) -> str | None:
    for side, _ in case.sides:
        text = _text_of(side)
        if text is None or _NAME.fullmatch(text) is None:
            continue
        root, dot, _rest = text.partition(".")
        if dot and root in case.roots:
            return f"{side.text} in quotes is text and not the value of that name; write {shown(text)}"
    return None


def _searched_array(case: Case) -> str | None:
    """HAS, IN and NOT IN where no array is searched."""
    op = case.operator
    array, item = (case.left, case.right) if op is Operator.HAS else (case.right, case.left)
    if not array.lacks(Kind.ARRAY):
        return None
    return (
        f"{op} looks in an array and never holds without one, but {array.said}; {_instead(op, array, item)}"
    )


def _instead(op: Operator, array: Side, item: Side) -> str:
    if array.is_only(Kind.OBJECT):
        return "name the key that has the array"
    if op is Operator.HAS:
        contains = f" or {array.text} CONTAINS {item.text}" if array.is_only(Kind.STRING) else ""
        return f"write {array.text} == {item.text}{contains}"
    if isinstance(array.operand, Literal):
        return f"write {item.text} {op} [{array.text}]"
    return f"write {item.text} {'==' if op is Operator.IN else '!='} {array.text}"


def _sought_item(case: Case) -> str | None:
    """HAS, IN and NOT IN where what is looked for can be no item."""
    op = case.operator
    array, item = (case.left, case.right) if op is Operator.HAS else (case.right, case.left)
    if item.is_only(Kind.ARRAY, Kind.OBJECT):
        outcome = "excludes nothing" if op is Operator.NOT_IN else "never holds"
        return f"{op} looks for one value, but {item.said}, so this {outcome}; {_one_by_one(op, array, item)}"
    return _unlike_items(op, array, item)


def _one_by_one(op: Operator, array: Side, item: Side) -> str:
    if op is Operator.HAS and isinstance(item.operand, Literal) and isinstance(item.operand.value, tuple):
        wanted = [operand_text(Literal(value)) for value in item.operand.value[:2]]
        if len(wanted) == 2:
            return "write " + " AND ".join(f"{array.text} HAS {shown(value)}" for value in wanted)
    if isinstance(item.operand, Path) and item.is_only(Kind.ARRAY) and isinstance(array.operand, Literal):
        return f"ask for each value, as in {item.text} HAS 'a'"
    return "compare with one value"


def _unlike_items(op: Operator, array: Side, item: Side) -> str | None:
    values = array.operand.value if isinstance(array.operand, Literal) else None
    if not isinstance(values, tuple) or not values or item.kinds is None or isinstance(item.operand, Literal):
        return None
    kinds = {kind_of(value) for value in values}
    if kinds & item.kinds or Kind.NULL in kinds:
        return None
    outcome = "always holds" if op is Operator.NOT_IN else "never holds"
    fix = _respelled(values[0], item) or f"list {_alike(item)}"
    return f"{item.said}, but nothing in {array.text} is, so this {outcome}; {fix}"


def _array_as_value(case: Case) -> str | None:
    """Scalar operators with an array on one side."""
    for array, other in case.sides:
        if array.is_only(Kind.ARRAY) and not _is_null(other):
            return (
                f"{case.operator} compares single values, but {array.said}; {_array_fix(case, array, other)}"
            )
    return None


def _array_fix(case: Case, array: Side, other: Side) -> str:
    op = case.operator
    if op is Operator.NE and isinstance(array.operand, Literal) and array.operand.value == ():
        return f"write {other.text} != null if it is to be there"
    if op in _ORDERINGS or other.is_only(Kind.ARRAY):
        return "compare one of its items"
    negation = "NOT " if op is Operator.NE else ""
    if isinstance(array.operand, Path):
        return f"write {negation}{array.text} HAS {other.text}"
    if isinstance(other.operand, Path) and op in _EQUALITIES:
        return f"write {other.text} {negation}IN {array.text}"
    return "write one value"


def _unlike(case: Case) -> str | None:
    """Sides whose kinds alone decide a scalar operator."""
    op, left, right = case.operator, case.left, case.right
    if op in _EQUALITIES and (_is_null(left) or _is_null(right)):
        return None
    if left.kinds and all(settled(op, kind, None) is not None for kind in left.kinds):
        return f"{left.said}, {_ALONE[op]}"
    if right.kinds and all(settled(op, None, kind) is not None for kind in right.kinds):
        return f"{right.said}, {_ALONE[op]}"
    if not left.kinds or not right.kinds:
        return None
    if any(settled(op, one, other) is None for one in left.kinds for other in right.kinds):
        return None
    fix = _fix(op, left, right) or _fix(op, right, left) or f"compare {left.text} with {_alike(left)}"
    return f"{left.said} and {right.said}: {_TOGETHER[op]}; {fix}"


def _is_null(side: Side) -> bool:
    return isinstance(side.operand, Literal) and side.operand.value is None


def _fix(op: Operator, constant: Side, other: Side) -> str | None:
    if not isinstance(constant.operand, Literal):
        return None
    if op in _ORDERINGS and constant.is_only(Kind.NUMBER) and isinstance(other.operand, Path):
        return f"keep numbers in {other.text}"
    return _respelled(constant.operand.value, other)


def _respelled(value: object, other: Side) -> str | None:
    """Say how a constant would have to be written to be of the other side's kind, if it can be."""
    wanted = other.kinds or frozenset()
    if isinstance(value, str):
        if Kind.NUMBER in wanted and _NUMERIC.fullmatch(value):
            return f"write {shown(value.strip())} without quotes"
        if Kind.BOOLEAN in wanted and value.lower() in ("true", "false"):
            return f"write {value.lower()} without quotes"
    elif isinstance(value, bool):
        return f"write '{str(value).lower()}' in quotes" if Kind.STRING in wanted else None
    elif isinstance(value, int | float):
        if Kind.STRING in wanted:
            return f"write '{shown(number_text(value))}' in quotes"
        if Kind.BOOLEAN in wanted and value in (0, 1):
            return f"write {'true' if value else 'false'}"
    return None


def _alike(side: Side) -> str:
    assert side.kinds is not None
    return " or ".join(NOUNS[kind] for kind in sorted(side.kinds))


def _closed(case: Case) -> str | None:
    """A text that is none of the few that a path can be."""
    for side, other in case.sides:
        values = side.known.values if side.known else None
        if values is None:
            continue
        for text in _texts(other.operand):
            if text not in values:
                return f"{side.text} is never {shown(quoted(text))}; {_nearest(text, values)}"
    return None


def _texts(operand: Operand) -> list[str]:
    if isinstance(operand, ListOf):
        return [text for item in operand.items for text in _texts(item)]
    if not isinstance(operand, Literal):
        return []
    values = operand.value if isinstance(operand.value, tuple) else (operand.value,)
    return [value for value in values if isinstance(value, str)]


def _nearest(text: str, values: Collection[str]) -> str:
    wanted = text.strip().casefold()
    for value in values:
        if value.casefold() == wanted or (len(value) == 3 and wanted.startswith(value.casefold())):
            return f"write {shown(quoted(value))}"
    if not values:
        return "it has no value here"
    known = [shown(quoted(value)) for value, _ in zip(values, range(VALUES_SHOWN_MAX), strict=False)]
    more = ", …" if len(values) > VALUES_SHOWN_MAX else ""
    return f"it is one of {', '.join(known)}{more}"


def _ordered_text(case: Case) -> str | None:
    """Orderings that go by the characters of a text although something else is probably meant."""
    for side, other in case.sides:
        if side.known and side.known.values is not None:
            return (
                f"{side.text} is ordered by its letters; "
                f"list the values that are meant, as in {side.text} IN [{other.text}]"
            )
        text = _text_of(side)
        if text is not None and _NUMERIC.fullmatch(text):
            return (
                f"text is ordered character by character, so '10' comes before '9'; "
                f"write {shown(text.strip())} without quotes, and keep numbers in {other.text}"
            )
    return None


def _excluded_from_nothing(case: Case) -> str | None:
    """NOT IN an array that may be missing: false there (OQ-10)."""
    array = case.right.operand
    if not isinstance(array, Path):
        return None
    if array.segments in case.null_tested or (case.right.known and not case.right.known.missing):
        return None
    name = shown(path_text(array.segments))
    return (
        f"NOT IN is false where {name} is missing; "
        f"write ({case.left.text} NOT IN {name} OR {name} == null) if it shall hold there"
    )


def _constant(case: Case) -> str | None:
    left, right = case.comparison.left, case.comparison.right
    if isinstance(left, Path) and isinstance(right, Path):
        return None
    node = simplify_comparison(case.comparison)
    if not isinstance(node, Truth):
        return None
    text = f"{case.left.text} {case.operator} {case.right.text}"
    outcome = "always" if node.value else "never"
    return f"{text} {outcome} holds; compare with the value of a name, or leave it out"


Rule: TypeAlias = Callable[[Case], str | None]

_QUOTED: tuple[Rule, ...] = (_quoted_name, _quoted_path)
_EQUATING: tuple[Rule, ...] = (*_QUOTED, _array_as_value, _unlike, _closed, _constant)
_ORDERING: tuple[Rule, ...] = (*_QUOTED, _array_as_value, _unlike, _ordered_text, _constant)
_SEARCHING: tuple[Rule, ...] = (*_QUOTED, _searched_array, _sought_item, _closed, _constant)

RULES: Mapping[Operator, tuple[Rule, ...]] = {
    **dict.fromkeys(_EQUALITIES, _EQUATING),
    **dict.fromkeys(_ORDERINGS, _ORDERING),
    Operator.CONTAINS: (*_QUOTED, _array_as_value, _unlike, _constant),
    Operator.HAS: _SEARCHING,
    Operator.IN: _SEARCHING,
    Operator.NOT_IN: (*_QUOTED, _searched_array, _sought_item, _closed, _excluded_from_nothing, _constant),
}
"""The rules for each operator; the first that speaks wins."""
