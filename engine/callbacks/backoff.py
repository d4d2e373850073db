"""Exponential back-off with jitter."""

from collections.abc import Callable, Iterator
from itertools import count

Random = Callable[[], float]
"""Returns numbers in [0, 1)."""

_DOUBLINGS_MAX = 60


def pause_s(attempt: int, first_s: float, max_s: float, random: Random) -> float:
    """Return the pause in seconds after the `attempt`-th attempt, counted from 1.

    It is random below a bound that doubles from `first_s` up to `max_s`; half of the bound is kept as a
    floor, so that retries never spin.

    Args:
        attempt: how many attempts were made.
        first_s: bound of the first pause.
        max_s: bound of the longest pause.
        random: returns numbers in [0, 1).
    """
    bound_s: float = min(first_s * 2 ** min(attempt - 1, _DOUBLINGS_MAX), max_s)
    return bound_s / 2 + random() * bound_s / 2


def backoff_s(first_s: float, max_s: float, random: Random) -> Iterator[float]:
    """Yield the pauses after the first, the second, … attempt without end."""
    for attempt in count(1):
        yield pause_s(attempt, first_s, max_s, random)
