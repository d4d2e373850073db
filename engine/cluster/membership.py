"""This node's row among the nodes: written once a second, and kept true about state and load."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from engine import __version__
from engine.cluster.load import LoadMeter
from engine.cluster.view import Me
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.storage.cluster import ClusterRows, NodeRow

log = get_logger()

BEAT_S = 1.0
FORGOTTEN_S = 3_600.0
"""How long the row of a node that went without a word is kept, for people who look for it."""

Counts = Callable[[], Iterable[tuple[str, int]]]


class Membership:
    """Joins, shows that this node lives, and leaves.

    Args:
        rows: the rows of nodes.
        me: this node.
        address: where the others reach its internal listener; empty when it has none.
        meter: measures the load.
        monotonic: seconds of a clock that never steps back.
    """

    def __init__(
        self,
        rows: ClusterRows,
        me: Me,
        address: str,
        meter: LoadMeter,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows = rows
        self._row = NodeRow(me.name, me.host, address, "starting", 0.0, 0, __version__)
        self._meter = meter
        self._monotonic = monotonic
        self._counts: Counts = tuple
        self._beats = True
        """Whether the last beat was written; only the first one that is not is logged."""
        self._task: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Tell the others that this node starts. Raises StoreUnavailable."""
        await self._rows.remove_silent(FORGOTTEN_S)
        await self._rows.beat(self._row, begins=True)
        self._task = asyncio.create_task(self._beat_forever(), name="membership")

    async def serve(self, address: str, counts: Counts) -> None:
        """Tell them that it serves and listens at `address`; `counts` gives the commands handled so far, by
        workspace."""
        self._counts = counts
        self._row = replace(self._row, address=address)
        await self._become("serving")

    async def drain(self) -> bool:
        """Tell them that it is about to stop: nothing must be given to it any more. False when the database
        does not answer."""
        return await self._become("draining")

    async def leave(self) -> None:
        """Tell them that it is gone."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        try:
            await self._rows.leave(self._row.name)
        except StoreUnavailable as error:
            log.warning("cluster.beat_failed", error=str(error))

    async def _become(self, state: str) -> bool:
        self._row = replace(self._row, state=state)
        return await self._beat()

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._beat()
            except Exception:
                log.exception("cluster.beat_failed")

    async def _beat(self) -> bool:
        self._meter.sample(self._counts(), self._monotonic())
        loads = self._meter.loads()
        self._row = replace(self._row, load=round(sum(loads.values()), 3), workspaces=len(loads))
        try:
            await self._rows.beat(self._row)
        except StoreUnavailable as error:
            if self._beats:
                log.warning("cluster.beat_failed", error=str(error))
            self._beats = False
        else:
            self._beats = True
        return self._beats
