"""Partial evaluation: what is left of an expression once some names are known."""

from typing import Any

import pytest
from hypothesis import given, settings

from engine.expressions.bind import bind_tree
from engine.expressions.expression import equalities, memberships, parse
from engine.expressions.nodes import Truth
from tests.expressions.strategies import ENVS, RECORDS, TEXTS

TASK = {
    "skill": "billing",
    "language": "en",
    "level": 3,
    "vip": True,
    "ignore": ["WK2", "WK1", "WK2"],
    "nobody": None,
    "profile": {"region": "eu"},
}

RESIDUALS = {
    "a value takes the place of its path": ("worker.skills HAS task.skill", "worker.skills HAS 'billing'"),
    "IN a worker's array is HAS": ("task.skill IN worker.skills", "worker.skills HAS 'billing'"),
    "a constant moves to the right": ("task.level <= worker.level", "worker.level >= 3"),
    "a nested value": ("worker.region == task.profile.region", "worker.region == 'eu'"),
    "a missing value is null": ("worker.sid == task.wanted", "worker.sid == null"),
    "an array is a set of values": ("worker.sid NOT IN task.ignore", "worker.sid NOT IN ['WK1', 'WK2']"),
    "NOT IN a missing array never holds": ("worker.sid NOT IN task.other", "1==0"),
    "a decided AND falls away": ("task.vip == true AND worker.level > 1", "worker.level > 1"),
    "a false part decides an AND": ("task.vip == false AND worker.level > 1", "1==0"),
    "a true part decides an OR": ("task.vip == true OR worker.level > 1", "1==1"),
    "a decided OR falls away": ("task.vip == false OR worker.level > 1", "worker.level > 1"),
    "chains join": ("(a == 1 AND b == 2 OR task.vip == false) AND c == 3", "a == 1 AND b == 2 AND c == 3"),
    "an order with a boolean never holds": ("worker.level > task.vip", "1==0"),
    "an equality with an array never holds": ("worker.sid == task.ignore", "1==0"),
    "unequal to an array asks for absence": ("worker.sid != task.ignore", "worker.sid == null"),
    "a one-element list is an equality": ("worker.lang IN [task.language]", "worker.lang == 'en'"),
    "a list keeps its unknown items": ("task.skill IN ['x', worker.main]", "'billing' IN [worker.main]"),
    "a known item decides a list": ("task.skill IN ['billing', worker.main]", "1==1"),
    "a list is no item of a list": ("[1] IN [worker.main, task.level] OR worker.a == 1", "worker.a == 1"),
    "a double negation falls away": ("NOT (NOT (worker.a == 1))", "worker.a == 1"),
    "nothing known, nothing changed": ("worker.a == 1", "worker.a == 1"),
}


@pytest.mark.parametrize(("text", "residual"), RESIDUALS.values(), ids=RESIDUALS.keys())
def test_residual(text: str, residual: str) -> None:
    bound = parse(text).bind({"task": TASK})
    assert bound.canonical == residual
    assert not any(path[0] == "task" for path in bound.paths)


def test_what_is_decided_already_stays_so() -> None:
    decided = Truth(True)
    assert bind_tree(decided, {"task": TASK}) is decided


def test_text_of_a_residual_is_canonical_and_an_unchanged_expression_stays_itself() -> None:
    expression = parse("task.a = 1 and worker.b=2")
    assert expression.bind({"task": {"a": 1}}).text == "worker.b == 2"
    assert expression.bind({"other": 1}) is expression


def test_a_decided_expression_is_a_constant() -> None:
    expression = parse("task.skill == 'billing'")
    assert expression.constant is None
    assert expression.bind({"task": TASK}).constant is True
    assert expression.bind({"task": {}}).constant is False
    assert parse("1 == 1").constant is True
    assert parse("1 = 0").constant is False


def test_tasks_that_differ_only_in_what_is_not_read_share_a_residual() -> None:
    expression = parse("worker.skills HAS task.skill")
    one, two = (
        expression.bind({"task": {"skill": "a", "n": 1}}),
        expression.bind({"task": {"skill": "a", "n": 2}}),
    )
    assert one == two
    assert len({one, two}) == 1
    assert one != expression.bind({"task": {"skill": "b"}})


def test_a_bound_expression_does_not_follow_later_changes() -> None:
    task = {"ignore": ["WK1", "WK2"]}
    bound = parse("worker.sid NOT IN task.ignore").bind({"task": task})
    task["ignore"].append("WK3")
    assert bound.evaluate({"worker": {"sid": "WK3"}})


def test_equalities_of_the_conjuncts() -> None:
    expression = parse(
        "worker.sid == 'WK1' AND 'sales' = worker.team AND worker.level > 2 "
        "AND (worker.a == 1 OR worker.b == 2) AND worker.c == worker.d AND worker.n IN [5.0]"
    )
    assert equalities(expression) == [
        (("worker", "sid"), "WK1"),
        (("worker", "team"), "sales"),
        (("worker", "n"), 5),
    ]
    assert len(expression.conjuncts()) == 6


def test_memberships_of_the_conjuncts() -> None:
    expression = parse("worker.skills HAS 'a' AND 'b' IN worker.skills AND NOT worker.skills HAS 'c'")
    assert memberships(expression) == [(("worker", "skills"), "a"), (("worker", "skills"), "b")]


def test_conjuncts_of_one_comparison_of_a_chain_and_of_constants() -> None:
    assert len(parse("a == 1").conjuncts()) == 1
    assert len(parse("a == 1 OR b == 1").conjuncts()) == 1
    assert parse("1 == 1").conjuncts() == ()
    assert equalities(parse("1 == 0")) == []
    assert len(parse("1 == 0").conjuncts()) == 1


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, env=ENVS, task=RECORDS)
def test_binding_first_changes_no_outcome(text: str, env: dict[str, Any], task: dict[str, Any]) -> None:
    expression = parse(text)
    bound = expression.bind({"task": task})
    assert not any(path[0] == "task" for path in bound.paths)
    assert bound.evaluate(env) is expression.evaluate(env | {"task": task})
    whole = bound.bind({"worker": env.get("worker"), "x": env.get("x")})
    assert whole.constant is expression.evaluate(env | {"task": task})
