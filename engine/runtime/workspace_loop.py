"""The one writer of one workspace.

Theory of operation
-------------------
A workspace is served by exactly one task, and that task strictly alternates three steps:

    apply     read the workspace's clock once; fire what is due; hand over each waiting command; match
    commit    write everything that changed in one transaction, fenced by the epoch of the lease
    publish   answer the callers, log the facts, give the batch to the publisher

Between two commits there is one version of the state, the core's, and nothing of it is visible: a caller is
answered, even with a refusal, only after the batch that its command was part of is durable. So answers come
in the order of the commands, and whatever was said survives a crash. What arrives during a commit waits in
the inbox and makes the next batch; batches grow by load, never by waiting. A batch that changed nothing is
answered without the database.

The rows are the truth and the core is a cache of them. Whenever the two might differ, because a commit
failed, hung, or ended in an unknown way, because another owner fenced us out, because the lease can no longer
be trusted, or because the core broke one of its invariants, there is one way out: refuse whoever waits (the
outcome is unknown), drop the core, take the lease again under a new epoch, and load from rows, with growing
pauses. While that lasts every submission is refused at once. Nothing outside has to bring the loop back.

Dates never go back: when the clock was set back, batches keep the date of the latest one until the clock has
caught up, whichever process or node that was. The order of the log is the order of its dates.

Order inside a batch: due deadlines come before commands, since they were due before the commands were taken
in; while more deadlines are due than one batch may fire, no command is taken.

When its workspace is to move to another node, the loop refuses what comes, finishes what waits, gives the
lease to that node and is one that waits for the lease again. A loop that waits asks for the lease
when the claims tell that it is to be had.

The loop ends when its workspace was deleted, when its rows are gone, or when it is stopped; then it gives the
lease up and refuses what is left.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import structlog

from engine import metrics
from engine.clock import Clock
from engine.errors import Fenced, PointsmanError, StoreUnavailable
from engine.logs import get_logger
from engine.ownership import Lease
from engine.routing.commands import Command
from engine.routing.core import WorkspaceCore
from engine.runtime.batch import Batch, CoreBroken
from engine.runtime.committing import commit_in_time
from engine.runtime.inbox import Envelope, Inbox
from engine.runtime.lease import LeaseKeeper
from engine.runtime.limits import RuntimeLimits
from engine.runtime.loader import Loader
from engine.runtime.loop_state import LeaseExpired, State, refusal, unknown_outcome
from engine.runtime.measure import LoopMeasure
from engine.runtime.once import Once
from engine.runtime.ports import Claim, Claims, Publisher, Store
from engine.runtime.routing_log import log_committed
from engine.runtime.workspace_clock import WorkspaceClock

log = get_logger()

CLOCK_BEHIND_MS = 1_000
"""How far the clock may be behind the log of a workspace before the operator is told."""


@dataclass(slots=True, frozen=True)
class _Moving:
    """A workspace on its way to another node, and the heir's lease once it has been given."""

    heir: str
    given: "asyncio.Future[Lease | None]"


class WorkspaceLoop:
    """Serves one workspace from `start` until it is deleted or stopped.

    Args:
        workspace_sid: whose loop this is.
        store: where batches are committed.
        loader: makes a core from rows.
        leases: holds and renews the lease.
        publisher: is told of every committed batch.
        clock: milliseconds since the epoch.
        limits: sizes and times.
        claims: tells when the lease is worth asking for.
    """

    def __init__(
        self,
        workspace_sid: str,
        *,
        store: Store,
        loader: Loader,
        leases: LeaseKeeper,
        publisher: Publisher,
        clock: Clock,
        limits: RuntimeLimits,
        claims: Claims,
    ) -> None:
        self.workspace_sid = workspace_sid
        self.account_sid: str | None = None
        self.state = State.OPENING
        self.attempted = asyncio.Event()
        """Set once the first attempt to open has come to a result, good or bad."""
        self.broken = False
        """Whether a fault of ours, not the outside, keeps it from being served."""
        self.commands = 0
        """How many commands it has handled."""
        self._store = store
        self._loader = loader
        self._leases = leases
        self._publisher = publisher
        self._wall = clock
        self._clock = WorkspaceClock(clock, leases.now_s)
        self._limits = limits
        self._inbox = Inbox(limits.inbox_commands_max)
        self._claims = claims
        self._stopping = asyncio.Event()
        self._reconsider = asyncio.Event()
        self._moving: _Moving | None = None
        self._core: WorkspaceCore | None = None
        self._lease: Lease | None = None
        self._batch = Batch()
        self._measure = LoopMeasure()
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def serve_from(self, core: WorkspaceCore, lease: Lease, now_ms: int) -> None:
        """Serve from this core, which is what the rows say; before `start` it saves the loading.

        No batch is dated before `now_ms`, as of when the core was made.
        """
        self._core, self._lease = core, lease
        self._clock.not_before(now_ms)
        self._batch = Batch()
        self._batch.more = True
        self.account_sid = core.workspace.account_sid
        self._measure.opened(core)
        self._change_state(State.SERVING)

    def start(self, on_end: Callable[["WorkspaceLoop"], None]) -> None:
        """Begin to serve; `on_end` is called once when the loop has ended."""
        # A context of its own: the loop must not log in the name of the request that happened to start it.
        self._task = asyncio.create_task(
            self._run(), name=f"workspace-{self.workspace_sid}", context=Context()
        )
        self._task.add_done_callback(lambda _: on_end(self))

    async def stop(self) -> None:
        """Finish what waits in the inbox, give up the lease, and return when the loop has ended."""
        if self.state is not State.DELETED:
            self.state = State.STOPPING
        self._stopping.set()
        self.reconsider()
        self.wake()
        if self._task is not None:
            await asyncio.wait([self._task])

    def vanished(self) -> None:
        """Its rows are gone: end, unless it is served here and so knows better."""
        if self._core is None:
            self.state = State.DELETED
            self._stopping.set()
            self.reconsider()

    def reconsider(self) -> None:
        """Have a loop that waits for its lease look at its claim again."""
        self._reconsider.set()

    async def hand_over(self, heir: str) -> Lease | None:
        """Finish what waits and make another node the owner of the workspace.

        Returns that node's lease; None when the workspace was not served here, or may be so again.
        """
        if self.state is not State.SERVING:
            return None
        self.state = State.HANDING_OVER
        self._moving = _Moving(heir, asyncio.get_running_loop().create_future())
        self.wake()
        return await asyncio.shield(self._moving.given)

    @property
    def open_tasks(self) -> int:
        """How many open tasks there were when they were last counted."""
        return self._measure.open_tasks

    def wake(self) -> None:
        """Make the loop look at its inbox, its deadlines and its lease."""
        self._inbox.wakeup.set()

    def check_serving(self) -> None:
        """Raise what `submit` would raise, but for a full inbox."""
        if self.state is not State.SERVING:
            raise self._refusal()

    def submit(
        self, *commands: Command, once: Once | None = None, indexes: Sequence[int | None] = ()
    ) -> list[asyncio.Future[Any]]:
        """Queue commands next to each other; each future gets the core's answer after the commit.

        Those that `indexes` gives a number go under the idempotency key `once`.

        Raises Overloaded when the inbox is full, Unavailable when nothing can be taken now, and
        WorkspaceNotFound after the workspace was deleted.
        """
        self.check_serving()
        loop = asyncio.get_running_loop()
        context = structlog.contextvars.get_contextvars()
        envelopes = [Envelope(command, loop.create_future(), context) for command in commands]
        for envelope, index in zip(envelopes, indexes, strict=False):
            if index is not None:
                envelope.once, envelope.index = once, index
        self._inbox.put(*envelopes)
        return [envelope.future for envelope in envelopes]

    def submit_one(self, command: Command, context: Mapping[str, Any]) -> asyncio.Future[Any]:
        """Queue a command whose caller the log is told by `context`; as `submit`."""
        self.check_serving()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._inbox.put(Envelope(command, future, context))
        return future

    async def _run(self) -> None:
        try:
            while await self._open():
                if await self._serve():
                    break
        finally:
            self._close()
        if self._lease is not None:
            await self._leases.release(self._lease)

    def _close(self) -> None:
        if self.state is not State.DELETED:
            self.state = State.STOPPING
        self._let_go()
        self._moved(None)
        self.attempted.set()
        self._batch.refuse(unknown_outcome())
        self._inbox.refuse_all(self._refusal())

    def _refusal(self) -> PointsmanError:
        return refusal(self.workspace_sid, self.state)

    # Opening

    async def _open(self) -> bool:
        """Take the lease and load, as often as it takes; False when stopped or the rows are gone."""
        while self._core is None and self.state is not State.DELETED:
            await self._pause()
            claim = await self._claim()
            if claim is None:
                break
            await self._try_to_open(claim)
            self.attempted.set()
        return self._core is not None

    async def _pause(self) -> None:
        pause_s = self._limits.reload_backoff_s(self._failures)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()

    async def _claim(self) -> Claim | None:
        """Wait until the lease is worth asking for; None when stopped."""
        while not self._stopping.is_set():
            self._reconsider.clear()
            claim = self._claims.claim(self.workspace_sid)
            if claim is not None:
                return claim
            self._failures = 0
            self._change_state(State.HELD_ELSEWHERE)
            self.attempted.set()
            await self._reconsider.wait()
        return None

    async def _try_to_open(self, claim: Claim) -> None:
        try:
            lease = await self._leases.acquire(self.workspace_sid, self.wake, claim.gone)
            if lease is not None:
                await self._load(lease, claim)
                return
            self._failures += 1
            self._change_state(State.HELD_ELSEWHERE)
        except PointsmanError as error:
            self._note_failure("workspace.open_failed", error)
        except Exception as error:
            self.broken = True
            log.exception("workspace.broken", workspace_sid=self.workspace_sid)
            self._note_failure("workspace.open_failed", error)

    async def _load(self, lease: Lease, claim: Claim) -> None:
        loaded = await self._loader.load(self.workspace_sid)
        if loaded is None:
            self.state = State.DELETED
            await self._leases.release(lease)
            return
        self.serve_from(loaded.core, lease, loaded.now_ms)
        self._publisher.recovered(loaded.core.workspace, loaded.callbacks)
        if (behind_ms := loaded.now_ms - self._wall()) > CLOCK_BEHIND_MS:
            log.warning("clock.behind", workspace_sid=self.workspace_sid, behind_ms=behind_ms)
        log.info(
            "workspace.loaded",
            account_sid=self.account_sid,
            workspace_sid=self.workspace_sid,
            epoch=lease.epoch,
            callbacks=len(loaded.callbacks),
        )
        if claim.owner:
            metrics.WORKSPACES_TAKEN_OVER.inc()
            log.info(
                "workspace.taken_over",
                workspace_sid=self.workspace_sid,
                epoch=lease.epoch,
                owner=claim.owner,
                gone=claim.gone is not None,
            )

    def _change_state(self, state: State) -> None:
        if not self._stopping.is_set():
            self.state = state

    # Serving

    async def _serve(self) -> bool:
        """Serve until the end (True), or until the core had to be dropped (False)."""
        assert self._core is not None
        assert self._lease is not None
        try:
            await self._serve_core(self._core, self._lease)
        except (Fenced, LeaseExpired) as error:
            metrics.LEASES_LOST.inc()
            self._drop("lease.lost", error)
        except StoreUnavailable as error:
            self._drop("commit.failed", error)
        except Exception as error:
            context = error.context if isinstance(error, CoreBroken) else {}
            self.broken = True
            log.exception("workspace.broken", **{**context, "workspace_sid": self.workspace_sid})
            self._drop("workspace.dropped", error)
        else:
            return self._moving is None or not await self._give(self._lease, self._moving)
        return False

    async def _serve_core(self, core: WorkspaceCore, lease: Lease) -> None:
        while not self._finished(core):
            if not self._leases.trusted(lease):
                raise LeaseExpired("it was not renewed in time")
            if self._has_work(core):
                await self._do_batch(core, lease)
            else:
                self._measure.refresh(core)
                await self._wait(core)
        if core.deleted:
            self.state = State.DELETED
            self._leases.forget(self.workspace_sid)
            self._lease = None

    def _finished(self, core: WorkspaceCore) -> bool:
        ending = self._moving is not None or self._stopping.is_set()
        return core.deleted or (ending and not len(self._inbox))

    def _has_work(self, core: WorkspaceCore) -> bool:
        if self._batch.more or len(self._inbox):
            return True
        deadline_ms = core.next_deadline_ms()
        return deadline_ms is not None and deadline_ms <= self._clock()

    async def _wait(self, core: WorkspaceCore) -> None:
        """Sleep until something was put into the inbox, the next deadline is due, or the lease changed."""
        self._inbox.wakeup.clear()
        if self._finished(core) or self._has_work(core):
            return
        deadline_ms = core.next_deadline_ms()
        await self._inbox.sleep(None if deadline_ms is None else deadline_ms - self._clock())

    async def _do_batch(self, core: WorkspaceCore, lease: Lease) -> None:
        batch = self._batch = Batch()
        batch.apply(core, self._inbox, self._clock(), self._limits)
        if batch.changes:
            took_s = await commit_in_time(self._store, lease, batch, self._limits)
            self._measure.committed(core, batch.changes, len(batch.envelopes), took_s)
            self._failures = 0
        else:
            await asyncio.sleep(0)
        self.broken = False
        envelopes = batch.envelopes
        self.commands += len(envelopes)
        batch.settle()
        log_committed(core.workspace, batch.changes, envelopes)
        if batch.changes or batch.changes.warnings:
            self._publisher.committed(core.workspace, batch.changes)

    def _drop(self, event: str, error: Exception) -> None:
        """Give up the core: what waits is refused, and only the rows can say what was done."""
        self._measure.failed(error)
        self._note_failure(event, error, refused=len(self._batch.envelopes) + len(self._inbox))
        self._lease = None
        self._leases.forget(self.workspace_sid)
        self._let_go()
        self._change_state(State.OPENING)
        self._moved(None)
        self._batch.refuse(unknown_outcome())
        self._inbox.refuse_all(self._refusal())

    def _let_go(self) -> None:
        self._core = None
        self._measure.closed()
        self._publisher.released(self.workspace_sid)

    # Moving

    async def _give(self, lease: Lease | None, moving: "_Moving") -> bool:
        """Give the lease to the heir; False when there is none to give, because the workspace was deleted."""
        if lease is None:
            return False
        self._lease = None
        self._let_go()
        given: Lease | None = None
        try:
            given = await self._leases.give(lease, moving.heir)
        except StoreUnavailable as error:
            self._note_failure("workspace.hand_over_failed", error)
        self._change_state(State.OPENING if given is None else State.HELD_ELSEWHERE)
        if given is not None:
            self._claims.learn(given)
            metrics.WORKSPACES_HANDED_OVER.inc()
            log.info(
                "workspace.handed_over",
                workspace_sid=self.workspace_sid,
                epoch=given.epoch,
                owner=given.owner,
            )
        self._moved(given)
        return True

    def _moved(self, given: Lease | None) -> None:
        """Tell who asked for the move what became of it."""
        moving, self._moving = self._moving, None
        if moving is not None and not moving.given.done():
            moving.given.set_result(given)

    def _note_failure(self, event: str, error: Exception, **fields: int) -> None:
        self._failures += 1
        log.warning(
            event,
            account_sid=self.account_sid,
            workspace_sid=self.workspace_sid,
            error=str(error),
            failures=self._failures,
            **fields,
        )
