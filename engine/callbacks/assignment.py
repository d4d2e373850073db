"""Assignment callbacks: from the commit that asked for one to the commit of its outcome.

    waiting ──> under way ──> outcome offered to the workspace ──> gone
       ^            │
       └────────────┘  the primary URL failed: once more, in the fallback's line

A callback waits in the line of its receiver, as a small entry and not as a task. While it is under way it
holds a slot; the slot is given back before the outcome is offered, so a workspace that cannot take
outcomes does not hold up the callbacks of others. A reservation is open here at most once: an outbox row
that is recovered while its callback is still under way is not sent twice.
"""

import asyncio
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from engine import metrics
from engine.alerts import Report, unheard
from engine.callback_urls import origin_of
from engine.callbacks.assignment_answer import Instruction, read_answer
from engine.callbacks.assignment_outcome import OpenCallback, Outcomes, Submit
from engine.callbacks.background import Background
from engine.callbacks.client import Answer
from engine.callbacks.failures import CallbackFailure
from engine.callbacks.limits import CallbackLimits
from engine.callbacks.lines import Lines
from engine.callbacks.voice_gateway import VoiceGateway
from engine.logs import get_logger, log_facts
from engine.routing.commands import (
    AssignmentCallbackFailed,
    AssignmentInstructed,
    Command,
    PrepareInstruction,
)
from engine.routing.effects import AssignmentCallback

_KIND = "assignment"
_SECONDS = metrics.CALLBACK_SECONDS.labels(_KIND)
_DELIVERED = metrics.CALLBACKS.labels(_KIND, "delivered")
_FAILED = metrics.CALLBACKS.labels(_KIND, "failed")
_log = get_logger()


class CallbackSender(Protocol):
    """What sends them: `client.CallbackClient`."""

    async def post(
        self, url: str, fields: Mapping[str, str], account_sid: str, timeout_s: float, *, body_matters: bool
    ) -> Answer:
        """POST a signed form and read the answer. Raises CallbackFailure."""


class AssignmentCallbacks:
    """Sends assignment callbacks and hands their outcomes to the workspaces.

    Nothing is sent before `start`.

    Args:
        background: runs what is under way.
        limits: time, numbers and sizes.
        submit: gives a command to a workspace; the errors of `RoutingService.submit_internal`.
        random: numbers in [0, 1) for the jitter.
        voice: carries out voice instructions, if there is a gateway.
        report: takes in what the operator should know.
    """

    def __init__(
        self,
        background: Background,
        limits: CallbackLimits,
        submit: Submit,
        random: Callable[[], float],
        *,
        voice: VoiceGateway | None = None,
        report: Report = unheard,
    ) -> None:
        self._client: CallbackSender | None = None
        self._background = background
        self._limits = limits
        self._follows_voice = voice is not None
        self._keep = report
        self._open: dict[str, OpenCallback] = {}
        self._lines: Lines[OpenCallback] = Lines(limits.concurrent_max, limits.concurrent_per_host_max)
        self._outcomes = Outcomes(limits, submit, random, voice)
        self._reporting = 0
        self._pending = metrics.CALLBACKS_PENDING.labels(_KIND)

    def start(self, client: CallbackSender) -> None:
        """Begin to send, with what was added before."""
        self._client = client
        self._pump()

    def add(self, workspace_sid: str, account_sid: str, callbacks: Iterable[AssignmentCallback]) -> None:
        """Send these callbacks as soon as there is room. Cheap; returns at once."""
        for callback in callbacks:
            if callback.reservation_sid in self._open:
                continue
            fallback = (callback.fallback_url,) if callback.fallback_url else ()
            entry = OpenCallback(
                workspace_sid=workspace_sid,
                account_sid=account_sid,
                reservation_sid=callback.reservation_sid,
                task_sid=callback.task_sid,
                urls=(callback.url, *fallback),
                fields=callback.fields,
                worker_sid=callback.worker_sid,
                workflow_sid=callback.workflow_sid,
                keep=self._keep,
            )
            self._open[entry.reservation_sid] = entry
            self._pending.inc()
            self._wait(entry)
            self._pump()

    def settle(self, reservation_sids: Iterable[str]) -> None:
        """Do not send what still waits for these reservations: their callbacks have become pointless."""
        for sid in reservation_sids:
            entry = self._open.get(sid)
            if entry is not None and entry.waiting:
                entry.needless, entry.fields = True, b""
                self._close(entry)

    def forget_workspace(self, workspace_sid: str) -> None:
        """Do not send what still waits for a deleted workspace."""
        entries = self._open.values()
        self.settle([entry.reservation_sid for entry in entries if entry.workspace_sid == workspace_sid])

    def forget_waiting(self) -> None:
        """Leave what was not sent yet to the outbox, and send no more."""
        self._client = None
        for entry in self._lines.clear():
            if not entry.needless:
                self._close(entry)

    def _close(self, entry: OpenCallback) -> None:
        if self._open.get(entry.reservation_sid) is entry:
            del self._open[entry.reservation_sid]
            self._pending.dec()

    def _wait(self, entry: OpenCallback) -> None:
        entry.waiting = True
        if self._lines.waiting >= self._limits.assignment_pending_max:
            entry.fields = _packed(entry.fields)
        self._lines.add(origin_of(entry.url), entry)

    def _pump(self) -> None:
        """Start what may start. Called whenever something came in or a slot or an outcome was freed."""
        client = self._client
        if client is None:
            return
        while self._reporting < self._limits.outcomes_pending_max and (taken := self._lines.take()):
            receiver, entry = taken
            if entry.needless:
                self._lines.release(receiver)
                continue
            entry.waiting = False
            self._background.run(self._carry_out(client, receiver, entry))

    async def _carry_out(self, client: CallbackSender, receiver: str, entry: OpenCallback) -> None:
        handed_on = False
        try:
            command = await self._attempt(client, receiver, entry)
            handed_on = command is None
            if command is not None:
                await self._report(entry, command)
        finally:
            if not handed_on:
                self._close(entry)

    async def _attempt(self, client: CallbackSender, receiver: str, entry: OpenCallback) -> Command | None:
        """Make one attempt; returns its outcome, or None when the fallback's turn has come."""
        clock = asyncio.get_running_loop().time
        started_s = clock()
        try:
            result = await self._call(client, entry)
        finally:
            self._lines.release(receiver)
            self._pump()
        duration_s = clock() - started_s
        _SECONDS.observe(duration_s)
        duration_ms = round(duration_s * 1000)
        if isinstance(result, CallbackFailure):
            return self._failed(entry, result, duration_ms)
        return _delivered(entry, result, duration_ms)

    async def _call(self, client: CallbackSender, entry: OpenCallback) -> Instruction | CallbackFailure:
        fields = entry.fields = _unpacked(entry.fields)
        timeout_s = self._limits.assignment_timeout_s
        try:
            answer = await client.post(entry.url, fields, entry.account_sid, timeout_s, body_matters=True)
            return read_answer(answer, voice=self._follows_voice)
        except CallbackFailure as failure:
            return failure

    def _failed(self, entry: OpenCallback, failure: CallbackFailure, duration_ms: int) -> Command | None:
        _FAILED.inc()
        _log.warning(
            "callback.failed",
            **entry.log_fields(),
            code=failure.code,
            reason=failure.reason,
            status=failure.status,
            duration_ms=duration_ms,
        )
        entry.reasons.append(f"{entry.attempt_name}: {failure}")
        last = entry.attempt + 1 == len(entry.urls)
        follows = "the reservation is canceled" if last else "the fallback URL is called"
        entry.report(failure.code, f"{entry.attempt_name} URL: {failure.reason}; {follows}")
        if last:
            return AssignmentCallbackFailed(entry.reservation_sid, "; ".join(entry.reasons))
        entry.attempt += 1
        _log.info("callback.fallback", **entry.log_fields())
        self._wait(entry)
        self._pump()
        return None

    async def _report(self, entry: OpenCallback, command: Command) -> None:
        self._reporting += 1
        try:
            await self._outcomes.report(entry, command)
        finally:
            self._reporting -= 1
            self._pump()


def _delivered(entry: OpenCallback, instruction: Instruction, duration_ms: int) -> Command:
    _DELIVERED.inc()
    about = {**entry.log_fields(), "instruction": instruction.name, "duration_ms": duration_ms}
    log_facts([("callback.delivered", about)])
    if instruction.alert is not None:
        entry.alert(instruction.alert)
    if instruction.voice is not None:
        return PrepareInstruction(entry.reservation_sid, instruction.voice)
    return AssignmentInstructed(entry.reservation_sid, instruction.name, instruction.activity_sid)


def _packed(fields: dict[str, str] | bytes) -> bytes:
    return fields if isinstance(fields, bytes) else zlib.compress(json.dumps(fields).encode("ascii"), 1)


def _unpacked(fields: dict[str, str] | bytes) -> dict[str, str]:
    if isinstance(fields, dict):
        return fields
    unpacked: dict[str, str] = json.loads(zlib.decompress(fields))
    return unpacked
