"""Legacy workspaces: one reservation at a time, and activities that follow it (behaviour §1)."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from tests.routing.world import World


@pytest.fixture
def world() -> World:
    """A queue whose workers move to Reserved and then to Busy."""
    world = World(multi_task_enabled=False)
    for name in ("Reserved", "Busy"):
        world.activities[name] = world.do(c.CreateActivity(world.new_sid("WA"), name)).sid
    queue = world.queue(
        reservation_activity_sid=world.activities["Reserved"],
        assignment_activity_sid=world.activities["Busy"],
    )
    world.simple_workflow(queue)
    return world


def activity_of(world: World, worker: str) -> str:
    return world.state.activities[world.get_worker(worker).activity_sid].friendly_name


def test_a_reserved_worker_moves_to_the_reservation_activity(world: World) -> None:
    ann = world.worker("ann")
    world.task()
    assert world.events[-2:] == ["reservation.created", "worker.activity.update"]
    assert world.event("worker.activity.update").data["worker_previous_activity_name"] == "Available"
    assert activity_of(world, ann) == "Reserved"


def test_an_accepting_worker_moves_to_the_assignment_activity(world: World) -> None:
    ann = world.worker("ann")
    world.accept(world.task())
    assert world.events == ["reservation.accepted", "worker.activity.update"]
    assert activity_of(world, ann) == "Busy"


def test_nothing_moves_the_worker_back_when_the_task_is_completed(world: World) -> None:
    ann = world.worker("ann")
    first = world.task()
    world.accept(first)
    second = world.task()
    world.complete(first)
    assert world.events == ["task.completed", "reservation.completed", "task.updated"]
    assert activity_of(world, ann) == "Busy"
    assert world.status(second) is T.PENDING
    world.activity(ann, "Available")
    assert world.status(second) is T.RESERVED


def test_there_is_one_reservation_at_a_time_over_all_channels_and_capacities() -> None:
    world = World(multi_task_enabled=False)
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    world.capacity(ann, "chat", 5)
    first = world.task(task_channel="chat")
    others = world.task(task_channel="chat"), world.task(task_channel="voice")
    assert [world.status(task) for task in others] == [T.PENDING] * 2
    world.accept(first)
    world.move(world.offers(first)[0], R.WRAPPING)
    assert [world.status(task) for task in others] == [T.PENDING] * 2
    world.complete(first)
    assert [world.status(task) for task in others] == [T.RESERVED, T.PENDING]


def test_a_queue_without_activities_moves_nobody() -> None:
    world = World(multi_task_enabled=False)
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    task = world.task()
    assert world.events[-1] == "reservation.created"
    world.accept(task)
    assert world.events == ["reservation.accepted"]
    assert activity_of(world, ann) == "Available"


def test_a_worker_who_lets_the_offer_time_out_goes_to_the_timeout_activity(world: World) -> None:
    ann = world.worker("ann")
    world.timeout(world.task())
    assert world.events == ["reservation.timeout", "worker.activity.update"]
    assert activity_of(world, ann) == "Offline"


def test_a_rejection_moves_the_worker_only_where_it_says(world: World) -> None:
    ann = world.worker("ann")
    task = world.task()
    world.reject(task)
    assert (activity_of(world, ann), world.status(task)) == ("Reserved", T.PENDING)
    world.activity(ann, "Available")
    world.wait(1)
    world.reject(task, activity_sid=world.activities["Unavailable"])
    assert activity_of(world, ann) == "Unavailable"


def test_all_workers_of_a_round_move_and_only_the_one_who_accepts_moves_on(world: World) -> None:
    queue = next(iter(world.state.task_queues))
    world.do(c.UpdateTaskQueue(queue, max_reserved_workers=2))
    ann, bob = world.worker("ann"), world.worker("bob")
    task = world.task()
    assert world.events[-4:] == ["reservation.created"] * 2 + ["worker.activity.update"] * 2
    assert [activity_of(world, worker) for worker in (ann, bob)] == ["Reserved", "Reserved"]
    world.accept(task)
    assert world.events == ["reservation.accepted", "reservation.rescinded", "worker.activity.update"]
    assert [activity_of(world, worker) for worker in (ann, bob)] == ["Busy", "Reserved"]


def test_in_a_multitasking_workspace_the_queues_activities_mean_nothing(world: World) -> None:
    world.do(c.UpdateWorkspace(multi_task_enabled=True))
    ann = world.worker("ann")
    task = world.task()
    assert world.events[-1] == "reservation.created"
    world.accept(task)
    assert world.events == ["reservation.accepted"]
    world.complete(task)
    assert activity_of(world, ann) == "Available"
