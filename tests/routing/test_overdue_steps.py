"""A round that outlasts several steps uses them up at once: nobody of those is asked (behaviour §5, OQ-2)."""

import pytest

from engine.routing import commands as c
from tests.routing.world import World, one, routing


def late_round() -> tuple[World, str]:
    """A task offered in its first step for longer than the first two; somebody is ready for each step."""
    world = World()
    queues = [world.queue(name, f"team == '{name}'") for name in ("ann", "bob", "cid")]
    steps = [{"queue": queue, "timeout": 10} for queue in queues]
    world.steps(*steps, task_reservation_timeout_s=25)
    for name in ("ann", "bob", "cid"):
        world.worker(name, team=name)
    return world, world.task()


@pytest.mark.parametrize("end", ["rejected", "timed out", "worker deleted"])
def test_only_the_workers_of_the_step_that_still_runs_are_asked(end: str) -> None:
    world, task = late_round()
    version = world.get(task).version
    world.wait(24.999)
    if end == "rejected":
        world.reject(task)
    elif end == "timed out":
        world.wait(0.001)
    else:
        world.do(c.DeleteWorker(world.offers(task)[0].worker_sid))
    assert world.offered_to(task) == ["cid"]
    assert world.events.count("task-queue.timeout") == 2
    assert world.events.count("workflow.target-matched") == 2
    assert world.get(task).version == version + 3


def test_the_next_filter_starts_its_clock_when_it_is_entered() -> None:
    world = World()
    a, b = world.queue("a"), world.queue("b", "1==0")
    world.workflow(
        routing(
            one("1==1", {"queue": a, "timeout": 10}),
            one("2==2", {"queue": b, "timeout": 10}),
        ),
        task_reservation_timeout_s=60,
    )
    world.worker("ann")
    task = world.task()
    world.wait(45)
    world.reject(task)
    assert (world.queue_of(task), world.get(task).step_deadline_ms) == ("b", world.now_ms + 10_000)
    assert world.get(task).filter_entered_ms == world.now_ms
