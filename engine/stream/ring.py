"""The newest events of one workspace, rendered: what all of its readers are served from.

The events are contiguous and end with the last one known; what is older is read from the database.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple

from engine.storage.event_log import Position
from engine.stream.frames import Entry, Filter, Style, written

SLICE_BYTES_MAX = 32_768
"""About as much as one reader is given at once."""
SLICE_EVENTS_MAX = 250
_REMEMBERED_MAX = 8


class Slice(NamedTuple):
    """What a reader is to be sent, how many events that is, the last of them, and where it stands then."""

    data: bytes
    events: int
    last: int
    position: Position


class Ring:
    """The newest events.

    Args:
        last: where the log ends.
        events_max: most events.
    """

    def __init__(self, last: Position, events_max: int) -> None:
        self.last = last
        self.size = 0
        """Bytes of the events, roughly."""
        self._events_max = events_max
        self._entries: deque[Entry] = deque()
        self._slices: OrderedDict[tuple[int, Filter, Style], Slice] = OrderedDict()

    @property
    def first(self) -> int:
        """The sequence of the oldest event here; that of the next one when there are none."""
        return self._entries[0].sequence if self._entries else self.last.sequence + 1

    @property
    def before(self) -> Position:
        """The position that the oldest event here follows."""
        if not self._entries:
            return self.last
        oldest = self._entries[0]
        return Position(oldest.sequence - 1, oldest.date_ms)

    def append(self, entry: Entry, bytes_max: int) -> None:
        """Add the next event; the oldest go when there are too many, or more than `bytes_max` bytes."""
        assert entry.sequence == self.last.sequence + 1
        self._entries.append(entry)
        self._slices.clear()
        self.last = Position(entry.sequence, entry.date_ms)
        self.size += entry.size
        while len(self._entries) > self._events_max or (self.size > bytes_max and len(self._entries) > 1):
            self._drop_oldest()

    def prepend(self, entry: Entry, bytes_max: int) -> bool:
        """Add the event before the oldest one, if there is room; tells whether there was."""
        assert entry.sequence == self.first - 1
        if len(self._entries) >= self._events_max or self.size + entry.size > bytes_max:
            return False
        self._entries.appendleft(entry)
        self.size += entry.size
        return True

    def shrink(self, bytes_max: int, before_ms: int) -> None:
        """Drop the oldest down to a size, and those dated before a moment."""
        self._slices.clear()
        while self._entries and (self.size > bytes_max or self._entries[0].date_ms < before_ms):
            self._drop_oldest()

    def at(self, sequence: int) -> Position:
        """Return the position just before an event that is here, or before the next one."""
        if sequence > self.last.sequence:
            return self.last
        return Position(sequence - 1, self._entries[sequence - self.first].date_ms)

    def slice(self, after: int, wanted: Filter, style: Style) -> Slice:
        """Return what comes after the event `after`, which must not lie before the ring.

        Readers that stand at the same place and want the same share one answer.
        """
        key = (after, wanted, style)
        known = self._slices.get(key)
        if known is None:
            begin = after + 1 - self.first
            assert begin >= 0
            end = min(begin + SLICE_EVENTS_MAX, len(self._entries))
            known = cut([self._entries[i] for i in range(begin, end)], wanted, style)
            self._slices[key] = known
            if len(self._slices) > _REMEMBERED_MAX:
                self._slices.popitem(last=False)
        return known

    def _drop_oldest(self) -> None:
        self.size -= self._entries.popleft().size
        self._slices.clear()


def cut(entries: Sequence[Entry], wanted: Filter, style: Style) -> Slice:
    """Return as much of these events (at least one) as is given at once."""
    chosen: list[Entry] = []
    size = 0
    passed = entries[-1]
    for entry in entries:
        if not wanted.wants(entry):
            continue
        chosen.append(entry)
        size += entry.size
        if size >= SLICE_BYTES_MAX:
            passed = entry
            break
    last = chosen[-1].sequence if chosen else 0
    return Slice(written(chosen, style), len(chosen), last, Position(passed.sequence, passed.date_ms))
