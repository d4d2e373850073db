"""What the read modules share: the pool, the clock, and how long a finished task stays visible."""

from engine.clock import Clock, wall_clock_ms
from engine.storage.pool import Database


class Reader:
    """Base of the read modules. Every read raises StoreUnavailable when the database does not answer.

    Args:
        database: the pools.
        finished_task_retention_s: for how long a completed or canceled task stays visible (behaviour §2).
        task_attributes_s: for how long events tell the attributes of tasks (behaviour §9).
        clock: tells how long ago that was.
    """

    def __init__(
        self,
        database: Database,
        *,
        finished_task_retention_s: float = 300.0,
        task_attributes_s: float = 30 * 86_400.0,
        clock: Clock = wall_clock_ms,
    ) -> None:
        self._database = database
        self._retention_ms = round(finished_task_retention_s * 1000)
        self._attributes_ms = round(task_attributes_s * 1000)
        self._clock = clock

    def _finished_after_ms(self) -> int:
        """Return the moment after which a task must have finished to be visible still."""
        return self._clock() - self._retention_ms
