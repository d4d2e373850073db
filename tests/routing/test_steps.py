"""The deadlines of steps, to the millisecond, with and without offers (behaviour §5 timeout clock; CX-3,
OQ-2, OQ-3, OQ-16, OQ-23).
"""

import pytest

from engine.routing.entities import TaskStatus as T
from tests.routing.world import START_MS, World, one, routing


@pytest.fixture
def world() -> World:
    return World()


def deadline_s(world: World, task: str) -> float | None:
    """When the task's step times out, in seconds after the start of the world."""
    deadline_ms = world.get(task).step_deadline_ms
    return None if deadline_ms is None else (deadline_ms - START_MS) / 1000


def test_steps_end_at_ten_twenty_and_thirty_seconds_to_the_millisecond(world: World) -> None:
    queue = world.queue("q", "1==0")
    world.steps({"queue": queue, "timeout": 10}, {"timeout": 10}, {"timeout": 10})
    task = world.task()
    for index in (0, 1, 2):
        assert deadline_s(world, task) == 10 * (index + 1)
        world.wait(9.999)
        assert (world.get(task).target_index, world.events) == (index, [])
        world.wait(0.001)
    assert world.reason(task) == "Task canceled on Workflow timeout"
    assert world.events == ["task-queue.timeout", "workflow.timeout", "task.canceled"]


@pytest.mark.parametrize("end", ["reject", "timeout"])
def test_an_offer_that_ends_inside_the_step_leaves_the_task_in_it_until_the_deadline(
    world: World, end: str
) -> None:
    a, b = world.queue("a"), world.queue("b", "1==0")
    world.steps({"queue": a, "timeout": 10}, {"queue": b, "timeout": 10}, task_reservation_timeout_s=8)
    world.worker("ann")
    task = world.task()
    world.wait(8)
    if end == "reject":
        assert world.status(task) is T.PENDING
    assert (world.queue_of(task), deadline_s(world, task)) == ("a", 10)
    world.wait(1.999)
    assert world.queue_of(task) == "a"
    world.wait(0.001)
    assert (world.queue_of(task), deadline_s(world, task)) == ("b", 20)


def test_another_worker_of_the_step_is_asked_while_its_time_lasts(world: World) -> None:
    world.steps({"queue": world.queue(), "timeout": 10}, {"timeout": 10}, task_reservation_timeout_s=4)
    for name in ("ann", "bob"):
        world.worker(name)
    task = world.task()
    world.wait(4)
    assert (world.offered_to(task), world.get(task).target_index) == (["bob"], 0)


def test_a_step_deadline_does_not_interrupt_an_offer(world: World) -> None:
    world.steps({"queue": world.queue(), "timeout": 10}, task_reservation_timeout_s=30)
    world.worker("ann")
    task = world.task()
    world.wait(29.999)
    assert (world.status(task), world.events) == (T.RESERVED, [])
    world.accept(task)
    assert world.status(task) is T.ASSIGNED


def test_a_single_step_outlived_by_its_offer_ends_the_task_when_the_offer_ends(world: World) -> None:
    world.steps({"queue": world.queue(), "timeout": 10}, task_reservation_timeout_s=30)
    world.worker("ann")
    task = world.task()
    world.wait(30)
    assert world.events == [
        "reservation.timeout",
        "worker.activity.update",
        "task-queue.timeout",
        "workflow.timeout",
        "task.canceled",
    ]
    assert world.reason(task) == "Task canceled on Workflow timeout"


def test_one_long_offer_uses_up_the_steps_it_outlasts_one_by_one(world: World) -> None:
    a, b = world.queue("a"), world.queue("b", "1==0")
    steps = [{"queue": a, "timeout": 10}, {"queue": b, "timeout": 10}, {"queue": a, "timeout": 10}]
    world.steps(*steps, task_reservation_timeout_s=25)
    world.worker("ann")
    task = world.task()
    world.wait(25)
    assert world.events == [
        "reservation.timeout",
        "worker.activity.update",
        "task-queue.timeout",
        "task-queue.moved",
        "task-queue.entered",
        "workflow.target-matched",
        "task-queue.timeout",
        "task-queue.moved",
        "task-queue.entered",
        "workflow.target-matched",
    ]
    assert (world.get(task).target_index, deadline_s(world, task)) == (2, 30)


def test_an_offer_that_ends_exactly_at_the_deadline_has_used_up_the_step(world: World) -> None:
    world.steps({"queue": world.queue(), "timeout": 10}, {"priority": 5}, task_reservation_timeout_s=10)
    world.worker("ann")
    task = world.task()
    world.wait(10)
    assert world.get(task).target_index == 1


def test_a_skipped_step_adds_only_the_time_spent_in_it(world: World) -> None:
    a, b = world.queue("a", "1==0"), world.queue("b", "1==0")
    steps = [
        {"queue": a, "timeout": 10},
        {"queue": b, "timeout": 100, "skip_if": "workers.available == 0"},
        {"queue": a, "timeout": 10},
    ]
    world.steps(*steps)
    task = world.task()
    world.wait(10)
    assert (world.get(task).target_index, deadline_s(world, task)) == (2, 20)


def test_the_next_filter_counts_from_its_own_beginning(world: World) -> None:
    queue = world.queue("q", "1==0")
    first, second = {"queue": queue, "timeout": 10}, {"queue": queue, "timeout": 7}
    world.workflow(routing(one("1==1", first), one("2==2", second)))
    task = world.task()
    world.wait(10)
    assert (world.get(task).filter_index, deadline_s(world, task)) == (1, 17)
    world.wait(7)
    assert world.reason(task) == "Task canceled on Workflow timeout"


def test_an_attribute_write_that_leads_to_another_filter_starts_its_clock(world: World) -> None:
    queue = world.queue("q", "1==0")
    world.workflow(routing(one("x == 1", {"queue": queue, "timeout": 10}), default=queue))
    task = world.task()
    assert deadline_s(world, task) is None
    world.wait(100)
    world.attributes(task, x=1)
    assert deadline_s(world, task) == 110


def test_a_timed_out_step_in_the_same_queue_is_not_a_move(world: World) -> None:
    queue = world.queue("q", "1==0")
    world.steps({"queue": queue, "timeout": 10}, {"priority": 5})
    world.task()
    world.wait(10)
    assert world.events == ["task-queue.timeout", "workflow.target-matched"]
