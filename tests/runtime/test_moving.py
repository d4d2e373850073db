"""A workspace that is given to another node: everything it was told is done, nothing is done twice."""

import asyncio

import pytest

from engine.errors import NotServing
from engine.routing.commands import DeleteWorkspace
from engine.runtime.loop_state import State
from tests.runtime.support import Fault, Node, until


async def test_what_waits_is_carried_out_and_the_heir_goes_on(make_node, node: Node) -> None:
    workspace = await node.workspace()
    heir = await make_node("heir")
    node.store.hold()
    waiting = [asyncio.create_task(node.task(workspace)) for _ in range(3)]
    await node.store.at_gate.wait()
    waiting += [asyncio.create_task(node.task(workspace)) for _ in range(3)]
    await asyncio.sleep(0)
    moving = asyncio.create_task(node.service.hand_over(workspace, "heir"))
    await asyncio.sleep(0)
    with pytest.raises(NotServing):
        await node.task(workspace)
    node.store.gate.set()
    made = [task.sid for task in await asyncio.gather(*waiting)]
    given = await moving
    assert (given.owner, given.epoch) == ("heir", 2)
    await heir.serving(workspace)
    made.append((await heir.task(workspace)).sid)
    assert [task.sid for task in (await heir.store.load(workspace)).tasks] == made


async def test_the_one_who_gave_it_can_write_nothing_more_and_may_get_it_back(make_node, node: Node) -> None:
    workspace = await node.workspace()
    before = node.loop(workspace)._lease
    heir = await make_node("heir")
    await node.service.hand_over(workspace, "heir")
    await heir.serving(workspace)
    assert await node.store.renew([before], 60.0) == set()
    with pytest.raises(NotServing):
        await node.task(workspace)
    assert await heir.service.hand_over(workspace, "node-0") is not None
    await node.serving(workspace)
    await node.task(workspace)


async def test_a_heir_that_does_not_come_loses_it_soon(make_node, node: Node) -> None:
    workspace = await node.workspace()
    assert await node.service.hand_over(workspace, "nobody") is not None
    await until(lambda: node.loop(workspace).state is State.HELD_ELSEWHERE)
    await node.serving(workspace)
    await node.task(workspace)


@pytest.mark.parametrize("fault", [Fault.NOT_WRITTEN, Fault.WRITTEN_THEN_ERROR])
async def test_a_commit_that_fails_meanwhile_ends_the_move(make_node, node: Node, fault: Fault) -> None:
    workspace = await node.workspace()
    node.store.hold()
    waiting = asyncio.create_task(node.task(workspace))
    await node.store.at_gate.wait()
    moving = asyncio.create_task(node.service.hand_over(workspace, "heir"))
    await asyncio.sleep(0)
    node.store.faults.append(fault)
    node.store.gate.set()
    assert await moving is None
    await asyncio.wait([waiting])
    assert waiting.exception() is not None
    await node.serving(workspace)
    await node.task(workspace)


async def test_a_database_that_is_away_leaves_it_open_who_has_it(make_node, node: Node) -> None:
    workspace = await node.workspace()
    node.store.away = True
    assert await node.service.hand_over(workspace, "heir") is None
    node.store.recover()
    await node.serving(workspace)
    await node.task(workspace)


async def test_a_workspace_that_is_deleted_meanwhile_goes_nowhere(make_node, node: Node) -> None:
    workspace = await node.workspace()
    node.store.hold()
    deleting = asyncio.create_task(node.submit(workspace, DeleteWorkspace()))
    await node.store.at_gate.wait()
    moving = asyncio.create_task(node.service.hand_over(workspace, "heir"))
    await asyncio.sleep(0)
    node.store.gate.set()
    await deleting
    assert await moving is None
    await until(lambda: not list(node.service.loops()))


async def test_a_node_that_stops_meanwhile_still_gives_it(make_node, node: Node) -> None:
    workspace = await node.workspace()
    moving = asyncio.create_task(node.service.hand_over(workspace, "heir"))
    await asyncio.sleep(0)
    await node.service.stop()
    given = await moving
    assert given.owner == "heir"
    heir = await make_node("heir")
    assert heir.loop(workspace).state is State.SERVING


async def test_what_is_not_served_here_cannot_be_given_away(make_node, node: Node) -> None:
    workspace = await node.workspace()
    other = await make_node()
    assert await other.service.hand_over(workspace, "heir") is None
    assert await node.service.hand_over("WS" + "0" * 32, "heir") is None
    await node.task(workspace)


async def test_an_offer_under_way_is_known_to_the_heir(make_node, node: Node) -> None:
    workspace = await node.workspace()
    await node.available_worker(workspace)
    task = await node.task(workspace)
    reservation = await node.reservation_of(task.sid)
    heir = await make_node("heir")
    await node.service.hand_over(workspace, "heir")
    await heir.serving(workspace)
    assert reservation in {each.sid for each in (await heir.store.load(workspace)).reservations}
