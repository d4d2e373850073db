"""A reservation's states, who moves it, and what follows for its task (behaviour §3)."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Gone, NotFound, Refused, VersionMismatch
from engine.routing.states import RESERVATION_MOVES, finished_reservation_refusal
from tests.routing.world import World

BY_CLIENT = (R.ACCEPTED, R.REJECTED, R.WRAPPING, R.COMPLETED)
LEGAL = {
    R.PENDING: {R.ACCEPTED, R.REJECTED},
    R.ACCEPTED: {R.WRAPPING, R.COMPLETED},
    R.WRAPPING: {R.COMPLETED},
}
TASK_IN = {R.PENDING: T.RESERVED, R.ACCEPTED: T.ASSIGNED, R.WRAPPING: T.WRAPPING}


@pytest.fixture
def world() -> World:
    world = World()
    world.simple_workflow(world.queue(), assignment_callback_url="http://x/")
    world.worker("ann")
    return world


def in_status(world: World, status: R) -> str:
    """A task whose only open reservation is in a status."""
    task = world.task()
    for move in (R.ACCEPTED, R.WRAPPING)[: [R.PENDING, R.ACCEPTED, R.WRAPPING].index(status)]:
        world.move(world.offers(task)[0], move)
    return task


@pytest.mark.parametrize("wanted", BY_CLIENT)
@pytest.mark.parametrize("status", LEGAL)
def test_a_client_may_move_a_reservation_as_the_table_says_and_no_other_way(
    world: World, status: R, wanted: R
) -> None:
    task = in_status(world, status)
    (reservation,) = world.offers(task)
    if wanted in LEGAL[status]:
        assert world.move(reservation, wanted).status is wanted
        return
    with pytest.raises(Refused) as caught:
        world.move(reservation, wanted)
    assert caught.value.message == (
        f"Reservation {reservation.sid} is already in state [{status}] and cannot be updated to [{wanted}]"
    )
    assert (reservation.status, world.status(task)) == (status, TASK_IN[status])
    assert not world.changes


@pytest.mark.parametrize("wanted", [R.PENDING, R.TIMEOUT, R.CANCELED, R.RESCINDED])
def test_only_accepted_rejected_wrapping_and_completed_can_be_set(world: World, wanted: R) -> None:
    task = world.task()
    message = f"^ReservationStatus: expected accepted, rejected, wrapping or completed, found {wanted}$"
    with pytest.raises(Refused, match=message):
        world.move(world.offers(task)[0], wanted)
    assert world.status(task) is T.RESERVED


@pytest.mark.parametrize("end", [R.REJECTED, R.TIMEOUT, R.CANCELED, R.RESCINDED, R.COMPLETED])
def test_an_ended_reservation_stays_as_it_ended(world: World, end: R) -> None:
    assert not RESERVATION_MOVES[end]
    (reservation,) = world.offers(world.task())
    reservation.status = end
    refusal = finished_reservation_refusal(reservation, R.ACCEPTED)
    reservation.status = R.PENDING
    assert type(refusal) is (Gone if end is R.RESCINDED else Refused)
    assert refusal.message == (
        f"Reservation {reservation.sid} is already in state [{end}] and cannot be updated to [accepted]"
    )


@pytest.mark.parametrize("by", ["client", "callback"])
def test_an_accept_assigns_the_task(world: World, by: str) -> None:
    task = world.task()
    (reservation,) = world.offers(task)
    if by == "client":
        world.accept(task)
    else:
        world.do(c.AssignmentInstructed(reservation.sid, "accept"))
    assert world.events == ["reservation.accepted"]
    assert (reservation.status, world.status(task)) == (R.ACCEPTED, T.ASSIGNED)
    assert world.changes.callbacks_settled[-1] == reservation.sid


@pytest.mark.parametrize("by", ["client", "callback", "worker update"])
@pytest.mark.parametrize("activity", [None, "Unavailable"])
def test_a_rejection_moves_the_worker_only_if_it_says_where(
    world: World, by: str, activity: str | None
) -> None:
    task = world.task()
    (reservation,) = world.offers(task)
    (ann,) = world.state.workers
    sid = world.activities[activity] if activity else None
    if by == "client":
        world.reject(task, activity_sid=sid)
    elif by == "callback":
        world.do(c.AssignmentInstructed(reservation.sid, "reject", sid))
    else:
        world.activity(ann, activity or "Offline", reject_pending_reservations=True)
    moved = by == "worker update" or activity is not None
    assert sorted(world.events) == ["reservation.rejected", *["worker.activity.update"] * moved]
    assert (reservation.status, world.status(task)) == (R.REJECTED, T.PENDING)


def test_a_rejection_to_an_activity_that_does_not_exist_is_refused(world: World) -> None:
    task = world.task()
    with pytest.raises(Refused, match=r"^WorkerActivitySid: there is no Activity WA0 in this workspace$"):
        world.reject(task, activity_sid="WA0")
    assert world.status(task) is T.RESERVED
    assert not world.changes


def test_a_callback_that_rejects_to_an_unknown_activity_still_rejects(world: World) -> None:
    task = world.task()
    world.do(c.AssignmentInstructed(world.offers(task)[0].sid, "reject", "WA0"))
    assert world.events == ["reservation.rejected"]
    assert world.status(task) is T.PENDING


def test_a_worker_who_rejected_without_moving_may_be_offered_the_task_again(world: World) -> None:
    task = world.task()
    world.reject(task)
    world.wait(1)
    assert world.offered_to(task) == ["ann"]


@pytest.mark.parametrize("wanted", [R.WRAPPING, R.COMPLETED])
def test_wrapping_and_completing_the_reservation_move_the_task_likewise(world: World, wanted: R) -> None:
    task = in_status(world, R.ACCEPTED)
    world.move(world.offers(task)[0], wanted)
    name = {R.WRAPPING: "wrapup", R.COMPLETED: "completed"}[wanted]
    assert world.events == [f"task.{name}", f"reservation.{name}"]
    assert world.changes.tasks[task].status == wanted


def test_every_reservation_has_its_full_time(world: World) -> None:
    world.worker("bob")
    task = world.task()
    for name in ("ann", "bob"):
        world.wait(119.999)
        assert world.offered_to(task) == [name]
        world.wait(0.001)
    assert world.status(task) is T.PENDING


def test_the_time_for_an_answer_is_that_of_the_workflow_when_the_offer_was_made(world: World) -> None:
    (workflow,) = world.state.workflows
    task = world.task()
    world.do(c.UpdateWorkflow(workflow, task_reservation_timeout_s=5))
    assert world.offers(task)[0].timeout_s == 120
    world.reject(task)
    world.wait(1)
    assert world.offers(task)[0].deadline_ms == world.now_ms + 5000


def test_after_a_timeout_the_worker_gets_nothing_until_it_is_moved_back(world: World) -> None:
    (ann,) = world.state.workers
    task = world.task()
    world.timeout(task)
    world.wait(3600)
    assert world.status(task) is T.PENDING
    world.activity(ann, "Available")
    assert world.events == ["worker.activity.update", "reservation.created"]


def test_a_timeout_leaves_the_workers_other_offers_pending(world: World) -> None:
    first = world.task()
    world.wait(60)
    second = world.task(task_channel="chat")
    world.wait(60)
    assert world.events == ["reservation.timeout", "worker.activity.update"]
    assert (world.status(first), world.offered_to(second)) == (T.PENDING, ["ann"])
    world.accept(second)
    assert world.status(second) is T.ASSIGNED


def test_an_accepted_reservation_does_not_time_out(world: World) -> None:
    task = world.task()
    world.wait(119.999)
    world.accept(task)
    world.wait(1000)
    assert world.events == []
    assert world.status(task) is T.ASSIGNED


def test_a_failed_callback_cancels_only_a_pending_reservation(world: World) -> None:
    task = world.task()
    (reservation,) = world.offers(task)
    world.accept(task)
    world.do(c.AssignmentCallbackFailed(reservation.sid, "late"))
    assert not world.changes
    assert world.status(task) is T.ASSIGNED


def test_a_failed_callback_moves_no_worker_and_has_the_back_off_of_a_refusal(world: World) -> None:
    (ann,) = world.state.workers
    task = world.task()
    world.do(c.AssignmentCallbackFailed(world.offers(task)[0].sid, "both URLs failed"))
    assert world.events == ["reservation.canceled"]
    assert world.get_worker(ann).activity_sid == world.activities["Available"]
    world.wait(0.999)
    assert world.status(task) is T.PENDING
    world.wait(0.001)
    assert world.status(task) is T.RESERVED


def test_the_version_goes_up_with_every_move_and_if_match_must_name_it(world: World) -> None:
    task = world.task()
    (reservation,) = world.offers(task)
    message = f"^Reservation {reservation.sid} has version 0, If-Match names 1$"
    with pytest.raises(VersionMismatch, match=message):
        world.move(reservation, R.ACCEPTED, if_match=1)
    assert world.move(reservation, R.ACCEPTED, if_match=0).version == 1
    assert world.move(reservation, R.WRAPPING, if_match=1).version == 2


def test_an_offer_raises_the_workers_version_and_its_answer_does_not(world: World) -> None:
    (ann,) = world.state.workers
    before = world.get_worker(ann).version
    task = world.task()
    assert world.get_worker(ann).version == before + 1
    world.accept(task)
    assert world.get_worker(ann).version == before + 1


def test_a_reservation_is_found_under_its_task_and_its_worker_only(world: World) -> None:
    (ann,) = world.state.workers
    (reservation,) = world.offers(world.task())
    for wrong in ({"task_sid": "WT0"}, {"worker_sid": "WK0"}):
        with pytest.raises(NotFound):
            world.do(c.UpdateReservation(reservation.sid, R.ACCEPTED, **wrong))
    view = world.do(c.UpdateReservation(reservation.sid, R.ACCEPTED, worker_sid=ann))
    assert (view.status, view.worker_name, view.task_sid) == (R.ACCEPTED, "ann", reservation.task_sid)


def test_reservation_events_carry_task_worker_queue_and_workflow(world: World) -> None:
    task = world.task()
    data = world.event("reservation.created").data
    (reservation,) = world.offers(task)
    assert data["reservation_sid"] == reservation.sid
    assert (data["task_sid"], data["task_assignment_status"]) == (task, "reserved")
    assert (data["worker_name"], data["worker_activity_name"]) == ("ann", "Available")
    assert data["task_queue_sid"] in world.state.task_queues
    assert data["workflow_sid"] in world.state.workflows
    assert (data["worker_channel_capacity"], data["worker_channel_consumed_capacity"]) == ("1", "1")
