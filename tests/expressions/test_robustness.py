"""Any text of any length and depth: an expression or an ExpressionError, in time linear in its length."""

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.expressions.expression import Expression, ExpressionError, parse

PIECES = st.sampled_from(
    [
        *(
            "a",
            "task.b",
            "x[0]",
            "'s'",
            '"',
            "'",
            "\\",
            "1",
            "-5",
            "1.5",
            "true",
            "null",
            "==",
            "=",
            "!=",
            "<",
            ">-",
        ),
        *(
            "<-",
            "HAS",
            "in",
            "NOT",
            "IN",
            "AND",
            "or",
            "(",
            ")",
            "[",
            "]",
            ",",
            ".",
            " ",
            "\n",
            "&&",
            "!",
            "-",
            "é",
        ),
        *("\0", "\ud800", "\U0001f600", "%s", "{", "$", "_", "CONTAINS"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.lists(PIECES, max_size=12).map(" ".join), st.lists(PIECES, max_size=12).map("".join)))
@example("'a' == '\ud83d'")
def test_pieces_of_expressions_in_any_order(text: str) -> None:
    check(text)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_any_text(text: str) -> None:
    check(text)


def check(text: str) -> None:
    expression, error = read(text)
    if expression is None:
        assert error is not None
        assert 1 <= error.column <= len(text) + 1
        assert str(error).isprintable()
    else:
        assert expression.evaluate({}) in (True, False)
        assert parse(expression.canonical) == expression


def read(text: str) -> tuple[Expression | None, ExpressionError | None]:
    try:
        return parse(text), None
    except ExpressionError as error:
        return None, error


NESTED = {
    "parentheses": ("(" * 500_000, 501),
    "closed parentheses": ("(" * 200_000 + "a==1" + ")" * 200_000, 501),
    "lists": ("a IN " + "[" * 500_000, 506),
    "one more than allowed": ("(" * 501 + "a==1" + ")" * 501, 501),
    "behind brackets in a string": ("a=='" + "(" * 600 + "' AND " + "(" * 501 + "a==1" + ")" * 501, 1111),
}


@pytest.mark.parametrize(("text", "column"), NESTED.values(), ids=NESTED.keys())
def test_nesting_is_limited(text: str, column: int) -> None:
    with pytest.raises(ExpressionError, match="nested") as caught:
        parse(text)
    assert caught.value.column == column


@pytest.mark.parametrize("depth", [500, 1_100])
def test_nesting_up_to_the_limit_costs_no_stack(depth: int) -> None:
    text = "(a == 1 OR b == 2 AND NOT " * (depth - 1) + "(c == 3)" + ")" * (depth - 1)
    expression = parse(text, depth_max=depth)
    assert expression.evaluate({"a": 1}) is True
    assert expression.evaluate({}) is False
    assert expression.bind({"a": 2, "b": 2}).paths == {("c",)}
    assert parse(expression.canonical, depth_max=2 * depth) == expression
    assert expression.evaluate({"b": 2}) is expression.bind({"b": 2, "c": None}).evaluate({})


def test_brackets_side_by_side_do_not_nest() -> None:
    assert parse(" AND ".join(["(a IN [1])"] * 20), depth_max=3).evaluate({"a": 1})


def test_brackets_in_strings_do_not_nest() -> None:
    assert parse("a == '" + "(" * 1_000 + "'").evaluate({"a": "(" * 1_000})


@pytest.mark.parametrize(("word", "outcome"), [(" AND ", False), (" OR ", True)])
def test_long_chains_are_no_depth(word: str, outcome: bool) -> None:
    expression = parse(word.join(f"a == {number}" for number in range(1_100)))
    assert expression.evaluate({"a": 1_099}) is outcome
    assert expression.bind({"a": 1_099}).constant is outcome
    assert expression.canonical.count(word) == 1_099


def test_length_is_limited_and_the_limit_is_allowed() -> None:
    assert parse("a == 1", length_max=6)
    with pytest.raises(ExpressionError, match="at most 6") as caught:
        parse("a == 10", length_max=6)
    assert caught.value.column == 7


LONG = 300_000
ADVERSARIAL = {
    "open string": "a == '" + "x" * LONG,
    "open string of escapes": "a == '" + "\\'" * LONG,
    "quotes": "'" * (LONG + 1),
    "spaces": "a" + " " * LONG + "b",
    "spaces around a dot": "a" + " " * LONG + "." + " " * LONG + "!",
    "spaces in an index": "a[" + " " * LONG,
    "spaces after not": "a not" + " " * LONG + "x",
    "digits": "9" * LONG + " == 1",
    "symbols": "=" * LONG,
    "hyphens": "a" + "-" * LONG,
    "hyphenated name": "a" + "-b" * LONG,
    "dots": "a" + "." * LONG,
    "words": "a " * LONG,
    "commas": "a IN [" + "," * LONG,
    "closing brackets": "a == 1" + ")" * LONG,
}


@pytest.mark.parametrize("text", ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_a_long_wrong_text_is_refused_at_once(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert time.process_time() - started < 2
    assert len(str(caught.value)) < 300


def test_a_long_path_is_followed_without_recursion() -> None:
    value: Any = 1
    for _ in range(3_000):
        value = {"a": value}
    assert parse(".".join(["a"] * 3_001) + " == 1").evaluate({"a": value})


def test_deeply_nested_values_are_compared_without_recursion() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    env = {"x": deep, "y": [deep], "z": {"k": deep}}
    for operator in ("==", "!=", "<", "HAS", "IN", "NOT IN", "CONTAINS"):
        for left, right in (("x", "y"), ("y", "x"), ("x", "'a'"), ("z", "x"), ("z.k", "5")):
            expression = parse(f"{left} {operator} {right}")
            assert expression.evaluate(env) is expression.bind(env).constant


def test_an_error_is_not_kept_and_a_result_is() -> None:
    for _ in range(2):
        with pytest.raises(ExpressionError):
            parse("a ==")
    assert parse("a == 1") is parse("a == 1")
