"""What every operator means for every pair of kinds: the one table (behaviour §6, OQ-10, CX-8).

The documented part: scalar operators on an array are false, array operators without an array on their array
side are false, a missing key is null. Chosen where the sources are silent or ask for a choice:

* integers and decimals compare by value; a boolean is no number, and numeric strings stay strings;
* any other pair of different kinds is unequal (`!=` holds) and unordered, and an object equals nothing;
* strings are ordered by code point; booleans and null are not ordered;
* `!= null` asks for presence, so it holds for an array although it is a scalar operator;
* CONTAINS looks for text in text and takes a number by its shortest spelling;
* elements of an array match as `==` does, so null matches null and a nested array matches nothing;
* NOT IN is false without an array on its right, else the opposite of IN.

`predicates.py` specialises this table for constants; the tests hold the two together.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, auto
from functools import cache
from itertools import product
from typing import Any, cast

from engine.expressions.nodes import Operator


class Kind(IntEnum):
    """The kinds of JSON values that operators tell apart."""

    NULL = auto()
    BOOLEAN = auto()
    NUMBER = auto()
    STRING = auto()
    ARRAY = auto()
    OBJECT = auto()


_KINDS: Mapping[type, Kind] = {
    type(None): Kind.NULL,
    bool: Kind.BOOLEAN,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    str: Kind.STRING,
    list: Kind.ARRAY,
    tuple: Kind.ARRAY,
}


def kind_of(value: object) -> Kind:
    """Return the kind of a JSON-like value; whatever is not listed counts as an object."""
    return _KINDS.get(type(value), Kind.OBJECT)


def number_text(number: float) -> str:
    """Return the shortest spelling of a number without an exponent: 1.0 is `1`, 1e-7 is `0.0000001`."""
    if isinstance(number, int):
        return str(number)
    if number.is_integer():
        return str(int(number))
    return format(Decimal(repr(number)), "f")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else number_text(value)


def _contains(left: Any, right: Any) -> bool:
    return _text(right) in _text(left)


def _equal(left: Any, right: Any) -> bool:
    return apply(Operator.EQ, left, right)


def _has(left: Any, right: Any) -> bool:
    return any(_equal(item, right) for item in left)


def _in(left: Any, right: Any) -> bool:
    return any(_equal(left, item) for item in right)


def _not_in(left: Any, right: Any) -> bool:
    return not _in(left, right)


def _always(_left: Any, _right: Any) -> bool:
    return True


def _never(_left: Any, _right: Any) -> bool:
    return False


Pair = tuple[Kind, Kind]
Test = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One operator: the test for the pairs of kinds that need one, and the outcome for all others."""

    pairs: Mapping[Pair, Test]
    otherwise: bool


_ANY = tuple(Kind)
_PRESENT = tuple(kind for kind in Kind if kind is not Kind.NULL)
_TEXTUAL = (Kind.STRING, Kind.NUMBER)


def _alike(test: Test, *kinds: Kind) -> dict[Pair, Test]:
    return {(kind, kind): test for kind in kinds}


def _pairs(test: Test, lefts: tuple[Kind, ...], rights: tuple[Kind, ...]) -> dict[Pair, Test]:
    return dict.fromkeys(product(lefts, rights), test)


_COMPARABLE = (Kind.BOOLEAN, Kind.NUMBER, Kind.STRING)
_ORDERED = (Kind.NUMBER, Kind.STRING)
_ARRAY = (Kind.ARRAY,)

RULES: Mapping[Operator, Rule] = {
    Operator.EQ: Rule(
        _alike(operator.eq, *_COMPARABLE) | _alike(_always, Kind.NULL),
        otherwise=False,
    ),
    Operator.NE: Rule(
        _alike(operator.ne, *_COMPARABLE)
        | _alike(_never, Kind.NULL)
        | _pairs(_never, _ARRAY, _PRESENT)
        | _pairs(_never, _PRESENT, _ARRAY),
        otherwise=True,
    ),
    Operator.LT: Rule(_alike(operator.lt, *_ORDERED), otherwise=False),
    Operator.LE: Rule(_alike(operator.le, *_ORDERED), otherwise=False),
    Operator.GT: Rule(_alike(operator.gt, *_ORDERED), otherwise=False),
    Operator.GE: Rule(_alike(operator.ge, *_ORDERED), otherwise=False),
    Operator.CONTAINS: Rule(_pairs(_contains, _TEXTUAL, _TEXTUAL), otherwise=False),
    Operator.HAS: Rule(_pairs(_has, _ARRAY, _ANY), otherwise=False),
    Operator.IN: Rule(_pairs(_in, _ANY, _ARRAY), otherwise=False),
    Operator.NOT_IN: Rule(_pairs(_not_in, _ANY, _ARRAY), otherwise=False),
}


def apply(op: Operator, left: object, right: object) -> bool:
    """Compare two JSON-like values by the table."""
    rule = RULES[op]
    test = rule.pairs.get((kind_of(left), kind_of(right)))
    return rule.otherwise if test is None else test(left, right)


@cache
def settled(op: Operator, left: Kind | None, right: Kind | None) -> bool | None:
    """Return the outcome that a known kind on one side settles, whatever is on the other; else None.

    A kind is None where it is not known.
    """
    rule = RULES[op]
    open_ = any(left in (None, pair[0]) and right in (None, pair[1]) for pair in rule.pairs)
    return None if open_ else rule.otherwise


def look_up(segments: tuple[str | int, ...], env: Mapping[str, Any]) -> Any:
    """Follow a path: keys are literal, indexes apply to lists only, and whatever is absent is None."""
    value: Any = env.get(cast("str", segments[0]))
    for segment in segments[1:]:
        value = step(value, segment)
        if value is None:
            return None
    return value


def step(value: Any, segment: str | int) -> Any:
    """Return one key of an object or one item of a list; None when it is not there."""
    if isinstance(segment, str):
        return value.get(segment) if isinstance(value, dict) else None
    if isinstance(value, list) and segment < len(value):
        return value[segment]
    return None
