"""Senders of event callbacks on a real outbox, and the workspaces that they send for."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from engine.callbacks.event_callbacks import EventCallbacks
from engine.callbacks.limits import CallbackLimits
from engine.clock import wall_clock_ms
from engine.ownership import Lease
from engine.routing.deliveries import DeliveryView
from engine.routing.effects import Changes, Event, Kind
from engine.routing.entities import Workspace
from engine.storage.deliveries import DeliveryOutbox
from engine.storage.paging import PageRequest
from engine.storage.pool import Database
from engine.storage.reads import Reads
from engine.storage.redelivery import Redelivery
from engine.storage.store import PostgresStore
from tests.callbacks.receiver import PATIENCE_S, TOKEN, Received, Receiver, a_workspace, an_event

TASK = "WT" + "1" * 32
QUICK = CallbackLimits(
    event_retry_first_s=0.01,
    event_retry_max_s=0.02,
    event_circuit_pause_max_s=0.02,
    event_poll_interval_s=0.05,
)


@dataclass
class Committed:
    """A workspace whose batches are committed and published as the runtime does it."""

    store: PostgresStore
    callbacks: EventCallbacks
    workspace: Workspace
    lease: Lease

    async def commit(self, *events: Event, deleted: bool = False) -> None:
        changes = Changes(workspace=self.workspace, events=list(events))
        if deleted:
            changes.removed.append((Kind.WORKSPACE, self.workspace.sid))
        await self.store.commit(self.lease, changes)
        self.callbacks.committed(self.workspace, changes)


class Deliverer:
    """Senders of event callbacks on a real outbox."""

    def __init__(self, pools: Database) -> None:
        self.pools = pools
        self.store = PostgresStore(pools)
        self.reads = Reads(pools)
        self.redelivery = Redelivery(pools)

    @asynccontextmanager
    async def sending(
        self, limits: CallbackLimits = QUICK, drain_s: float = PATIENCE_S, **more: Any
    ) -> AsyncIterator[EventCallbacks]:
        outbox = DeliveryOutbox(self.pools)
        callbacks = EventCallbacks(outbox, limits, lambda _: TOKEN, wall_clock_ms, **more)
        await callbacks.start()
        try:
            yield callbacks
        finally:
            await callbacks.stop(drain_s)

    async def workspace(
        self, callbacks: EventCallbacks, url: str, number: int = 1, **changes: Any
    ) -> Committed:
        workspace = a_workspace(number, event_callback_url=url, **changes)
        lease = await self.store.create_workspace("me", 60.0, Changes(workspace=workspace))
        callbacks.recovered(workspace, [])
        return Committed(self.store, callbacks, workspace, lease)

    async def all(self, workspace: Workspace) -> list[DeliveryView]:
        return (await self.reads.deliveries(workspace.sid, PageRequest(1000))).items

    async def are(self, workspace: Workspace, **numbers: int) -> None:
        """Wait until so many deliveries have each status, and none another."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if await self.numbers(workspace) == numbers:
                    return
                await asyncio.sleep(0.01)

    async def numbers(self, workspace: Workspace) -> dict[str, int]:
        counted: dict[str, int] = defaultdict(int)
        for delivery in await self.all(workspace):
            counted[delivery.status.value] += 1
        return counted


def number_of(request: Received) -> int:
    return int(request.fields["Sid"].removeprefix("EV"), base=16)


def numbers(receiver: Receiver) -> list[int]:
    return [number_of(request) for request in receiver.received]


def now_event(number: int, event_type: str = "task.created", **changes: Any) -> Event:
    return an_event(number, event_type, event_date_ms=wall_clock_ms(), **changes)


def own_events(count: int, start: int = 1) -> list[Event]:
    """Events of a task each, so that none waits for another."""
    return [now_event(number, task_sid=f"WT{number:032x}") for number in range(start, start + count)]
