"""Who may send next: one waiting line per receiver, a limit for each and one for all.

Receivers with something to send and room for it take turns, so one with a long line, or one that never
answers, costs the others at most the slots of its own limit.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Line(Generic[T]):
    waiting: deque[T] = field(default_factory=deque)
    under_way: int = 0
    has_turn: bool = False


class Lines(Generic[T]):
    """Waiting items by receiver. Every item taken occupies a slot until `release`.

    Args:
        total_max: most slots.
        per_receiver_max: most slots of one receiver.
    """

    def __init__(self, total_max: int, per_receiver_max: int) -> None:
        self._total_max = total_max
        self._per_receiver_max = per_receiver_max
        self._lines: dict[str, _Line[T]] = {}
        self._turns: deque[str] = deque()
        self.under_way = 0
        self.waiting = 0

    def add(self, receiver: str, item: T) -> None:
        """Put an item at the end of a receiver's line."""
        line = self._lines.setdefault(receiver, _Line())
        line.waiting.append(item)
        self.waiting += 1
        self._give_turn(receiver, line)

    def take(self) -> tuple[str, T] | None:
        """Take the next item that may be sent, with its receiver; None when there is none."""
        if self.under_way >= self._total_max or not self._turns:
            return None
        receiver = self._turns.popleft()
        line = self._lines[receiver]
        line.has_turn = False
        item = line.waiting.popleft()
        line.under_way += 1
        self.under_way += 1
        self.waiting -= 1
        self._give_turn(receiver, line)
        return receiver, item

    def release(self, receiver: str) -> None:
        """Give back the slot of an item taken."""
        line = self._lines[receiver]
        line.under_way -= 1
        self.under_way -= 1
        self._give_turn(receiver, line)
        if not line.waiting and not line.under_way:
            del self._lines[receiver]

    def clear(self) -> Iterator[T]:
        """Remove all waiting items and yield them."""
        self._turns.clear()
        self.waiting = 0
        for receiver, line in list(self._lines.items()):
            line.has_turn = False
            yield from line.waiting
            line.waiting.clear()
            if not line.under_way:
                del self._lines[receiver]

    def _give_turn(self, receiver: str, line: _Line[T]) -> None:
        if line.waiting and not line.has_turn and line.under_way < self._per_receiver_max:
            line.has_turn = True
            self._turns.append(receiver)
