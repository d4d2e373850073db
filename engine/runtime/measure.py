"""What the loops tell Prometheus."""

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


class LoopMeasure:
    """The share of one loop in the gauges, and what it adds to the counters."""

    __slots__ = ("_serving", "_tasks")

    def __init__(self) -> None:
        self._serving = False
        self._tasks: dict[str, int] = {}

    def opened(self, core: WorkspaceCore) -> None:
        """The loop has a core now."""
        if not self._serving:
            metrics.WORKSPACES.inc()
        self._serving = True
        self._count_tasks(core.counts())

    def closed(self) -> None:
        """The loop has no core any more."""
        if self._serving:
            metrics.WORKSPACES.dec()
        self._serving = False
        self._count_tasks({})

    def committed(self, core: WorkspaceCore, changes: Changes, commands: int, took_s: float) -> None:
        """A batch is durable."""
        metrics.BATCH_COMMANDS.observe(commands)
        metrics.COMMIT_SECONDS.observe(took_s)
        events = Counter(event.event_type for event in changes.events)
        for event_type in events.keys() & _OUTCOMES.keys():
            metrics.RESERVATIONS.labels(_OUTCOMES[event_type]).inc(events[event_type])
        if changes.tasks or changes.removed:
            self._count_tasks(core.counts())

    def failed(self, error: Exception) -> None:
        """A batch did not become durable, or perhaps not."""
        reason = "error"
        if isinstance(error, Fenced):
            reason = "fenced"
        elif isinstance(error, StoreUnavailable):
            reason = "unavailable"
        metrics.COMMIT_FAILURES.labels(reason).inc()

    def _count_tasks(self, counts: dict[str, int]) -> None:
        now = {str(state): number for state, number in counts.items()}
        metrics.count_tasks(self._tasks, now)
        self._tasks = now
