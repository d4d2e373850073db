"""What the loops tell Prometheus."""

import time
from collections import Counter

from engine import metrics
from engine.errors import Fenced, StoreUnavailable
from engine.routing.core import WorkspaceCore
from engine.routing.effects import Changes

_OUTCOMES = {
    f"reservation.{event}": outcome
    for event, outcome in (
        ("created", "created"),
        ("accepted", "accepted"),
        ("rejected", "rejected"),
        ("timeout", "timeout"),
        ("canceled", "canceled"),
        ("rescinded", "rescinded"),
        ("wrapup", "wrapping"),
        ("completed", "completed"),
    )
}


COUNTING_SHARE = 0.01
"""How much of its time a loop may spend on counting its tasks, which takes longer the more there are."""


class LoopMeasure:
    """The share of one loop in the gauges, and what it adds to the counters."""

    __slots__ = ("_count_again_s", "_counted", "_serving", "_tasks")

    def __init__(self) -> None:
        self._serving = False
        self._tasks: dict[str, int] = {}
        self._counted = True
        self._count_again_s = 0.0

    @property
    def open_tasks(self) -> int:
        """How many open tasks there were at the last count."""
        return sum(self._tasks.values())

    def opened(self, core: WorkspaceCore) -> None:
        """The loop has a core now."""
        if not self._serving:
            metrics.WORKSPACES.inc()
        self._serving = True
        self._counted = False
        self.refresh(core)

    def closed(self) -> None:
        """The loop has no core any more."""
        if self._serving:
            metrics.WORKSPACES.dec()
        self._serving = False
        self._counted = True
        self._show_tasks({})

    def committed(self, core: WorkspaceCore, changes: Changes, commands: int, took_s: float) -> None:
        """A batch is durable."""
        metrics.BATCH_COMMANDS.observe(commands)
        metrics.COMMIT_SECONDS.observe(took_s)
        events = Counter(event.event_type for event in changes.events)
        for event_type in events.keys() & _OUTCOMES.keys():
            metrics.RESERVATIONS.labels(_OUTCOMES[event_type]).inc(events[event_type])
        if changes.tasks or changes.removed:
            self._counted = False
            self.refresh(core)

    def refresh(self, core: WorkspaceCore) -> None:
        """Count the tasks anew, if that is due and does not take too great a share of the time."""
        if self._counted:
            return
        began_s = time.perf_counter()
        if began_s < self._count_again_s:
            return
        self._show_tasks(core.counts())
        now_s = time.perf_counter()
        self._count_again_s = now_s + (now_s - began_s) / COUNTING_SHARE
        self._counted = True

    def failed(self, error: Exception) -> None:
        """A batch did not become durable, or perhaps not."""
        reason = "error"
        if isinstance(error, Fenced):
            reason = "fenced"
        elif isinstance(error, StoreUnavailable):
            reason = "unavailable"
        metrics.COMMIT_FAILURES.labels(reason).inc()

    def _show_tasks(self, counts: dict[str, int]) -> None:
        now = {str(state): number for state, number in counts.items()}
        metrics.count_tasks(self._tasks, now)
        self._tasks = now
