"""Carries out what placement decides: hands workspaces over, a few at a time."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from engine.cluster.load import LoadMeter
from engine.cluster.placement import Move, balance, spread, turn_of
from engine.cluster.ports import Peer
from engine.cluster.view import ClusterView
from engine.logs import get_logger
from engine.ownership import Lease

log = get_logger()

ROUND_S = 2.0
"""Pause between two looks at the balance."""
EFFECT_S = 6.0
"""How long after a round with moves the next one waits, so that the figures show what came of it."""
REST_S = 10.0
"""How long a workspace stays where it has come to."""
TASKS_MAX = 100_000
"""A workspace with more open tasks moves only when its node stops: it takes too long to load."""
CONCURRENT_MAX = 8


class Owner(Protocol):
    """Who serves workspaces here."""

    async def hand_over(self, workspace_sid: str, heir: str) -> Lease | None:
        """Make another node the owner of a workspace; returns its lease, None when that was not possible."""

    def open_tasks(self, workspace_sid: str) -> int:
        """Return how many open tasks a workspace has, roughly."""


class Hints(Protocol):
    """Tells other nodes to look at the rows now."""

    async def look(self, peer: Peer) -> None:
        """Tell one node; best effort, it will look by itself soon."""


class Mover:
    """Balances the load of this node with that of the others, and empties it when it stops.

    Args:
        name: this node's.
        owner: hands workspaces over.
        view: knows the other nodes.
        meter: knows the load of the workspaces here.
        hints: tells an heir that it is one.
        monotonic: the clock of the meter's samples.
    """

    def __init__(
        self,
        name: str,
        owner: Owner,
        view: ClusterView,
        meter: LoadMeter,
        *,
        hints: Hints | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._owner = owner
        self._view = view
        self._meter = meter
        self._hints = hints
        self._monotonic = monotonic
        self._began_s = monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to balance."""
        self._task = asyncio.create_task(self._balance_forever(), name="placement")

    async def stop(self) -> None:
        """Balance no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def empty(self, workspace_sids: Iterable[str]) -> int:
        """Hand all of these workspaces over, as far as there is somebody to take them; returns how many."""
        loads = self._meter.loads()
        mine = {sid: loads.get(sid, 0.0) for sid in workspace_sids}
        return await self._carry_out(spread(mine, self._view.heirs()))

    async def _balance_forever(self) -> None:
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                if await self._carry_out(self._due()):
                    await asyncio.sleep(EFFECT_S)
            except Exception:
                log.exception("placement.failed")

    def _due(self) -> list[Move]:
        loads, heirs = self._meter.loads(), self._view.heirs()
        movable = [sid for sid in loads if self._is_movable(sid)]
        # The wall clock will do: two nodes that both think it is their turn only share the work.
        turn = turn_of([self._name, *(heir.name for heir in heirs)], time.time(), ROUND_S)
        return balance(self._name, loads, movable, heirs, has_turn=turn == self._name)

    def _is_movable(self, workspace_sid: str) -> bool:
        """A workspace that came after this node's start rests for a while; what it had then may move."""
        since_s = self._meter.served_since_s(workspace_sid)
        rested = since_s < self._began_s + EFFECT_S or since_s < self._monotonic() - REST_S
        return rested and self._owner.open_tasks(workspace_sid) <= TASKS_MAX

    async def _carry_out(self, moves: list[Move]) -> int:
        """Hand over; returns how many were."""
        slots = asyncio.Semaphore(CONCURRENT_MAX)

        async def carry_out(move: Move) -> bool:
            async with slots:
                if await self._owner.hand_over(move.workspace_sid, move.heir) is None:
                    return False
                await self._hint(move.heir)
                return True

        return sum(await asyncio.gather(*(carry_out(move) for move in moves)))

    async def _hint(self, heir: str) -> None:
        peer = next((peer for peer in self._view.peers() if peer.name == heir), None)
        if peer is not None and self._hints is not None:
            await self._hints.look(peer)
