"""What becomes due when: a heap with one live entry per (what, whose), cheap to cancel.

What is due at the same moment fires by kind and then by SID: an order that is the same after a restart.
"""

import heapq
from collections.abc import Iterator
from enum import IntEnum

_TIDY_MASK = 511
"""Only at every 512th entry the heap is looked at for leftovers."""


class Due(IntEnum):
    """What happens at a deadline, in the order in which entries due at the same moment fire."""

    TASK_TTL = 1
    STEP = 2
    RESERVATION = 3
    ASSIGNED_TOO_LONG = 4
    OFFER_AGAIN = 5
    TIME_OF_DAY = 6
    FINISHED_EVICTION = 7


class Deadlines:
    """A heap of (due_ms, what, SID), and by kind when each SID's is due.

    Canceled entries stay in the heap until they surface or outnumber the live.
    """

    __slots__ = ("_heap", "_live")

    def __init__(self) -> None:
        self._heap: list[tuple[int, Due, str]] = []
        self._live: tuple[dict[str, int], ...] = tuple({} for _ in range(max(Due) + 1))

    def __len__(self) -> int:
        return sum(map(len, self._live))

    def set(self, what: Due, sid: str, due_ms: int) -> None:
        """Set or move the deadline `what` of `sid`."""
        live = self._live[what]
        if live.get(sid) == due_ms:
            return
        live[sid] = due_ms
        heap = self._heap
        heapq.heappush(heap, (due_ms, what, sid))
        if not len(heap) & _TIDY_MASK:
            self._tidy()

    def cancel(self, what: Due, sid: str) -> None:
        """Forget the deadline `what` of `sid`, if there is one."""
        self._live[what].pop(sid, None)

    def cancel_all(self, sid: str) -> None:
        """Forget every deadline of `sid`."""
        for live in self._live:
            live.pop(sid, None)

    def due_of(self, what: Due, sid: str) -> int | None:
        """Return when `what` of `sid` is due, or None."""
        return self._live[what].get(sid)

    def entries(self) -> Iterator[tuple[int, Due, str]]:
        """Iterate over all deadlines, by kind: when, what, whose."""
        return ((due_ms, what, sid) for what in Due for sid, due_ms in self._live[what].items())

    def next_ms(self) -> int | None:
        """Return the earliest deadline, or None."""
        self._drop_canceled()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ms: int) -> tuple[Due, str, int] | None:
        """Take the earliest deadline that is not after `now_ms`: what, whose, when it was due."""
        self._drop_canceled()
        if not self._heap or self._heap[0][0] > now_ms:
            return None
        due_ms, what, sid = heapq.heappop(self._heap)
        del self._live[what][sid]
        return what, sid, due_ms

    def _drop_canceled(self) -> None:
        heap, live = self._heap, self._live
        while heap and live[heap[0][1]].get(heap[0][2]) != heap[0][0]:
            heapq.heappop(heap)

    def _tidy(self) -> None:
        # A task's TTL entry would otherwise outlive the task by a day: at 1,000 tasks/s that is 86 million.
        if len(self._heap) <= 2 * len(self):
            return
        self._heap = list(self.entries())
        heapq.heapify(self._heap)
