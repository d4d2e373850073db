"""Where committed offers become HTTP: the assignment callbacks' side of the runtime's publisher.

The runtime tells of each durable batch; from then on nothing here can hold it up. Event callbacks have
connections and slots of their own (event_callbacks.py), so that neither kind waits for the other.
"""

import random as randomness
import ssl
from collections.abc import Callable

from aiohttp.abc import AbstractResolver

from engine.alerts import Report, unheard
from engine.callbacks.assignment import AssignmentCallbacks
from engine.callbacks.assignment_outcome import Submit
from engine.callbacks.background import Background
from engine.callbacks.client import CallbackClient, TokenOf
from engine.callbacks.limits import CallbackLimits
from engine.callbacks.voice_gateway import VoiceGateway
from engine.routing.effects import AssignmentCallback, Changes, Kind
from engine.routing.entities import Workspace


class CallbackDispatcher:
    """Sends the assignment callbacks of committed batches (implements `engine.runtime.ports.Publisher`).

    Args:
        limits: every bound of time, number and size.
        token_of: returns the auth token that signs an account's callbacks, or None.
        submit: coroutine function that gives a command to a workspace; it raises RoutingError and
            WorkspaceNotFound for what is settled, other PointsmanErrors for what may be offered again.
        random: returns numbers in [0, 1), for the jitter between such offers.
        resolver: finds the addresses of host names; default: the operating system's resolver.
        tls: whom https receivers are trusted by; default: the system's certificates.
        voice: carries out the voice instructions that callbacks answer, if there is a gateway.
        report: takes in what the operator should know.
    """

    def __init__(
        self,
        limits: CallbackLimits,
        token_of: TokenOf,
        submit: Submit,
        *,
        random: Callable[[], float] = randomness.random,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        voice: VoiceGateway | None = None,
        report: Report = unheard,
    ) -> None:
        self._limits = limits
        self._token_of = token_of
        self._resolver = resolver
        self._tls = tls
        self._background = Background()
        self._assignments = AssignmentCallbacks(
            self._background, limits, submit, random, voice=voice, report=report
        )
        self._client: CallbackClient | None = None
        self._stopping = False
        self._stopped = False

    async def start(self) -> None:
        """Open for sending; what was committed before is sent now."""
        self._client = CallbackClient(self._limits, self._token_of, self._resolver, self._tls)
        self._assignments.start(self._client)

    async def stop(self, drain_s: float) -> bool:
        """Finish what is under way or waiting, then close. Call it while workspaces still take commands.

        Args:
            drain_s: how long to wait. Callbacks not sent by then stay in the outbox.

        Returns:
            Whether everything was finished in time.
        """
        self._stopping = True
        finished = await self._background.drain(drain_s)
        self._stopped = True
        self._assignments.forget_waiting()
        await self._background.cancel()
        if self._client is not None:
            await self._client.close()
        return finished

    def committed(self, workspace: Workspace, changes: Changes) -> None:
        """Send the callbacks of a durable batch. Returns at once and does not raise.

        While stopping, new assignment callbacks stay in the outbox for the next start.
        """
        if self._stopped:
            return
        self._assignments.settle(changes.callbacks_settled)
        if (Kind.WORKSPACE, workspace.sid) in changes.removed:
            self._assignments.forget_workspace(workspace.sid)
        elif not self._stopping:
            settled = frozenset(changes.callbacks_settled)
            callbacks = [each for each in changes.callbacks if each.reservation_sid not in settled]
            self._assignments.add(workspace.sid, workspace.account_sid, callbacks)

    def recovered(self, workspace: Workspace, callbacks: list[AssignmentCallback]) -> None:
        """Send assignment callbacks whose outcome was never committed, but for those still under way."""
        if not self._stopping:
            self._assignments.add(workspace.sid, workspace.account_sid, callbacks)

    def released(self, _workspace_sid: str) -> None:
        """Nothing to do: an offer under way ends with an outcome, which its workspace's owner judges."""
