"""Where a reader wants to begin, and why it may not."""

from dataclasses import dataclass

from engine.errors import PointsmanError


@dataclass(slots=True, frozen=True)
class Start:
    """The first event that is wanted: 0 is the oldest that is kept, None what comes from now on."""

    sequence: int | None = None


class NotKept(PointsmanError):
    """Events from there on are not all kept any more; `first` is the oldest that is."""

    def __init__(self, first: int) -> None:
        super().__init__(f"the first event that is still kept is {first}")
        self.first = first


class BeyondEnd(PointsmanError):
    """The log does not go that far; `last` is the sequence of its last event."""

    def __init__(self, last: int) -> None:
        super().__init__(f"the last event is {last}")
        self.last = last


class TooManyReaders(PointsmanError):
    """There is no room for one more."""
