import pytest

from engine.errors import Overloaded, Unavailable, WorkspaceNotFound
from engine.routing.commands import CreateTask
from engine.routing.errors import Refused
from engine.routing.views import TaskView
from tests.runtime.support import ACCOUNT, OTHER_ACCOUNT, Fault, Node


def commands(node: Node, count: int) -> list[CreateTask]:
    return [CreateTask(sid=node.mint("WT")) for _ in range(count)]


async def test_commands_submitted_together_share_a_batch_and_are_answered_in_order(node: Node) -> None:
    workspace = await node.workspace()
    before = node.store.commits
    given = commands(node, 50)
    given[7] = CreateTask(sid=node.mint("WT"), workflow_sid="WW" + "0" * 32)
    outcomes = await node.service.submit_all(ACCOUNT, workspace, given)
    assert node.store.commits == before + 1
    assert isinstance(outcomes.pop(7), Refused)
    del given[7]
    assert [view.sid for view in outcomes if isinstance(view, TaskView)] == [task.sid for task in given]


async def test_what_does_not_fit_into_the_inbox_is_refused_as_a_whole(make_node) -> None:
    node = await make_node(inbox_commands_max=10)
    workspace = await node.workspace()
    with pytest.raises(Overloaded):
        await node.service.submit_all(ACCOUNT, workspace, commands(node, 11))
    assert (await node.store.load(workspace)).tasks == []
    assert len(await node.service.submit_all(ACCOUNT, workspace, commands(node, 10))) == 10


async def test_what_a_failed_batch_took_along_is_told_apart(make_node) -> None:
    node = await make_node(batch_commands_max=5)
    workspace = await node.workspace()
    await node.task(workspace)
    node.store.faults = [None, Fault.NOT_WRITTEN]
    outcomes = await node.service.submit_all(ACCOUNT, workspace, commands(node, 10))
    assert [type(outcome) for outcome in outcomes] == [TaskView] * 5 + [Unavailable] * 5


async def test_another_account_has_no_such_workspace(node: Node) -> None:
    workspace = await node.workspace()
    with pytest.raises(WorkspaceNotFound):
        await node.service.submit_all(OTHER_ACCOUNT, workspace, commands(node, 1))
