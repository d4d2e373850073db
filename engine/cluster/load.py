"""How busy the workspaces of this node are."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

MEMORY_S = 5.0
"""How long a sample weighs before it counts for a third."""


@dataclass(slots=True)
class _Rate:
    commands: int
    sampled_s: float
    since_s: float
    sum: float = 0.0
    weight: float = 0.0

    def sample(self, commands: int, now_s: float) -> None:
        passed_s = now_s - self.sampled_s
        if passed_s <= 0:
            return
        kept = math.exp(-passed_s / MEMORY_S)
        self.sum = self.sum * kept + (commands - self.commands) / passed_s * (1 - kept)
        self.weight = self.weight * kept + (1 - kept)
        self.commands, self.sampled_s = commands, now_s

    @property
    def per_s(self) -> float:
        return self.sum / self.weight if self.weight else 0.0


class LoadMeter:
    """Commands per second by workspace, smoothed over some seconds; right from the first sample on."""

    __slots__ = ("_rates",)

    def __init__(self) -> None:
        self._rates: dict[str, _Rate] = {}

    def sample(self, counts: Iterable[tuple[str, int]], now_s: float) -> None:
        """Take in how many commands the workspaces that are served here have handled so far."""
        rates: dict[str, _Rate] = {}
        for workspace_sid, commands in counts:
            rate = self._rates.get(workspace_sid) or _Rate(commands, now_s, now_s)
            rate.sample(commands, now_s)
            rates[workspace_sid] = rate
        self._rates = rates

    def loads(self) -> dict[str, float]:
        """Return the commands per second of each workspace at the last sample."""
        return {workspace_sid: rate.per_s for workspace_sid, rate in self._rates.items()}

    def served_since_s(self, workspace_sid: str) -> float:
        """Return when a workspace was first sampled, by the clock of the samples."""
        return self._rates[workspace_sid].since_s
