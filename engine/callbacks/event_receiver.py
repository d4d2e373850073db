"""One workspace's receiver of events: its address, its window on the outbox, and whether it is there."""

import asyncio
from functools import partial

from engine.callback_urls import origin_of
from engine.callbacks.backoff import Random, pause_s
from engine.callbacks.circuit import Circuit
from engine.callbacks.event_fields import EventReceiver
from engine.callbacks.lane import Delivery, Lane
from engine.callbacks.limits import CallbackLimits
from engine.routing.entities import Workspace


class Receiver:
    """What the sender knows of one workspace.

    Args:
        workspace: as of now.
        limits: of the window and of the pauses.
        random: for the jitter.
    """

    def __init__(self, workspace: Workspace, limits: CallbackLimits, random: Random) -> None:
        self.lane = Lane()
        self._new_circuit = partial(
            Circuit,
            limits.event_circuit_failures,
            partial(
                pause_s,
                first_s=limits.event_retry_first_s,
                max_s=limits.event_circuit_pause_max_s,
                random=random,
            ),
        )
        self.circuit = self._new_circuit()
        self.committed_through = 0
        """The sequence number of the last event known to be in the outbox."""
        self.hurry_through = 0
        """Deliveries up to here are due at once: their receiver is there again."""
        self.reading = False
        self.released = False
        self.deleted = False
        self.timer: asyncio.TimerHandle | None = None
        self._limits = limits
        self._take(EventReceiver.of(workspace))

    def follow(self, workspace: Workspace) -> bool:
        """Take in what a commit may have changed; returns whether the address did.

        Nothing that is known of the old address holds for the new one: everything is due there at once.
        """
        before = self.facts.url
        self._take(EventReceiver.of(workspace))
        if self.facts.url == before:
            return False
        self.circuit = self._new_circuit()
        self.hurry()
        return True

    def hurry(self) -> None:
        """Make everything that was committed so far due at once."""
        self.hurry_through = max(self.committed_through, self.lane.read_through)
        self.lane.hurry()

    def _take(self, facts: EventReceiver) -> None:
        self.facts = facts
        self.origin = origin_of(facts.url) if facts.url else ""

    @property
    def window(self) -> int:
        """How many deliveries its lane may hold."""
        limits = self._limits
        return limits.event_circuit_window if self.circuit.open else limits.event_pending_per_workspace_max

    @property
    def done(self) -> bool:
        """Whether its workspace is deleted and everything was sent."""
        return self.deleted and not self.lane.held and not self.lane.behind

    def take(self, now_ms: int) -> Delivery | None:
        """Return the next delivery to send now: while the circuit is open, one at a time."""
        if not self.circuit.open:
            full = self.lane.taken >= self._limits.event_concurrent_per_host_max
            return None if full else self.lane.take(now_ms)
        if self.lane.taken or self.circuit.next_try_ms > now_ms:
            return None
        return self.lane.take(now_ms, impatient=True)

    def next_due_ms(self) -> int | None:
        """Return when to look for a delivery to send next; None when nothing waits for time to pass."""
        due_ms = self.lane.next_due_ms()
        if due_ms is not None and self.circuit.open:
            return None if self.lane.taken else self.circuit.next_try_ms
        return due_ms

    def stop_timer(self) -> None:
        """Forget when to look again."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
