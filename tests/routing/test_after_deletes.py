"""What was deleted has no say any more: the next queue, task or worker does not meet it (behaviour §1)."""

import pytest

from engine.routing import commands as c
from engine.routing.effects import Kind
from engine.routing.errors import Refused
from tests.routing.world import World, one, routing


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("text", ["lang == 'x'", "langs HAS 'x'", "1==1"])
def test_a_deleted_worker_is_in_no_later_queue_and_class(world: World, text: str) -> None:
    queue = world.queue("a", text)
    step = {"queue": queue, "expression": "worker.lang == task.lang"}
    world.steps(step)
    ann = world.worker("ann", lang="x", langs=["x"])
    task = world.task(attributes={"lang": "x"})
    world.cancel(task)
    world.do(c.DeleteWorker(ann))
    later = world.queue("b", text)
    assert world.core.board.eligibility.members(later) == set()
    assert world.offered_to(world.task(attributes={"lang": "x"})) == []
    world.worker("bob", lang="x", langs=["x"])
    assert len(world.core.board.eligibility.members(later)) == 1


def test_a_deleted_queue_does_not_meet_workers_by_what_it_once_asked_for(world: World) -> None:
    queue = world.queue("a", "lang == 'x'")
    world.do(c.UpdateTaskQueue(queue, target_workers="lang == 'y'"))
    world.do(c.DeleteTaskQueue(queue))
    for lang in "xy":
        world.worker(lang, lang=lang)
        assert world.events == ["worker.created"]


def test_the_workers_of_a_deleted_queue_can_change(world: World) -> None:
    queue = world.queue("a")
    workflow = world.workflow(
        routing(one("1==1", {"queue": queue, "expression": "worker.channel.chat.assigned_tasks < 9"}))
    )
    ann = world.worker("ann")
    task = world.task()
    world.accept(task)
    world.complete(task)
    world.do(c.DeleteWorkflow(workflow))
    world.do(c.DeleteTaskQueue(queue))
    world.attributes(ann, lang="x")
    assert world.events == ["worker.attributes.update"]
    world.capacity(ann, "chat", 3)
    assert world.events == ["worker.capacity.update"]
    world.activity(ann, "Offline")
    world.do(c.DeleteWorker(ann))
    assert world.events == ["worker.deleted"]


def test_the_workers_of_a_deleted_channel_can_change(world: World) -> None:
    world.do(c.CreateTaskChannel(world.new_sid("TC"), "Fax", "fax", channel_optimized_routing=True))
    world.steps({"queue": world.queue("a"), "expression": "worker.lang == 'x'"})
    ann = world.worker("ann", lang="x")
    task = world.task(task_channel="fax")
    world.accept(task)
    world.complete(task)
    world.do(c.DeleteTaskChannel("fax"))
    world.attributes(ann, lang="y")
    world.attributes(ann, lang="x")
    assert world.offered_to(world.task()) == ["ann"]
    world.do(c.CreateTaskChannel(world.new_sid("TC"), "Fax", "fax"))
    assert world.offered_to(world.task(task_channel="fax")) == ["ann"]


def test_an_expression_does_not_find_the_figures_of_a_deleted_channel(world: World) -> None:
    world.do(c.CreateTaskChannel(world.new_sid("TC"), "Fax", "fax"))
    world.steps({"queue": world.queue("a"), "expression": "worker.channel.fax.configured_capacity == 1"})
    ann = world.worker("ann")
    first = world.task()
    assert world.offered_to(first) == ["ann"]
    world.cancel(first)
    world.do(c.DeleteTaskChannel("fax"))
    assert world.offered_to(world.task()) == []
    assert "fax" not in world.get_worker(ann).environment["worker"]["channel"]


def test_a_channel_is_in_use_while_an_offer_was_made_on_it(world: World) -> None:
    for name in ("fax", "telex"):
        world.do(c.CreateTaskChannel(world.new_sid("TC"), name, name))
    world.simple_workflow(world.queue("a"))
    world.worker("ann")
    task = world.task(task_channel="fax")
    world.accept(task)
    world.do(c.UpdateTask(task, task_channel="chat"))
    with pytest.raises(Refused, match=f"1 open task\\(s\\), {task} use it$"):
        world.do(c.DeleteTaskChannel("fax"))
    world.do(c.DeleteTaskChannel("telex"))
    world.complete(task)
    world.do(c.DeleteTaskChannel("fax"))
    assert world.events == ["task-channel.deleted"]


def test_a_batch_that_changes_and_deletes_a_channel_writes_no_worker_channel_of_it(world: World) -> None:
    world.do(c.CreateTaskChannel(world.new_sid("TC"), "fax", "fax"))
    ann = world.worker("ann")
    gone = world.channel_of(ann, "fax").sid
    world.core.handle(c.UpdateWorkerChannel(ann, "fax", capacity=3), world.now_ms)
    world.core.handle(c.DeleteTaskChannel("fax"), world.now_ms)
    changes = world.core.take_changes()
    assert gone not in changes.worker_channels
    assert (Kind.WORKER_CHANNEL, gone) in changes.removed
