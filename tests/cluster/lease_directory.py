"""A daemon that learns from the lease rows who owns what; nodes are reached by sockets named after them."""

import asyncio
import contextlib
import os
import sys

from engine.cli import main
from engine.cluster.ports import Peer
from engine.daemon import Daemon
from engine.errors import StoreUnavailable
from engine.storage.pool import Database

LOOK = "SELECT workspace_sid, owner FROM workspace_leases WHERE expires_at > now()"
POLL_S = 0.2


class LeaseDirectory:
    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node
        self._owners: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._poller = asyncio.create_task(self._poll())

    def owner_of(self, workspace_sid: str) -> Peer | None:
        owner = self._owners.get(workspace_sid)
        if owner is None or owner == self._node:
            return None
        return Peer(owner, f"{os.environ['NODES']}/{owner}.sock")

    async def refresh(self) -> None:
        async with self._database.reading() as connection:
            owners = {row[0]: row[1] for row in await connection.fetch(LOOK)}
        if owners != self._owners:
            self._owners = owners
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def changed(self) -> None:
        await self._changed.wait()

    async def _poll(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):
                await self.refresh()
            await asyncio.sleep(POLL_S)


if __name__ == "__main__":
    Daemon._directory = lambda self, database, node: LeaseDirectory(database, node)
    sys.argv[0] = "pointsman"
    main()
