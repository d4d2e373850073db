"""Whether a receiver is there at all: it is spared while one event after the other fails.

Failures in a row open the circuit: of one event when nobody answered, of different events when somebody did,
since a receiver that refuses one event may well take others. Then one event at a time is tried, with growing
pauses, until one succeeds.
"""

from collections.abc import Callable

_ABSENT = frozenset({502, 503, 504})
"""What a proxy says for a receiver that is not there."""


class Circuit:
    """One receiver's circuit.

    Args:
        failures: how many failures in a row open it.
        pause_s: the pause after the `n`-th try, while it is open.
    """

    def __init__(self, failures: int, pause_s: Callable[[int], float]) -> None:
        self._failures = failures
        self._pause_s = pause_s
        self._failed: set[tuple[int, int]] = set()
        self._tries = 0
        self.open = False
        self.next_try_ms = 0
        """While open: when the next event may be tried."""

    def succeeded(self) -> bool:
        """Note a success; returns whether that closed it."""
        closed = self.open
        self.open = False
        self._failed.clear()
        self._tries = 0
        return closed

    def failed(self, sequence: int, attempt: int, status: int | None, now_ms: int) -> bool:
        """Note that an attempt failed, with this HTTP status if any; returns whether that opened it."""
        if not self.open:
            absent = status is None or status in _ABSENT
            self._failed.add((sequence, attempt if absent else 0))
            if len(self._failed) < self._failures:
                return False
        opened = not self.open
        self.open = True
        self._tries += 1
        self.next_try_ms = now_ms + round(self._pause_s(self._tries) * 1000)
        return opened
