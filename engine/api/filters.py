"""List filters that are more than a comparison: orderings and expressions (contract §5, behaviour §6)."""

from collections.abc import Callable
from typing import Any, TypeVar

from engine.api.fields import expression_text
from engine.api.problems import bad_request
from engine.expressions.expression import Expression, ExpressionError, parse
from engine.readers import Reader, reads
from engine.routing.attributes import parse_attributes
from engine.routing.values import worker_values
from engine.routing.views import TaskQueueView, TaskView, WorkerView

V = TypeVar("V")

Ordering = tuple[tuple[str, bool], ...]
"""Columns with whether they descend."""

_DIRECTIONS = {"asc": False, "desc": True}


def ordering(columns: dict[str, str]) -> Reader[Ordering]:
    """Make a reader of `Attribute:asc,Attribute:desc`.

    Args:
        columns: the columns by the names that clients know them by.
    """
    known = {name.lower(): column for name, column in columns.items()}

    @reads(type="string", examples=[f"{name}:asc" for name in columns])
    def read(name: str, value: str) -> Ordering:
        terms: dict[str, bool] = {}
        for term in value.split(","):
            attribute, _, direction = term.strip().partition(":")
            column = known.get(attribute.strip().lower().replace("_", ""))
            descending = _DIRECTIONS.get(direction.strip().lower() or "asc")
            if column is None or descending is None or column in terms:
                names = ", ".join(columns)
                raise bad_request(f"{name}: expected Attribute:asc or Attribute:desc, each once, of {names}")
            terms[column] = descending
        return tuple(terms.items())

    return read


@reads(**expression_text.schema)
def expression(name: str, value: str) -> Expression:
    """Read an expression. Raises 400/20001 with the column of the mistake."""
    try:
        return parse(expression_text(name, value))
    except ExpressionError as error:
        raise bad_request(f"{name}: {error}") from None


def matching_task(condition: Expression) -> Callable[[TaskView], bool]:
    """Return a predicate: does the condition hold for the task's attributes?"""
    return lambda view: condition.evaluate(parse_attributes(view.attributes))


def matching_worker(condition: Expression) -> Callable[[WorkerView], bool]:
    """Return a predicate: does the condition hold for the worker?"""
    return lambda view: condition.evaluate(values_of(view))


def taking(values: dict[str, Any]) -> Callable[[TaskQueueView], bool]:
    """Return a predicate: would the queue take a worker with these values?"""

    def holds(view: TaskQueueView) -> bool:
        condition = target_workers(view)
        return condition is not None and condition.evaluate(values)

    return holds


def target_workers(view: TaskQueueView) -> Expression | None:
    """Return a queue's condition on workers; None when it takes nobody (behaviour §1)."""
    return parse(view.target_workers) if view.target_workers.strip() else None


def values_of(view: WorkerView) -> dict[str, Any]:
    """Return what TargetWorkers reads of a worker."""
    return worker_values(
        parse_attributes(view.attributes),
        view.sid,
        view.friendly_name,
        view.activity_sid,
        view.activity_name,
    )


def every(conditions: list[Callable[[V], bool]]) -> Callable[[V], bool] | None:
    """Return a predicate that all conditions make together; None without any."""
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    return lambda view: all(condition(view) for condition in conditions)
