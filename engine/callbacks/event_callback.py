"""Event callbacks: every committed event to the workspace's receiver, at most once (behaviour §9).

Events of the same task or the same worker go out one after the other, in the order they were committed;
all others side by side. Each event waits for the last earlier one of its task and of its worker. These
waits always point to earlier events, so they cannot form a circle, and never to another receiver's, so a
workspace that leaves a dead receiver for a new one is not held up. An event that waits for nothing stands
in its receiver's line. What exceeds the limits on pending events is dropped, counted and reported.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine import metrics
from engine.callback_urls import origin_of, public_form
from engine.callbacks.background import Background
from engine.callbacks.client import CallbackClient
from engine.callbacks.event_fields import EventReceiver, event_fields
from engine.callbacks.failures import CallbackFailure
from engine.callbacks.limits import CallbackLimits
from engine.callbacks.lines import Lines
from engine.logs import get_logger
from engine.routing.effects import Event
from engine.routing.entities import Workspace

_KIND = "event"
_Subject = tuple[str, str]
_log = get_logger()


@dataclass(slots=True, eq=False)
class _Pending:
    """An event to be sent. `followers` wait for it, it waits for `earlier` others."""

    receiver: EventReceiver
    origin: str
    event: Event
    subjects: tuple[_Subject, ...]
    earlier: int = 0
    followers: list["_Pending"] = field(default_factory=list)


class EventCallbacks:
    """Sends event callbacks. Nothing is sent before `start`.

    Args:
        background: runs what is under way.
        limits: time and numbers.
    """

    def __init__(self, background: Background, limits: CallbackLimits) -> None:
        self._client: CallbackClient | None = None
        self._background = background
        self._limits = limits
        self._lines: Lines[_Pending] = Lines(
            limits.event_concurrent_max, limits.event_concurrent_per_host_max
        )
        self._last: dict[_Subject, _Pending] = {}
        self._pending: Counter[str] = Counter()
        self._pending_total = 0
        self._dropped = 0
        self._report: asyncio.TimerHandle | None = None
        self._gauge = metrics.CALLBACKS_PENDING.labels(_KIND)

    def start(self, client: CallbackClient) -> None:
        """Begin to send, with what was added before."""
        self._client = client
        self._pump()

    def add(self, workspace: Workspace, events: Iterable[Event]) -> None:
        """Send the events that the workspace wants as soon as there is room. Cheap; returns at once."""
        if not workspace.event_callback_url:
            return
        receiver = EventReceiver.of(workspace)
        origin = origin_of(receiver.url)
        for event in events:
            if receiver.wanted is None or event.event_type in receiver.wanted:
                self._add(receiver, origin, event)
        self._pump()

    def report_dropped(self) -> None:
        """Log how many events were dropped since the last report, if any were."""
        if self._report is not None:
            self._report.cancel()
            self._report = None
        if self._dropped:
            _log.warning("event_callback.dropped", dropped=self._dropped, pending=self._pending_total)
            self._dropped = 0

    def forget_waiting(self) -> None:
        """Drop everything that was not sent yet, and send no more."""
        self._client = None
        waiting = self._pending_total - self._lines.under_way
        if waiting:
            self._drop(waiting)
        for _ in self._lines.clear():
            pass
        self._gauge.dec(waiting)
        self._pending_total -= waiting
        self._last.clear()

    def _add(self, receiver: EventReceiver, origin: str, event: Event) -> None:
        limits = self._limits
        full = self._pending_total >= limits.event_pending_max
        if full or self._pending[origin] >= limits.event_pending_per_host_max:
            self._drop(1)
            return
        subjects = _subjects(receiver.url, event)
        entry = _Pending(receiver, origin, event, subjects)
        for subject in subjects:
            before = self._last.get(subject)
            if before is not None:
                before.followers.append(entry)
                entry.earlier += 1
            self._last[subject] = entry
        self._pending[origin] += 1
        self._pending_total += 1
        self._gauge.inc()
        if not entry.earlier:
            self._lines.add(origin, entry)

    def _drop(self, count: int) -> None:
        self._dropped += count
        metrics.CALLBACKS.labels(_KIND, "dropped").inc(count)
        if self._report is None:
            loop = asyncio.get_running_loop()
            self._report = loop.call_later(self._limits.event_drop_log_interval_s, self.report_dropped)

    def _pump(self) -> None:
        """Start what may start. Called whenever something came in or a slot was freed."""
        client = self._client
        if client is None:
            return
        while taken := self._lines.take():
            origin, entry = taken
            self._background.run(self._carry_out(client, origin, entry))

    async def _carry_out(self, client: CallbackClient, origin: str, entry: _Pending) -> None:
        try:
            await self._send(client, entry)
        finally:
            self._lines.release(origin)
            self._finish(entry)
            self._pump()

    def _finish(self, entry: _Pending) -> None:
        self._pending_total -= 1
        self._pending[entry.origin] -= 1
        if not self._pending[entry.origin]:
            del self._pending[entry.origin]
        self._gauge.dec()
        for subject in entry.subjects:
            if self._last.get(subject) is entry:
                del self._last[subject]
        for follower in entry.followers:
            follower.earlier -= 1
            if not follower.earlier:
                self._lines.add(follower.origin, follower)

    async def _send(self, client: CallbackClient, entry: _Pending) -> None:
        clock = asyncio.get_running_loop().time
        started_s = clock()
        failure = await self._call(client, entry)
        duration_s = clock() - started_s
        metrics.CALLBACK_SECONDS.labels(_KIND).observe(duration_s)
        facts = _facts(entry) | {"duration_ms": round(duration_s * 1000)}
        if failure is None:
            metrics.CALLBACKS.labels(_KIND, "delivered").inc()
            _log.debug("event_callback.delivered", **facts)
            return
        metrics.CALLBACKS.labels(_KIND, "failed").inc()
        _log.warning(
            "event_callback.failed", **facts, code=failure.code, reason=failure.reason, status=failure.status
        )

    async def _call(self, client: CallbackClient, entry: _Pending) -> CallbackFailure | None:
        receiver = entry.receiver
        fields = event_fields(receiver, entry.event)
        timeout_s = self._limits.event_timeout_s
        try:
            await client.post(receiver.url, fields, receiver.account_sid, timeout_s, body_matters=False)
        except CallbackFailure as failure:
            return failure
        return None


def _subjects(url: str, event: Event) -> tuple[_Subject, ...]:
    """Return what must stay in order at a receiver: task and worker, else the resource itself."""
    sids = [sid for sid in (event.task_sid, event.worker_sid) if sid] or [event.resource_sid]
    return tuple((url, sid) for sid in sids)


def _facts(entry: _Pending) -> dict[str, str | int | None]:
    event = entry.event
    return {
        "workspace_sid": entry.receiver.workspace_sid,
        "event_sid": event.sid,
        "event_type": event.event_type,
        "task_sid": event.task_sid,
        "worker_sid": event.worker_sid,
        "reservation_sid": event.reservation_sid,
        "url": public_form(entry.receiver.url),
    }
