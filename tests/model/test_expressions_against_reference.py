"""The product's expressions mean what the naive evaluator says, whole and with the task bound in."""

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.expressions.expression import parse
from tests.model.naive_expressions import evaluate

EXAMPLES = {"ci": 80, "long": 20_000}[os.environ.get("POINTSMAN_MODEL_PROFILE", "ci")]

WORDS = ("a", "b", "1", "2.5", "")
scalars = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from((0.5, 1.0, 2.5, *WORDS))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("x", "y")), inner),
    max_leaves=5,
)
roots = st.dictionaries(st.sampled_from(("x", "y", "z")), values)

paths = st.builds(
    lambda root, steps: root + "".join(steps),
    st.sampled_from(("task", "worker")),
    st.lists(st.sampled_from((".x", ".y", ".z", "[0]", "[1]")), max_size=3),
)
literals = st.sampled_from(
    ("'a'", '"b"', "'1'", "''", "1", "-2", "2.5", "01", "0", "true", "false", "null", "[]", "['a', 1]")
)
lists = st.builds(lambda items: f"[{', '.join(items)}]", st.lists(paths | literals, max_size=3))
operands = paths | literals | lists
OPERATORS = (
    "==",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "CONTAINS",
    "HAS",
    "has",
    ">-",
    "IN",
    "<-",
    "NOT IN",
    "not in",
)
comparisons = st.builds(
    lambda left, operator, right: f"{left} {operator} {right}", operands, st.sampled_from(OPERATORS), operands
)
expressions = st.recursive(
    comparisons,
    lambda inner: (
        inner.map(lambda text: f"({text})")
        | inner.map(lambda text: f"NOT ({text})")
        | st.builds(lambda a, word, b: f"{a} {word} {b}", inner, st.sampled_from(("AND", "or")), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 80, database=None)
@given(text=expressions, task=roots, worker=roots)
def test_an_expression_holds_when_the_naive_evaluator_says_so(text: str, task: Any, worker: Any) -> None:
    expected = evaluate(text, {"task": task, "worker": worker})
    expression = parse(text)
    bound = expression.bind({"task": task})
    assert expression.evaluate({"task": task, "worker": worker}) is expected
    assert bound.evaluate({"worker": worker}) is expected
    assert bound.constant in (None, expected)
    assert parse(expression.canonical).evaluate({"task": task, "worker": worker}) is expected


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 80, database=None)
@given(text=expressions, tasks=st.tuples(roots, roots), worker=roots)
def test_bound_expressions_with_the_same_canonical_text_mean_the_same(
    text: str, tasks: Any, worker: Any
) -> None:
    first, second = (parse(text).bind({"task": task}) for task in tasks)
    if first.canonical == second.canonical:
        assert first.evaluate({"worker": worker}) is second.evaluate({"worker": worker})
