"""A workspace's time never goes back and never stands still, however the clocks are set."""

from engine.runtime.workspace_clock import WorkspaceClock

START_MS = 1_700_000_000_000


class Clocks:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.wall_ms = START_MS
        self.monotonic_s = 5.0
        self.clock = WorkspaceClock(lambda: self.wall_ms, lambda: self.monotonic_s)

    def pass_s(self, seconds: float) -> int:
        self.wall_ms += round(seconds * 1000)
        self.monotonic_s += seconds
        return self.clock()


def test_it_is_the_wall_clock() -> None:
    clocks = Clocks()
    assert clocks.clock() == START_MS
    assert clocks.pass_s(7) == START_MS + 7_000


def test_it_follows_a_wall_clock_that_is_set_ahead() -> None:
    clocks = Clocks()
    clocks.wall_ms += 3_600_000
    assert clocks.clock() == START_MS + 3_600_000


def test_behind_the_workspace_it_goes_on_a_tenth_slower_until_the_wall_clock_has_caught_up() -> None:
    clocks = Clocks()
    clocks.clock()
    clocks.wall_ms -= 60_000
    assert clocks.clock() == START_MS
    assert clocks.pass_s(100) == START_MS + 90_000
    assert clocks.pass_s(500) == START_MS + 540_000 == clocks.wall_ms
    assert clocks.pass_s(10) == clocks.wall_ms


def test_it_goes_on_from_a_log_that_is_ahead() -> None:
    clocks = Clocks()
    clocks.clock.not_before(START_MS + 5_000)
    assert clocks.clock() == START_MS + 5_000
    assert clocks.pass_s(10) == START_MS + 14_000
    clocks.clock.not_before(START_MS)
    assert clocks.clock() == START_MS + 14_000
