"""Queues: who is in them, how many are asked at once, and which task is first (behaviour §1, §3, §6)."""

from typing import Any

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskOrder
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import NotFound, Refused
from tests.routing.world import ACCOUNT, WORKSPACE, World


@pytest.fixture
def world() -> World:
    return World()


def members(world: World, queue: str) -> set[str]:
    return {world.get_worker(sid).friendly_name for sid in world.core.board.eligibility.members(queue)}


def test_a_queue_takes_everybody_one_at_a_time_oldest_first_by_default(world: World) -> None:
    view = world.do(c.CreateTaskQueue(world.new_sid("WQ"), "plain"))
    assert (view.target_workers, view.max_reserved_workers, view.task_order) == ("1==1", 1, TaskOrder.FIFO)
    assert (view.reservation_activity_sid, view.assignment_activity_sid) == (None, None)


def test_a_name_is_taken_once(world: World) -> None:
    world.queue("Sales")
    other = world.queue("sales")
    message = f"^Queue named Sales already exists for workspace {WORKSPACE} for account {ACCOUNT}$"
    with pytest.raises(Refused, match=message):
        world.queue("Sales")
    with pytest.raises(Refused, match=message):
        world.do(c.UpdateTaskQueue(other, friendly_name="Sales"))
    assert not world.changes


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_expression_matches_nobody_and_its_tasks_wait_until_it_changes(
    world: World, text: str
) -> None:
    queue = world.queue(target_workers=text)
    world.simple_workflow(queue)
    world.worker("ann")
    task = world.task()
    world.wait(3600)
    assert world.status(task) is T.PENDING
    world.do(c.UpdateTaskQueue(queue, target_workers="1==1"))
    assert world.events == ["task-queue.expression.updated", "reservation.created"]


@pytest.mark.parametrize("text", ["level HAS 'support'", "1==0", "1=0", "worker.level == 1"])
def test_an_expression_that_never_holds_is_saved(world: World, text: str) -> None:
    queue = world.queue(target_workers=text)
    world.worker("ann", level=1)
    assert members(world, queue) == set()


def test_an_expression_that_cannot_be_read_is_refused_and_changes_nothing(world: World) -> None:
    with pytest.raises(Refused, match=r"^TargetWorkers: column 5: found 'evel', expecting operator"):
        world.queue(target_workers="lev evel HAS 'x'")
    queue = world.queue(target_workers="1==0")
    with pytest.raises(Refused, match=r"^TargetWorkers: column 2"):
        world.do(c.UpdateTaskQueue(queue, target_workers="a-b == 1", max_reserved_workers=9))
    assert world.state.task_queue(queue).max_reserved_workers == 1
    assert world.state.task_queue(queue).target_workers == "1==0"


@pytest.mark.parametrize("name", ["reservation_activity_sid", "assignment_activity_sid"])
def test_an_activity_that_does_not_exist_is_refused(world: World, name: str) -> None:
    with pytest.raises(Refused, match="ActivitySid: there is no Activity WA0 in this workspace"):
        world.queue(**{name: "WA0"})
    queue = world.queue()
    with pytest.raises(Refused, match="ActivitySid: there is no Activity WA0 in this workspace"):
        world.do(c.UpdateTaskQueue(queue, **{name: "WA0"}))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("languages HAS 'en'", {"ann", "bob"}),
        ("level > 2", {"ann"}),
        ("friendly_name == 'bob'", {"bob"}),
        ("activity_name == 'Offline'", {"bob"}),
        ("activity_name in ['Available', 'On a break']", {"ann"}),
        ("activity_sid != null AND sid != null", {"ann", "bob"}),
        ("nested.team[0].lead == 'zoe'", {"ann"}),
        ("channel.voice.configured_capacity == 1", set()),
        ("task.level == 3", set()),
    ],
)
def test_target_workers_reads_attributes_by_bare_name_and_the_built_in_fields(
    world: World, expression: str, expected: set[str]
) -> None:
    world.worker("ann", languages=["en", "fr"], level=3, nested={"team": [{"lead": "zoe"}]})
    world.worker("bob", "Offline", languages=["en"], level=2)
    assert members(world, world.queue(target_workers=expression)) == expected


@pytest.mark.parametrize("name", ["sid", "friendly_name", "activity_sid", "activity_name"])
def test_a_built_in_field_beats_an_attribute_of_the_same_name(world: World, name: str) -> None:
    world.worker("ann", **{name: "mine"})
    assert members(world, world.queue(target_workers=f"{name} == 'mine'")) == set()


def test_a_prefix_is_no_more_than_the_name_of_an_attribute(world: World) -> None:
    world.worker("ann", worker={"level": 1})
    world.worker("bob", level=1)
    assert members(world, world.queue(target_workers="worker.level == 1")) == {"ann"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda world, ann: world.attributes(ann, level=5), ["ann"]),
        (lambda world, ann: world.attributes(ann, level=1), []),
        (lambda world, ann: world.attributes(ann), []),
    ],
)
def test_membership_follows_the_workers_attributes(world: World, change: Any, expected: list[str]) -> None:
    world.simple_workflow(world.queue(target_workers="level >= 3"))
    ann = world.worker("ann", level=2)
    task = world.task()
    change(world, ann)
    assert world.offered_to(task) == expected


def test_a_changed_expression_leaves_open_offers_and_counts_for_later_ones(world: World) -> None:
    queue = world.queue()
    world.simple_workflow(queue)
    ann = world.worker("ann", level=1)
    world.capacity(ann, "default", 2)
    offered = world.task()
    world.do(c.UpdateTaskQueue(queue, target_workers="level == 2"))
    assert world.events == ["task-queue.expression.updated"]
    assert world.offered_to(offered) == ["ann"]
    assert world.status(world.task()) is T.PENDING
    world.accept(offered)
    assert world.status(offered) is T.ASSIGNED


def test_only_a_change_of_the_expression_is_an_event(world: World) -> None:
    queue = world.queue(target_workers="level == 2")
    world.do(
        c.UpdateTaskQueue(queue, friendly_name="other", max_reserved_workers=3, target_workers="level == 2")
    )
    assert world.events == []
    assert world.changes.task_queues[queue].friendly_name == "other"
    world.do(c.UpdateTaskQueue(queue, target_workers="level == 3"))
    data = world.event("task-queue.expression.updated").data
    assert data["task_queue_target_expression"] == "level == 3"


@pytest.mark.parametrize(
    ("maximum", "names"), [(1, ["ann"]), (2, ["ann", "bob"]), (50, ["ann", "bob", "cid"])]
)
def test_as_many_workers_are_asked_at_once_as_the_queue_says_or_as_there_are(
    world: World, maximum: int, names: list[str]
) -> None:
    world.simple_workflow(world.queue(max_reserved_workers=maximum), assignment_callback_url="http://x/")
    for name in ("ann", "bob", "cid"):
        world.worker(name)
    task = world.task()
    assert world.offered_to(task) == names
    assert world.events[-len(names) :] == ["reservation.created"] * len(names)
    assert [callback.reservation_sid for callback in world.changes.callbacks] == [
        offer.sid for offer in world.offers(task)
    ]


def test_the_task_is_pending_again_only_when_the_last_offer_of_the_round_ended(world: World) -> None:
    world.simple_workflow(world.queue(max_reserved_workers=3))
    for name in ("ann", "bob", "cid"):
        world.worker(name)
    task = world.task()
    first, second, third = world.offers(task)
    world.move(first, R.REJECTED)
    assert world.status(task) is T.RESERVED
    world.do(c.AssignmentCallbackFailed(second.sid, "no answer"))
    assert world.status(task) is T.RESERVED
    world.timeout(task)
    assert (first.status, second.status, third.status) == (R.REJECTED, R.CANCELED, R.TIMEOUT)
    assert world.events[:2] == ["reservation.timeout", "worker.activity.update"]
    assert world.get(task).assignment_count == 2


def test_a_changed_order_sorts_the_waiting_tasks_anew(world: World) -> None:
    queue = world.queue()
    world.simple_workflow(queue)
    first, second = world.task(), world.task()
    world.do(c.UpdateTaskQueue(queue, task_order=TaskOrder.LIFO))
    world.worker("ann")
    assert (world.status(first), world.status(second)) == (T.PENDING, T.RESERVED)


def test_a_queue_that_does_not_exist_is_not_found(world: World) -> None:
    for command in (c.UpdateTaskQueue("WQ0"), c.DeleteTaskQueue("WQ0")):
        with pytest.raises(NotFound):
            world.do(command)
