"""What cumulative statistics are made of: counters, waits, and the time workers were in activities."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from engine.routing.rollups import COUNTERS


@dataclass(slots=True)
class Stays:
    """A histogram: whole seconds to how often."""

    times: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: int, times: int = 1) -> None:
        """Count a stay so many times more; a negative number takes it back."""
        count = self.times.get(seconds, 0) + times
        if count:
            self.times[seconds] = count
        else:
            self.times.pop(seconds, None)

    @property
    def total(self) -> int:
        """The sum in seconds."""
        return sum(seconds * times for seconds, times in self.times.items())

    @property
    def average(self) -> float:
        """The mean in seconds, 0 without any."""
        return self.total / sum(self.times.values()) if self.times else 0.0

    @property
    def least(self) -> int:
        """The shortest, 0 without any."""
        return min(self.times, default=0)

    @property
    def most(self) -> int:
        """The longest, 0 without any."""
        return max(self.times, default=0)


class Waits:
    """Waits added up: how many, how long in all, the shortest, the longest, how many up to a threshold.

    Args:
        thresholds: seconds; only about these `at_most` can tell.
    """

    __slots__ = ("_thresholds", "_within", "count", "least", "most", "total")

    def __init__(self, thresholds: Sequence[int] = ()) -> None:
        self.count = self.total = self.least = self.most = 0
        self._thresholds = tuple(sorted(thresholds))
        self._within = [0] * len(self._thresholds)

    @property
    def average(self) -> float:
        """The mean in seconds, 0 without any."""
        return self.total / self.count if self.count else 0.0

    def at_most(self, threshold: int) -> int:
        """Count those that are not longer than one of the thresholds."""
        return self._within[self._thresholds.index(threshold)]

    def add(self, seconds: int, times: int) -> None:
        """Take in a wait that occurred so many times."""
        self.add_sums(times, seconds * times, seconds, seconds)
        place = sum(threshold < seconds for threshold in self._thresholds)
        self.add_within(place, times)

    def add_sums(self, count: int, total: int, least: int, most: int) -> None:
        """Take in the sums over at least one wait; `add_within` has to follow for the thresholds."""
        self.least = min(self.least, least) if self.count else least
        self.most = max(self.most, most)
        self.count += count
        self.total += total

    def add_within(self, place: int, times: int) -> None:
        """Count waits that are longer than the first `place` thresholds and not longer than the others."""
        for index in range(place, len(self._within)):
            self._within[index] += times

    def add_all(self, other: "Waits") -> None:
        """Take in what another one with the same thresholds has."""
        if other.count:
            self.add_sums(other.count, other.total, other.least, other.most)
            self._within = [one + two for one, two in zip(self._within, other._within, strict=True)]


class Cumulative:
    """What happened in a window: counters by name, waits by measure.

    Args:
        thresholds: seconds that the waits are split by.
    """

    __slots__ = ("_thresholds", "_waits", "counters")

    def __init__(self, thresholds: Sequence[int] = ()) -> None:
        self.counters = dict.fromkeys(COUNTERS, 0)
        self._thresholds = thresholds
        self._waits: dict[str, Waits] = {}

    def of(self, measure: str) -> Waits:
        """Return the waits of a measure."""
        waits = self._waits.get(measure)
        if waits is None:
            waits = self._waits[measure] = Waits(self._thresholds)
        return waits

    def add_all(self, other: "Cumulative") -> None:
        """Take in what another one with the same thresholds has."""
        for name, count in other.counters.items():
            self.counters[name] += count
        for measure, waits in other._waits.items():
            self.of(measure).add_all(waits)


def added(parts: Iterable[Cumulative]) -> Cumulative:
    """Add up what happened in several scopes, none of them split by thresholds."""
    whole = Cumulative()
    for part in parts:
        whole.add_all(part)
    return whole
