"""Which names resolve where, for the linter (behaviour §6): TargetWorkers, filters, targets, skip_if."""

import re
from collections.abc import Mapping
from functools import cached_property

from engine.expressions.canonical import path_text
from engine.expressions.lint_cases import Known, shown
from engine.expressions.nodes import Segments
from engine.expressions.semantics import Kind
from engine.routing.knowledge import BUILT_IN, Knowledge
from engine.routing.values import DAY_NAMES

_NUMBER = Known(frozenset({Kind.NUMBER}), missing=False)
_TEXT = Known(frozenset({Kind.STRING}), missing=False)
_TIME: Mapping[str, Known] = {
    "currentTime": _NUMBER,
    "currentHour": _NUMBER,
    "currentMin": _NUMBER,
    "dayOfWeek": Known(_TEXT.kinds, missing=False, values=DAY_NAMES),
}
_FIGURES = ("configured_capacity", "assigned_tasks", "available_capacity_percentage")
_ACTIVITY_SID = re.compile(r"WA[0-9a-fA-F]{32}")
_PREFIXES = frozenset({"worker", "task", "workers", "taskrouter"})


def _time_complaint(path: Segments) -> str | None:
    if len(path) == 2 and path[1] in _TIME:
        return None
    known = ", ".join(f"taskrouter.{name}" for name in _TIME)
    return f"there is no {shown(path_text(path))}; write one of {known}"


def _rest(path: Segments) -> str:
    """Return a path without its first name, as it would be written bare."""
    named = isinstance(path[1], str)
    return shown(path_text(path[1:] if named else path))


class _Base:
    """What the places have in common."""

    prefix = ""
    roots: frozenset[str] = frozenset()

    def __init__(self, knowledge: Knowledge | None = None) -> None:
        self.knowledge = knowledge

    def known_of_worker(self, path: Segments) -> Known | None:
        """Return what is known of a path into a worker's values."""
        if len(path) == 1 and path[0] in BUILT_IN:
            return self._built_in.get(str(path[0]), _TEXT)
        return self.knowledge.attribute(path, self.prefix) if self.knowledge else None

    @cached_property
    def _built_in(self) -> dict[str, Known]:
        if self.knowledge is None:
            return {}
        sids = self.knowledge.activities
        return {
            "activity_sid": Known(_TEXT.kinds, missing=False, values=sids.keys()),
            "activity_name": Known(_TEXT.kinds, missing=False, values=sids.values()),
        }


class QueueNames(_Base):
    """TargetWorkers: the worker's attributes and built-in fields by bare name."""

    def complaint(self, path: Segments) -> str | None:
        """Tell of a prefix where names are bare."""
        root = str(path[0])
        if root not in _PREFIXES or len(path) == 1 or (self.knowledge and self.knowledge.has(root)):
            return None
        if root == "worker":
            return f"names stand without prefix in TargetWorkers; write {_rest(path)}"
        return (
            f"TargetWorkers sees nothing but the worker; "
            f"ask for {shown(path_text(path))} in the expression of a workflow's target"
        )

    def known(self, path: Segments) -> Known | None:
        """Return what the workers have."""
        return self.known_of_worker(path)


class FilterNames(_Base):
    """A filter's expression: the task's attributes by bare name, and taskrouter.*."""

    roots = frozenset({"taskrouter"})

    def complaint(self, path: Segments) -> str | None:
        """Tell of a prefix where names are bare, and of unknown taskrouter names."""
        root = path[0]
        if root == "taskrouter":
            return _time_complaint(path)
        if len(path) == 1:
            return None
        if root == "task":
            return f"names stand without prefix in a filter; write {_rest(path)}"
        if root in _PREFIXES:
            where = "skip_if" if root == "workers" else "expression"
            return (
                f"a filter sees nothing but the task; ask for {shown(path_text(path))} in a target's {where}"
            )
        return None

    def known(self, path: Segments) -> Known | None:
        """Return what the time of day is; of tasks nothing is known."""
        return _TIME.get(str(path[-1])) if path[0] == "taskrouter" else None


class TargetNames(_Base):
    """A target's expression: task.*, worker.* and taskrouter.*."""

    prefix = "worker."
    roots = frozenset({"task", "worker", "taskrouter"})

    def complaint(self, path: Segments) -> str | None:
        """Tell of missing prefixes, and of unknown taskrouter and channel names."""
        root = path[0]
        if root == "taskrouter":
            return _time_complaint(path)
        if root not in self.roots:
            return self._without_prefix(path)
        if len(path) == 1:
            return f"{root} has attributes and is no value itself; write {root}. and the name of one"
        if path[:2] == ("worker", "channel"):
            return self._channel_complaint(path)
        return None

    def known(self, path: Segments) -> Known | None:
        """Return what the time of day is or what the workers have; of tasks nothing is known."""
        if path[0] == "taskrouter":
            return _TIME.get(str(path[-1]))
        if path[0] != "worker":
            return None
        return _NUMBER if path[1] == "channel" else self.known_of_worker(path[1:])

    def _without_prefix(self, path: Segments) -> str:
        name = shown(path_text(path))
        if path[0] == "workers":
            return f"{name} is known in skip_if only; write worker. for the worker who is looked at"
        root = str(path[0])
        if root in BUILT_IN or (self.knowledge and self.knowledge.has(root)):
            return f"names need their prefix in a target; write worker.{name}"
        return f"names need their prefix in a target; write task.{name} or worker.{name}"

    def _channel_complaint(self, path: Segments) -> str | None:
        name = shown(path_text(path))
        if len(path) != 4 or path[3] not in _FIGURES:
            return f"there is no {name}; a channel has {', '.join(_FIGURES)}"
        if self.knowledge and path[2] not in self.knowledge.channels:
            known = ", ".join(sorted(self.knowledge.channels)[:10])
            return f"there is no task channel {shown(str(path[2]))} in this workspace; it has {known}"
        return None


class SkipNames(_Base):
    """skip_if: workers.available, workers.unavailable and workers.WA…"""

    prefix = "workers."
    roots = frozenset({"workers"})

    def complaint(self, path: Segments) -> str | None:
        """Tell of every name that is no count of workers."""
        name = shown(path_text(path))
        if path[0] == "workers" and len(path) == 2:
            if path[1] in ("available", "unavailable"):
                return None
            sid = str(path[1])
            if _ACTIVITY_SID.fullmatch(sid):
                return self._activity_complaint(sid)
        return (
            f"skip_if does not know {name}; "
            "write workers.available, workers.unavailable or workers. and the SID of an activity"
        )

    def known(self, _path: Segments) -> Known | None:
        """Return that counts are numbers."""
        return _NUMBER

    def _activity_complaint(self, sid: str) -> str | None:
        if self.knowledge is None or sid in self.knowledge.activities:
            return None
        return (
            f"there is no activity {sid} in this workspace, so workers.{sid} is always 0; write another SID"
        )
