"""What a client is known to have read since it opened its socket, and so which frames it can take.

The SDK reads activities, channels and open reservations before it begins to listen. It throws, which ends a
Node process, on a reservation that it is told of a second time, and on an event about a reservation, channel
or activity it does not know (SDK protocol §2.8, §5.9). A client that reads nothing is sent everything.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from engine.bridge.events import Frame


class Listed(Enum):
    """The lists that are read at the beginning."""

    ACTIVITIES = auto()
    CHANNELS = auto()
    RESERVATIONS = auto()


class Fitness(Enum):
    """Whether a frame can be sent."""

    SEND = auto()
    DROP = auto()
    STALE = auto()
    """The client cannot know what this is about, and should read its state again."""


EXCHANGE_S_MAX = 5.0
"""A client that reads nothing for so long does not wait for it to begin to listen."""

_NEEDS = {
    "worker.activity.update": Listed.ACTIVITIES,
    "worker.capacity.update": Listed.CHANNELS,
    "worker.channel.availability.update": Listed.CHANNELS,
}
_CREATED = "reservation.created"
_GO_ON = frozenset({"reservation.accepted", "reservation.wrapup"})


@dataclass(slots=True)
class Snapshot:
    """SIDs by list, for the lists that were read.

    `opened_s` and `hold_until_s` are of the monotonic clock; before the latter the client may not be
    listening yet.
    """

    opened_s: float
    hold_until_s: float = 0.0
    _first_read_s: float | None = None
    _sids: dict[Listed, set[str]] = field(default_factory=dict)

    def has(self, what: Listed) -> bool:
        """Tell whether the client has read this list."""
        return what in self._sids

    def learn(self, what: Listed, sids: Iterable[str], now_s: float, settle_s: float) -> None:
        """Take in what the client is about to be told, and give it time to begin to listen.

        Args:
            what: which list.
            sids: what is in it.
            now_s: the monotonic clock.
            settle_s: how long the client may take for it, beside the time one exchange with it takes.
        """
        if self._first_read_s is None:
            self._first_read_s = now_s
        self._sids.setdefault(what, set()).update(sids)
        exchange_s = self._first_read_s - self.opened_s
        if exchange_s <= EXCHANGE_S_MAX:
            self.hold_until_s = now_s + settle_s + exchange_s

    def fitness(self, frame: Frame) -> Fitness:
        """Tell whether the client can take a frame, which is taken to be sent then."""
        needed = _NEEDS.get(frame.event_type)
        if needed is not None:
            listed = self._sids.get(needed)
            return Fitness.SEND if listed is None or frame.about in listed else Fitness.STALE
        reservations = self._sids.get(Listed.RESERVATIONS)
        if reservations is None or not frame.event_type.startswith("reservation."):
            return Fitness.SEND
        known = frame.about in reservations
        if frame.event_type == _CREATED:
            reservations.add(frame.about)
            return Fitness.DROP if known else Fitness.SEND
        if frame.event_type in _GO_ON:
            return Fitness.SEND if known else Fitness.DROP
        reservations.discard(frame.about)
        return Fitness.SEND
