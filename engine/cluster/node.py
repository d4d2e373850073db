"""This process as a node of the cluster: everything about it in one place, in the order of its life."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

from engine.cluster.load import LoadMeter
from engine.cluster.membership import Membership
from engine.cluster.mover import Hints, Mover, Owner
from engine.cluster.view import ClusterView, Follower, Me
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.storage.cluster import ClusterRows

log = get_logger()

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Service(Owner, Follower, Protocol):
    """Who serves workspaces here."""

    def served(self) -> Iterable[tuple[str, int]]:
        """Return the workspaces served here, each with how many commands it has handled so far."""


class ClusterNode:
    """Joins before anything is served, serves, hands over what it has, and leaves.

    Args:
        rows: the rows of nodes and leases.
        name: this node's name among the owners of leases.
        address: where other nodes reach its internal listener, if that is known before it listens.
        clustered: whether it has an internal listener. One that has none takes over what is free, but is
            given nothing and gives nothing away.
        balances: whether it gives workspaces away for the sake of balance.
        interval_s: pause between two looks at the rows.
        hints: tells other nodes what they have been given.
    """

    def __init__(
        self,
        rows: ClusterRows,
        *,
        name: str,
        address: str,
        clustered: bool,
        balances: bool,
        interval_s: float,
        hints: Hints | None = None,
    ) -> None:
        self.name = name
        me = Me(name, host_identity(), clustered)
        self.view = ClusterView(rows, me, interval_s)
        self._clustered = clustered
        self._balances = balances
        self._meter = LoadMeter()
        self._membership = Membership(rows, me, address, self._meter)
        self._hints = hints
        self._mover: Mover | None = None
        self._service: Service | None = None

    async def join(self, service: Service) -> None:
        """Make this node known and look at the others; `service` follows what is found from now on.

        Raises StoreUnavailable.
        """
        self._service = service
        self.view.follow(service)
        await self._membership.join()
        await self.view.start()

    async def serve(self, address: str) -> None:
        """Take workspaces and give some away from now on; `address` is where the others reach this node."""
        assert self._service is not None, "it has joined"
        await self._membership.serve(address, self._service.served)
        if self._clustered:
            self._mover = Mover(self.name, self._service, self.view, self._meter, hints=self._hints)
            if self._balances:
                self._mover.start()

    async def drain(self, limit_s: float, without: Collection[str] = ()) -> None:
        """Hand everything over, as far as there is somebody to take it and within `limit_s` seconds; not to
        those at the addresses `without`, who stop as well."""
        if self._mover is None or self._service is None:
            return
        began_s = time.perf_counter()
        mover, self._mover = self._mover, None
        await mover.stop()
        self.view.draining = True
        if not await self._membership.drain():
            return
        mine = [workspace_sid for workspace_sid, _ in self._service.served()]
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(limit_s):
                await self.view.refresh()
                self.view.exclude(without)
                await mover.empty(mine)
        moved = len(mine) - len(list(self._service.served()))
        log.info("node.drained", workspaces=moved, duration_ms=round((time.perf_counter() - began_s) * 1000))

    async def leave(self) -> None:
        """Look no more, and tell the others that this node is gone."""
        await self.view.stop()
        await self._membership.leave()


def host_identity() -> str:
    """Return what tells this machine, and this container on it, from others."""
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot}".rstrip()
