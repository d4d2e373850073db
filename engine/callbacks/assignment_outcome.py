"""What an assignment callback came to, and how its workspace is told of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from engine.alerts import Problem, Report, unheard
from engine.callback_urls import public_form
from engine.callbacks import failures
from engine.callbacks.assignment_voice import Alert, follow
from engine.callbacks.backoff import backoff_s
from engine.callbacks.limits import CallbackLimits
from engine.callbacks.voice_gateway import VoiceGateway
from engine.errors import PointsmanError, WorkspaceNotFound
from engine.logs import get_logger
from engine.routing.commands import AssignmentInstructed, Command, PrepareInstruction
from engine.routing.errors import Refused, RoutingError

Submit = Callable[[str, Command], Awaitable[object]]

_ATTEMPTS = ("primary", "fallback")
_log = get_logger()


@dataclass(slots=True, eq=False)
class OpenCallback:
    """A callback whose outcome has not been taken in. `fields` are bytes while held compressed."""

    workspace_sid: str
    account_sid: str
    reservation_sid: str
    task_sid: str
    urls: tuple[str, ...]
    fields: dict[str, str] | bytes
    worker_sid: str | None = None
    workflow_sid: str | None = None
    keep: Report = unheard
    """Takes what the operator should know."""
    attempt: int = 0
    waiting: bool = True
    needless: bool = False
    reasons: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where this attempt goes."""
        return self.urls[self.attempt]

    @property
    def attempt_name(self) -> str:
        """Which attempt it is."""
        return _ATTEMPTS[self.attempt]

    def log_fields(self) -> dict[str, str]:
        """What every log line about it tells."""
        return {
            "workspace_sid": self.workspace_sid,
            "task_sid": self.task_sid,
            "reservation_sid": self.reservation_sid,
            "url": public_form(self.url),
            "attempt": self.attempt_name,
        }

    def alert(self, alert: Alert) -> None:
        """Tell the operator of something wrong in the answer."""
        _log.warning("callback.alert", **self.log_fields(), code=alert.code, reason=alert.reason)
        self.report(alert.code, alert.reason)

    def report(self, code: int, text: str) -> None:
        """Have something wrong kept as an alert."""
        self.keep(
            Problem(
                self.workspace_sid,
                code,
                text,
                url=public_form(self.url),
                task_sid=self.task_sid,
                worker_sid=self.worker_sid,
                reservation_sid=self.reservation_sid,
                workflow_sid=self.workflow_sid,
            )
        )


class Outcomes:
    """Hands outcomes to the workspaces, and voice instructions to the gateway first.

    Args:
        limits: how long and how often an outcome is offered.
        submit: gives a command to a workspace; the errors of `RoutingService.submit_internal`.
        random: numbers in [0, 1) for the jitter.
        voice: carries out voice instructions, if there is a gateway.
    """

    def __init__(
        self,
        limits: CallbackLimits,
        submit: Submit,
        random: Callable[[], float],
        voice: VoiceGateway | None,
    ) -> None:
        self._limits = limits
        self._submit = submit
        self._random = random
        self._voice = voice

    async def report(self, entry: OpenCallback, command: Command) -> None:
        """Return when the workspace has taken the outcome in, or will not."""
        try:
            if isinstance(command, PrepareInstruction):
                await self._follow(entry, command)
            else:
                await self._offer(entry, command)
        except WorkspaceNotFound:
            return
        except PointsmanError as error:
            _log.error("callback.outcome_lost", **entry.log_fields(), reason=str(error))

    async def _follow(self, entry: OpenCallback, command: PrepareInstruction) -> None:
        assert self._voice is not None

        async def insist(step: Command) -> object:
            return await self._insist(entry, step)

        await follow(self._voice, entry.account_sid, command, insist, entry.alert)

    async def _offer(self, entry: OpenCallback, command: Command) -> None:
        """Give the outcome to the workspace; a rejection whose activity it refuses goes without a move."""
        try:
            await self._insist(entry, command)
        except RoutingError as refusal:
            command_without_move = _without_move(command, refusal)
            if command_without_move is None:
                _log.debug("callback.outcome_refused", **entry.log_fields(), reason=refusal.message)
                return
            entry.alert(Alert(failures.REJECT_ACTIVITY, refusal.message))
            await self._offer(entry, command_without_move)

    async def _insist(self, entry: OpenCallback, command: Command) -> object:
        """Give a command to the workspace, again and again while it cannot take it.

        Raises RoutingError, WorkspaceNotFound, or the last PointsmanError when it takes too long.
        """
        pauses, until_s = None, 0.0
        while True:
            try:
                return await self._submit(entry.workspace_sid, command)
            except WorkspaceNotFound:
                raise
            except PointsmanError:
                now_s = asyncio.get_running_loop().time()
                if pauses is None:
                    until_s = now_s + self._limits.outcome_retry_s
                    pauses = backoff_s(self._limits.backoff_first_s, self._limits.backoff_max_s, self._random)
                if now_s >= until_s:
                    raise
                await asyncio.sleep(next(pauses))


def _without_move(command: Command, refusal: RoutingError) -> Command | None:
    """Return a rejection without the activity that the workspace refused; None when that was not it."""
    if not isinstance(refusal, Refused) or not isinstance(command, AssignmentInstructed):
        return None
    if command.activity_sid is None:
        return None
    return AssignmentInstructed(command.reservation_sid, command.instruction)
