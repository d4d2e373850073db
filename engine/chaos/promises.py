"""What the load was told over HTTP and holds against the daemon afterwards."""

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Promises:
    """Every acknowledged answer. A snapshot of it, taken before one of the database, must be found there."""

    created: set[str] = field(default_factory=set)
    """Tasks whose creation was answered 2xx."""
    accepted: set[str] = field(default_factory=set)
    """Reservations whose acceptance over the API was answered 200."""
    completed: set[str] = field(default_factory=set)
    """Tasks whose completion was answered 200."""
    acknowledged: int = 0
    """Requests that were answered 2xx."""
    unknown: int = 0
    """Creations without a key that had no answer, or a 5xx: they may or may not be there."""
    repeated: int = 0
    """Requests that were sent again."""
    other_answers: Counter[int] = field(default_factory=Counter)
    """Answers that acknowledged nothing, by status; 0 is none at all."""
    unexpected: Counter[str] = field(default_factory=Counter)
    """Answers that no fault excuses, by what was asked."""

    def snapshot(self) -> "Promises":
        """Return a copy of what must be found."""
        return Promises(set(self.created), set(self.accepted), set(self.completed), self.acknowledged)


class Pauses:
    """Measures the longest time without an acknowledged request, while requests are sent."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._since_s: float | None = None

    def begin(self) -> None:
        """Count from now: requests are sent from here on."""
        self._since_s = time.monotonic()

    def end(self) -> None:
        """Count no more: no requests are sent."""
        self.look()
        self._since_s = None

    def acknowledged(self) -> None:
        """Note an acknowledged request."""
        if self._since_s is not None:
            self.look()
            self._since_s = time.monotonic()

    def look(self) -> None:
        """Take in the pause that is going on."""
        if self._since_s is not None:
            self.worst_s = max(self.worst_s, time.monotonic() - self._since_s)

    def take(self) -> float:
        """Return the worst pause since the last time, in seconds."""
        self.look()
        worst_s, self.worst_s = self.worst_s, 0.0
        return worst_s
