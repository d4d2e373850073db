"""Tasks for one worker, one queue or one workflow: RoutingTarget, IgnoreCapacity, TaskQueueSid (behaviour §2,
§4; OQ-19, OQ-20).
"""

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Refused
from tests.routing.world import World, one, routing


@pytest.fixture
def world() -> World:
    """A workflow that would cancel every task that went through its filters."""
    world = World()
    world.workflow(routing(one("1==0", {"queue": world.queue()})), assignment_callback_url="http://x/")
    return world


def to_worker(world: World, worker: str, **options: object) -> str:
    return world.task(routing_target=worker, **options)


def test_a_worker_target_goes_past_filters_and_queues(world: World) -> None:
    world.worker("ann")
    bob = world.worker("bob")
    task = to_worker(world, bob)
    assert world.events == ["task.created", "reservation.created"]
    assert world.offered_to(task) == ["bob"]
    assert world.get(task).task_queue_sid is None


def test_a_worker_target_with_a_queue_stands_in_that_queue_for_that_worker_alone(world: World) -> None:
    world.worker("ann")
    bob = world.worker("bob")
    queue = world.queue("nobody's", target_workers="1==2")
    task = to_worker(world, bob, task_queue_sid=queue)
    assert world.events == ["task.created", "task-queue.entered", "reservation.created"]
    assert world.offered_to(task) == ["bob"]
    assert world.get(task).task_queue_sid == queue


def test_a_worker_target_ignores_capacity_and_activity_unless_told_otherwise(world: World) -> None:
    ann = world.worker("ann", "Offline")
    world.do(c.UpdateWorkerChannel(ann, "default", capacity=0, available=False))
    tasks = [to_worker(world, ann) for _ in range(3)]
    assert [world.status(task) for task in tasks] == [T.RESERVED] * 3
    assert all(world.get(task).ignore_capacity for task in tasks)
    assert world.status(to_worker(world, ann, ignore_capacity=False)) is T.PENDING


def test_without_ignore_capacity_it_waits_for_activity_and_capacity(world: World) -> None:
    ann = world.worker("ann", "Offline")
    first = to_worker(world, ann, ignore_capacity=False)
    second = to_worker(world, ann, ignore_capacity=False)
    world.activity(ann, "Available")
    assert (world.status(first), world.status(second)) == (T.RESERVED, T.PENDING)
    world.accept(first)
    world.complete(first)
    assert world.status(second) is T.RESERVED


def test_a_worker_who_stays_unavailable_keeps_the_task_waiting_until_its_ttl(world: World) -> None:
    ann = world.worker("ann", "Offline")
    task = to_worker(world, ann, ignore_capacity=False, timeout_s=600)
    world.wait(599.999)
    assert world.status(task) is T.PENDING
    world.wait(0.001)
    assert world.reason(task) == "Task TTL Exceeded"


def test_a_worker_who_refuses_is_asked_again_after_the_back_off(world: World) -> None:
    ann = world.worker("ann")
    task = to_worker(world, ann)
    world.reject(task)
    assert world.status(task) is T.PENDING
    world.wait(1)
    assert world.offered_to(task) == ["ann"]


def test_ignore_capacity_needs_a_worker_target(world: World) -> None:
    queue = next(iter(world.state.task_queues))
    for target in ({}, {"routing_target": queue}, {"task_queue_sid": queue}):
        with pytest.raises(Refused, match=r"^IgnoreCapacity: only with a Worker as RoutingTarget$"):
            world.task(ignore_capacity=True, **target)
        assert not world.get(world.task(routing_target=queue)).ignore_capacity


@pytest.mark.parametrize("field", ["routing_target", "task_queue_sid"])
def test_a_queue_target_waits_in_that_queue_past_the_filters_until_its_ttl(world: World, field: str) -> None:
    queue = world.queue("straight", "level == 1")
    task = world.task(timeout_s=7200, **{field: queue})
    assert world.events == ["task.created", "task-queue.entered"]
    assert world.queue_of(task) == "straight"
    world.worker("bob")
    assert world.status(task) is T.PENDING
    world.wait(7199.999)
    assert world.status(task) is T.PENDING
    world.wait(0.001)
    assert world.events == ["task.canceled"]
    assert world.reason(task) == "Task TTL Exceeded"


@pytest.mark.parametrize("field", ["routing_target", "task_queue_sid"])
def test_a_queue_target_is_offered_to_the_workers_of_the_queue(world: World, field: str) -> None:
    queue = world.queue("straight", "level == 1", max_reserved_workers=2)
    world.worker("ann", level=2)
    for name in ("bob", "cid", "dan"):
        world.worker(name, level=1)
    assert world.offered_to(world.task(**{field: queue})) == ["bob", "cid"]


def test_a_workflow_target_goes_through_that_workflows_filters(world: World) -> None:
    queue = world.queue("other")
    other = world.simple_workflow(queue, name="other")
    task = world.task(routing_target=other)
    assert world.get(task).workflow_sid == other
    assert world.queue_of(task) == "other"
    assert world.events[:2] == ["task.created", "workflow.entered"]


def test_a_workflow_target_and_another_workflow_exclude_each_other(world: World) -> None:
    first = next(iter(world.state.workflows))
    other = world.simple_workflow(world.queue("other"), name="other")
    with pytest.raises(Refused, match=r"^RoutingTarget and WorkflowSid name different Workflows$"):
        world.task(routing_target=other, workflow_sid=first)
    assert world.status(world.task(routing_target=other, workflow_sid=other)) is T.PENDING


@pytest.mark.parametrize("kind", ["worker", "queue", "queue field"])
def test_the_only_workflow_supplies_callback_and_reservation_timeout(world: World, kind: str) -> None:
    workflow = next(iter(world.state.workflows))
    world.do(c.UpdateWorkflow(workflow, task_reservation_timeout_s=7))
    queue, ann = world.queue("straight"), world.worker("ann")
    options = {
        "worker": {"routing_target": ann},
        "queue": {"routing_target": queue},
        "queue field": {"task_queue_sid": queue},
    }[kind]
    task = world.task(**options)
    (callback,) = world.changes.callbacks
    assert (callback.workflow_sid, callback.url) == (workflow, "http://x/")
    world.wait(6.999)
    assert world.status(task) is T.RESERVED
    world.wait(0.001)
    assert world.status(task) is T.PENDING


def test_of_several_workflows_the_given_one_supplies_them_and_without_one_nobody_is_called(
    world: World,
) -> None:
    other = world.simple_workflow(world.queue("other"), name="other", assignment_callback_url="http://y/")
    ann = world.worker("ann")
    world.task(routing_target=ann, workflow_sid=other)
    assert [callback.url for callback in world.changes.callbacks] == ["http://y/"]
    task = world.task(routing_target=ann)
    assert not world.changes.callbacks
    assert world.offers(task)[0].timeout_s == 120


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"routing_target": "WK0"}, "^RoutingTarget: there is no Worker WK0 in this workspace$"),
        ({"routing_target": "WQ0"}, "^there is no TaskQueue WQ0 in this workspace$"),
        ({"routing_target": "WW0"}, "^RoutingTarget: there is no Workflow WW0 in this workspace$"),
        ({"task_queue_sid": "WQ0"}, "^there is no TaskQueue WQ0 in this workspace$"),
        ({"workflow_sid": "WW0"}, "^WorkflowSid: there is no Workflow WW0 in this workspace$"),
    ],
)
def test_a_target_that_does_not_exist_is_refused(world: World, options: dict[str, str], message: str) -> None:
    with pytest.raises(Refused, match=message):
        world.task(**options)
    assert not world.changes
    assert not world.state.tasks


def test_an_attribute_write_leaves_a_direct_task_where_it_is(world: World) -> None:
    queue = world.queue("straight", "level == 1")
    task = world.task(task_queue_sid=queue)
    world.attributes(task, a=1)
    assert world.events == ["task.updated"]
    assert world.queue_of(task) == "straight"


def test_a_worker_target_who_is_deleted_leaves_the_task_waiting(world: World) -> None:
    ann = world.worker("ann")
    task = to_worker(world, ann)
    world.do(c.DeleteWorker(ann))
    assert world.events == ["reservation.canceled", "worker.deleted"]
    assert world.status(task) is T.PENDING
