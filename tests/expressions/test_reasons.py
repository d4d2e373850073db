"""Why an expression does not hold: the first condition that fails, and what it read."""

from typing import Any

import pytest
from hypothesis import given, settings

from engine.expressions.expression import parse
from engine.expressions.reasons import Clauses, value_shown, why_never
from tests.expressions.strategies import ENVS, RECORDS, TEXTS

WORKER = {"worker": {"level": 2, "skills": ["tea"], "name": "Ann", "at": {"desk": 4}}}

FAILURES = {
    "a comparison": ("worker.level >= 3", "worker.level >= 3 is false: level is 2"),
    "the first of two": (
        "worker.level > 0 AND worker.skills HAS 'x' AND worker.level > 9",
        "worker.skills HAS 'x' is false: skills is ['tea']",
    ),
    "what is missing": ("worker.team == 'x'", "worker.team == 'x' is false: team is missing"),
    "a negation": ("NOT worker.name == 'Ann'", "NOT worker.name == 'Ann' is false: name is 'Ann'"),
    "two paths": ("worker.a > worker.level", "worker.a > worker.level is false: a is missing, level is 2"),
    "a path told once": (
        "worker.level == 1 OR worker.level == 3",
        "none of worker.level == 1, worker.level == 3 holds: level is 2",
    ),
    "a nested path": ("worker.at.desk == 5", "worker.at.desk == 5 is false: at.desk is 4"),
    "an object": ("worker.at == 5", "worker.at == 5 is false: at is an object"),
    "the root itself": ("worker == 5", "worker == 5 is false: worker is an object"),
    "a constant": ("1 == 2", "1==0 never holds"),
}


@pytest.mark.parametrize(("text", "told"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_names_the_condition_and_the_values(text: str, told: str) -> None:
    failing = Clauses(parse(text), root="worker").first_failing(WORKER)
    assert failing is not None
    assert failing.why_not(WORKER) == told


def test_without_a_root_paths_are_spelled_in_full() -> None:
    failing = Clauses(parse("worker.level > 2")).first_failing(WORKER)
    assert failing is not None
    assert failing.why_not(WORKER) == "worker.level > 2 is false: worker.level is 2"


def test_as_many_alternatives_and_values_as_may_be_are_told_in_full() -> None:
    text = " OR ".join(f"worker.{name} == 1" for name in "abcd")
    failing = Clauses(parse(text), root="worker").first_failing(WORKER)
    assert failing is not None
    assert failing.failure == "none of worker.a == 1, worker.b == 1, worker.c == 1, worker.d == 1 holds"
    five = Clauses(parse(f"{text} OR worker.e == 1"), root="worker").first_failing(WORKER)
    assert five is not None
    assert five.values(WORKER) == ", ".join(f"{name} is missing" for name in "abcde")


def test_only_the_first_few_of_many_values_are_told() -> None:
    text = " OR ".join(f"worker.a{number} == 1" for number in range(9))
    failing = Clauses(parse(text), root="worker").first_failing(WORKER)
    assert failing is not None
    assert failing.why_not(WORKER) == (
        "none of 9 alternatives holds: a0 is missing, a1 is missing, a2 is missing, a3 is missing, "
        "a4 is missing, …"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "missing"),
        (True, "true"),
        (False, "false"),
        (2.50, "2.5"),
        ("it's", r"'it\'s'"),
        ([None, [1], {}], "[null, […], an object]"),
    ],
)
def test_values_are_spelled_as_in_expressions(value: Any, shown: str) -> None:
    assert value_shown(value) == shown


@pytest.mark.parametrize("value", ["x" * 4_000, list(range(4_000)), 10**4_000, 1e308])
def test_a_long_value_is_cut(value: Any) -> None:
    assert len(value_shown(value)) <= 60


def test_a_value_of_just_the_length_allowed_is_not_cut() -> None:
    assert value_shown("x" * 58) == f"'{'x' * 58}'"
    assert value_shown("x" * 59) == f"'{'x' * 58}…"


@given(TEXTS, ENVS)
@settings(max_examples=50, derandomize=True, database=None, deadline=None)
def test_a_condition_fails_exactly_when_the_expression_does_not_hold(text: str, env: dict[str, Any]) -> None:
    expression = parse(text)
    failing = Clauses(expression, root="worker").first_failing(env)
    assert (failing is None) == expression.evaluate(env)
    assert failing is None or failing.why_not(env).startswith(failing.failure)


@given(TEXTS, RECORDS)
@settings(max_examples=50, derandomize=True, database=None, deadline=None)
def test_a_condition_that_can_never_hold_is_found_when_binding_decides(
    text: str, task: dict[str, Any]
) -> None:
    expression = parse(text)
    told = why_never(expression, {"task": task})
    assert (told is not None) == (expression.bind({"task": task}).constant is False)


def test_a_condition_that_can_never_hold_is_told_with_what_was_known() -> None:
    expression = parse("worker.level >= 1 AND worker.level >= task.level")
    assert why_never(expression, {"task": {"level": True}}) == (
        "worker.level >= task.level can hold for nobody: task.level is true"
    )


def test_a_condition_that_can_never_hold_names_the_values_of_every_root() -> None:
    expression = parse("task.level > limits.level")
    assert why_never(expression, {"task": {"level": 1}, "limits": {"level": 2}}) == (
        "task.level > limits.level can hold for nobody: task.level is 1, limits.level is 2"
    )
    assert why_never(parse("1 == 2"), {}) == "1==0 can hold for nobody"
