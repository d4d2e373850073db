"""Time as one workspace sees it: the wall clock, except that it never goes back and never stands still.

The dates of a workspace's events never go back, whoever served it before and however the clocks were set.
When the wall clock is behind the workspace (it was set back, or was ahead on the node before), the
workspace's time goes on from where it is, a little slower than it should, until the wall clock has caught up:
every timer still fires, at most a ninth later than it should.
"""

from collections.abc import Callable

from engine.clock import Clock

CATCHING_UP = 0.9
"""How fast time goes while the wall clock is behind."""


class WorkspaceClock:
    """Reads the time for one workspace.

    Args:
        wall: milliseconds since the epoch.
        monotonic: seconds of a clock that never steps back.
    """

    def __init__(self, wall: Clock, monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._now_ms = 0.0
        self._read_s = monotonic()

    def not_before(self, moment_ms: int) -> None:
        """Go on from a moment, if that is later than now."""
        self._now_ms = max(self._now_ms, moment_ms)
        self._read_s = self._monotonic()

    def __call__(self) -> int:
        """Return milliseconds since the epoch, never less than before."""
        read_s = self._monotonic()
        gone_ms = (read_s - self._read_s) * 1000
        self._now_ms = max(float(self._wall()), self._now_ms + gone_ms * CATCHING_UP)
        self._read_s = read_s
        return int(self._now_ms)
