"""Who is there and who has what: one look at the database every half second, for everybody in this process.

Theory of operation
-------------------
A look gives the rows of the nodes and, when any has changed hands, all leases. Everything here follows from
the last look and may be out of date: the epoch guards every write, so a wrong guess costs a vain attempt.

A workspace is to be had when its lease is free or has expired, or when its owner is *gone*. A node is gone
when its internal listener refuses connections, which a paused or unreachable one does not: silence alone
never takes a workspace from anybody before its lease expires. Where something in between may refuse in its
name (TCP), it must also have missed a beat.

A workspace that is to be had goes to the first of the nodes in the order of placement; each of the others
gives those before it a moment. Nodes without an internal listener come last.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol

from engine import metrics
from engine.cluster.placement import NodeLoad, preference
from engine.cluster.ports import Peer
from engine.cluster.probe import refuses
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.ownership import Lease
from engine.runtime.ports import Claim
from engine.storage.cluster import ClusterRows, NodeRow, SeenLease

log = get_logger()

DEAD_S = 5.0
"""A node that has not written its row for so long is not counted on any more."""
MISSED_BEAT_S = 1.6
"""A node whose row is older has missed a beat."""
TURN_S = 1.0
"""How long a node leaves a free workspace to the node before it in the order of placement."""
TURNS_MAX = 3
SETTLE_S = 0.7
"""How long a node with an internal listener leaves free workspaces alone after it has joined: others may be
joining as well."""
ALONE_INTERVAL_S = 2.0
"""Pause between two looks while there is nobody else."""


class Follower(Protocol):
    """Who serves workspaces here, and is told what there is."""

    def remember(self) -> None:
        """The workspaces are about to be listed."""

    def compare(self, workspace_sids: Collection[str]) -> None:
        """These are the workspaces there are, listed since `remember`."""

    def reconsider(self, workspace_sids: Iterable[str]) -> None:
        """These workspaces may be had."""


@dataclass(slots=True, frozen=True)
class Me:
    """This node among the others: its name, its machine, and whether it has an internal listener."""

    name: str
    host: str
    clustered: bool


class ClusterView:
    """The last look, what follows from it, and the task that looks (implements Directory and Claims).

    Args:
        rows: the rows of nodes and leases.
        me: this node.
        interval_s: pause between two looks.
        monotonic: seconds of a clock that never steps back.
    """

    def __init__(
        self,
        rows: ClusterRows,
        me: Me,
        interval_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.draining = False
        """Whether this node takes no workspaces any more."""
        self._rows = rows
        self._me = me
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._follower: Follower | None = None
        self._nodes: dict[str, NodeRow] = {}
        self._leases: dict[str, SeenLease] = {}
        self._digest = ""
        self._gone: frozenset[str] = frozenset()
        self._living: frozenset[str] = frozenset()
        self._candidates: tuple[str, ...] = ()
        self._free_since_s: dict[str, float] = {}
        self._excluded: frozenset[str] = frozenset()
        self._settled_s = 0.0
        self._current: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._change = asyncio.Event()

    # What others ask

    def owner_of(self, workspace_sid: str) -> Peer | None:
        """Return the other node that holds the workspace's lease, lives and takes forwarded requests."""
        seen = self._leases.get(workspace_sid)
        if seen is None or not seen.live or seen.owner == self._me.name or seen.owner not in self._living:
            return None
        return self._peer(seen.owner)

    def peers(self) -> list[Peer]:
        """Return the other nodes that live and take forwarded requests."""
        found = (self._peer(name) for name in self._living if name != self._me.name)
        return [peer for peer in found if peer is not None]

    def owner_lives(self, workspace_sid: str) -> bool:
        """Tell whether a living node that takes forwarded requests owns the workspace."""
        return self.owner_of(workspace_sid) is not None

    def has_peers(self) -> bool:
        """Tell whether there is another living node that takes forwarded requests."""
        return bool(self.peers())

    def heirs(self) -> list[NodeLoad]:
        """Return the other nodes that can be given workspaces."""
        rows = [self._nodes[name] for name in self._candidates if name != self._me.name]
        return [
            NodeLoad(row.name, row.load, row.workspaces)
            for row in rows
            if row.state == "serving" and row.address not in self._excluded
        ]

    def exclude(self, addresses: Collection[str]) -> None:
        """Take the nodes at these addresses for no heirs, whatever their rows say."""
        self._excluded = frozenset(addresses)

    def claim(self, workspace_sid: str) -> Claim | None:
        """Tell whether this node should ask for a workspace's lease now."""
        seen = self._leases.get(workspace_sid)
        if seen is not None and seen.owner == self._me.name:
            return None if self.draining else Claim()
        if self.draining or not self._is_our_turn(workspace_sid):
            return None
        if seen is None:
            return Claim()
        if not seen.live:
            return Claim(seen.owner)
        if seen.owner in self._gone:
            return Claim(seen.owner, Lease(workspace_sid, seen.owner, seen.epoch))
        return None

    def learn(self, lease: Lease) -> None:
        """Take in who owns a workspace from now on, before the next look tells."""
        self._leases[lease.workspace_sid] = SeenLease(lease.owner, lease.epoch, live=True)
        self._tell_change()

    async def refresh(self) -> None:
        """Look now; calls that come during a look share the one after it. Raises StoreUnavailable."""
        if self._next is None:
            # A context of its own: what is found is not logged in the name of the request that asks.
            self._next = asyncio.create_task(
                self._look_after(self._current), name="cluster-look", context=Context()
            )
        await asyncio.shield(self._next)

    async def changed(self) -> None:
        """Return when a look has found something else than the one before."""
        await self._change.wait()

    # Looking

    def follow(self, follower: Follower) -> None:
        """Tell `follower` of what is found from now on."""
        self._follower = follower

    async def start(self) -> None:
        """Look, and go on looking. Raises StoreUnavailable."""
        self._settled_s = self._monotonic() + (SETTLE_S if self._me.clustered else 0.0)
        await self.refresh()
        self._task = asyncio.create_task(self._look_forever(), name="cluster-view")

    async def stop(self) -> None:
        """Look no more."""
        tasks = [task for task in (self._task, self._next, self._current) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_forever(self) -> None:
        answered = True
        while True:
            alone = not self._me.clustered and self._living <= {self._me.name}
            await asyncio.sleep(max(self._interval_s, ALONE_INTERVAL_S if alone else 0.0))
            try:
                await self.refresh()
            except StoreUnavailable as error:
                if answered:
                    log.warning("cluster.look_failed", error=str(error))
                answered = False
            except Exception:
                log.exception("cluster.look_failed")
            else:
                answered = True

    async def _look_after(self, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None and not earlier.done():
            await asyncio.wait([earlier])
        self._current, self._next = self._next, None
        await self._look()

    async def _look(self) -> None:
        if self._follower is not None:
            self._follower.remember()
        look = await self._rows.look(self._digest)
        before = self._signs()
        self._nodes, self._digest = look.nodes, look.digest
        if look.leases is not None:
            self._leases = look.leases
        self._gone = await self._find_gone()
        self._count_nodes()
        self._note_free()
        if look.leases is not None or self._signs() != before:
            self._tell_change()
        if self._follower is not None:
            self._follower.compare(self._leases.keys())
            self._follower.reconsider(list(self._free_since_s))

    def _signs(self) -> object:
        return {name: (row.address, row.state, name in self._living) for name, row in self._nodes.items()}

    async def _find_gone(self) -> frozenset[str]:
        """Return the nodes whose internal listener refuses connections."""
        owners = {seen.owner for seen in self._leases.values() if seen.live}
        suspects = [
            row
            for row in self._nodes.values()
            if (row.age_s <= DEAD_S or row.name in owners) and self._is_suspect(row)
        ]
        answers = await asyncio.gather(*(refuses(row.address) for row in suspects))
        return frozenset(row.name for row, refused in zip(suspects, answers, strict=True) if refused)

    def _is_suspect(self, row: NodeRow) -> bool:
        """Tell whether a refusal of this node would mean that it is gone. One that starts does not listen
        yet; one that drains does not listen any more, but finishes what it has."""
        if not row.address or row.state == "starting" or row.name == self._me.name:
            return False
        if row.address.startswith("/") and row.host != self._me.host:
            return False
        at_once = row.address.startswith("/") and row.state == "serving"
        return at_once or row.age_s > MISSED_BEAT_S

    def _count_nodes(self) -> None:
        living = {name for name, row in self._nodes.items() if row.age_s <= DEAD_S} - self._gone
        for name in sorted(living - self._living - {self._me.name}):
            row = self._nodes[name]
            log.info("node.joined", node=name, address=row.address, version=row.version)
        for name in sorted(self._living - living):
            log.info("node.left", node=name, reason=self._why_left(name))
        self._living = frozenset(living)
        self._candidates = tuple(name for name in sorted(living) if self._can_take(self._nodes[name]))
        metrics.NODES.set(len(living))

    def _why_left(self, name: str) -> str:
        if name in self._gone:
            return "refuses connections"
        return "silent" if name in self._nodes else "stopped"

    def _can_take(self, row: NodeRow) -> bool:
        return row.state != "draining" and bool(row.address) and self._reaches(row)

    def _reaches(self, row: NodeRow) -> bool:
        return not row.address.startswith("/") or row.host == self._me.host

    def _note_free(self) -> None:
        """Keep since when which workspaces are to be had."""
        now_s = self._monotonic()
        free = (
            sid
            for sid, seen in self._leases.items()
            if not seen.live or seen.owner in self._gone or seen.owner == self._me.name
        )
        self._free_since_s = {sid: self._free_since_s.get(sid, now_s) for sid in free}

    def _is_our_turn(self, workspace_sid: str) -> bool:
        now_s = self._monotonic()
        names = [name for name in self._candidates if name != self._me.name]
        if self._me.clustered:
            turn = preference(workspace_sid, [*names, self._me.name]).index(self._me.name)
        else:
            turn = len(names)
        since_s = max(self._free_since_s.get(workspace_sid, now_s), self._settled_s)
        return now_s >= since_s + min(turn, TURNS_MAX) * TURN_S

    def _peer(self, name: str) -> Peer | None:
        row = self._nodes[name]
        if not row.address or not self._reaches(row):
            return None
        return Peer(name, row.address, draining=row.state == "draining")

    def _tell_change(self) -> None:
        self._change.set()
        self._change = asyncio.Event()
