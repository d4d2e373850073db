"""Event callbacks: every event that its receiver wants, at least once, in the order of its task and worker.

An event is in the outbox from its commit on, so that nothing here has to be kept: a process that ends, or a
workspace that moves, goes on from the outbox. What is sent and by when is behaviour §9: 15 seconds, any 2xx;
everything else is tried again, with growing pauses, until the event is too old.

A workspace has a lane (lane.py), a window on its outbox. A batch goes straight from its commit into the
lane; when that is full, the lane falls behind and reads from the outbox as it has room again. A receiver
that fails time after time opens its circuit (circuit.py): its lane is emptied down to a few events, of which
one is tried at a time. So a dead receiver costs a little memory and one request now and then, whatever its
backlog. An event that its receiver refuses for long while it is there is overtaken by those behind it.
"""

import asyncio
import random as randomness
import ssl
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from aiohttp.abc import AbstractResolver

from engine import metrics
from engine.alerts import Problem, Report, unheard
from engine.callback_urls import public_form
from engine.callbacks.background import Background
from engine.callbacks.backoff import Random, pause_s
from engine.callbacks.client import CallbackClient, TokenOf
from engine.callbacks.event_attempt import KIND, EventSender, attempt, owner
from engine.callbacks.event_receiver import Receiver
from engine.callbacks.failures import RETRIEVAL, CallbackFailure
from engine.callbacks.lane import Delivery
from engine.callbacks.limits import CallbackLimits
from engine.callbacks.lines import Lines
from engine.callbacks.outcomes import OutcomeWriter
from engine.callbacks.ports import DeliveryStore
from engine.clock import Clock
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.routing.deliveries import DeliveryOutcome, DeliveryStatus, PendingDelivery, wanted_events
from engine.routing.effects import AssignmentCallback, Changes, Event, Kind
from engine.routing.entities import Workspace

_READ_MAX = 500
_EXPIRE_MAX = 1_000
_PAUSE_S = 1.0
_OUTCOMES_MAX = 10_000
_EXPIRY_SLACK_MS = 60_000
_LOOKS_PER_SWEEP = 12

log = get_logger()


class EventCallbacks:
    """Sends event callbacks (implements `engine.runtime.ports.Publisher`). Nothing is sent before `start`.

    Args:
        store: the outbox.
        limits: every bound of time, number and size.
        token_of: returns the auth token that signs an account's callbacks, or None.
        clock: milliseconds since the epoch.
        random: for the jitter.
        resolver: finds the addresses of host names; default: the operating system's resolver.
        tls: whom https receivers are trusted by; default: the system's certificates.
        report: takes in what the operator should know.
    """

    def __init__(
        self,
        store: DeliveryStore,
        limits: CallbackLimits,
        token_of: TokenOf,
        clock: Clock,
        *,
        random: Random = randomness.random,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        report: Report = unheard,
    ) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._random = random
        self._report = report
        self._age_max_ms = round(limits.event_retry_age_s * 1000)
        self._hold_max_ms = round(limits.event_hold_s * 1000)
        self._make_client = partial(CallbackClient, limits, token_of, resolver, tls)
        self._client: EventSender | None = None
        self._sending = Background()
        self._reading = Background()
        self._outcomes = OutcomeWriter(store)
        self._receivers: dict[str, Receiver] = {}
        self._lines: Lines[tuple[Receiver, Delivery]] = Lines(
            limits.event_concurrent_max, limits.event_concurrent_per_host_max
        )
        self._held = 0
        self._stopping = False
        self._gauge = metrics.CALLBACKS_PENDING.labels(KIND)

    async def start(self) -> None:
        """Begin to send, with what was committed before."""
        self._client = self._make_client()
        self._reading.run(self._look_around())
        for receiver in self._receivers.values():
            self._proceed(receiver)

    async def stop(self, drain_s: float) -> bool:
        """Finish what is on its way and note what became of it; everything else stays in the outbox.

        Args:
            drain_s: how long to wait for what is on its way.

        Returns:
            Whether it was finished in time.
        """
        self._stopping = True
        for workspace_sid in list(self._receivers):
            self.released(workspace_sid)
        await self._reading.cancel()
        finished = await self._sending.drain(drain_s)
        await self._sending.cancel()
        await self._outcomes.stop()
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        return finished

    # What the runtime publishes

    def committed(self, workspace: Workspace, changes: Changes) -> None:
        """Send the events of a durable batch, in their turn. Returns at once and does not raise."""
        receiver = self._receivers.get(workspace.sid)
        if receiver is None:
            self.recovered(workspace, [])
            receiver = self._receivers.get(workspace.sid)
        else:
            if receiver.follow(workspace) and not receiver.facts.url:
                self._count(-receiver.lane.drop())
            self._take_in(receiver, wanted_events(workspace, changes.events))
        if receiver is not None:
            receiver.deleted = (Kind.WORKSPACE, workspace.sid) in changes.removed
            self._proceed(receiver)

    def recovered(self, workspace: Workspace, _callbacks: list[AssignmentCallback]) -> None:
        """Go on with a workspace that is served here from now on: its outbox is read."""
        self.released(workspace.sid)
        if workspace.event_callback_url and not self._stopping:
            receiver = self._receivers[workspace.sid] = Receiver(workspace, self._limits, self._random)
            self._proceed(receiver)

    def released(self, workspace_sid: str) -> None:
        """Send no more for a workspace that is not served here any longer, unless it was deleted."""
        receiver = self._receivers.get(workspace_sid)
        if receiver is None or (receiver.deleted and not receiver.done and not self._stopping):
            return
        del self._receivers[workspace_sid]
        receiver.released = True
        receiver.stop_timer()
        self._count(-receiver.lane.drop())

    def wake(self, workspace_sid: str) -> None:
        """Look at a workspace's outbox again: something in it was asked for anew."""
        receiver = self._receivers.get(workspace_sid)
        if receiver is not None:
            receiver.lane.rewind(1)
            self._proceed(receiver)

    # From the outbox into the lane

    def _take_in(self, receiver: Receiver, events: Sequence[Event]) -> None:
        if not events:
            return
        lane, last = receiver.lane, events[-1].sequence
        receiver.committed_through = last
        if lane.behind or self._room(receiver) < len(events):
            lane.behind = True
            return
        self._count(lane.add(PendingDelivery(event, 0, event.event_date_ms, 0) for event in events))
        lane.read_through = last

    def _room(self, receiver: Receiver) -> int:
        """Return how many more deliveries may be held: a share of all, but always a few."""
        held = len(receiver.lane.held)
        of_all = max(self._limits.event_pending_max - self._held, self._limits.event_circuit_window - held)
        return min(receiver.window - held, of_all)

    def _proceed(self, receiver: Receiver) -> None:
        """Send what may be sent, and read on when at least half of the window is free."""
        if self._client is None or receiver.released:
            return
        if receiver.done:
            self.released(receiver.facts.workspace_sid)
            return
        if not receiver.facts.url:
            return
        self._queue(receiver)
        if receiver.lane.behind and not receiver.reading and self._room(receiver) * 2 >= receiver.window:
            receiver.reading = True
            self._reading.run(self._read(receiver))

    async def _read(self, receiver: Receiver) -> None:
        try:
            while receiver.lane.behind and not receiver.released and self._room(receiver) > 0:
                await self._read_some(receiver)
                self._queue(receiver)
        except StoreUnavailable as error:
            log.warning("event_callback.not_read", **owner(receiver.facts), error=str(error))
            await asyncio.sleep(_PAUSE_S)
        finally:
            receiver.reading = False
        self._proceed(receiver)

    async def _read_some(self, receiver: Receiver) -> None:
        """Read the next deliveries, after what is known of earlier ones was written."""
        lane = receiver.lane
        lane.begin_reading()
        await self._outcomes.flush()
        begun, known, set_back = lane.read_through, receiver.committed_through, lane.set_back
        limit = min(self._room(receiver), _READ_MAX)
        if limit <= 0:
            return
        found = await self._store.pending(receiver.facts.workspace_sid, begun, limit)
        if receiver.released or lane.set_back != set_back:
            return  # dropped or rewound meanwhile: read again from there
        self._count(lane.add(self._timed(receiver, found)))
        if len(found) == limit:
            lane.read_through = found[-1].event.sequence
            return
        lane.read_through = max(known, found[-1].event.sequence if found else begun)
        lane.behind = receiver.committed_through > lane.read_through

    def _timed(self, receiver: Receiver, found: Sequence[PendingDelivery]) -> list[PendingDelivery]:
        """Say when what was read is due by the clock that only goes forward.

        What waits for longer than the longest pause was written by a clock that has been set back since.
        """
        wall_ms, steady_ms = self._clock(), _steady_ms()
        timed = []
        for each in found:
            wait_ms = min(each.next_attempt_ms - wall_ms, round(self._limits.event_retry_max_s * 1000))
            hurry = each.event.sequence <= receiver.hurry_through
            timed.append(replace(each, next_attempt_ms=0 if hurry else steady_ms + max(wait_ms, 0)))
        return timed

    async def _look_around(self) -> None:
        """Find what was asked for anew elsewhere, and what grew too old, for ever."""
        for looks in count():
            sweep = looks % _LOOKS_PER_SWEEP == 0
            try:
                if sweep:
                    await self._take_over_deserted()
                await self._look(sweep)
            except StoreUnavailable as error:
                log.debug("event_callback.not_polled", error=str(error))
            await asyncio.sleep(self._limits.event_poll_interval_s)

    async def _take_over_deserted(self) -> None:
        """Go on with deleted workspaces whose last events nobody here delivers.

        Whoever had them may have ended. If another node still has them, they arrive twice, and in order.
        """
        for workspace in await self._store.deserted():
            if workspace.sid not in self._receivers and not self._stopping:
                self.recovered(workspace, [])
                self._receivers[workspace.sid].deleted = True

    async def _look(self, sweep: bool) -> None:
        served = [sid for sid, receiver in self._receivers.items() if receiver.facts.url]
        if not served:
            return
        await self._outcomes.flush()
        expired_ms = self._clock() - self._age_max_ms - _EXPIRY_SLACK_MS
        for workspace_sid, (sequence, since_ms) in (await self._store.first_pending(served)).items():
            receiver = self._receivers.get(workspace_sid)
            if receiver is None:
                continue
            if since_ms < expired_ms:
                await self._expire(receiver, expired_ms)
            elif sweep or (sequence <= receiver.lane.read_through and sequence not in receiver.lane.held):
                receiver.lane.rewind(sequence)
            self._proceed(receiver)

    async def _expire(self, receiver: Receiver, before_ms: int) -> None:
        """Give up what is too old, of a backlog that never came to be tried."""
        expired, more = 0, _EXPIRE_MAX
        while more == _EXPIRE_MAX:
            more = await self._store.expire(receiver.facts.workspace_sid, before_ms, _EXPIRE_MAX)
            expired += more
        self._count(-receiver.lane.drop())
        metrics.CALLBACKS.labels(KIND, "dead").inc(expired)
        log.warning("event_callback.expired", **owner(receiver.facts), deliveries=expired)
        if expired:
            self._alert(receiver, RETRIEVAL, "events grew too old and were given up", occurrences=expired)

    # From the lane to the receiver

    def _queue(self, receiver: Receiver) -> None:
        """Put what is due in line, and look again when the next is."""
        receiver.stop_timer()
        if self._stopping or not receiver.facts.url:
            return
        now_ms = _steady_ms()
        if len(self._outcomes) < _OUTCOMES_MAX:
            while (delivery := receiver.take(now_ms)) is not None:
                self._lines.add(receiver.origin, (receiver, delivery))
            self._pump()
        due_ms = receiver.next_due_ms()
        if due_ms is not None and due_ms > now_ms:
            loop = asyncio.get_running_loop()
            receiver.timer = loop.call_later((due_ms - now_ms) / 1000, self._proceed, receiver)

    def _pump(self) -> None:
        while self._client is not None and (taken := self._lines.take()):
            origin, (receiver, delivery) = taken
            self._sending.run(self._carry_out(self._client, origin, receiver, delivery))

    async def _carry_out(
        self, client: EventSender, origin: str, receiver: Receiver, delivery: Delivery
    ) -> None:
        circuit = receiver.circuit
        try:
            if receiver.released:
                self._count(-1)
                return
            if not receiver.facts.url:
                receiver.lane.put_back(delivery, delivery.due_ms)
                return
            timeout_s = self._limits.event_timeout_s
            outcome = await attempt(client, receiver.facts, delivery, timeout_s, self._clock)
        finally:
            self._lines.release(origin)
            self._pump()
        moved = receiver.circuit is not circuit
        self._settle(receiver, delivery, outcome, moved=moved)
        if not moved:
            self._judge(receiver, delivery, None if isinstance(outcome, int) else outcome)
        self._proceed(receiver)

    def _settle(
        self, receiver: Receiver, delivery: Delivery, outcome: CallbackFailure | int, *, moved: bool
    ) -> None:
        """Note what an attempt came to; when the address has `moved` since, a failure delays nothing."""
        now_ms = self._clock()
        failure = None if isinstance(outcome, int) else outcome
        delivery.attempts += 1
        status, pause_ms = self._verdict(delivery, failure, now_ms)
        pending = status is DeliveryStatus.PENDING
        if moved:
            pause_ms = 0
        if status is DeliveryStatus.DEAD:
            self._give_up(receiver, delivery, failure)
        self._outcomes.add(
            DeliveryOutcome(
                workspace_sid=receiver.facts.workspace_sid,
                sequence=delivery.event.sequence,
                event_date_ms=delivery.event.event_date_ms,
                status=status,
                attempts=delivery.attempts,
                next_attempt_ms=now_ms + pause_ms if pending else 0,
                last_attempt_ms=now_ms,
                last_status=outcome if isinstance(outcome, int) else outcome.status,
                last_error=str(failure) if failure else None,
            )
        )
        if pending and not receiver.released:
            receiver.lane.put_back(delivery, _steady_ms() + pause_ms)
        else:
            receiver.lane.finish(delivery)
            self._count(-1)

    def _verdict(
        self, delivery: Delivery, failure: CallbackFailure | None, now_ms: int
    ) -> tuple[DeliveryStatus, int]:
        """Return where the delivery stands now, and how many milliseconds it pauses."""
        if failure is None:
            return DeliveryStatus.DELIVERED, 0
        too_old_ms = delivery.pending_since_ms + self._age_max_ms
        if now_ms >= too_old_ms:
            return DeliveryStatus.DEAD, 0
        limits = self._limits
        pause = pause_s(delivery.attempts, limits.event_retry_first_s, limits.event_retry_max_s, self._random)
        return DeliveryStatus.PENDING, min(round(pause * 1000), too_old_ms - now_ms)

    def _judge(self, receiver: Receiver, delivery: Delivery, failure: CallbackFailure | None) -> None:
        """Open or close the circuit; a delivery that is refused for long does not hold others any more."""
        circuit, lane = receiver.circuit, receiver.lane
        if failure is None:
            if circuit.succeeded():
                log.info("event_callback.receiver_back", **owner(receiver.facts))
                receiver.hurry()
        elif circuit.failed(delivery.event.sequence, delivery.attempts, failure.status, _steady_ms()):
            log.warning("event_callback.receiver_down", **owner(receiver.facts), error=str(failure))
            text = (
                f"the receiver of events fails time after time, and is tried now and then: {failure.reason}"
            )
            self._alert(receiver, failure.code, text)
            self._count(-lane.drop())
        elif not circuit.open and self._clock() - delivery.pending_since_ms >= self._hold_max_ms:
            lane.let_pass(delivery)

    def _give_up(self, receiver: Receiver, delivery: Delivery, failure: CallbackFailure | None) -> None:
        assert failure is not None
        event = delivery.event
        metrics.CALLBACKS.labels(KIND, "dead").inc()
        text = f"{event.event_type} was given up after {delivery.attempts} attempts: {failure.reason}"
        self._alert(
            receiver,
            failure.code,
            text,
            task_sid=event.task_sid,
            worker_sid=event.worker_sid,
            reservation_sid=event.reservation_sid,
            workflow_sid=event.workflow_sid,
            event_sid=event.sid,
        )

    def _alert(self, receiver: Receiver, code: int, text: str, **about: Any) -> None:
        facts = receiver.facts
        self._report(Problem(facts.workspace_sid, code, text, url=public_form(facts.url), **about))

    def _count(self, change: int) -> None:
        self._held += change
        self._gauge.inc(change)


def _steady_ms() -> int:
    """Return the milliseconds of the event loop's clock, which nobody sets."""
    return round(asyncio.get_running_loop().time() * 1000)
