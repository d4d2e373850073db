"""One owner per workspace: what a lease allows, and what the epoch prevents."""

import pytest

from engine.errors import Unavailable
from engine.runtime.lease import LeaseKeeper
from engine.runtime.limits import RuntimeLimits
from engine.runtime.loop_state import State
from engine.storage.pool import Database
from engine.storage.store import PostgresStore
from tests.runtime.support import Node, until


async def test_an_owner_whose_lease_was_taken_can_write_nothing(make_node, node: Node) -> None:
    workspace = await node.workspace()
    kept = await node.task(workspace)
    await expire_lease(node, workspace)
    other = await make_node()
    await other.serving(workspace)
    with pytest.raises(Unavailable):
        await node.task(workspace)
    assert [task.sid for task in (await node.store.load(workspace)).tasks] == [kept.sid]
    await until(lambda: node.loop(workspace).state is State.HELD_ELSEWHERE)
    assert not await node.service.ready()
    await other.task(workspace)


async def test_a_lost_workspace_is_served_again_when_its_lease_is_free(make_node, node: Node) -> None:
    workspace = await node.workspace()
    await expire_lease(node, workspace)
    other = await make_node()
    await other.serving(workspace)
    theirs = await other.task(workspace)
    await until(lambda: node.loop(workspace).state is State.HELD_ELSEWHERE)
    await other.service.stop()
    await node.serving(workspace)
    ours = await node.task(workspace)
    assert [task.sid for task in (await node.store.load(workspace)).tasks] == [theirs.sid, ours.sid]


async def test_an_idle_owner_notices_by_its_renewal_that_it_lost_the_workspace(make_node, node: Node) -> None:
    workspace = await node.workspace()
    await expire_lease(node, workspace)
    other = await make_node()
    await other.serving(workspace)
    await until(lambda: node.loop(workspace).state is State.HELD_ELSEWHERE)


async def test_the_same_owner_takes_its_workspaces_back_at_once(make_node) -> None:
    before = await make_node("node-of-this-directory")
    workspace = await before.workspace()
    after = await make_node("node-of-this-directory")
    assert after.loop(workspace).state is State.SERVING
    with pytest.raises(Unavailable):
        await before.task(workspace)


async def test_a_stopped_node_leaves_its_workspaces_to_others_at_once(make_node, node: Node) -> None:
    workspace = await node.workspace()
    await node.service.stop()
    other = await make_node()
    assert other.loop(workspace).state is State.SERVING


async def test_a_lease_is_prolonged_while_its_owner_lives(make_node, node: Node) -> None:
    workspace = await node.workspace()
    ours = node.loop(workspace)._lease
    other = await make_node()
    leases = LeaseKeeper(node.store, "node-0", RuntimeLimits())
    assert other.loop(workspace).state is State.HELD_ELSEWHERE
    leases.adopt(ours, leases.now_s() - 14.0, lambda: None)
    assert not leases.trusted(ours)
    assert await leases.renew()
    assert leases.trusted(ours)


async def test_an_owner_distrusts_its_lease_a_margin_before_its_end(node: Node) -> None:
    workspace = await node.workspace()
    now_s = 1_000.0
    keeper = LeaseKeeper(node.store, "node-0", RuntimeLimits(), monotonic=lambda: now_s)
    lease = await keeper.acquire(workspace, lambda: None)
    assert lease is not None
    now_s = 1_011.9
    assert keeper.trusted(lease)
    now_s = 1_012.1
    assert not keeper.trusted(lease)


async def test_a_lease_that_is_not_renewed_in_time_stops_the_handling(node: Node) -> None:
    workspace = await node.workspace()
    loop = node.loop(workspace)
    loop._leases._held[workspace].expires_s = loop._leases.now_s() + 0.4
    before = node.store.commits
    with pytest.raises(Unavailable):
        await node.task(workspace)
    assert node.store.commits == before
    await node.serving(workspace)
    await node.task(workspace)


async def test_a_workspace_deleted_by_another_node_disappears_here_too(
    make_node, node: Node, pools: Database
) -> None:
    workspace = await node.workspace()
    await node.service.stop()
    store = PostgresStore(pools)
    lease = await store.acquire(workspace, "somebody", 30.0)
    assert lease is not None
    other = await make_node(discovery_interval_s=0.05)
    assert other.loop(workspace).state is State.HELD_ELSEWHERE
    async with pools.committing() as connection:
        await connection.execute("UPDATE workspaces SET date_deleted_ms = 1")
    await until(lambda: not list(other.service.loops()))


async def expire_lease(node: Node, workspace: str) -> None:
    """Let the lease be free in the database while its owner still believes in it."""
    await node.store.release(node.loop(workspace)._lease)
