"""Who may take a task, and which names its filters and targets read of task and worker (behaviour §4, §6)."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from tests.routing.world import World, one, routing


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    "obstacle", ["none", "queue", "expression", "known worker", "activity", "channel off", "capacity"]
)
def test_a_worker_is_offered_the_task_when_all_five_conditions_hold(world: World, obstacle: str) -> None:
    queue = world.queue(target_workers="team == 1")
    world.steps(
        {"queue": queue, "expression": "worker.level >= task.level", "known_worker_sid": "task.agent"}
    )
    ann = world.worker("ann", "Offline", team=1, level=3)
    bob = world.worker("bob", "Offline", team=1, level=3)
    task = world.task(attributes={"level": 3, "agent": bob if obstacle == "known worker" else ann})
    if obstacle in ("queue", "expression"):
        world.attributes(
            ann, team=2 if obstacle == "queue" else 1, level=2 if obstacle == "expression" else 3
        )
    if obstacle == "channel off":
        world.do(c.UpdateWorkerChannel(ann, "default", available=False))
    if obstacle == "capacity":
        world.capacity(ann, "default", 0)
    if obstacle != "activity":
        world.activity(ann, "Available")
    assert world.offered_to(task) == (["ann"] if obstacle == "none" else [])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("worker.level == task.level", True),
        ("level == 3", False),
        ("task.level == 3 AND worker.level == 3", True),
        ("worker.friendly_name == 'ann' AND worker.activity_name == 'Available'", True),
        ("worker.sid != task.ignore AND worker.activity_sid != null", True),
        ("worker.channel.chat.configured_capacity == 4", True),
        ("worker.channel.chat.assigned_tasks == 1", True),
        ("worker.channel.chat.available_capacity_percentage == 50", True),
        ("worker.channel.voice.assigned_tasks == 0", True),
        ("worker.channel.fax.assigned_tasks == 0", False),
        ("worker.channel.chat.assigned_tasks == 0", False),
        ("task.channel == null AND task.age == null AND worker.available == null", True),
    ],
)
def test_a_targets_expression_reads_task_worker_and_channel_figures(
    world: World, expression: str, expected: bool
) -> None:
    workflow = world.steps({"queue": world.queue(), "expression": expression}, name="tested")
    busy = world.simple_workflow(next(iter(world.state.task_queues)), name="busy")
    ann = world.worker("ann", level=3)
    world.capacity(ann, "chat", 4)
    world.accept(world.task(workflow_sid=busy, task_channel="chat"))
    world.task(workflow_sid=busy, task_channel="chat")
    task = world.task(workflow_sid=workflow, attributes={"level": 3, "ignore": "WK0"})
    assert (world.status(task) is T.RESERVED) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("level == 3", True), ("task.level == 3", False), ("worker.level == 3", False), ("a.b[1] == 'x'", True)],
)
def test_a_filters_expression_reads_attributes_by_bare_name(
    world: World, expression: str, expected: bool
) -> None:
    a, d = world.queue("a", "1==0"), world.queue("d", "1==0")
    world.workflow(routing(one(expression, {"queue": a}), default=d))
    task = world.task(attributes={"level": 3, "a": {"b": ["y", "x"]}})
    assert world.queue_of(task) == ("a" if expected else "d")


def test_a_change_of_figures_that_an_expression_reads_counts_at_once(world: World) -> None:
    expression = "worker.channel.chat.assigned_tasks == 0"
    world.steps({"queue": world.queue(), "expression": expression})
    ann = world.worker("ann")
    world.capacity(ann, "chat", 3)
    first, second = (world.task(task_channel="chat") for _ in range(2))
    assert [world.status(task) for task in (first, second)] == [T.RESERVED] * 2
    world.accept(first)
    third = world.task(task_channel="voice")
    assert world.status(third) is T.PENDING
    world.complete(first)
    assert world.status(third) is T.RESERVED
