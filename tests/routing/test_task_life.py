"""A task from creation to its end (behaviour §2, §3)."""

from copy import copy

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Gone, NotFound, Refused, VersionMismatch
from engine.routing.limits import RoutingLimits
from engine.routing.states import finished_reservation_refusal
from tests.routing.world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.simple_workflow(world.queue())
    return world


def test_a_new_task_waits_in_the_queue_of_its_workflow(world: World) -> None:
    task = world.task()
    assert world.status(task) is T.PENDING
    assert world.events == [
        "task.created",
        "workflow.entered",
        "task-queue.entered",
        "workflow.target-matched",
    ]


def test_a_task_is_offered_to_an_available_worker_at_once(world: World) -> None:
    world.worker("ann")
    task = world.task()
    assert world.status(task) is T.RESERVED
    assert world.events[-1] == "reservation.created"
    assert world.offered_to(task) == ["ann"]


def test_a_worker_who_becomes_available_gets_the_waiting_task(world: World) -> None:
    ann = world.worker("ann", "Offline")
    task = world.task()
    assert world.status(task) is T.PENDING
    world.activity(ann, "Available")
    assert world.offered_to(task) == ["ann"]


def test_accept_complete_frees_the_worker_for_the_next_task(world: World) -> None:
    world.worker("ann")
    first, second = world.task(), world.task()
    world.accept(first)
    assert world.status(first) is T.ASSIGNED
    assert world.status(second) is T.PENDING
    world.complete(first)
    assert world.events == [
        "task.completed",
        "reservation.completed",
        "task.updated",
        "reservation.created",
    ]
    assert world.status(first) is None
    assert world.offered_to(second) == ["ann"]


def test_wrapping_still_uses_capacity(world: World) -> None:
    world.worker("ann")
    first, second = world.task(), world.task()
    world.accept(first)
    world.move(world.offers(first)[0], R.WRAPPING)
    assert world.events == ["task.wrapup", "reservation.wrapup"]
    assert world.status(first) is T.WRAPPING
    assert world.status(second) is T.PENDING


def test_a_rejected_task_goes_to_the_next_worker(world: World) -> None:
    world.worker("ann")
    world.worker("bob")
    task = world.task()
    world.reject(task)
    assert world.offered_to(task) == ["bob"]


def test_a_refused_offer_is_repeated_to_the_same_worker_only_after_a_back_off_that_doubles() -> None:
    world = World(limits=RoutingLimits(refusal_backoff_base_ms=1000))
    world.simple_workflow(world.queue())
    world.worker("ann")
    task = world.task()
    for wait_s in (1, 2, 4):
        world.reject(task)
        assert world.status(task) is T.PENDING
        world.wait(wait_s - 0.001)
        assert world.status(task) is T.PENDING
        world.wait(0.001)
        assert world.offered_to(task) == ["ann"]


def test_a_rejection_may_move_the_worker(world: World) -> None:
    ann = world.worker("ann")
    task = world.task()
    world.reject(task, activity_sid=world.activities["Unavailable"])
    assert world.events == ["reservation.rejected", "worker.activity.update"]
    assert world.get_worker(ann).activity_sid == world.activities["Unavailable"]


def test_a_reservation_that_times_out_sends_the_worker_to_the_timeout_activity(world: World) -> None:
    ann = world.worker("ann")
    task = world.task()
    world.wait(119.999)
    assert world.status(task) is T.RESERVED
    world.wait(0.001)
    assert world.events == ["reservation.timeout", "worker.activity.update"]
    assert world.status(task) is T.PENDING
    assert world.get_worker(ann).activity_sid == world.activities["Offline"]


def test_the_first_accept_rescinds_the_other_offers_of_the_round() -> None:
    world = World()
    world.simple_workflow(world.queue(max_reserved_workers=2))
    for name in ("ann", "bob", "cid"):
        world.worker(name)
    task = world.task()
    assert world.offered_to(task) == ["ann", "bob"]
    first, second = world.offers(task)
    world.move(second, R.ACCEPTED)
    assert world.events == ["reservation.accepted", "reservation.rescinded"]
    assert first.status is R.RESCINDED
    assert world.offered_to(task) == ["bob"]


def test_a_round_is_not_topped_up_while_an_offer_is_open() -> None:
    world = World()
    world.simple_workflow(world.queue(max_reserved_workers=2))
    for name in ("ann", "bob", "cid"):
        world.worker(name)
    task = world.task()
    world.reject(task)
    assert world.offered_to(task) == ["bob"]
    world.reject(task)
    assert world.offered_to(task) == ["cid"]


def test_a_task_that_outlives_its_ttl_is_canceled_with_its_offers(world: World) -> None:
    world.worker("ann")
    task = world.task(timeout_s=60)
    world.wait(60)
    assert world.events == ["task.canceled", "reservation.canceled"]
    assert world.changes.tasks[task].reason == "Task TTL Exceeded"


def test_an_assigned_task_outlives_its_ttl_but_not_a_day(world: World) -> None:
    world.worker("ann")
    task = world.task(timeout_s=60)
    world.accept(task)
    world.wait(86_399)
    assert world.status(task) is T.ASSIGNED
    world.wait(1)
    assert world.events == ["reservation.completed", "task.system-deleted"]


def test_a_task_offered_too_often_is_canceled() -> None:
    world = World(limits=RoutingLimits(assignment_count_max=2))
    world.simple_workflow(world.queue())
    world.worker("ann")
    world.worker("bob")
    task = world.task()
    world.reject(task)
    world.reject(task)
    assert world.status(task) is None
    assert world.events == ["reservation.rejected", "task.canceled"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (T.COMPLETED, "because it is not currently assigned."),
        (T.WRAPPING, "because it's not currently assigned."),
    ],
)
def test_a_pending_task_is_neither_completed_nor_wrapped(world: World, status: T, words: str) -> None:
    task = world.task()
    with pytest.raises(Refused, match=words):
        world.do(c.UpdateTask(task, assignment_status=status))
    assert world.status(task) is T.PENDING
    assert world.events == []


def test_an_assigned_task_is_never_canceled(world: World) -> None:
    world.worker("ann")
    task = world.task()
    world.accept(task)
    with pytest.raises(Refused, match="because it is not pending or reserved"):
        world.cancel(task)


def test_accepting_a_rescinded_offer_is_gone_once_the_runtime_asks_the_rows() -> None:
    world = World()
    world.simple_workflow(world.queue(max_reserved_workers=2))
    world.worker("ann")
    world.worker("bob")
    task = world.task()
    first, second = world.offers(task)
    world.move(second, R.ACCEPTED)
    with pytest.raises(NotFound):
        world.move(first, R.ACCEPTED)
    assert isinstance(finished_reservation_refusal(first, R.ACCEPTED), Gone)


def test_if_match_must_name_the_version(world: World) -> None:
    task = world.task()
    with pytest.raises(VersionMismatch):
        world.do(c.UpdateTask(task, priority=3, if_match=7))
    world.do(c.UpdateTask(task, priority=3, if_match=0))
    assert world.get(task).version == 1


def test_deleting_a_task_frees_the_worker(world: World) -> None:
    world.worker("ann")
    first, second = world.task(), world.task()
    world.accept(first)
    world.do(c.DeleteTask(first))
    assert world.events == ["reservation.completed", "task.deleted", "reservation.created"]
    assert world.offered_to(second) == ["ann"]


def test_a_callback_that_fails_cancels_the_reservation_and_the_task_goes_on(world: World) -> None:
    ann = world.worker("ann")
    task = world.task()
    world.do(c.AssignmentCallbackFailed(world.offers(task)[0].sid, "both URLs failed"))
    assert world.events == ["reservation.canceled"]
    assert world.get_worker(ann).activity_sid == world.activities["Available"]
    world.wait(1)
    assert world.offered_to(task) == ["ann"]


def test_an_answer_that_comes_too_late_changes_nothing(world: World) -> None:
    world.worker("ann")
    task = world.task()
    reservation = world.offers(task)[0]
    world.accept(task)
    world.do(c.AssignmentInstructed(reservation.sid, "reject"))
    assert world.status(task) is T.ASSIGNED
    assert world.events == []


def test_the_same_worker_works_on_two_channels_at_once(world: World) -> None:
    world.worker("ann")
    voice, chat = world.task(task_channel="voice"), world.task(task_channel="chat")
    assert world.offered_to(voice) == world.offered_to(chat) == ["ann"]


def test_capacity_allows_so_many_reservations_and_no_more(world: World) -> None:
    ann = world.worker("ann")
    world.capacity(ann, "chat", 3)
    tasks = [world.task(task_channel="chat") for _ in range(4)]
    assert [world.status(task) for task in tasks] == [T.RESERVED] * 3 + [T.PENDING]


def test_a_task_without_workflow_needs_exactly_one_to_exist(world: World) -> None:
    world.simple_workflow(world.queue("other"), name="second")
    with pytest.raises(Refused, match="WorkflowSid field is required"):
        world.task()


def test_a_finished_task_is_deleted_once_however_often_its_old_row_comes_back(world: World) -> None:
    world.worker("ann")
    sid = world.task()
    task = world.get(sid)
    world.accept(sid)
    world.complete(sid)
    world.do(c.AdoptFinishedTask(copy(task)))
    world.do(c.DeleteTask(sid))
    assert world.events == ["task.deleted"]
    world.do(c.AdoptFinishedTask(copy(task)))
    with pytest.raises(NotFound):
        world.do(c.DeleteTask(sid))
    world.wait(300)
    assert not world.core.board.deleted
