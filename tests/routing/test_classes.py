"""What tasks ask for is remembered within bounds, and never forgotten while a task still asks for it."""

import pytest

from engine.routing.limits import RoutingLimits
from tests.routing.world import World


def asking(idle_classes_max: int) -> World:
    """A world where every team is a class of its own."""
    world = World(limits=RoutingLimits(idle_classes_max=idle_classes_max))
    world.steps({"queue": world.queue(), "expression": "worker.team == task.team"})
    return world


def asked_and_gone(world: World, teams: range) -> None:
    for team in teams:
        world.cancel(world.task(attributes={"team": team}))


@pytest.mark.parametrize("idle_classes_max", [0, 1, 5])
def test_of_what_nobody_asks_for_any_more_so_much_is_kept(idle_classes_max: int) -> None:
    world = asking(idle_classes_max)
    asked_and_gone(world, range(10))
    kept = [class_.anchor.value for class_ in world.core.board.eligibility.classes() if class_.anchor]
    assert kept == list(range(10 - idle_classes_max, 10))


@pytest.mark.parametrize("other", ["canceled", "refused"])
def test_what_another_task_still_asks_for_is_not_forgotten(other: str) -> None:
    world = asking(1)
    first = world.task(attributes={"team": 99})
    second = world.task(attributes={"team": 99})
    if other == "refused":
        ann = world.worker("ann", team=99)
        world.reject(first)
        world.reject(second)
        world.activity(ann, "Offline")
    world.cancel(first)
    asked_and_gone(world, range(5))
    world.worker("bob", team=99)
    assert world.offered_to(second) == ["bob"]


def test_what_is_asked_for_again_is_asked_of_the_workers_of_now() -> None:
    world = asking(1)
    asked_and_gone(world, range(3))
    for team in range(3):
        world.worker(f"w{team}", team=team)
    assert [world.offered_to(world.task(attributes={"team": team})) for team in range(3)] == [
        ["w0"],
        ["w1"],
        ["w2"],
    ]
