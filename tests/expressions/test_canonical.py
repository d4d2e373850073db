"""One canonical text per meaning: what eligibility classes are told apart by."""

from typing import Any

import pytest
from hypothesis import given, settings

from engine.expressions.expression import parse
from tests.expressions.strategies import ENVS, RECORDS, TEXTS

SAME = {
    "one or two equals signs": ("a = 1", "a==1"),
    "case of keywords": ("a in ['x','y'] and b Has 'c'", "a IN ['x','y'] AND b HAS 'c'"),
    "kind of quotes": ("a == 'x'", 'a == "x"'),
    "escapes": (r"a == 'it\'s'", 'a == "it\'s"'),
    "spelling of numbers": ("a == 1.0", "a == 1"),
    "leading zeros": ("a == 0800", "a == 800"),
    "minus zero": ("a == -0.0", "a == 0"),
    "small decimals": ("a == 0.00000010", "a == 0.0000001"),
    "white space": ("a   ==\n1", "a==1"),
    "what an array, which is no item, is looked for in": ("['a'] NOT IN x", "['b'] NOT IN x"),
    "side of a constant": ("1 < a", "a > 1"),
    "symbols": ("a >- 'x' AND b <- [1,2]", "a HAS 'x' AND b IN [1,2]"),
    "IN and HAS": ("'x' IN a", "a HAS 'x'"),
    "a list on the left of HAS": ("['x','y'] HAS a", "a IN ['x','y']"),
    "order and repetition in a list": ("a IN ['y','x','y']", "a IN ['x','y']"),
    "a list of one": ("a IN ['x']", "a == 'x'"),
    "superfluous parentheses": ("((a == 1) AND ((b == 2)))", "a == 1 AND b == 2"),
    "nested chains": ("a == 1 AND (b == 2 AND c == 3)", "(a == 1 AND b == 2) AND c == 3"),
    "constant parts": ("a == 1 AND 1 == 1 OR 1 == 0", "a == 1"),
    "constants": ("1 = 1", "'x' == 'x'"),
    "null in any case": ("a != NULL", "a != null"),
    "path spacing": ("a . b [0] == 1", "a.b[0]==1"),
}
DIFFERENT = {
    "true and 1": ("a == true", "a == 1"),
    "text and number": ("a == '1'", "a == 1"),
    "true and 1 in a list": ("a IN [true, 5]", "a IN [1, 5]"),
    "order of a chain": ("a == 1 AND b == 2", "b == 2 AND a == 1"),
    "grouping": ("a == 1 AND (b == 2 OR c == 3)", "a == 1 AND b == 2 OR c == 3"),
    "NOT": ("NOT a == 1", "a != 1"),
    "case of text": ("a == 'X'", "a == 'x'"),
    "NOT IN a list of one, for arrays": ("a NOT IN ['x']", "a != 'x'"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_same_meaning_same_text(one: str, other: str) -> None:
    assert parse(one).canonical == parse(other).canonical
    assert parse(one) == parse(other)
    assert hash(parse(one)) == hash(parse(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_other_meaning_other_text(one: str, other: str) -> None:
    assert parse(one).canonical != parse(other).canonical
    assert parse(one) != parse(other)


SPELLED = {
    "an OR inside an AND has parentheses": ("(a==1 OR b==2) AND c==3", "(a == 1 OR b == 2) AND c == 3"),
    "an AND inside an OR needs none": ("(a==1 AND b==2) OR c==3", "a == 1 AND b == 2 OR c == 3"),
    "NOT before a chain has parentheses": ("not (a==1 or b==2)", "NOT (a == 1 OR b == 2)"),
    "booleans": ("a == TRUE AND b != False", "a == true AND b != false"),
    "backslashes and quotes": (r"""a == "b\\'c\d" """, r"a == 'b\\\'c\\d'"),
    "lists with names": ("1.0 IN [b, 2.0, 'x']", "1 IN [b]"),
}


@pytest.mark.parametrize(("text", "canonical"), SPELLED.values(), ids=SPELLED.keys())
def test_canonical_text_in_full(text: str, canonical: str) -> None:
    assert parse(text).canonical == canonical
    assert parse(canonical).canonical == canonical


def test_constants_are_spelled_as_comparisons() -> None:
    assert parse("true == true").canonical == "1==1"
    assert parse("NOT 1 == 1").canonical == "1==0"


def test_an_expression_equals_nothing_but_expressions() -> None:
    assert parse("a == 1") != "a == 1"


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, task=RECORDS, env=ENVS)
def test_canonical_text_parses_back_to_itself(text: str, task: dict[str, Any], env: dict[str, Any]) -> None:
    for expression in (parse(text), parse(text).bind({"task": task})):
        again = parse(expression.canonical)
        assert again.canonical == expression.canonical
        assert again.constant is expression.constant
        assert again.evaluate(env) is expression.evaluate(env)
