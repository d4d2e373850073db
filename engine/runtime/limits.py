"""Every limit of the runtime, with its unit in its name."""

from dataclasses import dataclass

from engine.errors import SettingsError


@dataclass(slots=True, frozen=True)
class RuntimeLimits:
    """How much a workspace loop takes at once, how long it waits, and how its lease is timed.

    Raises SettingsError when the timing of the lease would let an owner write after its lease ran out.
    """

    inbox_commands_max: int = 10_000
    """Commands that wait for one workspace; the next one is refused at once."""
    batch_commands_max: int = 1_000
    """Commands in one transaction."""
    deadlines_max: int = 1_000
    """Due deadlines fired in one transaction."""
    match_decisions_max: int = 1_000
    """Tasks that one batch tries to match."""
    commit_timeout_s: float = 5.0
    """After this a commit counts as failed, with an unknown outcome."""
    commit_slow_ms: int = 250
    """A commit that takes longer is logged."""
    lease_ttl_s: float = 15.0
    """How long a silent owner keeps its workspaces."""
    lease_renew_s: float = 5.0
    """Pause between two renewals."""
    lease_margin_s: float = 3.0
    """What the owner takes off its lease for clock drift and pauses."""
    reload_backoff_min_s: float = 0.05
    """First pause before a workspace is loaded again; doubles with every failure."""
    reload_backoff_max_s: float = 2.0
    """Longest pause before a workspace is loaded again."""
    load_concurrency_max: int = 4
    """Workspaces that load at the same time."""
    discovery_interval_s: float = 15.0
    """Pause between two looks for workspaces that another node created."""
    request_timeout_s: float = 30.0
    """How long a caller waits for its batch to be durable; then it does not learn the outcome."""
    finished_task_retention_s: int = 300
    """How long a completed or canceled task can still be addressed (behaviour §2)."""

    def __post_init__(self) -> None:
        if self.lease_renew_s + self.commit_timeout_s < self.lease_ttl_s - self.lease_margin_s:
            return
        raise SettingsError(
            "lease_renew_s + commit_timeout_s must be less than lease_ttl_s - lease_margin_s: "
            f"{self.lease_renew_s} + {self.commit_timeout_s} is not less than "
            f"{self.lease_ttl_s} - {self.lease_margin_s}"
        )

    def reload_backoff_s(self, failures: int) -> float:
        """Return the pause before the next attempt to open a workspace, after so many failures in a row."""
        if failures == 0:
            return 0.0
        doublings = min(failures - 1, 20)
        return min(self.reload_backoff_max_s, self.reload_backoff_min_s * 2.0**doublings)
