"""Explaining goes through the inbox and leaves the database alone."""

from engine.routing.commands import ExplainTask
from engine.routing.explain_views import TaskExplanation
from tests.runtime.support import Node


async def test_a_batch_of_explanations_commits_nothing(node: Node) -> None:
    workspace = await node.workspace()
    task = await node.task(workspace)
    commits, events = node.store.commits, len(node.recorder.events)
    node.store.away = True
    answer = await node.submit(workspace, ExplainTask(task.sid))
    assert isinstance(answer, TaskExplanation)
    assert answer.summary == "It waits: there is no worker in this workspace."
    assert node.store.commits == commits
    assert len(node.recorder.events) == events
