"""Find what is probably a mistake in a workflow's configuration or a queue's TargetWorkers.

Nothing is refused here: the texts are valid, and routed by as they stand. Warnings are made one by one and
linear in the size of the configuration. With `Knowledge` of the workspace they also tell of attributes that
no worker has and of values of another type than the workers have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from engine.expressions.canonical import path_text
from engine.expressions.expression import Expression
from engine.expressions.lint import Finding, Names, lint
from engine.expressions.lint_cases import shown
from engine.expressions.order_by import OrderBy
from engine.expressions.semantics import Kind
from engine.routing.knowledge import Knowledge
from engine.routing.lint_names import FilterNames, QueueNames, SkipNames, TargetNames
from engine.routing.workflow import Filter, Target, WorkflowConfiguration

__all__ = ["Knowledge", "LintWarning", "first_warnings", "lint_configuration", "lint_target_workers"]

WARNINGS_MAX = 100
"""Warnings that the answer to a command carries."""


@dataclass(frozen=True, slots=True)
class LintWarning:
    """One probable mistake: where it is, what is wrong and what would be right.

    `path` is that within the configuration (`filters[2].targets[0].expression`), or `TargetWorkers`; `column`
    counts from 1 and is None where the text as a whole is meant.
    """

    path: str
    column: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {Finding(self.column, self.message)}"


def lint_target_workers(
    expression: Expression | None, knowledge: Knowledge | None = None
) -> Iterator[LintWarning]:
    """Yield the probable mistakes of a queue's TargetWorkers; None is the empty text, which has none."""
    return _expression("TargetWorkers", expression, QueueNames(knowledge))


def lint_configuration(
    configuration: WorkflowConfiguration, knowledge: Knowledge | None = None
) -> Iterator[LintWarning]:
    """Yield the probable mistakes of a workflow's configuration, first what was tolerated in reading it."""
    for tolerated in configuration.warnings:
        path, _, message = tolerated.partition(": ")
        yield LintWarning(path, None, message)
    places = _Places(FilterNames(knowledge), TargetNames(knowledge), SkipNames(knowledge), knowledge)
    ways = _Ways()
    for index, filter_ in enumerate(configuration.filters):
        path = f"filters[{index}]"
        yield from _expression(f"{path}.expression", filter_.expression, places.filter)
        yield from ways.warnings(path, filter_)
        yield from _targets(path, filter_.targets, places)
    if configuration.default_filter is not None:
        yield from _target("default_filter", configuration.default_filter, places)


def first_warnings(warnings: Iterator[LintWarning]) -> tuple[str, ...]:
    """Return up to WARNINGS_MAX warnings as text; when there are more, the last one says so."""
    texts = [str(warning) for warning in islice(warnings, WARNINGS_MAX + 1)]
    if len(texts) > WARNINGS_MAX:
        texts[WARNINGS_MAX - 1 :] = [f"more than {WARNINGS_MAX - 1} warnings; the others are left out"]
    return tuple(texts)


@dataclass(frozen=True, slots=True)
class _Places:
    """The names that are known in the parts of a configuration."""

    filter: Names
    target: Names
    skip_if: Names
    knowledge: Knowledge | None


class _Ways:
    """Which filters tasks come to: none passes one that always matches and is never left.

    A task leaves a filter only by the timeout or the skip_if of its last target (behaviour §5).
    """

    __slots__ = ("_always", "_kept")

    def __init__(self) -> None:
        self._always: str | None = None
        self._kept: dict[str, str] = {}

    def warnings(self, path: str, filter_: Filter) -> Iterator[LintWarning]:
        """Yield the warning that no task comes to a filter; remember it for those below."""
        condition = filter_.expression.canonical
        if self._always is not None:
            earlier = f"{self._always} matches every task and no task leaves it"
            yield LintWarning(path, None, f"never reached: {earlier}; move it up or remove it")
        elif condition in self._kept:
            earlier = f"{self._kept[condition]} has the same condition and no task leaves it"
            yield LintWarning(path, None, f"never reached: {earlier}; join the two or remove one")
        elif filter_.expression.constant is not False and any(
            _is_last_stop(target) for target in filter_.targets
        ):
            self._kept[condition] = path
            if filter_.expression.constant is True:
                self._always = path


def _is_last_stop(target: Target) -> bool:
    """Tell whether a task that stands in this target never leaves it for the next."""
    skips = target.skip_if is not None and target.skip_if.constant is not False
    return target.timeout_s is None and not skips


def _targets(path: str, targets: Sequence[Target], places: _Places) -> Iterator[LintWarning]:
    before: Target | None = None
    priority: int | None = None
    stopped = False
    for index, target in enumerate(targets):
        target_path = f"{path}.targets[{index}]"
        yield from _target(target_path, target, places)
        if before is not None and not stopped and _is_repetition(before, target, priority):
            message = f"the same as targets[{index - 1}] before it; keep one, with the timeouts added up"
            yield LintWarning(target_path, None, message)
        if not stopped and index + 1 < len(targets) and _is_last_stop(target):
            stopped = True
            message = (
                f"has neither timeout nor skip_if, so targets[{index + 1}] is never reached; "
                "give it a timeout or remove what follows"
            )
            yield LintWarning(target_path, None, message)
        before = target
        priority = priority if target.priority is None else target.priority


def _is_repetition(before: Target, target: Target, priority: int | None) -> bool:
    """Tell whether a step asks for nothing else than the one before; a skip_if would be asked again."""
    return (
        before.skip_if is None
        and target.skip_if is None
        and target.priority in (None, priority)
        and (before.queue_sid, before.expression, before.order_by, before.known_by, before.known_worker_path)
        == (target.queue_sid, target.expression, target.order_by, target.known_by, target.known_worker_path)
    )


def _target(path: str, target: Target, places: _Places) -> Iterator[LintWarning]:
    yield from _expression(f"{path}.expression", target.expression, places.target)
    if target.order_by is not None:
        yield from _order_by(f"{path}.order_by", target.order_by, places)
    yield from _expression(f"{path}.skip_if", target.skip_if, places.skip_if)


def _expression(path: str, expression: Expression | None, names: Names) -> Iterator[LintWarning]:
    if expression is not None:
        for finding in lint(expression, names):
            yield LintWarning(path, finding.column, finding.message)


def _order_by(path: str, order_by: OrderBy, places: _Places) -> Iterator[LintWarning]:
    column = 1
    for (segments, _), text in zip(order_by.clauses, order_by.text.split(","), strict=True):
        start = column + len(text) - len(text.lstrip())
        column += len(text) + 1
        name = shown(path_text(segments))
        if segments[0] != "worker":
            message = f"{name} orders nothing: order_by looks at workers; write worker.{name}"
        else:
            complaint = places.target.complaint(segments) or _unordered(name, segments, places)
            if complaint is None:
                continue
            message = complaint
        yield LintWarning(path, start, message)


def _unordered(name: str, segments: tuple[str | int, ...], places: _Places) -> str | None:
    known = places.target.known(segments)
    if known is None or known.absent is not None:
        return None if known is None else known.absent
    if known.kinds == {Kind.NUMBER}:
        return None
    where = " on some workers" if Kind.NUMBER in known.kinds else known.where
    return f"{name} is no whole number{where}, and then order_by is ignored; use one that always is"
