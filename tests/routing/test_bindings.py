"""Tasks that ask for the same share one bound expression, and these are kept in bounds (behaviour §6)."""

import pytest

from engine.routing import commands as c
from engine.routing.limits import RoutingLimits
from engine.routing.progress import target_of
from tests.routing.world import World


def bindings(world: World, task: str) -> int:
    target = target_of(world.core.board, world.get(task))
    assert target is not None
    return len(target.bindings)


@pytest.mark.parametrize(
    ("expression", "expected"), [("worker.level > task.level", 1), ("taskrouter.currentHour > task.level", 2)]
)
def test_the_time_of_day_parts_only_tasks_whose_target_reads_it(expression: str, expected: int) -> None:
    world = World()
    world.steps({"queue": world.queue(), "expression": expression})
    first = world.task(attributes={"level": 70})
    world.now_ms += 3_600_000
    world.do(c.UpdateTask(first, priority=1))
    assert bindings(world, first) == expected


def test_values_that_only_python_finds_equal_are_bound_apart() -> None:
    world = World()
    world.steps({"queue": world.queue(), "expression": "worker.level == task.level"})
    for level in (1, True, "1", 1.0, 1):
        task = world.task(attributes={"level": level, "other": str(level)})
    assert bindings(world, task) == 4


def test_at_the_bound_the_bindings_start_anew() -> None:
    world = World(limits=RoutingLimits(bindings_per_target_max=3))
    world.steps({"queue": world.queue(), "expression": "worker.level > task.level"})
    sizes = []
    for level in range(7):
        task = world.task(attributes={"level": level})
        sizes.append(bindings(world, task))
    assert max(sizes) == 3
