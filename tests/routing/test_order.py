"""Which task is first: FIFO, LIFO, both together, priorities, virtual start time (behaviour §7)."""

import json
from collections.abc import Callable

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskOrder
from engine.routing.entities import TaskStatus as T
from tests.routing.world import START_MS, World, one, routing


def by_kind(world: World, fifo: str, lifo: str) -> None:
    """A workflow that leads tasks by their attribute `kind` into a FIFO or a LIFO queue."""
    filters = one("kind == 'F'", {"queue": fifo}), one("kind == 'L'", {"queue": lifo})
    world.workflow(routing(*filters))


def served(world: World, tasks: dict[str, str]) -> list[str]:
    """Let one worker take task after task; returns their names in order."""
    names = {sid: name for name, sid in tasks.items()}
    world.worker("ann")
    order = []
    while reserved := [sid for sid in names if world.status(sid) is T.RESERVED]:
        (sid,) = reserved
        order.append(names[sid])
        world.accept(sid)
        world.complete(sid)
    return order


@pytest.mark.parametrize(
    ("preferred", "expected"),
    [
        (TaskOrder.FIFO, "F1 F2 F3 F4 F5 L5 L4 L3 L2 L1"),
        (TaskOrder.LIFO, "L5 L4 L3 L2 L1 F1 F2 F3 F4 F5"),
    ],
)
@pytest.mark.parametrize("apart_s", [0, 1])
def test_the_preferred_kind_of_queue_is_drained_completely_before_the_other(
    preferred: TaskOrder, expected: str, apart_s: int
) -> None:
    world = World(prioritize_queue_order=preferred)
    by_kind(world, world.queue("fifo"), world.lifo_queue("lifo"))
    tasks = {}
    for number in (1, 2, 3, 4, 5):
        for kind in "LF":
            tasks[f"{kind}{number}"] = world.task(attributes={"kind": kind})
        world.wait(apart_s)
    assert " ".join(served(world, tasks)) == expected


def test_the_order_of_queues_concerns_only_workers_of_both() -> None:
    world = World(prioritize_queue_order=TaskOrder.LIFO)
    by_kind(world, world.queue("fifo"), world.lifo_queue("lifo", "skill == 'l'"))
    last, first = world.task(attributes={"kind": "L"}), world.task(attributes={"kind": "F"})
    world.worker("ann")
    assert (world.status(last), world.status(first)) == (T.PENDING, T.RESERVED)


def test_fifo_takes_the_highest_priority_and_of_equals_the_oldest() -> None:
    world = World()
    world.simple_workflow(world.queue())
    tasks = {}
    for name, priority in (("old low", 0), ("old high", 7), ("middle", 3), ("new high", 7), ("new low", 0)):
        tasks[name] = world.task(priority=priority)
        world.wait(1)
    assert served(world, tasks) == ["old high", "new high", "middle", "old low", "new low"]


def test_lifo_takes_the_newest_and_ignores_priority() -> None:
    world = World()
    world.simple_workflow(world.lifo_queue("lifo"))
    tasks = {}
    for name, priority in (("first", 9), ("second", 0), ("third", 5)):
        tasks[name] = world.task(priority=priority)
        world.wait(1)
    assert served(world, tasks) == ["third", "second", "first"]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (World.queue, ["aged", "plain", "later"]),
        (World.lifo_queue, ["later", "plain", "aged"]),
    ],
)
def test_age_is_counted_from_the_virtual_start_time(
    make: Callable[[World, str], str], expected: list[str]
) -> None:
    world = World()
    world.simple_workflow(make(world, "queue"))
    tasks = {"plain": world.task()}
    world.wait(10)
    tasks["later"] = world.task()
    tasks["aged"] = world.task(virtual_start_ms=START_MS - 1)
    assert served(world, tasks) == expected


def test_the_virtual_start_time_is_the_date_of_creation_unless_given() -> None:
    world = World()
    world.simple_workflow(world.queue())
    world.wait(3)
    plain, old = world.task(), world.task(virtual_start_ms=-2_208_988_800_000)
    assert world.get(plain).virtual_start_ms == START_MS + 3000
    assert world.get(old).virtual_start_ms == -2_208_988_800_000
    assert world.get(old).date_created_ms == START_MS + 3000


@pytest.mark.parametrize(
    "update", [{"priority": 1}, {"virtual_start_ms": START_MS - 60_000}], ids=["priority", "virtual start"]
)
def test_a_changed_priority_or_virtual_start_time_moves_a_waiting_task(update: dict[str, int]) -> None:
    world = World()
    world.simple_workflow(world.queue())
    tasks = {"first": world.task(), "second": world.task()}
    world.do(c.UpdateTask(tasks["second"], **update))
    assert world.events == ["task.updated"]
    assert served(world, tasks) == ["second", "first"]


def test_all_fifo_queues_together_are_one_order() -> None:
    world = World()
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one("side == 'a'", {"queue": a}), default=b))
    tasks = {}
    for name, queue, priority in (
        ("b1", "b", 0),
        ("a1", "a", 0),
        ("b2", "b", 5),
        ("a2", "a", 9),
        ("b3", "b", 0),
    ):
        tasks[name] = world.task(attributes={"side": queue}, priority=priority)
        world.wait(1)
    assert served(world, tasks) == ["a2", "b2", "b1", "a1", "b3"]


def test_all_lifo_queues_together_are_one_order() -> None:
    world = World()
    a, b = world.lifo_queue("a"), world.lifo_queue("b")
    world.workflow(routing(one("side == 'a'", {"queue": a}), default=b))
    tasks = {}
    for name, queue in (("b1", "b"), ("a1", "a"), ("b2", "b")):
        tasks[name] = world.task(attributes={"side": queue})
        world.wait(1)
    assert served(world, tasks) == ["b2", "a1", "b1"]


def test_a_lower_task_is_first_when_the_higher_one_cannot_use_the_worker() -> None:
    world = World()
    queue = world.queue()
    world.steps({"queue": queue, "expression": "task.skill == null OR worker.skills HAS task.skill"})
    expression = world.task(attributes={"skill": "x"}, priority=9)
    channel = world.task(task_channel="chat", priority=8)
    low = world.task(priority=1)
    ann = world.new_sid("WK")
    world.core.handle(c.CreateWorker(ann, "ann", json.dumps({"skills": ["y"]})), world.now_ms)
    world.core.handle(c.UpdateWorkerChannel(ann, "chat", capacity=0), world.now_ms)
    world.activity(ann, "Available")
    assert [world.status(task) for task in (expression, channel, low)] == [T.PENDING, T.PENDING, T.RESERVED]


def test_a_task_that_was_refused_keeps_its_place() -> None:
    world = World()
    world.simple_workflow(world.queue())
    world.worker("ann", "Available")
    first = world.task()
    world.wait(1)
    second = world.task()
    world.timeout(first)
    assert [world.status(task) for task in (first, second)] == [T.PENDING, T.PENDING]
    world.worker("bob")
    assert [world.status(task) for task in (first, second)] == [T.RESERVED, T.PENDING]


def test_a_step_that_raises_the_priority_moves_the_task_ahead() -> None:
    world = World()
    queue = world.queue()
    rising = one("up == 1", {"queue": queue, "priority": 1, "timeout": 10}, {"priority": 5})
    world.workflow(routing(rising, default={"queue": queue, "priority": 3}))
    tasks = {"rising": world.task(attributes={"up": 1}), "steady": world.task()}
    world.wait(10)
    assert world.get(tasks["rising"]).priority == 5
    assert served(world, tasks) == ["rising", "steady"]


def test_before_its_priority_rises_the_task_is_behind() -> None:
    world = World()
    queue = world.queue()
    rising = one("up == 1", {"queue": queue, "priority": 1, "timeout": 10}, {"priority": 5})
    world.workflow(routing(rising, default={"queue": queue, "priority": 3}))
    tasks = {"rising": world.task(attributes={"up": 1}), "steady": world.task()}
    world.wait(9.999)
    assert served(world, tasks) == ["steady", "rising"]


def test_tasks_of_the_same_moment_are_taken_in_the_order_they_came() -> None:
    world = World()
    world.simple_workflow(world.queue())
    tasks = {str(number): world.task() for number in range(5)}
    assert served(world, tasks) == list("01234")
