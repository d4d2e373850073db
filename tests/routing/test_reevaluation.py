"""What makes a waiting task look again: re-matching triggers, changed workflows and attributes (behaviour §4
re-matching triggers, §5 re-evaluation and updates; CX-19, OQ-16 … OQ-18).
"""

import json
from collections.abc import Callable

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Refused
from tests.routing.world import World, one, routing


@pytest.fixture
def world() -> World:
    return World()


TRIGGERS: dict[str, tuple[Callable[[World, str], None], Callable[[World, str, str], None]]] = {
    "a worker becomes available": (
        lambda world, ann: world.activity(ann, "Offline"),
        lambda world, ann, _: world.activity(ann, "Available"),
    ),
    "a worker gets the attributes": (
        lambda world, ann: world.attributes(ann, level=1),
        lambda world, ann, _: world.attributes(ann, level=2),
    ),
    "a worker gets capacity": (
        lambda world, ann: world.capacity(ann, "default", 0),
        lambda world, ann, _: world.capacity(ann, "default", 1),
    ),
    "a worker's channel is switched on": (
        lambda world, ann: world.do(c.UpdateWorkerChannel(ann, "default", available=False)),
        lambda world, ann, _: world.do(c.UpdateWorkerChannel(ann, "default", available=True)),
    ),
    "a worker is created": (
        lambda world, ann: world.do(c.DeleteWorker(ann)),
        lambda world, _, __: world.worker("bob", level=2),
    ),
    "the queue's expression changes": (
        lambda world, ann: world.attributes(ann, level=3),
        lambda world, _, __: world.do(
            c.UpdateTaskQueue(next(iter(world.state.task_queues)), target_workers="level == 3")
        ),
    ),
    "the task's attributes change": (
        lambda world, ann: world.attributes(ann, level=2, lang="fr"),
        lambda world, _, task: world.attributes(task, lang="fr"),
    ),
    "the step changes": (
        lambda world, ann: world.attributes(ann, level=2, lang="fr"),
        lambda world, _, __: world.wait(60),
    ),
    "the task's channel changes": (
        lambda world, ann: world.capacity(ann, "default", 0),
        lambda world, _, task: world.do(c.UpdateTask(task, task_channel="chat")),
    ),
}


@pytest.mark.parametrize(("before", "trigger"), TRIGGERS.values(), ids=TRIGGERS.keys())
def test_a_waiting_task_is_offered_as_soon_as(
    world: World, before: Callable[[World, str], None], trigger: Callable[[World, str, str], None]
) -> None:
    queue = world.queue(target_workers="level == 2")
    world.steps({"queue": queue, "expression": "worker.lang == task.lang", "timeout": 60}, {"priority": 1})
    ann = world.worker("ann", level=2)
    before(world, ann)
    task = world.task()
    assert world.status(task) is T.PENDING
    trigger(world, ann, task)
    assert world.status(task) is T.RESERVED


@pytest.mark.parametrize("end", ["completed", "canceled", "deleted", "rejected"])
def test_capacity_that_a_task_gives_back_goes_to_the_next_one(world: World, end: str) -> None:
    world.simple_workflow(world.queue())
    world.worker("ann")
    first, second = world.task(), world.task()
    if end == "completed":
        world.accept(first)
        world.complete(first)
    elif end == "canceled":
        world.cancel(first)
    elif end == "deleted":
        world.do(c.DeleteTask(first))
    else:
        world.reject(first)
    assert world.offered_to(second) == ["ann"]


def test_a_worker_who_comes_back_gets_the_first_waiting_task_at_once(world: World) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann", "Offline")
    first, second = world.task(), world.task()
    world.activity(ann, "Available")
    assert world.events == ["worker.activity.update", "reservation.created"]
    assert (world.status(first), world.status(second)) == (T.RESERVED, T.PENDING)


# A changed workflow


def changed_to(world: World, workflow: str, queue: str, *, re_evaluate_tasks: bool) -> None:
    text = json.dumps(routing(default=queue))
    world.do(c.UpdateWorkflow(workflow, configuration=text, re_evaluate_tasks=re_evaluate_tasks))


def test_without_re_evaluation_waiting_tasks_finish_their_old_configuration(world: World) -> None:
    a, b = world.queue("a", "1==0"), world.queue("b", "1==0")
    workflow = world.steps({"queue": a, "timeout": 10, "priority": 1}, {"priority": 2})
    old = world.task()
    changed_to(world, workflow, b, re_evaluate_tasks=False)
    assert world.events == ["workflow.updated"]
    new = world.task()
    world.wait(10)
    assert (world.queue_of(old), world.get(old).priority) == ("a", 2)
    assert (world.queue_of(new), world.get(new).priority) == ("b", 0)


def test_with_re_evaluation_waiting_tasks_start_anew_in_the_order_they_came(world: World) -> None:
    a, b = world.queue("a", "1==0"), world.queue("b", "1==0")
    workflow = world.steps({"queue": a, "timeout": 10}, {"priority": 2})
    first, second = world.task(), world.task()
    world.wait(10)
    changed_to(world, workflow, b, re_evaluate_tasks=True)
    anew = ["workflow.entered", "task-queue.moved", "task-queue.entered", "workflow.target-matched"]
    assert world.events == ["workflow.updated", *anew, *anew]
    assert [event.task_sid for event in world.changes.events[1:]] == [first] * 4 + [second] * 4
    assert world.get(first).step_deadline_ms is None
    assert world.get(first).task_queue_entered_ms == world.now_ms


def test_re_evaluation_starts_the_clock_of_the_steps_anew(world: World) -> None:
    workflow = world.steps({"queue": world.queue("a", "1==0"), "timeout": 10})
    task = world.task()
    world.wait(9)
    world.do(c.UpdateWorkflow(workflow, re_evaluate_tasks=True))
    world.wait(9.999)
    assert world.status(task) is T.PENDING
    world.wait(0.001)
    assert world.reason(task) == "Task canceled on Workflow timeout"


def test_re_evaluation_does_not_reach_reserved_tasks_even_after_their_offer_ends(world: World) -> None:
    a, b = world.queue("a"), world.queue("b", "1==0")
    workflow = world.simple_workflow(a)
    world.worker("ann")
    task = world.task()
    changed_to(world, workflow, b, re_evaluate_tasks=True)
    assert world.events == ["workflow.updated"]
    assert world.offered_to(task) == ["ann"]
    world.reject(task)
    assert world.queue_of(task) == "a"


def test_re_evaluation_leaves_tasks_that_went_past_the_filters(world: World) -> None:
    a, b = world.queue("a", "1==0"), world.queue("b", "1==0")
    workflow = world.simple_workflow(a)
    task = world.task(task_queue_sid=a)
    changed_to(world, workflow, b, re_evaluate_tasks=True)
    assert world.events == ["workflow.updated"]
    assert world.queue_of(task) == "a"


def test_a_task_that_the_new_configuration_does_not_match_falls_out(world: World) -> None:
    a = world.queue("a", "1==0")
    workflow = world.steps({"queue": a}, {"queue": a}, {"queue": a})
    task = world.task()
    text = json.dumps(routing(one("x == 1", {"queue": a})))
    world.do(c.UpdateWorkflow(workflow, configuration=text, re_evaluate_tasks=True))
    assert world.events == ["workflow.updated", "workflow.entered", "workflow.timeout", "task.canceled"]
    assert world.status(task) is None


def test_a_configuration_that_cannot_be_saved_leaves_the_one_before(world: World) -> None:
    a = world.queue("a")
    workflow = world.simple_workflow(a)
    text = world.state.workflow(workflow).configuration
    with pytest.raises(Refused, match=r"filters\[0\]\.expression: column 2"):
        world.do(c.UpdateWorkflow(workflow, friendly_name="x", configuration=json.dumps(routing(one("a")))))
    with pytest.raises(
        Refused, match=r"^default_filter\.queue: there is no TaskQueue 'WQ0' in this workspace$"
    ):
        changed_to(world, workflow, "WQ0", re_evaluate_tasks=True)
    assert not world.changes
    assert world.state.workflow(workflow).configuration == text
    assert world.state.workflow(workflow).friendly_name == "workflow"
    assert world.queue_of(world.task()) == "a"


# Changed attributes


def test_an_attribute_write_may_move_a_task_that_has_gone_on_to_a_later_filter(world: World) -> None:
    a, b, grab = (world.queue(name, "1==0") for name in ("a", "b", "grab"))
    world.workflow(
        routing(
            one("grab == 1", {"queue": grab}),
            one("1==1", {"queue": a, "timeout": 10}),
            one("2==2", {"queue": b}),
        )
    )
    task = world.task()
    world.wait(10)
    assert world.queue_of(task) == "b"
    world.attributes(task, other=1)
    assert (world.queue_of(task), world.events) == ("b", ["task.updated"])
    world.attributes(task, grab=1)
    assert world.queue_of(task) == "grab"


def test_a_priority_write_walks_the_filters_again_and_stays_where_it_leads(world: World) -> None:
    queue = world.queue("q", "1==0")
    world.steps({"queue": queue, "timeout": 10, "priority": 3}, {"timeout": 10})
    task = world.task()
    world.wait(5)
    world.do(c.UpdateTask(task, priority=8))
    assert world.events == ["task.updated"]
    assert world.get(task).priority == 8
    world.wait(5)
    assert (world.get(task).target_index, world.get(task).priority) == (1, 8)


def test_an_attribute_write_that_no_filter_matches_cancels_the_task(world: World) -> None:
    world.workflow(routing(one("x == 1", {"queue": world.queue("q", "1==0")})))
    task = world.task(attributes={"x": 1})
    world.attributes(task, x=2)
    assert world.events == ["task.updated", "workflow.timeout", "task.canceled"]
    assert (
        world.reason(task) == "Task canceled: no filter of the Workflow matches and it has no default filter"
    )
    assert [warning.code for warning in world.changes.warnings] == [14222]
