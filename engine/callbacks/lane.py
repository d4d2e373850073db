"""The event deliveries of one workspace that are in memory, and which of them may go next.

Theory of operation
-------------------
Events of one task, and events of one worker, go out in the order of the log; all others side by side. So a
delivery waits for the last earlier one of its task and the last earlier one of its worker. These waits
always point to earlier deliveries and cannot form a circle. One that waits for nothing is ready; it may go
when it is due, which is later than now after a failed attempt. Until it is delivered or given up, whatever
waits for it waits.

The memory is a window on the outbox: it holds deliveries up to `read_through`, and `behind` says that there
are more. Whatever is not being sent can be dropped at any time and read again.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.routing.deliveries import PendingDelivery
from engine.routing.effects import Event


@dataclass(slots=True, eq=False)
class Delivery:
    """An event to be sent. `followers` wait for it, it waits for `earlier` others."""

    event: Event
    attempts: int
    pending_since_ms: int
    due_ms: int
    subjects: tuple[str, ...]
    earlier: int = 0
    followers: list["Delivery"] = field(default_factory=list)
    taken: bool = False
    dropped: bool = False


class Lane:
    """One workspace's deliveries. Knows no clock: moments are arguments, in milliseconds."""

    def __init__(self) -> None:
        self.held: dict[int, Delivery] = {}
        """What is in memory, by sequence number."""
        self.taken = 0
        """How many of them are on their way."""
        self.read_through = 0
        """All pending deliveries up to this sequence number are held, but for those asked for again."""
        self.behind = True
        """Whether the outbox may have more, beyond `read_through`."""
        self.set_back = 0
        """How often `read_through` went back: what was read before the last time is out of date."""
        self._finished: set[int] = set()
        self._last: dict[str, Delivery] = {}
        self._ready: list[tuple[int, int, Delivery]] = []

    def add(self, deliveries: Iterable[PendingDelivery]) -> int:
        """Take in deliveries, in the order of the log, but for those known already; returns how many."""
        before = len(self.held)
        for each in deliveries:
            if each.event.sequence not in self.held and each.event.sequence not in self._finished:
                self._add(each)
        return len(self.held) - before

    def begin_reading(self) -> None:
        """Remember what is finished from now on: the outbox may be read as it was before."""
        self._finished.clear()

    def take(self, now_ms: int, *, impatient: bool = False) -> Delivery | None:
        """Return the next delivery to send; None when none is due. `impatient` takes what is not due yet."""
        while self._ready:
            due_ms, _, delivery = self._ready[0]
            if not delivery.dropped:
                if due_ms > now_ms and not impatient:
                    return None
                heapq.heappop(self._ready)
                delivery.taken = True
                self.taken += 1
                return delivery
            heapq.heappop(self._ready)
        return None

    def next_due_ms(self) -> int | None:
        """Return when the next delivery that waits for nothing else is due; None when there is none."""
        return self._ready[0][0] if self._ready else None

    def put_back(self, delivery: Delivery, due_ms: int) -> None:
        """Keep a delivery whose attempt failed until it is due again."""
        self._release(delivery)
        delivery.due_ms = due_ms
        self._push(delivery)

    def finish(self, delivery: Delivery) -> None:
        """Forget a delivery that needs no further attempt, and let its followers go."""
        self._release(delivery)
        del self.held[delivery.event.sequence]
        if self.behind:
            self._finished.add(delivery.event.sequence)
        self.let_pass(delivery)

    def let_pass(self, delivery: Delivery) -> None:
        """Let what waits for a delivery, or comes after it, overtake it."""
        for subject in delivery.subjects:
            if self._last.get(subject) is delivery:
                del self._last[subject]
        for follower in delivery.followers:
            follower.earlier -= 1
            if not follower.earlier:
                self._push(follower)
        delivery.followers.clear()

    def hurry(self) -> None:
        """Make everything that waits for nothing due now."""
        self._ready = [(0, sequence, delivery) for _, sequence, delivery in self._ready]
        heapq.heapify(self._ready)

    def drop(self) -> int:
        """Drop what is not on its way, to be read again from the first of it; returns how many it were."""
        dropped = [delivery for delivery in self.held.values() if not delivery.taken]
        for delivery in dropped:
            delivery.dropped = True
        if dropped:
            first = min(delivery.event.sequence for delivery in dropped)
            self.rewind(first)
        self.held = {sequence: each for sequence, each in self.held.items() if each.taken}
        self._ready.clear()
        self._last.clear()
        for sequence in sorted(self.held):
            delivery = self.held[sequence]
            delivery.followers.clear()
            self._last.update(dict.fromkeys(delivery.subjects, delivery))
        return len(dropped)

    def rewind(self, sequence: int) -> None:
        """Have the outbox read again from a sequence number on."""
        self.read_through = min(self.read_through, sequence - 1)
        self.behind = True
        self.set_back += 1

    def _add(self, pending: PendingDelivery) -> None:
        event = pending.event
        subjects = _subjects(event)
        delivery = Delivery(
            event, pending.attempts, pending.pending_since_ms, pending.next_attempt_ms, subjects
        )
        for subject in subjects:
            before = self._last.get(subject)
            if before is not None:
                before.followers.append(delivery)
                delivery.earlier += 1
            self._last[subject] = delivery
        self.held[event.sequence] = delivery
        if not delivery.earlier:
            self._push(delivery)

    def _push(self, delivery: Delivery) -> None:
        heapq.heappush(self._ready, (delivery.due_ms, delivery.event.sequence, delivery))

    def _release(self, delivery: Delivery) -> None:
        delivery.taken = False
        self.taken -= 1


def _subjects(event: Event) -> tuple[str, ...]:
    """Return whose story the event is part of: its task's and its worker's, else the resource's own."""
    return tuple(sid for sid in (event.task_sid, event.worker_sid) if sid) or (event.resource_sid,)
