"""A workflow's configuration: parsing, validation on save, and the choice of filters (behaviour §5).

The stored text is kept verbatim; what is parsed here is what routing reads. An error names the path in the
configuration (`filters[2].targets[0].expression: column 14: …`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import orjson

from engine.expressions.expression import Expression, ExpressionError, parse
from engine.expressions.lint_cases import shown
from engine.expressions.order_by import OrderBy, parse_order_by
from engine.routing.entities import DEFAULT_FILTER
from engine.routing.errors import Refused
from engine.routing.limits import EXPRESSION_LENGTH_MAX

if TYPE_CHECKING:
    from engine.routing.eligibility import Demand, Named

_PRIORITY_MAX = 2**31 - 1
_WARNINGS_MAX = 100


class KnownBy(Enum):
    """Which of a worker's fields a known-worker path holds."""

    SID = "sid"
    FRIENDLY_NAME = "friendly_name"


@dataclass(slots=True, eq=False)
class Target:
    """One step. `queue_sid` is already inherited from the target before."""

    queue_sid: str
    expression: Expression | None = None
    priority: int | None = None
    timeout_s: int | None = None
    order_by: OrderBy | None = None
    skip_if: Expression | None = None
    known_by: KnownBy | None = None
    known_worker_path: tuple[str | int, ...] = ()
    task_paths: tuple[tuple[str | int, ...], ...] = ()
    """The task attributes that `expression` reads, without the leading `task`."""
    reads_time: bool = False
    """Whether `expression` reads `taskrouter.*`, so that its binding ages with the clock."""
    bindings: dict[tuple[str, str, "Named | None"], "Demand"] = field(default_factory=dict)
    """Cache: a task's channel, its values at `task_paths` spelled out, its known worker: what it asks for."""


@dataclass(slots=True, eq=False)
class Filter:
    """A filter: the targets of the tasks that its expression matches.

    The expression is parsed when it is asked for: thousands of workflows are loaded whose tasks come later.
    """

    friendly_name: str | None
    text: str
    targets: tuple[Target, ...]
    parsed: Expression | None = None

    @property
    def expression(self) -> Expression:
        """The condition on the task's attributes."""
        if self.parsed is None:
            self.parsed = parse(self.text, length_max=EXPRESSION_LENGTH_MAX)
        return self.parsed


@dataclass(slots=True, eq=False)
class WorkflowConfiguration:
    """A parsed configuration; `warnings` name what was tolerated."""

    filters: tuple[Filter, ...]
    default_filter: Target | None
    warnings: tuple[str, ...] = ()

    def queue_sids(self) -> set[str]:
        """Return every queue that a target or the default filter names."""
        return {target.queue_sid for target in self._all_targets()}

    def targets(self, filter_index: int | None) -> tuple[Target, ...]:
        """Return the targets at `filter_index` (`DEFAULT_FILTER` for the default filter), or none."""
        if filter_index is None:
            return ()
        if filter_index == DEFAULT_FILTER:
            return (self.default_filter,) if self.default_filter else ()
        return self.filters[filter_index].targets

    def first_match(self, environment: dict[str, Any], below: int = -1) -> int | None:
        """Return the index of the first filter after `below` whose expression holds, or None."""
        for index in range(below + 1, len(self.filters)):
            if self.filters[index].expression.evaluate(environment):
                return index
        return None

    def walk(self, environment: dict[str, Any]) -> int | None:
        """Choose a filter from the top: the first match, else the default filter, else None."""
        index = self.first_match(environment)
        if index is None and self.default_filter is not None:
            return DEFAULT_FILTER
        return index

    def _all_targets(self) -> Iterator[Target]:
        for filter_ in self.filters:
            yield from filter_.targets
        if self.default_filter:
            yield self.default_filter


def parse_configuration(
    text: str, queue_exists: Callable[[str], bool] | None = None, *, was_saved: bool = False
) -> WorkflowConfiguration:
    """Parse and validate a configuration.

    Args:
        text: the JSON text as the client sent it.
        queue_exists: tells whether a queue SID exists in the workspace; None skips that check.
        was_saved: the text was validated when it was saved; its filters' expressions are parsed later.

    Raises:
        Refused: with the path of the first mistake and what would be right.
    """
    return _Parser(queue_exists, was_saved).configuration(text)


class _Parser:
    """Walks the JSON with the path at hand for errors."""

    def __init__(self, queue_exists: Callable[[str], bool] | None, was_saved: bool) -> None:
        self._queue_exists = queue_exists
        self._was_saved = was_saved
        self._warnings: list[str] = []

    def configuration(self, text: str) -> WorkflowConfiguration:
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise _invalid("Configuration", f"not valid JSON: {error}") from None
        root = self._routing_root(document)
        filters = root.get("filters", [])
        if filters is None:
            filters = []
        if not isinstance(filters, list):
            raise _invalid("filters", f"expected a list, found {_what(filters)}")
        parsed = tuple(self._filter(item, f"filters[{index}]") for index, item in enumerate(filters))
        default = root.get("default_filter")
        default_filter = None if default is None else self._default_filter(default)
        self._note_unknown("task_routing", root, {"filters", "default_filter"})
        return WorkflowConfiguration(parsed, default_filter, tuple(self._warnings))

    def _routing_root(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, dict):
            raise _invalid("Configuration", f"expected an object, found {_what(document)}")
        if "task_routing" in document:
            self._note_unknown("Configuration", document, {"task_routing"})
            return _object(document["task_routing"], "task_routing")
        if "filters" in document or "default_filter" in document:
            return document
        raise _invalid("Configuration", 'expected {"task_routing": {"filters": […], "default_filter": {…}}}')

    def _filter(self, item: Any, path: str) -> Filter:
        filter_ = _object(item, path)
        text = filter_.get("expression")
        expression = None if self._was_saved else self._expression(filter_, "expression", path)
        if not text:
            raise _invalid(f"{path}.expression", "required: a condition on the task's attributes")
        targets = filter_.get("targets")
        if not isinstance(targets, list) or not targets:
            raise _invalid(
                f"{path}.targets", f"expected a list of one target or more, found {_what(targets)}"
            )
        parsed: list[Target] = []
        for index, target in enumerate(targets):
            inherited = parsed[-1].queue_sid if parsed else None
            parsed.append(self._target(target, f"{path}.targets[{index}]", inherited))
        names = ("filter_friendly_name", "friendly_name", "friendlyName")
        name = next((filter_[key] for key in names if filter_.get(key) is not None), None)
        if name is not None and not isinstance(name, str):
            raise _invalid(f"{path}.filter_friendly_name", f"expected text, found {_what(name)}")
        self._note_unknown(path, filter_, {"expression", "targets", *names})
        return Filter(name, text, tuple(parsed), expression)

    def _default_filter(self, item: Any) -> Target:
        target = self._target(item, "default_filter", None)
        if target.timeout_s is not None:
            self._warnings.append("default_filter.timeout: ignored, the default filter has no timeout")
            target.timeout_s = None
        return target

    def _target(self, item: Any, path: str, inherited_queue_sid: str | None) -> Target:
        target = _object(item, path)
        expression = self._expression(target, "expression", path)
        known_by, known_path = self._known_worker(target, path)
        paths = expression.paths if expression else frozenset()
        self._note_unknown(path, target, _TARGET_KEYS)
        return Target(
            queue_sid=self._queue(target, path, inherited_queue_sid),
            expression=expression,
            priority=_integer(target, "priority", path, 0, _PRIORITY_MAX),
            timeout_s=_integer(target, "timeout", path, 1, None),
            order_by=self._order_by(target, path),
            skip_if=self._expression(target, "skip_if", path),
            known_by=known_by,
            known_worker_path=known_path,
            task_paths=tuple(sorted((p[1:] for p in paths if p[0] == "task"), key=repr)),
            reads_time=any(p[0] == "taskrouter" for p in paths),
        )

    def _queue(self, target: dict[str, Any], path: str, inherited: str | None) -> str:
        queue_sid = target.get("queue")
        if queue_sid is None:
            if inherited is None:
                raise _invalid(f"{path}.queue", "required: the SID of a TaskQueue")
            return inherited
        if not isinstance(queue_sid, str):
            raise _invalid(f"{path}.queue", f"expected the SID of a TaskQueue, found {_what(queue_sid)}")
        if self._queue_exists is not None and not self._queue_exists(queue_sid):
            raise _invalid(f"{path}.queue", f"there is no TaskQueue {queue_sid!r} in this workspace")
        return queue_sid

    def _expression(self, item: dict[str, Any], key: str, path: str) -> Expression | None:
        text = item.get(key)
        if text is None or text == "":
            return None
        if not isinstance(text, str):
            raise _invalid(f"{path}.{key}", f"expected text, found {_what(text)}")
        try:
            return parse(text, length_max=EXPRESSION_LENGTH_MAX)
        except ExpressionError as error:
            raise _invalid(f"{path}.{key}", str(error)) from None

    def _order_by(self, target: dict[str, Any], path: str) -> OrderBy | None:
        text = target.get("order_by")
        if text is None or text == "":
            return None
        if not isinstance(text, str):
            raise _invalid(f"{path}.order_by", f"expected text, found {_what(text)}")
        try:
            return parse_order_by(text, length_max=EXPRESSION_LENGTH_MAX)
        except ExpressionError as error:
            raise _invalid(f"{path}.order_by", str(error)) from None

    def _known_worker(
        self, target: dict[str, Any], path: str
    ) -> tuple[KnownBy | None, tuple[str | int, ...]]:
        given = [(key, by) for key, by in _KNOWN_KEYS.items() if target.get(key) not in (None, "")]
        if not given:
            return None, ()
        if len(given) > 1:
            raise _invalid(path, "known_worker_sid and known_worker_friendly_name exclude each other")
        key, known_by = given[0]
        try:
            paths = parse(f"{target[key]} == null").paths
        except ExpressionError:
            paths = frozenset()
        if len(paths) != 1 or (known_path := next(iter(paths)))[0] != "task" or len(known_path) == 1:
            raise _invalid(f"{path}.{key}", f"expected a path such as task.agent_sid, found {target[key]!r}")
        return known_by, known_path[1:]

    def _note_unknown(self, path: str, item: dict[str, Any], known: set[str]) -> None:
        for key in item:
            if key not in known and len(self._warnings) < _WARNINGS_MAX:
                self._warnings.append(
                    f"{path}.{shown(key)}: unknown key, ignored; known: {', '.join(sorted(known))}"
                )


_KNOWN_KEYS = {"known_worker_sid": KnownBy.SID, "known_worker_friendly_name": KnownBy.FRIENDLY_NAME}
_TARGET_KEYS = {"queue", "expression", "priority", "timeout", "order_by", "skip_if", *_KNOWN_KEYS}


def _invalid(path: str, message: str) -> Refused:
    return Refused(f"{path}: {message}")


def _what(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "nothing"}
    return names.get(type(value), "a number")


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(path, f"expected an object, found {_what(value)}")
    return value


def _integer(item: dict[str, Any], key: str, path: str, minimum: int, maximum: int | None) -> int | None:
    value = item.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        digits = value.strip()
        value = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 18 else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid(f"{path}.{key}", f"expected a whole number, found {item[key]!r}")
    if value < minimum or (maximum is not None and value > maximum):
        upper = "" if maximum is None else f" and at most {maximum}"
        raise _invalid(f"{path}.{key}", f"expected at least {minimum}{upper}, found {value}")
    return value
