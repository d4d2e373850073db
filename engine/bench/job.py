"""What the parent tells a generator process to do, and what that tells at its end."""

from dataclasses import dataclass, field

from engine.bench.scenario import Answers, Phase, Task


@dataclass(slots=True, frozen=True)
class Job:
    """A phase for one process; times are those of time.monotonic().

    `workflows` are SIDs of this process, in the order of the scenario's copies; () sends none.
    `share` is its part of the whole load: 1 / number of processes.
    """

    base_url: str
    account_sid: str
    auth_token: str
    tasks_path: str
    workflows: tuple[str, ...]
    tasks: tuple[Task, ...]
    answers: Answers
    phase: Phase
    share: float
    number: int
    seed: int
    begin_s: float
    interval_s: float

    @property
    def measure_s(self) -> float:
        """When measuring begins: after the warm-up."""
        return self.begin_s + self.phase.warmup_s

    @property
    def end_s(self) -> float:
        """When no more tasks are created."""
        return self.measure_s + self.phase.seconds


@dataclass(slots=True)
class Ledger:
    """What a process has to say for the audit; a sum of SIDs stands for the set of them.

    Two sets of SIDs of the same size and the same sum modulo 2**128 are the same, as far as chance goes.
    """

    created: int = 0
    created_sum: int = 0
    unknown: int = 0
    """Creations that may or may not have happened: connection lost, time over, 5xx."""
    completed: int = 0
    completed_sum: int = 0
    completed_unknown: int = 0
    assigned_twice: int = 0
    """Offers of another reservation for a task that this process had accepted already."""
    unfinished: int = 0
    """Tasks that were not completed when draining ended."""
    stray_callbacks: int = 0
    """Offers of tasks that this process did not know, or had completed."""
    faults: int = 0
    """Exceptions in the generator itself: its figures are worth nothing then."""
    problems: list[str] = field(default_factory=list)

    def create(self, sid: str) -> None:
        """Note an acknowledged creation."""
        self.created += 1
        self.created_sum = added(self.created_sum, sid)

    def complete(self, sid: str) -> None:
        """Note an acknowledged completion."""
        self.completed += 1
        self.completed_sum = added(self.completed_sum, sid)

    def add(self, other: "Ledger") -> None:
        """Add what another process says."""
        self.created += other.created
        self.created_sum = (self.created_sum + other.created_sum) % 2**128
        self.unknown += other.unknown
        self.completed += other.completed
        self.completed_sum = (self.completed_sum + other.completed_sum) % 2**128
        self.completed_unknown += other.completed_unknown
        self.assigned_twice += other.assigned_twice
        self.unfinished += other.unfinished
        self.stray_callbacks += other.stray_callbacks
        self.faults += other.faults
        self.problems += other.problems


def added(total: int, sid: str) -> int:
    """Return the sum with a SID added."""
    return (total + int.from_bytes(bytes.fromhex(sid[2:]))) % 2**128
