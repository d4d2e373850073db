"""What a client sees of the present: the figures of real-time statistics (behaviour §10)."""

from dataclasses import dataclass, field
from enum import StrEnum


class Scope(StrEnum):
    """What figures are told of."""

    WORKSPACE = "workspace"
    QUEUE = "queue"
    WORKFLOW = "workflow"
    WORKER = "worker"


@dataclass(slots=True, frozen=True)
class Waiting:
    """The task that waits longest: its SID and since when; both None when none waits."""

    task_sid: str | None = None
    since_ms: int | None = None


@dataclass(slots=True, frozen=True)
class TaskFigures:
    """The open tasks of one scope on one task channel, or on all.

    `longest_in_queue` goes by the entry into the queue the task is in, `longest` by its creation.
    """

    by_status: dict[str, int]
    by_priority: dict[int, int]
    longest: Waiting = Waiting()
    longest_in_queue: Waiting = Waiting()

    @property
    def total(self) -> int:
        """All open tasks."""
        return sum(self.by_status.values())


@dataclass(slots=True, frozen=True)
class ActivityFigures:
    """How many workers of the scope are in an activity."""

    sid: str
    friendly_name: str
    workers: int


@dataclass(slots=True, frozen=True)
class RealTimeView:
    """The present figures of `sid` at `now_ms`.

    `workers` are all of the scope (a queue's: those its TargetWorkers takes), `available_workers` those of
    them in an available activity, busy or not. `worker_sids` names them when the command chose among them.
    """

    sid: str
    now_ms: int
    tasks: TaskFigures
    activities: tuple[ActivityFigures, ...] = ()
    workers: int = 0
    available_workers: int = 0
    worker_sids: tuple[str, ...] | None = field(default=None)
