"""What each operator means for each pair of kinds (behaviour §6, OQ-10); all ways of running agree."""

from typing import Any

import pytest
from hypothesis import given, settings

from engine.expressions.expression import parse
from engine.expressions.nodes import And, Comparison, ListOf, Literal, Node, Not, Operand, Or, Path
from engine.expressions.semantics import apply, look_up
from tests.expressions.strategies import ENVS, TEXTS

MISSING = object()

VECTORS: list[tuple[str, Any, str, Any, bool]] = [
    ("numbers compare by value", 1, "==", 1.0, True),
    ("numbers differ by value", 1, "!=", 1.5, True),
    ("the number 1 does not differ from itself", 1, "!=", 1.0, False),
    ("the number 0 does not differ from itself", 0, "!=", 0, False),
    ("numbers are ordered", 2, "<", 10, True),
    ("integers and decimals are ordered", 9.5, ">=", 9, True),
    ("equal numbers are <=", 3, "<=", 3, True),
    ("equal numbers are not <", 3, "<", 3, False),
    ("strings compare exactly", "a", "==", "a", True),
    ("strings compare case-sensitively", "THU", "==", "Thu", False),
    ("strings are ordered", "a", "<", "b", True),
    ("booleans compare", True, "==", True, True),
    ("booleans differ", True, "!=", False, True),
    ("booleans are not ordered", False, "<", True, False),
    ("a boolean is not the number 1", True, "==", 1, False),
    ("a boolean differs from the number 1", True, "!=", 1, True),
    ("a boolean is not the number 0", False, "==", 0, False),
    ("a boolean is not ordered with numbers", True, "<", 5, False),
    ("a numeric string is not a number", "8", "==", 8, False),
    ("a numeric string differs from the number", "8", "!=", 8, True),
    ("a numeric string is not ordered with numbers", "9", ">", 8, False),
    ("null equals missing", MISSING, "==", None, True),
    ("null does not differ from missing", MISSING, "!=", None, False),
    ("two missing values are equal", MISSING, "==", MISSING, True),
    ("null equals no string", None, "==", "", False),
    ("null equals no zero", None, "==", 0, False),
    ("null is not false", None, "==", False, False),
    ("a missing value differs from any other", MISSING, "!=", "x", True),
    ("a present value differs from null", "x", "!=", None, True),
    ("an array differs from null: presence", ["x"], "!=", None, True),
    ("an array is not null", [], "==", None, False),
    ("an object differs from null: presence", {"k": 1}, "!=", None, True),
    ("null is not ordered", None, "<=", None, False),
    ("missing is not less than a number", MISSING, "<", 5, False),
    ("scalar operator on an array: ==", ["a"], "==", "a", False),
    ("scalar operator on an array: !=", ["a"], "!=", "b", False),
    ("scalar operator on an array: <", [1], "<", 2, False),
    ("scalar operator on an array: CONTAINS", ["abc"], "CONTAINS", "abc", False),
    ("scalar operator on two arrays: ==", ["a"], "==", ["a"], False),
    ("scalar operator on two arrays: !=", ["a"], "!=", ["b"], False),
    ("an object equals no scalar", {"a": 1}, "==", "a", False),
    ("an object differs from a scalar", {"a": 1}, "!=", "a", True),
    ("an object is not ordered", {"a": 1}, "<", 5, False),
    ("text contains a part", "support-en", "CONTAINS", "en", True),
    ("text contains itself and nothing", "en", "CONTAINS", "", True),
    ("text contains case-sensitively", "EN", "CONTAINS", "en", False),
    ("text contains a number by its digits", "+15550001", "CONTAINS", 555, True),
    ("a number contains digits", 15550001, "CONTAINS", "555", True),
    ("a number contains a number", 15550001, "CONTAINS", 555.0, True),
    ("a part does not contain the whole", "en", "CONTAINS", "support-en", False),
    ("missing text contains nothing", MISSING, "CONTAINS", "", False),
    ("text does not contain null", "null", "CONTAINS", None, False),
    ("text does not contain a boolean", "true", "CONTAINS", True, False),
    ("array has a value", ["a", "b"], "HAS", "b", True),
    ("array lacks a value", ["a", "b"], "HAS", "c", False),
    ("array has numbers by value", [1, 2], "HAS", 2.0, True),
    ("array with 1 does not have true", [1], "HAS", True, False),
    ("array with true does not have 1", [True], "HAS", 1, False),
    ("array has false but not zero", [False], "HAS", 0, False),
    ("array with a numeric string lacks the number", ["1"], "HAS", 1, False),
    ("array with null has a missing value", [None], "HAS", MISSING, True),
    ("array has no nested array", [["a"]], "HAS", ["a"], False),
    ("array has no part of a text", ["abc"], "HAS", "b", False),
    ("HAS on two scalars", "abc", "HAS", "a", False),
    ("HAS on equal scalars", "a", "HAS", "a", False),
    ("HAS on a missing array", MISSING, "HAS", "a", False),
    ("HAS on a number: syntax only", 5, "HAS", "support", False),
    ("HAS with the array on the wrong side", "a", "HAS", ["a"], False),
    ("scalar in array", "a", "IN", ["a", "b"], True),
    ("scalar not in that array", "c", "IN", ["a", "b"], False),
    ("number in array by value", 2.0, "IN", [1, 2], True),
    ("true is not in [1]", True, "IN", [1, 2], False),
    ("1 is not in [true]", 1, "IN", [True, "x"], False),
    ("true is in [true]", True, "IN", [1, True], True),
    ("missing is in [null]", MISSING, "IN", [None, "a"], True),
    ("missing is not in an array without null", MISSING, "IN", ["a", "b"], False),
    ("an array is in no array", ["a"], "IN", ["a", "b"], False),
    ("IN on two scalars", "a", "IN", "abc", False),
    ("IN on a missing array", "a", "IN", MISSING, False),
    ("nothing is in an empty array", "a", "IN", [], False),
    ("NOT IN an array without it", "c", "NOT IN", ["a", "b"], True),
    ("NOT IN an array with it", "a", "NOT IN", ["a", "b"], False),
    ("NOT IN on two scalars is false", "a", "NOT IN", "xyz", False),
    ("NOT IN a missing array is false", "a", "NOT IN", MISSING, False),
    ("NOT IN an object is false", "a", "NOT IN", {"b": 1}, False),
    ("missing is NOT IN a real array", MISSING, "NOT IN", ["a", "b"], True),
    ("missing is NOT IN an empty array", MISSING, "NOT IN", [], True),
    ("missing is in an array with null", MISSING, "NOT IN", [None, "b"], False),
    ("true is NOT IN [1]", True, "NOT IN", [1, 0], True),
    ("1 is NOT IN [true]", 1, "NOT IN", [True, "b"], True),
]


def world(left: Any, right: Any) -> dict[str, Any]:
    return {name: value for name, value in (("l", left), ("r", right)) if value is not MISSING}


@pytest.mark.parametrize(
    ("left", "op", "right", "expected"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS]
)
def test_operator(left: Any, op: str, right: Any, expected: bool) -> None:
    env = world(left, right)
    expression = parse(f"l {op} r")
    assert expression.evaluate(env) is expected
    assert expression.bind({"l": env.get("l")}).evaluate(env) is expected
    assert expression.bind({"r": env.get("r")}).evaluate(env) is expected
    assert expression.bind({"l": env.get("l"), "r": env.get("r")}).constant is expected


def operand_value(operand: Operand, env: dict[str, Any]) -> Any:
    if isinstance(operand, Path):
        return look_up(operand.segments, env)
    if isinstance(operand, ListOf):
        return [operand_value(item, env) for item in operand.items]
    assert isinstance(operand, Literal)
    return operand.value


def by_table(node: Node, env: dict[str, Any]) -> bool:
    """Walk the tree as written and ask the table for every comparison."""
    if isinstance(node, Comparison):
        return apply(node.operator, operand_value(node.left, env), operand_value(node.right, env))
    if isinstance(node, Not):
        return not by_table(node.operands[0], env)
    assert isinstance(node, And | Or)
    outcomes = [by_table(operand, env) for operand in node.operands]
    return all(outcomes) if isinstance(node, And) else any(outcomes)


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, env=ENVS)
def test_compiled_and_folded_agree_with_the_table(text: str, env: dict[str, Any]) -> None:
    expression = parse(text)
    assert expression.evaluate(env) is by_table(expression.root, env)
