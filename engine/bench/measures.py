"""What a generator measures, second by second: HDR histograms of times, and counts.

A process keeps only the interval that is going on and sends it away when it ends, so its memory does not grow
with the run; the parent adds the intervals up.
"""

from collections import Counter
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

LOWEST_US = 1
HIGHEST_US = 600_000_000
DIGITS = 3

CREATE = "create"
"""From the intended time of sending to the 201."""
OFFER = "create_to_callback"
"""From the intended time of sending to the assignment callback."""
ACCEPT = "accept"
"""From the worker's answer to the reservation being accepted."""
COMPLETE = "complete"
"""From the first request to complete the task to the 200."""
CYCLE = "cycle"
"""From the intended time of sending to the completion."""
LAG = "send_lag"
"""From the intended time of sending to the sending: what the generator itself is late."""

TIMES = (CREATE, OFFER, ACCEPT, COMPLETE, CYCLE, LAG)


def new_histogram() -> HdrHistogram:
    """Return an empty histogram of microseconds, three digits exact."""
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


@dataclass(slots=True)
class Interval:
    """What one process measured in one interval; times as encoded histograms."""

    index: int
    times: dict[str, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)


class Recorder:
    """Records the interval that is going on."""

    def __init__(self) -> None:
        self._times = {name: new_histogram() for name in TIMES}
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    def time(self, name: str, seconds: float) -> None:
        """Record a time; what is longer than ten minutes counts as ten minutes."""
        self._times[name].record_value(min(HIGHEST_US, max(LOWEST_US, int(seconds * 1e6))))

    def count(self, name: str) -> None:
        """Count something that happened."""
        self._counts[name] += 1

    def error(self, name: str) -> None:
        """Count something that went wrong, by what was asked and the status."""
        self._errors[name] += 1

    def take(self, index: int) -> Interval:
        """Return what was recorded since the last time, and begin anew."""
        interval = Interval(index, counts=self._counts, errors=self._errors)
        for name, histogram in self._times.items():
            if histogram.get_total_count():
                interval.times[name] = histogram.encode()
                histogram.reset()
        self._counts, self._errors = Counter(), Counter()
        return interval
