"""All workspaces of this process: which loop serves which workspace."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.ownership import Lease
from engine.runtime.lease import LeaseKeeper
from engine.runtime.limits import RuntimeLimits
from engine.runtime.loader import Loader
from engine.runtime.loop_state import State
from engine.runtime.ports import Claim, Claims, Publisher, Store
from engine.runtime.workspace_loop import WorkspaceLoop

log = get_logger()


class Patience:
    """The claims of a node that knows nothing of others: it asks, and asks again after a pause."""

    def claim(self, _workspace_sid: str, /) -> Claim | None:
        """Tell that it is worth asking."""
        return Claim()

    def learn(self, lease: Lease, /) -> None:
        """Nothing to take in: the next attempt shows it."""

    def has_peers(self) -> bool:
        """Tell that nobody else is known."""
        return False

    def owner_lives(self, _workspace_sid: str, /) -> bool:
        """Tell that nobody else is known."""
        return False


class Workspaces:
    """The registry of loops: starts them all, finds one, and stops them all.

    Args:
        store: lists the workspaces and takes their batches.
        loader: makes cores.
        leases: holds the leases of all loops.
        publisher: is told of every committed batch.
        limits: sizes and times.
        claims: tells when a lease is worth asking for; None asks with growing pauses.
    """

    def __init__(
        self,
        store: Store,
        loader: Loader,
        leases: LeaseKeeper,
        publisher: Publisher,
        limits: RuntimeLimits,
        *,
        claims: Claims | None = None,
    ) -> None:
        self._store = store
        self._loader = loader
        self._leases = leases
        self._publisher = publisher
        self._limits = limits
        self._claims = claims or Patience()
        self._follows = claims is not None
        self._known: list[WorkspaceLoop] = []
        self._loops: dict[str, WorkspaceLoop] = {}
        self._in_creation: set[str] = set()
        self._deleted_lately: set[str] = set()
        self._discovery: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[WorkspaceLoop]:
        return iter(list(self._loops.values()))

    def find(self, workspace_sid: str) -> WorkspaceLoop | None:
        """Return the workspace's loop, or None when this process knows no such workspace."""
        return self._loops.get(workspace_sid)

    async def start(self) -> None:
        """Start a loop for every workspace; returns when each has tried once to take and load it, or leaves
        it to another node.

        Raises StoreUnavailable when the workspaces cannot be listed.
        """
        await self._compare_with_rows()
        await asyncio.gather(*(loop.attempted.wait() for loop in self))
        if not self._follows:
            self._discovery = asyncio.create_task(self._discover(), name="workspace-discovery")

    async def stop(self) -> None:
        """Stop every loop: batches are finished, leases given up."""
        if self._discovery is not None:
            self._discovery.cancel()
            await asyncio.gather(self._discovery, return_exceptions=True)
        await asyncio.gather(*(loop.stop() for loop in self))

    @contextmanager
    def creation(self, workspace_sid: str) -> Iterator[None]:
        """Keep the discovery from serving a workspace that is just being created here."""
        self._in_creation.add(workspace_sid)
        try:
            yield
        finally:
            self._in_creation.discard(workspace_sid)

    def make_loop(self, workspace_sid: str) -> WorkspaceLoop:
        """Build a loop that is neither known nor running yet."""
        return WorkspaceLoop(
            workspace_sid,
            store=self._store,
            loader=self._loader,
            leases=self._leases,
            publisher=self._publisher,
            clock=self._loader.clock,
            limits=self._limits,
            claims=self._claims,
        )

    def run(self, loop: WorkspaceLoop) -> None:
        """Make the loop known and start it; it leaves the registry by itself when it ends."""
        self._loops[loop.workspace_sid] = loop
        loop.start(self._ended)

    def _ended(self, loop: WorkspaceLoop) -> None:
        if self._loops.get(loop.workspace_sid) is loop and loop.state is State.DELETED:
            del self._loops[loop.workspace_sid]
            self._deleted_lately.add(loop.workspace_sid)

    def remember(self) -> None:
        """Note which workspaces are known, before they are listed: a list may be older than what happens
        while it is made."""
        self._known = list(self)
        self._deleted_lately.clear()

    def compare(self, rows: Collection[str]) -> None:
        """Start what is missing in comparison with a list begun at `remember`, end what is gone."""
        ours = self._loops.keys() | self._in_creation | self._deleted_lately
        for workspace_sid in rows:
            if workspace_sid not in ours:
                self.run(self.make_loop(workspace_sid))
        there = set(rows)
        for loop in self._known:
            if loop.workspace_sid not in there:
                loop.vanished()

    async def _compare_with_rows(self) -> None:
        self.remember()
        self.compare(await self._store.workspace_sids())

    async def _discover(self) -> None:
        """Follow what other processes create and delete, and creations here whose outcome was unknown."""
        while True:
            await asyncio.sleep(self._limits.discovery_interval_s)
            try:
                await self._compare_with_rows()
            except StoreUnavailable as error:
                log.warning("workspaces.discovery_failed", error=str(error))
            except Exception:
                log.exception("workspaces.discovery_failed")
