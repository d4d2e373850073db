"""Adds up what the generator processes measured: totals of the measured stretch, and a point per interval."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

from engine.bench.measures import CREATE, CYCLE, OFFER, TIMES, Interval, new_histogram

OPEN_INTERVALS_MAX = 4
"""An interval is complete when so many later ones have begun: processes do not drift further apart."""
PLOTTED = (CREATE, OFFER, CYCLE)
PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p999", 99.9))


@dataclass(slots=True)
class _Open:
    times: dict[str, HdrHistogram] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    errors: int = 0


class Collector:
    """Takes intervals in as they come.

    Args:
        intervals: how many the measured stretch has; others are warm-up (negative) and draining.
        interval_s: how long one is.
        backlog: how many tasks wait when load begins.
    """

    def __init__(self, intervals: int, interval_s: float, backlog: int) -> None:
        self.counts: Counter[str] = Counter()
        """Of the measured stretch."""
        self.errors: Counter[str] = Counter()
        """Of the whole phase."""
        self.progress: Counter[str] = Counter()
        """Counts of the whole phase so far."""
        self.points: list[dict[str, Any]] = []
        self._intervals = intervals
        self._interval_s = interval_s
        self._waiting = backlog
        self._under_way = 0
        self._times = {name: new_histogram() for name in TIMES}
        self._open: dict[int, _Open] = {}

    def add(self, interval: Interval) -> None:
        """Take in what one process measured in one interval."""
        measured = 0 <= interval.index < self._intervals
        into = self._open.setdefault(interval.index, _Open())
        for name, encoded in interval.times.items():
            if measured:
                self._times[name].decode_and_add(encoded)
            if name in PLOTTED:
                into.times.setdefault(name, new_histogram()).decode_and_add(encoded)
        if measured:
            self.counts += interval.counts
        self.errors += interval.errors
        self.progress += interval.counts
        into.counts += interval.counts
        into.errors += interval.errors.total()
        while len(self._open) > OPEN_INTERVALS_MAX:
            self._finish(min(self._open))

    def finish(self) -> None:
        """Make the points of what is still open."""
        for index in sorted(self._open):
            self._finish(index)

    def latencies(self) -> dict[str, dict[str, float]]:
        """Return count, mean, percentiles and maximum of each time that occurred, in milliseconds."""
        return {name: summary(each) for name, each in self._times.items() if each.get_total_count()}

    def percentile_ms(self, name: str, percent: float) -> float:
        """Return a percentile of the measured stretch so far, 0 when there is nothing yet."""
        return _ms(self._times[name].get_value_at_percentile(percent))

    def _finish(self, index: int) -> None:
        done = self._open.pop(index)
        self._waiting += done.counts["created"] - done.counts["offered"]
        self._under_way += done.counts["created"] - done.counts["completed"]
        point: dict[str, Any] = {
            "s": round(index * self._interval_s, 3),
            "created": done.counts["created"] / self._interval_s,
            "completed": done.counts["completed"] / self._interval_s,
            "waiting": self._waiting,
            "under_way": self._under_way,
            "errors": done.errors,
        }
        for name, histogram in done.times.items():
            point[name] = [
                _ms(histogram.get_value_at_percentile(50)),
                _ms(histogram.get_value_at_percentile(99)),
                _ms(histogram.get_max_value()),
            ]
        self.points.append(point)


def summary(histogram: HdrHistogram) -> dict[str, float]:
    """Return what is told of a histogram of microseconds, in milliseconds."""
    told: dict[str, float] = {
        "count": histogram.get_total_count(),
        "mean": _ms(histogram.get_mean_value()),
    }
    told |= {name: _ms(histogram.get_value_at_percentile(percent)) for name, percent in PERCENTILES}
    told["max"] = _ms(histogram.get_max_value())
    return told


def _ms(microseconds: float) -> float:
    return round(microseconds / 1000, 3)
