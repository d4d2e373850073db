"""What is over is forgotten: nothing of it is offered, fires, or stays in memory."""

import copy
import json

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from tests.routing.world import World, one, routing


def remains(world: World) -> list[object]:
    """Whatever the board still holds about tasks."""
    board = world.core.board
    waiting = [class_.waiting.sids() or class_.parked for class_ in board.eligibility.classes()]
    state = world.state
    held = board.choices, board.skip_if_open, board.deleted, state.tasks, state.reservations, *waiting
    return [each for each in held if each]


@pytest.mark.parametrize("end", ["complete", "cancel", "delete"])
def test_a_finished_task_leaves_nothing_behind(end: str) -> None:
    world = World()
    world.steps({"queue": world.queue(), "timeout": 60, "expression": "taskrouter.currentMin >= 0"})
    world.worker("ann")
    task = world.task()
    if end == "complete":
        world.accept(task)
        world.complete(task)
    elif end == "cancel":
        world.cancel(task)
    else:
        world.do(c.DeleteTask(task))
    assert remains(world) == []
    assert world.core.next_deadline_ms() is None


def test_a_deleted_task_that_waited_is_not_offered_and_fires_nothing() -> None:
    world = World()
    world.steps({"queue": world.queue(), "timeout": 60, "expression": "taskrouter.currentMin >= 0"})
    task = world.task()
    world.do(c.DeleteTask(task))
    world.worker("ann")
    assert world.events == ["worker.created"]
    assert (remains(world), world.core.next_deadline_ms()) == ([], None)


def test_a_reserved_task_is_not_bound_to_the_next_minute() -> None:
    world = World()
    world.steps({"queue": world.queue(), "expression": "taskrouter.currentMin >= 0"})
    world.worker("ann")
    task = world.task()
    world.worker("bob")
    world.wait(61)
    assert (world.events, world.offered_to(task)) == ([], ["ann"])


def test_an_accepted_task_forgets_who_refused_it() -> None:
    world = World()
    world.simple_workflow(world.queue())
    world.worker("ann")
    task = world.task()
    world.reject(task)
    world.wait(1)
    assert list(world.get(task).refusals)
    world.accept(task)
    assert world.get(task).refusals == {}


def test_an_open_task_is_not_taken_in_from_its_row_as_a_finished_one() -> None:
    world = World()
    world.simple_workflow(world.queue())
    task = world.task()
    row = copy.copy(world.get(task))
    world.cancel(task)
    world.do(c.AdoptFinishedTask(row))
    assert world.status(task) is None
    assert world.core.next_deadline_ms() is None


def test_a_configuration_is_forgotten_with_the_last_task_on_it() -> None:
    world = World()
    queue = world.queue("a", "1==0")
    workflow = world.workflow(routing(one("1==1", {"queue": queue})))
    task = world.task()
    text = json.dumps(routing(one("1==1", {"queue": queue, "priority": 2})))
    world.do(c.UpdateWorkflow(workflow, configuration=text))
    assert set(world.state.configurations) == {(workflow, 1), (workflow, 2)}
    world.do(c.UpdateWorkflow(workflow, friendly_name="b", re_evaluate_tasks=True))
    assert (world.status(task), world.get(task).priority) == (T.PENDING, 2)
    assert set(world.state.configurations) == {(workflow, 2)}
