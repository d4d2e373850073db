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
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from engine import metrics
from engine.callback_urls import origin_of, public_form
from engine.callbacks import failures
from engine.callbacks.assignment_answer import Instruction, read_answer
from engine.callbacks.assignment_voice import Alert, follow
from engine.callbacks.background import Background
from engine.callbacks.backoff import backoff_s
from engine.callbacks.client import CallbackClient
from engine.callbacks.failures import CallbackFailure
from engine.callbacks.limits import CallbackLimits
from engine.callbacks.lines import Lines
from engine.callbacks.voice_gateway import VoiceGateway
from engine.errors import PointsmanError, WorkspaceNotFound
from engine.logs import get_logger
from engine.routing.commands import (
    AssignmentCallbackFailed,
    AssignmentInstructed,
    Command,
    PrepareInstruction,
)
from engine.routing.effects import AssignmentCallback
from engine.routing.errors import Refused, RoutingError

Submit = Callable[[str, Command], Awaitable[object]]

_ATTEMPTS = ("primary", "fallback")
_KIND = "assignment"
_log = get_logger()


@dataclass(slots=True, eq=False)
class _Open:
    """A callback whose outcome has not been taken in. `fields` are bytes while held compressed."""

    workspace_sid: str
    account_sid: str
    reservation_sid: str
    task_sid: str
    urls: tuple[str, ...]
    fields: dict[str, str] | bytes
    attempt: int = 0
    waiting: bool = True
    needless: bool = False
    reasons: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.urls[self.attempt]

    def log_fields(self) -> dict[str, str]:
        return {
            "workspace_sid": self.workspace_sid,
            "task_sid": self.task_sid,
            "reservation_sid": self.reservation_sid,
            "url": public_form(self.url),
            "attempt": _ATTEMPTS[self.attempt],
        }


class AssignmentCallbacks:
    """Sends assignment callbacks and hands their outcomes to the workspaces.

    Nothing is sent before `start`.

    Args:
        background: runs what is under way.
        limits: time, numbers and sizes.
        submit: gives a command to a workspace; the errors of `RoutingService.submit_internal`.
        random: numbers in [0, 1) for the jitter.
        voice: carries out voice instructions, if there is a gateway.
    """

    def __init__(
        self,
        background: Background,
        limits: CallbackLimits,
        submit: Submit,
        random: Callable[[], float],
        voice: VoiceGateway | None = None,
    ) -> None:
        self._client: CallbackClient | None = None
        self._background = background
        self._limits = limits
        self._submit = submit
        self._random = random
        self._voice = voice
        self._open: dict[str, _Open] = {}
        self._lines: Lines[_Open] = Lines(limits.concurrent_max, limits.concurrent_per_host_max)
        self._outcomes = 0
        self._pending = metrics.CALLBACKS_PENDING.labels(_KIND)

    def start(self, client: CallbackClient) -> None:
        """Begin to send, with what was added before."""
        self._client = client
        self._pump()

    def add(self, workspace_sid: str, account_sid: str, callbacks: Iterable[AssignmentCallback]) -> None:
        """Send these callbacks as soon as there is room. Cheap; returns at once."""
        for callback in callbacks:
            if callback.reservation_sid in self._open:
                continue
            fallback = (callback.fallback_url,) if callback.fallback_url else ()
            entry = _Open(
                workspace_sid=workspace_sid,
                account_sid=account_sid,
                reservation_sid=callback.reservation_sid,
                task_sid=callback.task_sid,
                urls=(callback.url, *fallback),
                fields=callback.fields,
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

    def _close(self, entry: _Open) -> None:
        if self._open.get(entry.reservation_sid) is entry:
            del self._open[entry.reservation_sid]
            self._pending.dec()

    def _wait(self, entry: _Open) -> None:
        entry.waiting = True
        if self._lines.waiting >= self._limits.assignment_pending_max:
            entry.fields = _packed(entry.fields)
        self._lines.add(origin_of(entry.url), entry)

    def _pump(self) -> None:
        """Start what may start. Called whenever something came in or a slot or an outcome was freed."""
        client = self._client
        if client is None:
            return
        while self._outcomes < self._limits.outcomes_pending_max and (taken := self._lines.take()):
            receiver, entry = taken
            if entry.needless:
                self._lines.release(receiver)
                continue
            entry.waiting = False
            self._background.run(self._carry_out(client, receiver, entry))

    async def _carry_out(self, client: CallbackClient, receiver: str, entry: _Open) -> None:
        handed_on = False
        try:
            command = await self._attempt(client, receiver, entry)
            handed_on = command is None
            if command is not None:
                await self._report(entry, command)
        finally:
            if not handed_on:
                self._close(entry)

    async def _attempt(self, client: CallbackClient, receiver: str, entry: _Open) -> Command | None:
        """Make one attempt; returns its outcome, or None when the fallback's turn has come."""
        clock = asyncio.get_running_loop().time
        started_s = clock()
        try:
            result = await self._call(client, entry)
        finally:
            self._lines.release(receiver)
            self._pump()
        duration_s = clock() - started_s
        metrics.CALLBACK_SECONDS.labels(_KIND).observe(duration_s)
        duration_ms = round(duration_s * 1000)
        if isinstance(result, CallbackFailure):
            return self._failed(entry, result, duration_ms)
        return _delivered(entry, result, duration_ms)

    async def _call(self, client: CallbackClient, entry: _Open) -> Instruction | CallbackFailure:
        fields = entry.fields = _unpacked(entry.fields)
        timeout_s = self._limits.assignment_timeout_s
        try:
            answer = await client.post(entry.url, fields, entry.account_sid, timeout_s, body_matters=True)
            return read_answer(answer, voice=self._voice is not None)
        except CallbackFailure as failure:
            return failure

    def _failed(self, entry: _Open, failure: CallbackFailure, duration_ms: int) -> Command | None:
        metrics.CALLBACKS.labels(_KIND, "failed").inc()
        _log.warning(
            "callback.failed",
            **entry.log_fields(),
            code=failure.code,
            reason=failure.reason,
            status=failure.status,
            duration_ms=duration_ms,
        )
        entry.reasons.append(f"{_ATTEMPTS[entry.attempt]}: {failure}")
        if entry.attempt + 1 == len(entry.urls):
            return AssignmentCallbackFailed(entry.reservation_sid, "; ".join(entry.reasons))
        entry.attempt += 1
        _log.info("callback.fallback", **entry.log_fields())
        self._wait(entry)
        self._pump()
        return None

    async def _report(self, entry: _Open, command: Command) -> None:
        self._outcomes += 1
        try:
            if isinstance(command, PrepareInstruction):
                await self._follow(entry, command)
            else:
                await self._offer(entry, command)
        except WorkspaceNotFound:
            return
        except PointsmanError as error:
            _log.error("callback.outcome_lost", **entry.log_fields(), reason=str(error))
        finally:
            self._outcomes -= 1
            self._pump()

    async def _follow(self, entry: _Open, command: PrepareInstruction) -> None:
        assert self._voice is not None

        async def insist(step: Command) -> object:
            return await self._insist(entry, step)

        def alert(told: Alert) -> None:
            _alert(entry, told)

        await follow(self._voice, entry.account_sid, command, insist, alert)

    async def _offer(self, entry: _Open, command: Command) -> None:
        """Give the outcome to the workspace; a rejection whose activity it refuses goes without a move."""
        try:
            await self._insist(entry, command)
        except RoutingError as refusal:
            command_without_move = _without_move(command, refusal)
            if command_without_move is None:
                _log.debug("callback.outcome_refused", **entry.log_fields(), reason=refusal.message)
                return
            _alert(entry, Alert(failures.REJECT_ACTIVITY, refusal.message))
            await self._offer(entry, command_without_move)

    async def _insist(self, entry: _Open, command: Command) -> object:
        """Give a command to the workspace, again and again while it cannot take it.

        Raises RoutingError, WorkspaceNotFound, or the last PointsmanError when it takes too long.
        """
        clock = asyncio.get_running_loop().time
        until_s = clock() + self._limits.outcome_retry_s
        pauses = backoff_s(self._limits.backoff_first_s, self._limits.backoff_max_s, self._random)
        while True:
            try:
                return await self._submit(entry.workspace_sid, command)
            except WorkspaceNotFound:
                raise
            except PointsmanError:
                if clock() >= until_s:
                    raise
                await asyncio.sleep(next(pauses))


def _delivered(entry: _Open, instruction: Instruction, duration_ms: int) -> Command:
    metrics.CALLBACKS.labels(_KIND, "delivered").inc()
    _log.info(
        "callback.delivered", **entry.log_fields(), instruction=instruction.name, duration_ms=duration_ms
    )
    if instruction.alert is not None:
        _alert(entry, instruction.alert)
    if instruction.voice is not None:
        return PrepareInstruction(entry.reservation_sid, instruction.voice)
    return AssignmentInstructed(entry.reservation_sid, instruction.name, instruction.activity_sid)


def _alert(entry: _Open, alert: Alert) -> None:
    _log.warning("callback.alert", **entry.log_fields(), code=alert.code, reason=alert.reason)


def _without_move(command: Command, refusal: RoutingError) -> Command | None:
    """Return a rejection without the activity that the workspace refused; None when that was not it."""
    if not isinstance(refusal, Refused) or not isinstance(command, AssignmentInstructed):
        return None
    if command.activity_sid is None:
        return None
    return AssignmentInstructed(command.reservation_sid, command.instruction)


def _packed(fields: dict[str, str] | bytes) -> bytes:
    return fields if isinstance(fields, bytes) else zlib.compress(json.dumps(fields).encode("ascii"), 1)


def _unpacked(fields: dict[str, str] | bytes) -> dict[str, str]:
    if isinstance(fields, dict):
        return fields
    unpacked: dict[str, str] = json.loads(zlib.decompress(fields))
    return unpacked
