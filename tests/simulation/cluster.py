"""The nodes of a run, and what happens to them: crashes, restarts, thefts of their workspaces."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from engine.errors import StoreUnavailable
from engine.ownership import Lease
from engine.routing.core import WorkspaceCore
from engine.routing.errors import RoutingError
from engine.routing.limits import RoutingLimits
from engine.runtime.limits import RuntimeLimits
from engine.sids import SidFactory
from tests.simulation.faults import NodeStore, Weather
from tests.simulation.hearing import Hearing
from tests.simulation.journal import Journal
from tests.simulation.ledger import Ledger
from tests.simulation.memory_store import MemoryStore
from tests.simulation.node import Node, Watcher
from tests.simulation.traffic import Traffic
from tests.simulation.virtual_time import Killed
from tests.simulation.webhooks import Webhooks

DOWN_S = (0.0, 0.5, 5.0, 60.0)


def draw_limits(random: Random) -> RuntimeLimits:
    """Draw the sizes and times of the loops; some so small that they are always met."""
    ttl_s = random.choice((15.0, 60.0, 60.0, 300.0))
    return RuntimeLimits(
        inbox_commands_max=random.choice((3, 30, 10_000, 10_000)),
        batch_commands_max=random.choice((1, 3, 1_000, 1_000)),
        deadlines_max=random.choice((1, 3, 1_000, 1_000)),
        match_decisions_max=random.choice((1, 3, 1_000, 1_000)),
        commit_timeout_s=5.0,
        lease_ttl_s=ttl_s,
        lease_renew_s=ttl_s / 3,
        lease_margin_s=ttl_s / 10,
        reload_backoff_max_s=random.choice((2.0, 30.0)),
        discovery_interval_s=random.choice((15.0, 120.0)),
    )


def draw_routing_limits(random: Random) -> RoutingLimits:
    """Draw what the cores decide by."""
    return RoutingLimits(
        assignment_count_max=random.choice((3, 1_000)),
        assigned_s_max=random.choice((300, 86_400)),
        idle_classes_max=random.choice((1, 4_096)),
        bindings_per_target_max=random.choice((1, 16_384)),
        ready_scan_max=random.choice((1, 64)),
    )


class Cluster:
    """Starts nodes, ends them, and takes workspaces away from them.

    Args:
        seed: names the random numbers of each node.
        random: draws what happens.
        store: the database.
        weather: what goes wrong between a node and the database.
        ledger: told of what the usurper asks for.
        journal: takes down what happens.
        traffic: draws what the usurper does.
        webhooks: whom the dispatchers call.
        hearing: the receivers of events.
        watcher: looks at what is published.
        new_sid: mints SIDs.
        now_ms: the wall clock.
    """

    def __init__(
        self,
        seed: int,
        random: Random,
        *,
        store: MemoryStore,
        weather: Weather,
        ledger: Ledger,
        journal: Journal,
        traffic: Traffic,
        webhooks: Webhooks,
        hearing: Hearing,
        watcher: Watcher,
        limits: RuntimeLimits,
        routing_limits: RoutingLimits,
        new_sid: SidFactory,
        now_ms: Callable[[], int],
    ) -> None:
        self.nodes: list[Node] = []
        """Those that run or start."""
        self.limits = limits
        self.routing_limits = routing_limits
        self._seed = seed
        self._random = random
        self._store = store
        self._weather = weather
        self._ledger = ledger
        self._journal = journal
        self._traffic = traffic
        self._webhooks = webhooks
        self._hearing = hearing
        self._watcher = watcher
        self._new_sid = new_sid
        self._now_ms = now_ms
        self._under_way: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """Let something happen beside everything else; an exception of it is a finding."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(self._journal.watch_end)

    async def start_node(self, owner: str) -> None:
        """Start a node, as often as it takes. One that crashes meanwhile is restarted by its crash."""
        while True:
            node = self._make_node(owner)
            self.nodes.append(node)
            try:
                await node.start(self._webhooks)
            except StoreUnavailable:
                self.nodes.remove(node)
                await node.process.kill()
                await asyncio.sleep(1.0)
            except Killed:
                return
            else:
                self._journal.step(f"{owner} started")
                return

    async def crash(self, node: Node) -> None:
        """Kill a node and start it again after a while."""
        if node not in self.nodes:
            return
        self.nodes.remove(node)
        self._journal.step(f"{node.owner} crashes")
        await node.process.kill()
        await asyncio.sleep(0.0 if self._weather.calm else self._random.choice(DOWN_S))
        await self.start_node(node.owner)

    async def restart(self, node: Node) -> None:
        """Stop a node in good order and start it again."""
        self.nodes.remove(node)
        self._journal.step(f"{node.owner} stops")
        try:
            await node.stop()
        except Killed:
            await node.process.kill()
        await self.start_node(node.owner)

    async def usurp(self, workspace_sid: str) -> None:
        """Let another owner take the workspace, do a batch of its own and go away."""
        self._store.leases[workspace_sid].expires_s = asyncio.get_running_loop().time()
        lease = await self._store.acquire(workspace_sid, "usurper", 1.0)
        rows = self._store.live_rows(workspace_sid)
        if lease is None or rows is None:
            return
        self._journal.step(f"the usurper takes {workspace_sid}")
        now_ms = max(self._now_ms(), rows.last_event_ms)
        core = WorkspaceCore.load(rows, new_sid=self._new_sid, now_ms=now_ms, limits=self.routing_limits)
        while core.advance(now_ms, 1_000):
            pass
        for _ in range(self._random.randrange(3)):
            command = self._traffic.draw(workspace_sid)
            self._ledger.asked(command)
            try:
                core.handle(command, now_ms)
            except RoutingError:
                continue
        while core.match(now_ms, 1_000):
            pass
        if changes := core.take_changes():
            await self._store.commit(lease, changes)
        await self._store.release(lease)

    def owner_in_peace(self, workspace_sid: str) -> Node | None:
        """Return the one node that serves a workspace under a good lease and is not writing it now."""
        held = self._store.leases[workspace_sid]
        lease = Lease(workspace_sid, held.owner, held.epoch)
        owners = [node for node in self.nodes if node.lease_of(workspace_sid) == lease]
        if len(owners) != 1 or workspace_sid in owners[0].store.committing:
            return None
        return owners[0]

    def serving(self, workspace_sid: str) -> list[Node]:
        """Return the nodes that take commands for a workspace."""
        return [node for node in self.nodes if node.loop_of(workspace_sid) is not None]

    async def close(self) -> None:
        """End everything."""
        for task in list(self._under_way):
            task.cancel()
        for node in self.nodes:
            await node.process.kill()

    def _make_node(self, owner: str) -> Node:
        def crash() -> None:
            # Not from inside the node: what crashes it must outlive it.
            asyncio.get_running_loop().call_soon(lambda: self.begin(self.crash(node)))

        node = Node(
            owner,
            NodeStore(self._store, self._weather, crash, self.usurp),
            limits=self.limits,
            routing_limits=self.routing_limits,
            new_sid=self._new_sid,
            clock=self._now_ms,
            random=Random(f"{self._seed}/{owner}").random,
            watcher=self._watcher,
            hearing=self._hearing,
        )
        return node
