"""The assignment callback as the core asks for it, and what its outcome does (behaviour §8)."""

import json

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from tests.routing.world import ACCOUNT, WORKSPACE, World


@pytest.fixture
def world() -> World:
    world = World()
    queue = world.queue(max_reserved_workers=2)
    world.simple_workflow(
        queue, assignment_callback_url="http://x/", fallback_assignment_callback_url="http://y/"
    )
    return world


def test_a_callback_has_exactly_the_documented_fields(world: World) -> None:
    ann = world.worker("ann", "Offline", skill="tea")
    task = world.task(attributes={"a": "é"}, priority=7)
    world.wait(61.999)
    world.activity(ann, "Available")
    (callback,) = world.changes.callbacks
    (queue,), (workflow,) = world.state.task_queues, world.state.workflows
    assert callback.fields == {
        "AccountSid": ACCOUNT,
        "WorkspaceSid": WORKSPACE,
        "WorkflowSid": workflow,
        "TaskSid": task,
        "TaskAttributes": json.dumps({"a": "é"}),
        "TaskAge": "61",
        "TaskPriority": "7",
        "TaskQueueSid": queue,
        "ReservationSid": world.offers(task)[0].sid,
        "WorkerSid": ann,
        "WorkerName": "ann",
        "WorkerAttributes": '{"skill": "tea"}',
        "Timestamp": str(world.now_ms // 1000),
    }
    assert (callback.url, callback.fallback_url) == ("http://x/", "http://y/")
    assert (callback.task_sid, callback.worker_sid, callback.workflow_sid) == (task, ann, workflow)


def test_every_reservation_of_a_round_has_its_own_callback(world: World) -> None:
    for name in ("ann", "bob"):
        world.worker(name)
    task = world.task()
    sids = [offer.sid for offer in world.offers(task)]
    assert [callback.reservation_sid for callback in world.changes.callbacks] == sids
    assert [callback.fields["WorkerName"] for callback in world.changes.callbacks] == ["ann", "bob"]


def test_without_a_url_nobody_is_called_and_the_reservation_waits() -> None:
    world = World()
    world.simple_workflow(world.queue())
    world.worker("ann")
    task = world.task()
    assert not world.changes.callbacks
    world.wait(119.999)
    assert world.status(task) is T.RESERVED


def test_an_answer_without_instruction_leaves_the_reservation_pending(world: World) -> None:
    world.worker("ann")
    task = world.task()
    (reservation,) = world.offers(task)
    world.do(c.AssignmentInstructed(reservation.sid, None))
    assert world.events == []
    assert world.status(task) is T.RESERVED
    assert world.changes.callbacks_settled == [reservation.sid]
    world.accept(task)
    assert world.status(task) is T.ASSIGNED


@pytest.mark.parametrize("end", ["accept", "reject", "time out", "cancel", "delete"])
def test_a_callback_is_settled_when_its_reservation_is_no_longer_pending(world: World, end: str) -> None:
    for name in ("ann", "bob"):
        world.worker(name)
    task = world.task()
    first, second = world.offers(task)
    if end == "accept":
        world.accept(task)
    elif end == "reject":
        world.reject(task)
    elif end == "time out":
        world.timeout(task)
    elif end == "cancel":
        world.cancel(task)
    else:
        world.do(c.DeleteTask(task))
    expected = [first.sid] if end == "reject" else [first.sid, second.sid]
    assert world.changes.callbacks_settled == expected


@pytest.mark.parametrize("instruction", [None, "accept", "reject"])
def test_an_answer_for_a_reservation_that_has_ended_does_nothing(
    world: World, instruction: str | None
) -> None:
    world.worker("ann")
    task = world.task()
    (reservation,) = world.offers(task)
    world.cancel(task)
    world.do(c.AssignmentInstructed(reservation.sid, instruction))
    world.do(c.AssignmentCallbackFailed(reservation.sid, "late"))
    assert not world.changes


def test_both_urls_failing_ends_the_round_only_when_it_was_the_last_offer(world: World) -> None:
    for name in ("ann", "bob"):
        world.worker(name)
    task = world.task()
    first, second = world.offers(task)
    world.do(c.AssignmentCallbackFailed(first.sid, "no answer"))
    assert (world.events, world.status(task)) == (["reservation.canceled"], T.RESERVED)
    world.do(c.AssignmentCallbackFailed(second.sid, "no answer"))
    assert (world.events, world.status(task)) == (["reservation.canceled"], T.PENDING)
