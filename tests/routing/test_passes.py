"""A batch makes as many decisions and fires as many deadlines as it is allowed, and says if more are left."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from engine.routing.limits import RoutingLimits
from tests.routing.world import World, one, routing


def backlog(tasks: int, workers: int) -> tuple[World, list[str]]:
    """Tasks that were created, and workers who came, without a pass of the matcher yet."""
    world = World()
    world.simple_workflow(world.queue())
    sids = []
    for number in range(workers):
        world.core.handle(
            c.CreateWorker(world.new_sid("WK"), f"w{number}", "{}", available(world)), world.now_ms
        )
    for _ in range(tasks):
        sids.append(world.new_sid("WT"))
        world.core.handle(c.CreateTask(sids[-1]), world.now_ms)
    return world, sids


def available(world: World) -> str:
    return world.activities["Available"]


def reserved(world: World, tasks: list[str]) -> list[bool]:
    return [world.status(task) is T.RESERVED for task in tasks]


def test_a_pass_makes_exactly_as_many_decisions_as_it_is_allowed() -> None:
    world, tasks = backlog(tasks=4, workers=3)
    assert world.core.match(world.now_ms, 1) is True
    assert reserved(world, tasks) == [True, False, False, False]
    assert world.core.match(world.now_ms, 1) is True
    assert reserved(world, tasks) == [True, True, False, False]
    assert world.core.match(world.now_ms, 2) is False
    assert reserved(world, tasks) == [True, True, True, False]


def test_a_pass_that_was_just_long_enough_says_nothing_is_left() -> None:
    world, tasks = backlog(tasks=2, workers=2)
    assert world.core.match(world.now_ms, 2) is False
    assert reserved(world, tasks) == [True, True]


def test_after_the_last_pass_nothing_is_left_to_look_at() -> None:
    for tasks, workers in ((3, 1), (1, 3), (2, 2)):
        world, _ = backlog(tasks, workers)
        world.do()
        assert not world.core.board.eligibility.dirty


def test_a_pass_cut_short_between_two_classes_goes_on_with_the_other() -> None:
    world = World()
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one("kind == 1", {"queue": a}), default=b))
    ann = world.worker("ann", "Offline")
    tasks = [world.task(attributes={"kind": kind}) for kind in (1, 2, 1, 2)]
    world.capacity(ann, "default", 4)
    world.core.handle(c.UpdateWorker(ann, activity_sid=available(world)), world.now_ms)
    for expected in range(1, 5):
        world.core.match(world.now_ms, 1)
        assert reserved(world, tasks) == [number < expected for number in range(4)]


def test_a_question_to_skip_is_asked_after_a_pass_that_ended_at_its_limit() -> None:
    world = World()
    a, b = world.queue("a", "1==0"), world.queue("b")
    asking = one("kind == 1", {"queue": a, "skip_if": "workers.available == 0"}, {"queue": b})
    world.workflow(routing(asking, default=b))
    for name in ("ann", "bob"):
        world.worker(name)
    plain, skipping = world.new_sid("WT"), world.new_sid("WT")
    world.core.handle(c.CreateTask(plain), world.now_ms)
    world.core.handle(c.CreateTask(skipping, '{"kind": 1}'), world.now_ms)
    assert world.core.match(world.now_ms, 1) is True
    assert (reserved(world, [plain, skipping]), world.queue_of(skipping)) == ([True, False], "a")
    assert world.core.match(world.now_ms, 1) is False
    assert (reserved(world, [plain, skipping]), world.queue_of(skipping)) == ([True, True], "b")


def test_a_class_that_comes_up_twice_in_a_pass_ends_nothing() -> None:
    world = World()
    text = "worker.team == 2 OR worker.channel.voice.available_capacity_percentage == 0"
    asking = one("kind == 1", {"queue": world.queue("a"), "expression": text})
    world.workflow(routing(asking, default=world.queue("b")))
    workers = [world.worker(name, "Offline", team=team) for name, team in (("ann", 1), ("bob", 2))]
    tasks = [
        world.task(task_channel="voice", priority=9),
        *(world.task(attributes={"kind": 1}) for _ in range(2)),
        world.task(task_channel="chat"),
    ]
    for worker in workers:
        world.core.handle(c.UpdateWorker(worker, activity_sid=available(world)), world.now_ms)
    world.do()
    assert [world.offered_to(task) for task in tasks] == [["ann"], ["bob"], ["ann"], ["bob"]]


@pytest.mark.parametrize("ready_scan_max", [0, 2, 64])
@pytest.mark.parametrize("optimized", [False, True])
def test_the_longest_idle_are_the_same_however_many_are_ready(ready_scan_max: int, optimized: bool) -> None:
    world = World(limits=RoutingLimits(ready_scan_max=ready_scan_max))
    world.do(c.UpdateTaskChannel("default", channel_optimized_routing=optimized))
    world.simple_workflow(world.queue("q", "team == 1", max_reserved_workers=2))
    for name, team in (("x", 0), ("a", 1), ("b", 1), ("c", 1), ("d", 1)):
        world.worker(name, team=team)
    offered = []
    for channel in ("chat", "default", "default"):
        task = world.task(task_channel=channel)
        offered.append("".join(world.offered_to(task)))
        world.accept(task)
        world.complete(task)
    assert offered == (["ab", "ab", "cd"] if optimized else ["ab", "cd", "ab"])


def test_a_task_that_ignores_capacity_finds_its_busy_worker_beside_the_line() -> None:
    world = World(limits=RoutingLimits(ready_scan_max=0))
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    world.task()
    task = world.task(routing_target=ann)
    assert world.offered_to(task) == ["ann"]


def test_advance_fires_exactly_as_many_deadlines_as_it_is_allowed() -> None:
    world = World()
    world.simple_workflow(world.queue("q", "1==0"))
    tasks = [world.task(timeout_s=10) for _ in range(3)]
    now_ms = world.now_ms + 10_000
    assert world.core.advance(now_ms - 1, 5) is False
    assert len(world.state.tasks) == 3
    assert world.core.advance(now_ms, 1) is True
    assert [task in world.state.tasks for task in tasks] == [False, True, True]
    assert world.core.advance(now_ms, 2) is False
    assert not world.state.tasks
