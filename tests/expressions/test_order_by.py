"""order_by: clauses, sort keys, and when it is to be ignored (behaviour §5, OQ-11)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.expressions.expression import ExpressionError
from engine.expressions.order_by import OrderBy, parse_order_by


def test_clauses_with_directions_in_any_case_and_nested_paths() -> None:
    order = parse_order_by("worker.level DESC, worker.skills.english asc ,worker.rank[0]")
    assert order.clauses == (
        (("worker", "level"), True),
        (("worker", "skills", "english"), False),
        (("worker", "rank", 0), False),
    )


@pytest.mark.parametrize("text", ["worker.level", "worker.level ASC", "  worker . level\nasc "])
def test_ascending_is_the_default(text: str) -> None:
    assert parse_order_by(text).canonical == "worker.level ASC"
    assert parse_order_by(text) == parse_order_by("worker.level ASC")
    assert hash(parse_order_by(text)) == hash(parse_order_by("worker.level ASC"))


def test_an_order_differs_by_direction_and_from_other_things() -> None:
    assert parse_order_by("worker.level DESC") != parse_order_by("worker.level")
    assert parse_order_by("worker.level") != "worker.level ASC"


def sorted_names(order: OrderBy, workers: dict[str, dict[str, Any]]) -> list[str]:
    def key(name: str) -> Any:
        return order.key({"worker": workers[name]})

    return sorted(workers, key=key)


WORKERS: dict[str, dict[str, Any]] = {
    "none": {},
    "low": {"level": 1},
    "null": {"level": None},
    "high": {"level": 9},
}


def test_ascending_puts_the_lowest_first_and_who_lacks_it_last() -> None:
    assert sorted_names(parse_order_by("worker.level ASC"), WORKERS) == ["low", "high", "none", "null"]


def test_descending_puts_the_highest_first_and_who_lacks_it_last() -> None:
    assert sorted_names(parse_order_by("worker.level DESC"), WORKERS) == ["high", "low", "none", "null"]


def test_a_later_clause_decides_between_equals() -> None:
    workers = {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 2}, "d": {"x": 1}}
    assert sorted_names(parse_order_by("worker.x, worker.y DESC"), workers) == ["b", "a", "d", "c"]


@pytest.mark.parametrize("value", ["5", 5.5, True, False, [1], {"a": 1}, ""])
def test_a_value_that_is_no_integer_makes_it_be_ignored(value: object) -> None:
    order = parse_order_by("worker.a, worker.b DESC")
    assert order.key({"worker": {"a": 1, "b": value}}) is None
    assert order.key({"worker": {"a": value}}) is None


def test_an_integral_decimal_is_an_integer() -> None:
    assert parse_order_by("worker.a").key({"worker": {"a": 5.0}}) == parse_order_by("worker.a").key(
        {"worker": {"a": 5}}
    )


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expecting a name"),
        ("worker.level DOWN", 14, "found 'DOWN', expecting ASC, DESC, ',' or the end"),
        ("worker.level ASC DESC", 18, "expecting ',' or the end"),
        ("worker.level,", 14, "found end of expression, expecting a name"),
        ("worker.level ASC worker.age", 18, "found 'worker.age', expecting ',' or the end"),
        (", worker.level", 1, "found ',', expecting a name"),
        ("worker.level == 5", 14, "found '==', expecting ASC, DESC"),
        ("'worker.level'", 1, "expecting a name"),
        ("worker.my-level", 10, "found '-'"),
        ("a\0", 2, "U+0000"),
    ],
)
def test_errors_name_the_column(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_order_by(text)
    assert caught.value.column == column
    assert message in caught.value.message


def test_length_is_limited() -> None:
    assert parse_order_by("worker.a", length_max=8).clauses
    with pytest.raises(ExpressionError):
        parse_order_by("worker.ab", length_max=8)


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("worker.level ,ASC desc[0]'-\0é"), max_size=30))
def test_any_text_is_an_order_or_a_clean_error(text: str) -> None:
    order, error = read(text)
    if order is None:
        assert error is not None
        assert 1 <= error.column <= len(text) + 1
    else:
        assert parse_order_by(order.canonical) == order


def read(text: str) -> tuple[OrderBy | None, ExpressionError | None]:
    try:
        return parse_order_by(text), None
    except ExpressionError as error:
        return None, error
