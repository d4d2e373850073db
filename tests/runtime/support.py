"""What the tests work with: a store that can be made to fail, a publisher that remembers, a clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from engine.clock import wall_clock_ms
from engine.errors import StoreUnavailable
from engine.ownership import Lease
from engine.routing.commands import Command, CreateTask, CreateWorker
from engine.routing.effects import AssignmentCallback, Changes, Event
from engine.routing.entities import Workspace
from engine.routing.views import TaskView, WorkerView
from engine.runtime.loop_state import State
from engine.runtime.service import RoutingService
from engine.runtime.workspace_loop import WorkspaceLoop
from engine.sids import SidFactory, time_ordered_sids
from engine.storage.store import PostgresStore

TIMEOUT_S = 10.0
ACCOUNT = "AC" + "a" * 32
OTHER_ACCOUNT = "AC" + "b" * 32


class Fault(Enum):
    """What can go wrong with a commit."""

    NOT_WRITTEN = "fails before anything is written"
    WRITTEN_THEN_ERROR = "is written, but the answer is an error"
    HANGS = "never answers"


class UnreliableStore(PostgresStore):
    """The real store, whose commits can be held back or made to fail, and that can be away altogether."""

    faults: list[Fault]
    commits: int
    away: bool

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.faults = []
        self.commits = 0
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_gate = asyncio.Event()

    def hold(self) -> None:
        """Let no commit through until `gate` is set; `at_gate` tells when one has come."""
        self.gate.clear()
        self.at_gate.clear()

    async def commit(self, lease: Lease, changes: Changes) -> None:
        self.commits += 1
        self.at_gate.set()
        await self.gate.wait()
        self._answer()
        fault = self.faults.pop(0) if self.faults else None
        if fault is Fault.HANGS:
            await asyncio.Event().wait()
        if fault is Fault.NOT_WRITTEN:
            raise StoreUnavailable("nothing was written")
        await super().commit(lease, changes)
        if fault is Fault.WRITTEN_THEN_ERROR:
            raise StoreUnavailable("the connection was lost")

    async def load(self, workspace_sid: str) -> Any:
        self._answer()
        return await super().load(workspace_sid)

    async def acquire(self, workspace_sid: str, owner: str, ttl_s: float) -> Lease | None:
        self._answer()
        return await super().acquire(workspace_sid, owner, ttl_s)

    async def renew(self, leases: list[Lease], ttl_s: float) -> set[str]:
        self._answer()
        return await super().renew(leases, ttl_s)

    async def transfer_lease(self, seen: Lease, owner: str, ttl_s: float) -> Lease | None:
        self._answer()
        return await super().transfer_lease(seen, owner, ttl_s)

    async def ping(self) -> None:
        self._answer()
        await super().ping()

    def recover(self) -> None:
        """Work without any fault from now on."""
        self.away = False
        self.faults.clear()
        self.gate.set()

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailable("the database is away")


class Recorder:
    """A publisher that keeps what it was told, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.callbacks: list[AssignmentCallback] = []
        self.recovered_callbacks: list[AssignmentCallback] = []
        self.loads: list[str] = []
        self.releases: list[str] = []
        self._told = asyncio.Event()

    def committed(self, workspace: Workspace, changes: Changes) -> None:
        self.events += changes.events
        self.callbacks += changes.callbacks
        self._told.set()

    def recovered(self, workspace: Workspace, callbacks: list[AssignmentCallback]) -> None:
        self.loads.append(workspace.sid)
        self.recovered_callbacks += callbacks
        self._told.set()

    def released(self, workspace_sid: str) -> None:
        self.releases.append(workspace_sid)

    def types(self) -> list[str]:
        return [event.event_type for event in self.events]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when `condition` holds; it is looked at whenever something was told."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                self._told.clear()
                await self._told.wait()

    async def event(self, event_type: str) -> Event:
        """Return the first event of a type, waiting for it."""
        await self.until(lambda: event_type in self.types())
        return next(event for event in self.events if event.event_type == event_type)


@dataclass
class MovedClock:
    """The wall clock, `ahead_ms` ahead."""

    ahead_ms: int = 0

    def __call__(self) -> int:
        return wall_clock_ms() + self.ahead_ms


@dataclass
class Node:
    """One process's runtime, with what it is made of."""

    service: RoutingService
    store: UnreliableStore
    recorder: Recorder
    clock: MovedClock
    mint: SidFactory = field(default_factory=time_ordered_sids)

    async def workspace(self, **named: Any) -> str:
        """Create a workspace with the FIFO template and return its SID."""
        options = {"friendly_name": "Support", "template": "FIFO", **named}
        return (await self.service.create_workspace(ACCOUNT, **options)).sid

    async def submit(self, workspace_sid: str, command: Command) -> Any:
        return await self.service.submit(ACCOUNT, workspace_sid, command)

    async def task(self, workspace_sid: str, **named: Any) -> TaskView:
        return await self.submit(workspace_sid, CreateTask(sid=self.mint("WT"), **named))

    async def available_worker(self, workspace_sid: str, name: str = "Alice") -> WorkerView:
        return await self.submit(
            workspace_sid,
            CreateWorker(
                sid=self.mint("WK"),
                friendly_name=name,
                activity_sid=await self.activity(workspace_sid, available=True),
            ),
        )

    async def activity(self, workspace_sid: str, *, available: bool) -> str:
        rows = await self.store.load(workspace_sid)
        return next(activity.sid for activity in rows.activities if activity.available is available)

    async def reservation_of(self, task_sid: str) -> str:
        """Wait for the task's reservation and return its SID."""

        def found() -> str | None:
            return next(
                (
                    event.reservation_sid
                    for event in self.recorder.events
                    if event.event_type == "reservation.created" and event.task_sid == task_sid
                ),
                None,
            )

        await self.recorder.until(lambda: found() is not None)
        sid = found()
        assert sid is not None
        return sid

    def loop(self, workspace_sid: str) -> WorkspaceLoop:
        return next(loop for loop in self.service.loops() if loop.workspace_sid == workspace_sid)

    async def serving(self, workspace_sid: str) -> None:
        """Return when the workspace takes commands."""
        await until(lambda: self.loop(workspace_sid).state is State.SERVING)


async def until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds, giving everybody else a turn in between."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)
