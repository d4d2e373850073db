"""What the linter knows of a workspace: a sample of its workers' values, its activities and task channels.

What is asked is bounded: so many workers, and so many values read of them altogether; past that nothing is
known, and the linter is silent where it does not know.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from engine.expressions.canonical import path_text
from engine.expressions.lint_cases import Known, shown
from engine.expressions.nodes import Segments
from engine.expressions.semantics import Kind, kind_of
from engine.routing.values import value_at

SAMPLE_MAX: Final = 1_000
"""Workers that are looked at."""
LOOK_UPS_MAX: Final = 100_000
"""Values that are read of them for all names together: some 10 ms."""

BUILT_IN = frozenset({"sid", "friendly_name", "activity_sid", "activity_name"})
"""The fields of a worker that are there without being attributes (behaviour §6)."""


class Knowledge:
    """Answers what the workers of a workspace have at a path.

    Args:
        workers: what TargetWorkers reads of each worker; evenly many of them are looked at.
        activities: names of the activities by SID.
        channels: unique names of the task channels.
        sample_max: how many workers are looked at.
        look_ups_max: how many values are read of them.
    """

    __slots__ = ("_known", "_look_ups_left", "_names", "_sample", "_where", "activities", "channels")

    def __init__(
        self,
        workers: Collection[Mapping[str, Any]],
        activities: Mapping[str, str],
        channels: Collection[str],
        *,
        sample_max: int = SAMPLE_MAX,
        look_ups_max: int = LOOK_UPS_MAX,
    ) -> None:
        stride = max(1, -(-len(workers) // sample_max))
        self._sample: Sequence[Mapping[str, Any]] = list(islice(workers, 0, None, stride))
        self._where = "" if stride == 1 else f" of the {len(self._sample)} looked at"
        self._look_ups_left = look_ups_max
        self._known: dict[Segments, Known | None] = {}
        self._names: dict[str, str] | None = None
        self.activities = dict(activities)
        self.channels = frozenset(channels)

    def attribute(self, path: Segments, prefix: str) -> Known | None:
        """Return what the workers have at a path into their attributes.

        Args:
            path: without a leading `worker`.
            prefix: what stands before it in the text, for messages.

        Returns:
            None when there are no workers, or enough values were read already.
        """
        if path not in self._known:
            self._known[path] = self._look_up(path, prefix)
        return self._known[path]

    def has(self, name: str) -> bool:
        """Tell whether some worker looked at has an attribute of this name."""
        known = self.attribute((name,), "")
        return known is not None and bool(known.kinds)

    def _look_up(self, path: Segments, prefix: str) -> Known | None:
        if not self._sample or self._look_ups_left < len(self._sample):
            return None
        self._look_ups_left -= len(self._sample)
        examples = {type(value): value for value in self._values(path)}
        kinds = frozenset(map(kind_of, examples.values()))
        present = kinds - {Kind.NULL}
        return Known(
            kinds=present,
            missing=Kind.NULL in kinds,
            where=f" on every worker{self._where} that has it",
            absent=None if present else self._absence(path, prefix),
        )

    def _values(self, path: Segments) -> Sequence[Any]:
        if len(path) == 1:
            name = str(path[0])
            return [values.get(name) for values in self._sample]
        return [value_at(values, path) for values in self._sample]

    def _absence(self, path: Segments, prefix: str) -> str:
        meant = self._similar(str(path[0])) if len(path) == 1 else None
        fix = (
            f"write {prefix}{shown(meant)}" if meant else "write the name of one that a worker has, or add it"
        )
        return f"no worker{self._where} has an attribute {shown(path_text(path))}; {fix}"

    def _similar(self, name: str) -> str | None:
        """Return the attribute that differs only in case, underscores or a plural s."""
        if self._names is None:
            names = sorted({name for values in self._sample for name in values})
            self._names = {_essence(known): known for known in names}
        return self._names.get(_essence(name))


def _essence(name: str) -> str:
    return name.casefold().replace("_", "").removesuffix("s")
