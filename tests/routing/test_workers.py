"""Workers: created, renamed, moved between activities (behaviour §1, §3, §4)."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import NotFound, Refused, VersionMismatch
from tests.routing.world import World

TAKEN = "^Worker with the same friendly name already exists$"
NOT_UNAVAILABLE = r"^Unable to reject pending reservations when updating to an Available activity state\.$"


@pytest.fixture
def world() -> World:
    world = World()
    world.simple_workflow(world.queue())
    return world


def test_a_worker_begins_in_the_default_activity_without_attributes(world: World) -> None:
    view = world.do(c.CreateWorker(world.new_sid("WK"), "ann"))
    assert world.events == ["worker.created"]
    assert (view.activity_name, view.available, view.attributes, view.version) == ("Offline", False, "{}", 0)


def test_a_worker_in_an_unknown_activity_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="ActivitySid: there is no Activity WA0 in this workspace"):
        world.do(c.CreateWorker(world.new_sid("WK"), "ann", "{}", "WA0"))
    ann = world.worker("ann")
    with pytest.raises(Refused, match="ActivitySid: there is no Activity WA0 in this workspace"):
        world.do(c.UpdateWorker(ann, friendly_name="eve", activity_sid="WA0"))
    assert world.get_worker(ann).friendly_name == "ann"


@pytest.mark.parametrize("name", ["Ann", "ann", "ANN"])
def test_a_name_is_taken_once_whatever_its_case(world: World, name: str) -> None:
    world.worker("Ann")
    bob = world.worker("bob")
    with pytest.raises(Refused, match=TAKEN):
        world.worker(name)
    with pytest.raises(Refused, match=TAKEN):
        world.do(c.UpdateWorker(bob, friendly_name=name))
    assert world.get_worker(bob).friendly_name == "bob"


def test_a_worker_may_change_the_case_of_its_own_name_and_a_freed_name_is_free(world: World) -> None:
    ann = world.worker("Ann")
    world.do(c.UpdateWorker(ann, friendly_name="ANN"))
    world.do(c.UpdateWorker(ann, friendly_name="eve"))
    world.worker("ann")


def test_available_mirrors_the_activity_and_the_status_date_is_that_of_the_last_move(world: World) -> None:
    ann = world.worker("ann", "Offline")
    created_ms = world.now_ms
    world.wait(5)
    view = world.do(c.UpdateWorker(ann, attributes='{"a": 1}'))
    assert (view.available, view.date_status_changed_ms) == (False, created_ms)
    view = world.do(c.UpdateWorker(ann, activity_sid=world.activities["Available"]))
    assert (view.available, view.date_status_changed_ms) == (True, created_ms + 5000)


def test_a_move_records_the_activity_before_and_the_time_in_it(world: World) -> None:
    ann = world.worker("ann", "Offline")
    world.wait(61.999)
    world.activity(ann, "Available")
    data = world.event("worker.activity.update").data
    assert data["worker_activity_name"] == "Available"
    assert data["worker_previous_activity_name"] == "Offline"
    assert data["worker_previous_activity_sid"] == world.activities["Offline"]
    assert data["worker_time_in_previous_activity"] == "61"
    assert data["worker_time_in_previous_activity_ms"] == "61999"


def test_a_move_to_the_present_activity_is_no_move(world: World) -> None:
    ann = world.worker("ann")
    world.wait(5)
    world.activity(ann, "Available")
    assert not world.changes


def test_attributes_are_replaced_as_a_whole_and_there_is_no_event_for_a_name(world: World) -> None:
    ann = world.worker("ann", a=1)
    world.attributes(ann, b=2)
    assert world.events == ["worker.attributes.update"]
    assert world.get_worker(ann).attributes == '{"b": 2}'
    world.do(c.UpdateWorker(ann, friendly_name="eve"))
    assert world.events == []
    assert world.changes.workers[ann].friendly_name == "eve"


def test_a_move_leaves_pending_offers_with_the_worker_until_they_end(world: World) -> None:
    ann = world.worker("ann")
    task = world.task()
    world.activity(ann, "Offline")
    assert world.events == ["worker.activity.update"]
    assert world.offered_to(task) == ["ann"]
    world.accept(task)
    assert world.status(task) is T.ASSIGNED
    assert world.get_worker(ann).activity_sid == world.activities["Offline"]


def test_reject_pending_reservations_rejects_them_in_order_and_leaves_accepted_ones(world: World) -> None:
    ann = world.worker("ann")
    world.capacity(ann, "default", 3)
    tasks = [world.task() for _ in range(3)]
    world.accept(tasks[0])
    first, second = world.offers(tasks[1])[0], world.offers(tasks[2])[0]
    world.activity(ann, "Offline", reject_pending_reservations=True)
    assert world.events == ["worker.activity.update", "reservation.rejected", "reservation.rejected"]
    assert [event.reservation_sid for event in world.changes.events[1:]] == [first.sid, second.sid]
    assert (first.status, second.status) == (R.REJECTED, R.REJECTED)
    assert [world.status(task) for task in tasks] == [T.ASSIGNED, T.PENDING, T.PENDING]


def test_reject_pending_reservations_needs_an_unavailable_activity(world: World) -> None:
    ann = world.worker("ann")
    task = world.task()
    for activity in ({}, {"activity_sid": world.activities["Available"]}):
        with pytest.raises(Refused, match=NOT_UNAVAILABLE):
            world.do(c.UpdateWorker(ann, reject_pending_reservations=True, **activity))
    assert world.status(task) is T.RESERVED
    world.activity(ann, "Offline")
    world.do(c.UpdateWorker(ann, reject_pending_reservations=True))
    assert world.events == ["reservation.rejected"]


def test_if_match_must_name_the_version_of_the_worker(world: World) -> None:
    ann = world.worker("ann")
    for command in (c.UpdateWorker(ann, attributes="{}", if_match=7), c.DeleteWorker(ann, if_match=7)):
        with pytest.raises(VersionMismatch, match=f"Worker {ann} has version 0, If-Match names 7"):
            world.do(command)
    world.do(c.UpdateWorker(ann, attributes='{"a": 1}', if_match=0))
    world.do(c.DeleteWorker(ann, if_match=1))
    assert not world.state.workers


def test_without_if_match_the_last_write_wins(world: World) -> None:
    ann = world.worker("ann")
    world.attributes(ann, a=1)
    world.attributes(ann, a=2)
    assert world.get_worker(ann).attributes == '{"a": 2}'


def test_a_worker_that_does_not_exist_is_not_found(world: World) -> None:
    for command in (
        c.UpdateWorker("WK0"),
        c.DeleteWorker("WK0"),
        c.UpdateWorkerChannel("WK0", "voice", capacity=1),
    ):
        with pytest.raises(NotFound):
            world.do(command)
