"""What can go wrong between a node and its database, and the store as one node sees it.

Each call is carried out at the database in one step, some time after it was sent and some time before the
answer arrives; what goes wrong is drawn anew for every call. A fault that executes and then errs, or hangs
and executes later, is the database's doing: it happens whether or not anybody still waits for the answer.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, TypeVar

from engine.errors import PointsmanError, StoreUnavailable
from engine.ownership import Lease
from engine.routing.deliveries import DeliveryOutcome, PendingDelivery
from engine.routing.effects import Changes, KeptAnswer
from engine.routing.entities import Reservation, Task, Transfer, Workspace
from engine.routing.rows import WorkspaceRows
from tests.simulation.memory_store import MemoryStore
from tests.simulation.virtual_time import forever

R = TypeVar("R")

COMMAND_TIMEOUT_S = 11.0
"""When the pool of the real store gives up on a statement by itself."""


class Fault(StrEnum):
    """What happens to one call."""

    FAILS = "fails before writing"
    EXECUTES_THEN_FAILS = "executes, then errs"
    HANGS = "hangs, never executed"
    HANGS_THEN_EXECUTES = "hangs, executed later"
    SLOW = "slow"
    FENCED = "another owner does a batch of its own"
    CRASH_BEFORE = "the node crashes before the call is executed"
    CRASH_AFTER = "the node crashes after the call was executed"


@dataclass(slots=True)
class Odds:
    """How likely each fault is, per call of each kind, and how long calls take. Drawn per run."""

    commit: dict[Fault, float]
    other: dict[Fault, float]
    latency_s: float


def draw_odds(random: Random) -> Odds:
    """Draw a run's own mixture: some faults never, some seldom, some often."""

    def mixture(kinds: tuple[Fault, ...]) -> dict[Fault, float]:
        return {kind: random.choice((0.0, 0.001, 0.004, 0.015)) for kind in kinds}

    on_other = (Fault.FAILS, Fault.EXECUTES_THEN_FAILS, Fault.HANGS, Fault.HANGS_THEN_EXECUTES, Fault.SLOW)
    return Odds(mixture(tuple(Fault)), mixture(on_other), random.choice((0.0, 0.001, 0.005, 0.05)))


class Weather:
    """The faults of a run: draws them, counts them, and can be told to stop."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._odds = draw_odds(random)
        self.injected: Counter[str] = Counter()
        self.calm = False
        self.away_until_s = 0.0
        """Until then the database answers nobody."""

    def note(self, what: str) -> None:
        """Count something that was made to happen."""
        self.injected[what] += 1

    def draw(self, kind: str) -> Fault | None:
        """Draw what happens to a call."""
        if self.calm:
            return None
        odds = self._odds.commit if kind == "commit" else self._odds.other
        number = self._random.random()
        for fault, chance in odds.items():
            number -= chance
            if number < 0:
                self.note(f"{fault.value}" if kind == "commit" else f"{kind}: {fault.value}")
                return fault
        return None

    def latency_s(self) -> float:
        """Draw how long one way between node and database takes."""
        return self._random.random() * self._odds.latency_s

    def long_s(self) -> float:
        """Draw a time that may be longer than anybody's patience."""
        return self._random.choice((0.5, 2.0, 6.0, 20.0, 100.0)) * self._random.random()


class NodeStore:
    """The store as one node sees it: `Store` and `LeaseStore` over a faulty connection.

    Args:
        rows: the database.
        weather: what goes wrong.
        crash: ends the node; called at a moment that the node cannot choose.
        usurp: lets another owner take a workspace and do a batch of its own.
    """

    def __init__(
        self,
        rows: MemoryStore,
        weather: Weather,
        crash: Callable[[], None],
        usurp: Callable[[str], Awaitable[None]],
    ) -> None:
        self._rows = rows
        self._weather = weather
        self._crash = crash
        self._usurp = usurp
        self.cut_off_until_s = 0.0
        """Until then this node alone cannot reach the database."""
        self.committing: set[str] = set()
        """The workspaces whose batch is on its way."""

    async def create_workspace(self, owner: str, lease_ttl_s: float, changes: Changes) -> Lease:
        return await self._call("create", lambda: self._rows.create_workspace(owner, lease_ttl_s, changes))

    async def commit(self, lease: Lease, changes: Changes) -> None:
        sid = lease.workspace_sid
        self.committing.add(sid)
        try:
            await self._call("commit", lambda: self._rows.commit(lease, changes), sid)
        finally:
            self.committing.discard(sid)

    async def load(self, workspace_sid: str) -> WorkspaceRows | None:
        return await self._call("load", lambda: self._rows.load(workspace_sid))

    async def finished_task(self, workspace_sid: str, sid: str, finished_after_ms: int) -> Task | None:
        return await self._call(
            "read", lambda: self._rows.finished_task(workspace_sid, sid, finished_after_ms)
        )

    async def reservation(self, workspace_sid: str, sid: str) -> Reservation | None:
        return await self._call("read", lambda: self._rows.reservation(workspace_sid, sid))

    async def kept_answers(self, scope_sid: str, path: str, key: str, after_ms: int) -> list[KeptAnswer]:
        return await self._call("read", lambda: self._rows.kept_answers(scope_sid, path, key, after_ms))

    async def transfer(self, workspace_sid: str, sid: str) -> Transfer | None:
        return await self._call("read", lambda: self._rows.transfer(workspace_sid, sid))

    async def workspace_sids(self) -> list[str]:
        return await self._call("list", self._rows.workspace_sids)

    async def ping(self) -> None:
        await self._call("ping", self._rows.ping)

    async def acquire(self, workspace_sid: str, owner: str, ttl_s: float) -> Lease | None:
        return await self._call("acquire", lambda: self._rows.acquire(workspace_sid, owner, ttl_s))

    async def renew(self, leases: list[Lease], ttl_s: float) -> set[str]:
        return await self._call("renew", lambda: self._rows.renew(leases, ttl_s))

    async def release(self, lease: Lease) -> None:
        await self._call("release", lambda: self._rows.release(lease))

    async def pending(self, workspace_sid: str, after_sequence: int, limit: int) -> list[PendingDelivery]:
        return await self._call("outbox", lambda: self._rows.pending(workspace_sid, after_sequence, limit))

    async def first_pending(self, workspace_sids: Sequence[str]) -> dict[str, tuple[int, int]]:
        return await self._call("outbox", lambda: self._rows.first_pending(workspace_sids))

    async def settle(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        await self._call("settle", lambda: self._rows.settle(outcomes))

    async def expire(self, workspace_sid: str, pending_before_ms: int, limit: int) -> int:
        return await self._call("outbox", lambda: self._rows.expire(workspace_sid, pending_before_ms, limit))

    async def deserted(self) -> list[Workspace]:
        return await self._call("outbox", self._rows.deserted)

    async def _call(
        self, kind: str, execute: Callable[[], Coroutine[Any, Any, R]], workspace_sid: str = ""
    ) -> R:
        fault = self._weather.draw(kind)
        await self._travel(fault)
        if fault is Fault.FAILS:
            raise StoreUnavailable("nothing was written")
        if fault is Fault.HANGS_THEN_EXECUTES:
            _execute_later(self._weather.long_s(), execute)
        if fault in (Fault.HANGS, Fault.HANGS_THEN_EXECUTES):
            await asyncio.sleep(COMMAND_TIMEOUT_S)
            raise StoreUnavailable("the pool gave up waiting")
        if fault is Fault.CRASH_BEFORE:
            self._crash()
            await forever()
        if fault is Fault.FENCED:
            await self._usurp(workspace_sid)
        result = await execute()
        if fault is Fault.CRASH_AFTER:
            self._crash()
            await forever()
        if fault is Fault.EXECUTES_THEN_FAILS:
            raise StoreUnavailable("the connection was lost")
        await asyncio.sleep(self._weather.latency_s())
        self._reach()
        return result

    async def _travel(self, fault: Fault | None) -> None:
        self._reach()
        await asyncio.sleep(self._weather.long_s() if fault is Fault.SLOW else self._weather.latency_s())
        self._reach()

    def _reach(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < max(self.cut_off_until_s, self._weather.away_until_s):
            raise StoreUnavailable("the database cannot be reached")


def _execute_later(delay_s: float, execute: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Let the database carry out a call that nobody waits for any more."""

    def now() -> None:
        step = execute()
        try:
            step.send(None)
        except (StopIteration, PointsmanError):
            return
        raise AssertionError("an operation of the database takes one step")

    asyncio.get_running_loop().call_later(delay_s, now)
