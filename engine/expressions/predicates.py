"""One comparison as a closure over its operands, specialised when one side is a constant.

Each specialisation restates rows of `semantics.RULES` for that constant, in as few steps as Python allows:
this is what runs for every pair of worker and task. The tests hold the two together.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from engine.expressions.nodes import Comparison, ListOf, Literal, Operand, Operator, Path, Segments, Value
from engine.expressions.semantics import apply, look_up, number_text

Env: TypeAlias = Mapping[str, Any]
Predicate: TypeAlias = Callable[[Env], bool]
Reader: TypeAlias = Callable[[Env], object]

_ARRAYS = (list, tuple)
_STRUCTURES = (list, tuple, dict)


def path_reader(segments: Segments) -> Reader:
    """Return the function that follows a path, as `semantics.look_up` does."""
    keys = tuple(segment for segment in segments if isinstance(segment, str))
    if len(keys) < len(segments):
        return lambda env: look_up(segments, env)
    first, *rest = keys
    if not rest:
        return lambda env: env.get(first)
    return _key_reader(first, rest[0]) if len(rest) == 1 else _keys_reader(first, tuple(rest))


def _key_reader(first: str, second: str) -> Reader:
    def read(env: Env) -> object:
        value = env.get(first)
        return value.get(second) if isinstance(value, dict) else None

    return read


def _keys_reader(first: str, rest: tuple[str, ...]) -> Reader:
    def read(env: Env) -> object:
        value = env.get(first)
        for key in rest:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    return read


def _reader(operand: Operand) -> Reader:
    if isinstance(operand, Path):
        return path_reader(operand.segments)
    if isinstance(operand, ListOf):
        readers = tuple(_reader(item) for item in operand.items)
        return lambda env: [read(env) for read in readers]
    value = operand.value
    return lambda _env: value


def predicate_of(node: Comparison) -> Predicate:
    """Return the function that tells whether a folded comparison holds in an environment."""
    op, left, right = node.operator, node.left, node.right
    if isinstance(right, Literal):
        return _SPECIALISED[op](op, _reader(left), right.value)
    if isinstance(left, Literal) and op is Operator.NOT_IN:
        return _lacks(_reader(right), left.value)
    read_left, read_right = _reader(left), _reader(right)
    return lambda env: apply(op, read_left(env), read_right(env))


def _by_table(op: Operator, read: Reader, constant: Value) -> Predicate:
    return lambda env: apply(op, read(env), constant)


def _mistakable(constant: Value) -> bool:
    """Tell whether Python would find a boolean equal to this number, or the other way round."""
    return isinstance(constant, int) and constant in (0, 1)


def _equals(_op: Operator, read: Reader, constant: Value) -> Predicate:
    if constant is None or isinstance(constant, bool):
        return lambda env: read(env) is constant
    if not _mistakable(constant):
        return lambda env: read(env) == constant

    def holds(env: Env) -> bool:
        value = read(env)
        return value == constant and not isinstance(value, bool)

    return holds


def _differs(op: Operator, read: Reader, constant: Value) -> Predicate:
    if constant is None:
        return lambda env: read(env) is not None
    if isinstance(constant, bool):
        return _by_table(op, read, constant)
    if _mistakable(constant):
        return _differs_from_bit(read, constant)

    def holds(env: Env) -> bool:
        value = read(env)
        return value != constant and not isinstance(value, _ARRAYS)

    return holds


def _differs_from_bit(read: Reader, constant: Value) -> Predicate:
    def holds(env: Env) -> bool:
        value = read(env)
        return (value != constant or isinstance(value, bool)) and not isinstance(value, _ARRAYS)

    return holds


_ORDERINGS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
}


def _ordered(op: Operator, read: Reader, constant: Value) -> Predicate:
    compare = _ORDERINGS[op]
    first, second = (str, str) if isinstance(constant, str) else (int, float)

    def holds(env: Env) -> bool:
        value = read(env)
        kind = type(value)
        return (kind is first or kind is second) and compare(value, constant)

    return holds


def _contains(op: Operator, read: Reader, constant: Value) -> Predicate:
    text = constant if isinstance(constant, str) else number_text(cast("float", constant))

    def holds(env: Env) -> bool:
        value = read(env)
        return text in value if isinstance(value, str) else apply(op, value, text)

    return holds


def _has(op: Operator, read: Reader, constant: Value) -> Predicate:
    if _mistakable(constant):
        return _by_table(op, read, constant)

    def holds(env: Env) -> bool:
        value = read(env)
        return isinstance(value, list) and constant in value

    return holds


def _lacks(read: Reader, constant: Value) -> Predicate:
    if _mistakable(constant):
        return lambda env: apply(Operator.NOT_IN, constant, read(env))

    def holds(env: Env) -> bool:
        value = read(env)
        return isinstance(value, list) and constant not in value

    return holds


def _among(op: Operator, read: Reader, constant: Value) -> Predicate:
    assert isinstance(constant, tuple)
    booleans = tuple(item for item in constant if isinstance(item, bool))
    others = frozenset(item for item in constant if not isinstance(item, bool))
    wanted = op is Operator.IN

    def holds(env: Env) -> bool:
        value = read(env)
        if isinstance(value, bool):
            return (value in booleans) is wanted
        if isinstance(value, _STRUCTURES):
            return not wanted
        return (value in others) is wanted

    return holds


_SPECIALISED: Mapping[Operator, Callable[[Operator, Reader, Value], Predicate]] = {
    Operator.EQ: _equals,
    Operator.NE: _differs,
    Operator.LT: _ordered,
    Operator.LE: _ordered,
    Operator.GT: _ordered,
    Operator.GE: _ordered,
    Operator.CONTAINS: _contains,
    Operator.HAS: _has,
    Operator.IN: _among,
    Operator.NOT_IN: _among,
}
