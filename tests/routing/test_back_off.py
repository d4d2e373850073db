"""Offers that are let go: the pause before the same worker is asked again, and how often at most (behaviour
§2 max assignment count; CX-1, OQ-5).
"""

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from engine.routing.limits import RoutingLimits
from tests.routing.world import World


def world_with(queue_options: dict[str, int] | None = None, **limits: int) -> World:
    world = World(limits=RoutingLimits(**limits))
    world.simple_workflow(world.queue(**(queue_options or {})))
    return world


def test_the_pause_concerns_one_task_and_one_worker_only() -> None:
    world = world_with()
    world.worker("ann")
    first = world.task()
    world.reject(first)
    second = world.task()
    assert (world.status(first), world.offered_to(second)) == (T.PENDING, ["ann"])
    world.worker("bob")
    assert world.offered_to(first) == ["bob"]


def test_a_task_whose_workers_all_refused_lets_the_next_one_pass_and_keeps_its_place() -> None:
    world = world_with()
    world.worker("ann")
    first, second = world.task(priority=9), world.task()
    world.reject(first)
    assert (world.status(first), world.status(second)) == (T.PENDING, T.RESERVED)
    world.reject(second)
    assert (world.status(first), world.status(second)) == (T.PENDING, T.PENDING)
    world.wait(1)
    assert (world.status(first), world.status(second)) == (T.RESERVED, T.PENDING)


def test_the_pause_ends_at_its_millisecond_and_is_bounded() -> None:
    world = world_with(refusal_backoff_base_ms=1000, refusal_backoff_max_ms=4000)
    world.worker("ann")
    task = world.task()
    for pause_s in (1, 2, 4, 4, 4):
        world.reject(task)
        world.wait(pause_s - 0.001)
        assert world.status(task) is T.PENDING
        world.wait(0.001)
        assert world.offered_to(task) == ["ann"]


def test_the_pause_is_not_seen_by_clients() -> None:
    world = world_with()
    world.worker("ann")
    task = world.task()
    world.reject(task)
    view = world.do(c.UpdateTask(task))
    assert view.status is T.PENDING
    assert not world.changes


def test_a_task_is_canceled_when_its_last_allowed_round_ends_unaccepted() -> None:
    world = world_with(assignment_count_max=3, refusal_backoff_base_ms=1, refusal_backoff_max_ms=1)
    world.worker("ann")
    task = world.task()
    for _ in range(2):
        world.reject(task)
        world.wait(0.001)
        assert world.status(task) is T.RESERVED
    world.reject(task)
    assert world.events == ["reservation.rejected", "task.canceled"]
    assert world.reason(task) == "Max assignment count exceeded"
    assert world.event("task.canceled").data["task_canceled_reason"] == "Max assignment count exceeded"


def test_the_last_allowed_round_may_be_accepted() -> None:
    world = world_with(assignment_count_max=1)
    world.worker("ann")
    task = world.task()
    world.accept(task)
    assert world.status(task) is T.ASSIGNED


def test_a_round_of_several_offers_counts_once() -> None:
    world = world_with({"max_reserved_workers": 2}, assignment_count_max=2)
    for name in ("ann", "bob"):
        world.worker(name)
    task = world.task()
    for count in (1, 2):
        assert world.get(task).assignment_count == count
        world.reject(task)
        assert world.status(task) is T.RESERVED
        world.reject(task)
        world.wait(1)
    assert world.status(task) is None


def test_the_default_is_a_thousand_rounds() -> None:
    assert RoutingLimits().assignment_count_max == 1000


@pytest.mark.parametrize("rounds", [10, 11])
def test_ten_rejections_are_not_the_end(rounds: int) -> None:
    world = world_with(refusal_backoff_base_ms=1, refusal_backoff_max_ms=1)
    world.worker("ann")
    task = world.task()
    for _ in range(rounds):
        world.reject(task)
        world.wait(0.001)
    assert world.offered_to(task) == ["ann"]


def test_a_pause_that_ends_when_nobody_is_there_any_more_changes_nothing() -> None:
    world = world_with()
    ann = world.worker("ann")
    low, high = world.task(priority=1), world.task(priority=2)
    for task in (low, high):
        world.reject(task)
    world.activity(ann, "Offline")
    world.worker("bob")
    assert (world.offered_to(low), world.offered_to(high)) == ([], ["bob"])
    world.wait(1)
    assert (world.events, world.status(low)) == ([], T.PENDING)
    world.activity(ann, "Available")
    assert world.offered_to(low) == ["ann"]
