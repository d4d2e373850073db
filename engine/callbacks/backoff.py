"""Exponential back-off with jitter."""

from collections.abc import Callable, Iterator


def backoff_s(first_s: float, max_s: float, random: Callable[[], float]) -> Iterator[float]:
    """Yield pauses in seconds without end: each is random below a bound that doubles up to `max_s`.

    Half of the bound is kept as a floor, so that retries never spin.

    Args:
        first_s: bound of the first pause.
        max_s: bound of the longest pause.
        random: returns numbers in [0, 1).
    """
    bound_s = min(first_s, max_s)
    while True:
        yield bound_s / 2 + random() * bound_s / 2
        bound_s = min(bound_s * 2, max_s)
