"""From the rows of a workspace to a live core."""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar, cast

from engine.clock import Clock
from engine.garbage import loading
from engine.routing.core import WorkspaceCore
from engine.routing.effects import AssignmentCallback
from engine.routing.limits import RoutingLimits
from engine.runtime.ports import Store
from engine.sids import SidFactory

T = TypeVar("T")


@dataclass(slots=True, frozen=True)
class Loaded:
    """A core as its rows describe it, and the callbacks whose outcome was never committed."""

    core: WorkspaceCore
    now_ms: int
    """As of when it was loaded: the clock, but not before the latest event."""
    callbacks: list[AssignmentCallback]


class Loader:
    """Makes cores: new ones, and from committed rows at start and after every failed or unknown commit.

    Args:
        store: where the rows are.
        new_sid: mints the SIDs of what the core creates.
        clock: milliseconds since the epoch.
        routing_limits: what the core decides by.
        concurrency_max: workspaces that load at the same time; the others wait for their turn.
    """

    def __init__(
        self,
        store: Store,
        new_sid: SidFactory,
        clock: Clock,
        routing_limits: RoutingLimits,
        concurrency_max: int,
    ) -> None:
        self.new_sid = new_sid
        self.clock = clock
        self.routing_limits = routing_limits
        self._store = store
        self._slots = asyncio.Semaphore(concurrency_max)

    async def load(self, workspace_sid: str) -> Loaded | None:
        """Read and rebuild one workspace; None when it does not exist. Raises StoreUnavailable."""
        async with self._slots:
            with loading():
                return await self._load(workspace_sid)

    async def _load(self, workspace_sid: str) -> Loaded | None:
        rows = await self._store.load(workspace_sid)
        if rows is None:
            return None
        now_ms = max(self.clock(), rows.last_event_ms)
        core = await _in_turns(
            WorkspaceCore.load_in_steps(rows, new_sid=self.new_sid, now_ms=now_ms, limits=self.routing_limits)
        )
        return Loaded(core, now_ms, rows.callbacks)


async def _in_turns(steps: Generator[None, None, T]) -> T:
    """Return what a generator returns; between its steps everybody else has a turn."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("T", end.value)
        await asyncio.sleep(0)
