"""One node: the real runtime and the real dispatcher in a process that can be killed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from engine.callbacks.background import Background
from engine.callbacks.dispatcher import CallbackDispatcher
from engine.callbacks.event_callbacks import EventCallbacks
from engine.callbacks.event_receiver import Receiver
from engine.callbacks.limits import CallbackLimits
from engine.clock import Clock
from engine.ownership import Lease
from engine.routing.commands import Command
from engine.routing.core import WorkspaceCore
from engine.routing.effects import AssignmentCallback, Changes
from engine.routing.entities import Workspace
from engine.routing.limits import RoutingLimits
from engine.runtime.limits import RuntimeLimits
from engine.runtime.loop_state import State
from engine.runtime.service import RoutingService
from engine.runtime.workspace_loop import WorkspaceLoop
from engine.sids import SidFactory
from tests.simulation.faults import NodeStore
from tests.simulation.hearing import Hearing
from tests.simulation.virtual_time import Process
from tests.simulation.webhooks import Webhooks

R = TypeVar("R")


class Watcher(Protocol):
    """Looks at a node whenever it publishes."""

    def committed(self, node: "Node", workspace: Workspace, changes: Changes) -> None: ...

    def recovered(self, node: "Node", workspace: Workspace, callbacks: list[AssignmentCallback]) -> None: ...


class _Dispatcher(CallbackDispatcher):
    """The real dispatcher on simulated receivers instead of an HTTP client."""

    def open(self, webhooks: Webhooks) -> None:
        self._assignments.start(webhooks)


class _Housed(Background):
    """Work that ends with its process, even when a timer began it."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._process.start(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)


class _EventCallbacks(EventCallbacks):
    """The real sender of events on a simulated receiver, in a process that can be killed."""

    def house(self, process: Process, hearing: Hearing) -> None:
        self._process = process
        self._make_client = lambda: hearing
        self._sending, self._reading = _Housed(process), _Housed(process)

    def _proceed(self, receiver: Receiver) -> None:
        if self._process.alive:
            super()._proceed(receiver)


EVENT_LIMITS = CallbackLimits(
    event_retry_max_s=20.0,
    event_circuit_pause_max_s=10.0,
    event_retry_age_s=1e8,
    event_hold_s=1e8,
    event_pending_per_workspace_max=40,
)
"""Nothing grows too old and nothing is overtaken, so that the order of all events can be told."""


class Node:
    """A runtime, its dispatcher, its view of the store; and whoever watches what it publishes.

    Args:
        owner: its name among the owners of leases.
        store: the store as it sees it.
        limits: of its loops.
        routing_limits: of its cores.
        new_sid: mints SIDs.
        clock: the wall clock.
        random: numbers in [0, 1) for the jitter of the dispatcher's retries.
        watcher: told of everything just before the dispatcher is.
        hearing: the receivers of events.
    """

    def __init__(
        self,
        owner: str,
        store: NodeStore,
        *,
        limits: RuntimeLimits,
        routing_limits: RoutingLimits,
        new_sid: SidFactory,
        clock: Clock,
        random: Callable[[], float],
        watcher: Watcher,
        hearing: Hearing,
    ) -> None:
        self.owner = owner
        self.store = store
        self.process = Process(owner)
        self._watcher = watcher
        self._dispatcher = _Dispatcher(
            CallbackLimits(), lambda _account: "token", self._submit, random=random
        )
        self._events = _EventCallbacks(store, EVENT_LIMITS, lambda _account: "token", clock, random=random)
        self._events.house(self.process, hearing)
        self.service = RoutingService(
            store,
            store,
            self,
            owner=owner,
            limits=limits,
            routing_limits=routing_limits,
            new_sid=new_sid,
            clock=clock,
            monotonic=asyncio.get_running_loop().time,
        )

    async def start(self, webhooks: Webhooks) -> None:
        """Begin to serve. Raises Killed, StoreUnavailable."""

        async def starting() -> None:
            await self._events.start()
            self._dispatcher.open(webhooks)
            await self.service.start()

        await self.process.call(starting())

    async def stop(self) -> None:
        """Shut down in good order, as for a deployment. Raises Killed."""

        async def stopping() -> None:
            await self._dispatcher.stop(1.0)
            await self.service.stop()
            await self._events.stop(1.0)

        await self.process.call(stopping())
        await self.process.kill()

    async def call(self, work: Coroutine[Any, Any, R]) -> R:
        """Handle a client's request here. Raises Killed when the node ends before it answers."""
        return await self.process.call(work)

    def loop_of(self, workspace_sid: str) -> WorkspaceLoop | None:
        """Return the loop that serves a workspace here, if one does."""
        for loop in self.service.loops():
            if loop.workspace_sid == workspace_sid and loop.state is State.SERVING and self.process.alive:
                return loop
        return None

    def core_of(self, workspace_sid: str) -> WorkspaceCore | None:
        """Return the live core of a workspace, if it is served here."""
        loop = self.loop_of(workspace_sid)
        return None if loop is None else loop._core

    def lease_of(self, workspace_sid: str) -> Lease | None:
        """Return the lease under which a workspace is served here, whether or not it is still good."""
        loop = self.loop_of(workspace_sid)
        return None if loop is None else loop._lease

    def batch_ms(self, workspace_sid: str) -> int:
        """Return the moment at which the batch just committed was applied."""
        loop = self.loop_of(workspace_sid)
        assert loop is not None
        return loop._batch.now_ms

    def has_more(self, workspace_sid: str) -> bool:
        """Tell whether the batch just committed left deadlines or matches to the next one."""
        loop = self.loop_of(workspace_sid)
        return loop is not None and loop._batch.more

    # Publisher

    def committed(self, workspace: Workspace, changes: Changes) -> None:
        self._watcher.committed(self, workspace, changes)
        self._dispatcher.committed(workspace, changes)
        self._events.committed(workspace, changes)

    def recovered(self, workspace: Workspace, callbacks: list[AssignmentCallback]) -> None:
        self._watcher.recovered(self, workspace, callbacks)
        self._dispatcher.recovered(workspace, callbacks)
        self._events.recovered(workspace, callbacks)

    def released(self, workspace_sid: str) -> None:
        self._dispatcher.released(workspace_sid)
        self._events.released(workspace_sid)

    async def _submit(self, workspace_sid: str, command: Command) -> object:
        return await self.service.submit_internal(workspace_sid, command)
