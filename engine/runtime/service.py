"""What the rest of the system calls: commands in, committed answers out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from engine import metrics
from engine.clock import Clock, wall_clock_ms
from engine.errors import KeyReused, KeyTaken, StoreUnavailable, Unavailable, WorkspaceNotFound
from engine.ownership import Lease
from engine.routing.commands import (
    AdoptFinishedTask,
    Command,
    DeleteTask,
    UpdateTask,
)
from engine.routing.core import WorkspaceCore
from engine.routing.entities import TaskOrder
from engine.routing.errors import NotFound
from engine.routing.limits import RoutingLimits
from engine.routing.views import WorkspaceView
from engine.runtime.ended_reservations import OfReservation, reservation_refusal
from engine.runtime.ended_transfers import OfTransfer, transfer_refusal
from engine.runtime.lease import LeaseKeeper
from engine.runtime.limits import RuntimeLimits
from engine.runtime.loader import Loader
from engine.runtime.loop_state import State
from engine.runtime.once import KEPT_MS, Attempts, Once, Outcome
from engine.runtime.patience import within
from engine.runtime.ports import Claims, LeaseStore, Publisher, Store
from engine.runtime.routing_log import log_committed
from engine.runtime.waiting import Waiting, following
from engine.runtime.workspace_loop import WorkspaceLoop
from engine.runtime.workspaces import Workspaces
from engine.sids import SidFactory, time_ordered_sids

MOVING_S = 15.0
"""How long after it was ready a node among others stays so while a workspace is on its way."""


class RoutingService:
    """The front of the runtime: finds the workspace's loop and waits for the commit.

    Args:
        store: committed rows of all workspaces.
        lease_store: the lease rows.
        publisher: is told of every committed batch.
        owner: the name of this process among the owners; the same name takes its leases back at once, so
            two processes that run at the same time must have different ones.
        limits: sizes and times of the loops.
        routing_limits: what the cores decide by.
        new_sid: mints SIDs.
        clock: milliseconds since the epoch.
        monotonic: seconds of a clock that never steps back; the leases are judged by it.
        claims: what is known of the other nodes. Who gives it calls `remember`, `compare` and `reconsider`;
            without it, the service looks by itself.
    """

    def __init__(
        self,
        store: Store,
        lease_store: LeaseStore,
        publisher: Publisher,
        *,
        owner: str,
        limits: RuntimeLimits | None = None,
        routing_limits: RoutingLimits | None = None,
        new_sid: SidFactory | None = None,
        clock: Clock = wall_clock_ms,
        monotonic: Callable[[], float] = time.monotonic,
        claims: Claims | None = None,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._limits = limits or RuntimeLimits()
        self._clock = clock
        self._new_sid = new_sid or time_ordered_sids()
        self._leases = LeaseKeeper(lease_store, owner, self._limits, monotonic)
        self._loader = Loader(
            store, self._new_sid, clock, routing_limits or RoutingLimits(), self._limits.load_concurrency_max
        )
        self._claims = claims
        self._workspaces = Workspaces(
            store, self._loader, self._leases, publisher, self._limits, claims=claims
        )
        self._attempts = Attempts()
        self._waiting = Waiting(self._limits.request_timeout_s, _too_late)
        self._started = False
        self._cared_until_s = 0.0

    async def start(self) -> None:
        """Serve every workspace; returns when each was tried once. Raises StoreUnavailable."""
        self._leases.start()
        try:
            await self._workspaces.start()
        except BaseException:
            await self._leases.stop()
            raise
        self._started = True

    async def stop(self) -> None:
        """Finish the batches, give up the leases. Afterwards every submission raises Unavailable."""
        self._started = False
        await self._workspaces.stop()
        await self._leases.stop()

    async def ready(self) -> bool:
        """Tell whether the database answers and every workspace is served, here or by a node that lives and
        takes forwarded requests.

        One that a fault of ours keeps from being served does not take the whole node out; nor does one that
        is on its way from node to node.
        """
        if not self._started or not self._cares_for_all():
            return False
        try:
            await within(self._limits.commit_timeout_s, self._store.ping())
        except StoreUnavailable:
            metrics.DATABASE_UP.set(0)
            return False
        metrics.DATABASE_UP.set(1)
        return True

    def _cares_for_all(self) -> bool:
        """Tell whether every workspace is cared for, or was a moment ago, with several nodes there."""
        now_s = self._leases.now_s()
        if all(self._is_cared_for(loop) for loop in self._workspaces):
            self._cared_until_s = now_s + MOVING_S
            return True
        return self._claims is not None and self._claims.has_peers() and now_s < self._cared_until_s

    def _is_cared_for(self, loop: WorkspaceLoop) -> bool:
        if loop.state is State.SERVING or loop.broken:
            return True
        return self._claims is not None and self._claims.owner_lives(loop.workspace_sid)

    async def hand_over(self, workspace_sid: str, heir: str) -> Lease | None:
        """Make another node the owner of a workspace; returns its lease, None when that was not possible."""
        loop = self._workspaces.find(workspace_sid)
        return None if loop is None else await loop.hand_over(heir)

    def open_tasks(self, workspace_sid: str) -> int:
        """Return how many open tasks a workspace served here has, roughly."""
        loop = self._workspaces.find(workspace_sid)
        return 0 if loop is None else loop.open_tasks

    def served(self) -> list[tuple[str, int]]:
        """Return the workspaces served here, each with how many commands it has handled so far."""
        return [
            (loop.workspace_sid, loop.commands) for loop in self._workspaces if loop.state is State.SERVING
        ]

    def remember(self) -> None:
        """Take in that the workspaces are about to be listed."""
        self._workspaces.remember()

    def compare(self, workspace_sids: Collection[str]) -> None:
        """Take in which workspaces there are, as listed since `remember`."""
        if self._started:
            self._workspaces.compare(workspace_sids)

    def reconsider(self, workspace_sids: Iterable[str]) -> None:
        """Take in that these workspaces may be had."""
        for workspace_sid in workspace_sids:
            loop = self._workspaces.find(workspace_sid)
            if loop is not None:
                loop.reconsider()

    def loops(self) -> Iterable[WorkspaceLoop]:
        """Return the loops of all known workspaces, for metrics."""
        return self._workspaces

    def account_of(self, workspace_sid: str) -> str | None:
        """Return the account of a workspace, or None when this process knows no such workspace."""
        loop = self._workspaces.find(workspace_sid)
        return None if loop is None else loop.account_sid

    def serves(self, workspace_sid: str) -> bool:
        """Tell whether this node takes commands for a workspace now."""
        loop = self._workspaces.find(workspace_sid)
        return loop is not None and loop.state is State.SERVING

    async def create_workspace(
        self,
        account_sid: str,
        *,
        friendly_name: str,
        event_callback_url: str = "",
        events_filter: str | None = None,
        multi_task_enabled: bool = True,
        prioritize_queue_order: TaskOrder = TaskOrder.FIFO,
        template: str = "NONE",
        once: Once | None = None,
    ) -> WorkspaceView:
        """Create a workspace with the defaults of `template` and serve it; keeps its answer for `once`.

        Raises RoutingError when a value is refused, Unavailable when the database did not answer, KeyTaken
        when another node has used the key of `once`.
        """
        if not self._started:
            raise Unavailable("this node is not serving")
        core = WorkspaceCore.create(
            self._new_sid("WS"),
            account_sid,
            friendly_name=friendly_name,
            event_callback_url=event_callback_url,
            events_filter=events_filter,
            multi_task_enabled=multi_task_enabled,
            prioritize_queue_order=prioritize_queue_order,
            template=template,
            new_sid=self._new_sid,
            now_ms=self._clock(),
            limits=self._loader.routing_limits,
        )
        with self._workspaces.creation(core.workspace.sid):
            return await self._commit_new(core, once)

    async def create_workspace_once(self, account_sid: str, once: Once, **options: Any) -> bytes:
        """Create a workspace unless the key has created one; returns the answer kept.

        Raises as `create_workspace`, and KeyReused.
        """
        async with self._turn(once):
            known = await self._known(once)
            if not known:
                try:
                    await self.create_workspace(account_sid, **options, once=once)
                except KeyTaken:
                    known = await self._known(once)
            return (known or once.answers)[0]

    async def submit_once(self, account_sid: str, workspace_sid: str, command: Command, once: Once) -> bytes:
        """Carry out a command unless its key has done so; returns the answer kept.

        Raises as `submit`, and KeyReused when the key came with another request.
        """
        async with self._turn(once):
            self._loop_of(account_sid, workspace_sid).check_serving()
            known = await self._known(once)
            if not known:
                await self.submit(account_sid, workspace_sid, command, once)
            return (known or once.answers)[0]

    async def submit_worked_once(
        self,
        account_sid: str,
        workspace_sid: str,
        work: Callable[[], AbstractAsyncContextManager[Command]],
        once: Once,
    ) -> bytes:
        """As `submit_once`, for a command that has to be worked for: a repetition does not call `work`.

        Raises as `submit_once`, and what `work` raises.
        """
        async with self._turn(once):
            self._loop_of(account_sid, workspace_sid).check_serving()
            known = await self._known(once)
            if not known:
                async with work() as command:
                    await self.submit(account_sid, workspace_sid, command, once)
            return (known or once.answers)[0]

    async def submit_all_once(
        self,
        account_sid: str,
        workspace_sid: str,
        remaining: Callable[[list[bytes]], Mapping[int, Command]],
        once: Once,
    ) -> tuple[list[bytes], dict[int, Any]]:
        """Carry out what is left of a request of many commands.

        Args:
            account_sid: whose workspace it is.
            workspace_sid: the workspace.
            remaining: returns the commands that these parts of the answer, kept earlier, do not answer, by
                their index in the request.
            once: the key; its `render` makes a part of the commands of one batch.

        Returns:
            The parts of the answer kept by now, and each command's outcome as `submit_all` has it.

        Raises:
            As `submit_all`, and KeyReused.
        """
        async with self._turn(once):
            self._loop_of(account_sid, workspace_sid).check_serving()
            known = await self._known(once)
            commands = remaining(known)
            outcomes: list[Any] = []
            if commands:
                outcomes = await self.submit_all(
                    account_sid, workspace_sid, list(commands.values()), once, list(commands)
                )
            return known, dict(zip(commands, outcomes, strict=True))

    async def submit(
        self, account_sid: str, workspace_sid: str, command: Command, once: Once | None = None
    ) -> Any:
        """Carry out a command and return its view (or None) once it is durable.

        Finished tasks and reservations that are still visible are addressed as if they were live.

        Raises RoutingError when it is refused, WorkspaceNotFound when the account has no such workspace,
        Overloaded when too much waits, Unavailable when it was not or perhaps not carried out.
        """
        loop = self._loop_of(account_sid, workspace_sid)
        try:
            return await self._answer(loop, command, once=once)
        except NotFound as missing:
            return await self._among_finished(loop, command, missing, once)

    def begin(
        self, account_sid: str, workspace_sid: str, command: Command, context: Mapping[str, Any]
    ) -> asyncio.Future[Any]:
        """Queue a command; the future has its view once it is durable, or its refusal.

        `context` is what the log tells of its caller. A NotFound is not the last word: `among_finished` is.
        Raises and refuses as `submit`.
        """
        answer = self._loop_of(account_sid, workspace_sid).submit_one(command, context)
        self._waiting.watch(answer)
        return answer

    async def among_finished(
        self, account_sid: str, workspace_sid: str, command: Command, missing: NotFound
    ) -> Any:
        """Carry out a command that was not found among what is live; raises as `submit`."""
        return await self._among_finished(self._loop_of(account_sid, workspace_sid), command, missing, None)

    async def submit_all(
        self,
        account_sid: str,
        workspace_sid: str,
        commands: Sequence[Command],
        once: Once | None = None,
        indexes: Sequence[int] = (),
    ) -> list[Any]:
        """Carry out commands next to each other; returns for each its view or the exception it ended with.

        They share a batch as far as one takes them. Raises as `submit` when none of them was taken in or
        becomes durable in time: Overloaded when they do not all fit into the inbox.
        """
        loop = self._loop_of(account_sid, workspace_sid)
        futures = loop.submit(*commands, once=once, indexes=indexes)
        outcomes = asyncio.gather(*futures, return_exceptions=True)
        if once is not None:
            once.futures += futures
        try:
            async with asyncio.timeout(self._limits.request_timeout_s):
                return await (outcomes if once is None else asyncio.shield(outcomes))
        except TimeoutError:
            raise Unavailable("it takes too long; the commands may still be carried out") from None

    async def submit_internal(self, workspace_sid: str, command: Command) -> Any:
        """Carry out a command of the system itself, such as the answer of a callback; raises as `submit`."""
        loop = self._workspaces.find(workspace_sid)
        if loop is None:
            raise WorkspaceNotFound(f"workspace {workspace_sid} was not found")
        return await self._answer(loop, command)

    def _loop_of(self, account_sid: str, workspace_sid: str) -> WorkspaceLoop:
        loop = self._workspaces.find(workspace_sid)
        if loop is None or loop.account_sid not in {account_sid, None}:
            raise WorkspaceNotFound(f"workspace {workspace_sid} was not found")
        return loop

    async def _answer(self, loop: WorkspaceLoop, *commands: Command, once: Once | None = None) -> Any:
        """Submit the commands together and return the answer to the last one, which goes under `once`."""
        indexes = (*(None for _ in commands[1:]), 0)
        *earlier, answer = loop.submit(*commands, once=once, indexes=indexes if once else ())
        for future in earlier:
            future.add_done_callback(_look_at)
        if once is not None:
            once.futures.append(answer)
            answer.add_done_callback(_look_at)
            answer = following(answer)
        self._waiting.watch(answer)
        try:
            return await answer
        finally:
            del answer  # an error in it refers back to here

    @asynccontextmanager
    async def _turn(self, once: Once) -> AsyncIterator[None]:
        """Let a request in after those with the same key. Raises Unavailable when that takes too long."""
        turn = self._attempts.turn(once)
        try:
            async with asyncio.timeout(self._limits.request_timeout_s):
                await turn.__aenter__()
        except TimeoutError:
            raise Unavailable("an earlier request with this Idempotency-Key is still under way") from None
        async with AsyncExitStack() as stack:
            stack.push_async_exit(turn)
            yield

    async def _known(self, once: Once) -> list[bytes]:
        """Return the answer kept for a key, in parts. Raises KeyReused when it is another request's."""
        try:
            kept = await self._store.kept_answers(*once.place, self._clock() - KEPT_MS)
        except StoreUnavailable as error:
            raise Unavailable("the database does not answer") from error
        if any(answer.fingerprint != once.fingerprint for answer in kept):
            raise KeyReused("this Idempotency-Key came with another request; choose a new one for each")
        return [answer.answer for answer in kept]

    async def _commit_new(self, core: WorkspaceCore, once: Once | None) -> WorkspaceView:
        view = core.view()
        changes = core.take_changes()
        if once is not None and (kept := once.kept([Outcome(0, view)], self._clock())):
            changes.kept_answers.append(kept)
        loop = self._workspaces.make_loop(core.workspace.sid)
        asked_s = self._leases.now_s()
        try:
            lease = await within(
                self._limits.commit_timeout_s,
                self._store.create_workspace(self._leases.owner, self._limits.lease_ttl_s, changes),
            )
        except StoreUnavailable as error:
            raise Unavailable("it is unknown whether the workspace was created") from error
        self._leases.adopt(lease, asked_s, loop.wake)
        loop.serve_from(core, lease, core.workspace.date_created_ms)
        self._workspaces.run(loop)
        log_committed(core.workspace, changes, ())
        self._publisher.committed(core.workspace, changes)
        return view

    async def _among_finished(
        self, loop: WorkspaceLoop, command: Command, missing: NotFound, once: Once | None
    ) -> Any:
        """Answer a command whose target is not live any more, from the rows of finished ones."""
        try:
            if isinstance(command, OfReservation):
                raise await reservation_refusal(
                    self._store, loop.workspace_sid, command, missing, self._visible_after_ms()
                )
            if isinstance(command, OfTransfer):
                raise await transfer_refusal(
                    self._store, loop.workspace_sid, command, missing, self._visible_after_ms()
                )
            if isinstance(command, UpdateTask | DeleteTask) and missing.kind == "Task":
                return await self._on_finished_task(loop, command, missing, once)
        except StoreUnavailable as error:
            raise Unavailable("the database does not answer") from error
        raise missing

    async def _on_finished_task(
        self,
        loop: WorkspaceLoop,
        command: UpdateTask | DeleteTask,
        missing: NotFound,
        once: Once | None,
    ) -> Any:
        task = await self._store.finished_task(loop.workspace_sid, command.sid, self._visible_after_ms())
        if task is None:
            raise missing
        return await self._answer(loop, AdoptFinishedTask(task), command, once=once)

    def _visible_after_ms(self) -> int:
        return self._clock() - self._limits.finished_task_retention_s * 1000


def _too_late() -> Unavailable:
    return Unavailable("it takes too long; the command may still be carried out")


def _look_at(future: asyncio.Future[Any]) -> None:
    """Take note of a failure that the command after it will run into as well."""
    if not future.cancelled():
        future.exception()
