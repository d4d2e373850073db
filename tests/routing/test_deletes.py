"""What can be deleted, and what a refusal names (behaviour §1 deletion rules; OQ-13, OQ-14)."""

import json

import pytest

from engine.routing import commands as c
from engine.routing.effects import Kind
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import NotFound, Refused
from tests.routing.world import World, routing


@pytest.fixture
def world() -> World:
    return World()


def refusal(world: World, command: object) -> str:
    """The text of a refusal that changed nothing."""
    with pytest.raises(Refused) as caught:
        world.do(command)
    assert not world.changes
    return caught.value.message


@pytest.mark.parametrize(("name", "role"), [("Offline", "default"), ("Unavailable", "timeout")])
def test_the_default_and_the_timeout_activity_stay(world: World, name: str, role: str) -> None:
    world.do(c.UpdateWorkspace(timeout_activity_sid=world.activities["Unavailable"]))
    sid = world.activities[name]
    message = f"Cannot delete activity {sid}: it is the workspace's {role} activity"
    assert refusal(world, c.DeleteActivity(sid)) == message


def test_an_activity_with_workers_in_it_stays_and_their_number_is_named(world: World) -> None:
    ann, bob = world.worker("ann"), world.worker("bob")
    sid = world.activities["Available"]
    assert refusal(world, c.DeleteActivity(sid)) == f"Cannot delete activity {sid}: 2 worker(s) are in it"
    for worker in (ann, bob):
        world.activity(worker, "Offline")
    world.do(c.DeleteActivity(sid))
    assert world.events == ["activity.deleted"]
    assert world.changes.removed == [(Kind.ACTIVITY, sid)]


@pytest.mark.parametrize("field", ["reservation_activity_sid", "assignment_activity_sid"])
def test_an_activity_that_a_queue_names_stays_and_the_queue_is_named(world: World, field: str) -> None:
    sid = world.activities["Unavailable"]
    queue = world.queue(**{field: sid})
    message = f"Cannot delete activity {sid}: queue {queue} names it"
    assert refusal(world, c.DeleteActivity(sid)) == message
    world.do(c.UpdateTaskQueue(queue, **{field: None}))
    world.do(c.DeleteActivity(sid))
    assert sid not in world.state.activities


@pytest.mark.parametrize("status", [T.PENDING, T.RESERVED])
def test_a_workflow_that_controls_waiting_tasks_stays_and_they_are_named(world: World, status: T) -> None:
    workflow = world.simple_workflow(world.queue())
    if status is T.RESERVED:
        world.worker("ann")
    task = world.task()
    assert world.status(task) is status
    message = f"Cannot delete workflow {workflow}: it controls 1 open task(s), {task}"
    assert refusal(world, c.DeleteWorkflow(workflow)) == message
    world.cancel(task)
    world.do(c.DeleteWorkflow(workflow))
    assert world.events == ["workflow.deleted"]


def test_of_many_tasks_five_are_named_and_all_are_counted(world: World) -> None:
    workflow = world.simple_workflow(world.queue())
    tasks = [world.task() for _ in range(7)]
    message = refusal(world, c.DeleteWorkflow(workflow))
    assert message.endswith(f"7 open task(s), {', '.join(tasks[:5])} … (7 in all)")


@pytest.mark.parametrize("status", [R.ACCEPTED, R.WRAPPING])
def test_assigned_and_wrapping_tasks_do_not_keep_their_workflow(world: World, status: R) -> None:
    workflow = world.simple_workflow(world.queue())
    world.worker("ann")
    task = world.task()
    world.accept(task)
    if status is R.WRAPPING:
        world.move(world.offers(task)[0], R.WRAPPING)
    world.do(c.DeleteWorkflow(workflow))
    world.complete(task)
    assert world.events == ["task.completed", "reservation.completed", "task.updated"]


def test_a_queue_that_a_workflow_names_stays_and_the_workflow_is_named(world: World) -> None:
    queue = world.queue()
    workflow = world.simple_workflow(queue)
    message = f"Cannot delete queue {queue}: workflow {workflow} names it"
    assert refusal(world, c.DeleteTaskQueue(queue)) == message
    world.do(c.DeleteWorkflow(workflow))
    world.do(c.DeleteTaskQueue(queue))
    assert world.events == ["task-queue.deleted"]


def test_a_queue_that_an_older_configuration_of_a_waiting_task_names_stays(world: World) -> None:
    a, b = world.queue("a"), world.queue("b", "1==0")
    steps = [{"queue": b, "timeout": 60}, {"queue": a}]
    filter_ = {"expression": "1==1", "targets": steps}
    workflow = world.workflow(routing(filter_))
    task = world.task()
    world.do(c.UpdateWorkflow(workflow, configuration=json.dumps(routing(default=b))))
    message = f"Cannot delete queue {a}: 1 open task(s), {task} are in it or may still come to it"
    assert refusal(world, c.DeleteTaskQueue(a)) == message
    world.do(c.UpdateWorkflow(workflow, re_evaluate_tasks=True))
    world.do(c.DeleteTaskQueue(a))
    assert a not in world.state.task_queues


def test_a_queue_with_a_task_in_it_stays_until_the_task_is_gone(world: World) -> None:
    queue = world.queue()
    task = world.task(task_queue_sid=queue)
    message = f"Cannot delete queue {queue}: 1 open task(s), {task} are in it or may still come to it"
    assert refusal(world, c.DeleteTaskQueue(queue)) == message
    world.do(c.DeleteTask(task))
    world.do(c.DeleteTaskQueue(queue))
    assert not world.state.task_queues


@pytest.mark.parametrize("name", ["default", "voice", "sms", "chat", "video"])
def test_the_five_channels_of_the_beginning_stay(world: World, name: str) -> None:
    sid = world.channel_sid(name)
    message = f"Cannot delete task channel {sid}: {name} is a default channel"
    assert refusal(world, c.DeleteTaskChannel(name)) == message


def test_a_channel_with_open_tasks_stays_and_they_are_named(world: World) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    sid = world.do(c.CreateTaskChannel(world.new_sid("TC"), "Fax", "fax")).sid
    task = world.task(task_channel="fax")
    world.accept(task)
    message = f"Cannot delete task channel {sid}: 1 open task(s), {task} use it"
    assert refusal(world, c.DeleteTaskChannel("fax")) == message
    world.complete(task)
    world.do(c.DeleteTaskChannel("fax"))
    assert world.events == ["task-channel.deleted"]
    assert sid not in world.get_worker(ann).channels
    with pytest.raises(Refused, match="there is no TaskChannel 'fax'"):
        world.task(task_channel="fax")


def test_a_worker_with_pending_offers_goes_and_the_tasks_are_routed_again(world: World) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    first, second = world.task(), world.task(task_channel="chat")
    world.do(c.DeleteWorker(ann))
    assert world.events == ["reservation.canceled", "reservation.canceled", "worker.deleted"]
    assert (world.status(first), world.status(second)) == (T.PENDING, T.PENDING)
    world.worker("bob")
    assert world.offered_to(first) == world.offered_to(second) == ["bob"]


def test_with_another_worker_the_task_of_a_deleted_one_is_offered_on_at_once(world: World) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    world.worker("bob")
    task = world.task()
    world.do(c.DeleteWorker(ann))
    assert world.events == ["reservation.canceled", "worker.deleted", "reservation.created"]
    assert world.offered_to(task) == ["bob"]


def test_a_round_goes_on_with_the_other_offers_when_one_worker_is_deleted(world: World) -> None:
    world.simple_workflow(world.queue(max_reserved_workers=2))
    ann = world.worker("ann")
    world.worker("bob")
    task = world.task()
    world.do(c.DeleteWorker(ann))
    assert world.events == ["reservation.canceled", "worker.deleted"]
    assert (world.status(task), world.offered_to(task)) == (T.RESERVED, ["bob"])


@pytest.mark.parametrize("status", [R.ACCEPTED, R.WRAPPING])
def test_a_worker_who_holds_tasks_stays_and_they_are_named(world: World, status: R) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    task, offered = world.task(), world.task(task_channel="chat")
    world.accept(task)
    if status is R.WRAPPING:
        world.move(world.offers(task)[0], R.WRAPPING)
    message = f"Cannot delete worker {ann}: it holds 1 accepted or wrapping reservation(s), of {task}"
    assert refusal(world, c.DeleteWorker(ann)) == message
    assert world.status(offered) is T.RESERVED
    world.complete(task)
    world.do(c.DeleteWorker(ann))
    assert world.events == ["reservation.canceled", "worker.deleted"]


def test_what_is_deleted_is_not_found_afterwards(world: World) -> None:
    queue, ann = world.queue(), world.worker("ann")
    workflow = world.simple_workflow(queue)
    task = world.task(timeout_s=5)
    commands = [c.DeleteTask(task), c.DeleteWorkflow(workflow), c.DeleteTaskQueue(queue), c.DeleteWorker(ann)]
    for command in commands:
        world.do(command)
    for command in commands:
        with pytest.raises(NotFound):
            world.do(command)
    world.wait(10)
    assert world.events == []
