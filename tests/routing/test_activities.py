"""Activities (behaviour §1)."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import NotFound, Refused
from engine.routing.limits import RoutingLimits
from tests.routing.world import WORKSPACE, World


@pytest.fixture
def world() -> World:
    return World()


def test_a_name_is_taken_once(world: World) -> None:
    with pytest.raises(Refused, match=r"Activity with the friendly name Offline already exists in WS0+"):
        world.do(c.CreateActivity(world.new_sid("WA"), "Offline"))
    view = world.do(c.CreateActivity(world.new_sid("WA"), "Break"))
    with pytest.raises(Refused, match="Activity with the friendly name Available already exists"):
        world.do(c.UpdateActivity(view.sid, friendly_name="Available"))
    assert world.state.activity(view.sid).friendly_name == "Break"


def test_an_activity_is_unavailable_unless_it_says_otherwise_and_stays_what_it_is(world: World) -> None:
    view = world.do(c.CreateActivity(world.new_sid("WA"), "Break"))
    assert world.events == ["activity.created"]
    assert view.available is False
    assert "available" not in c.UpdateActivity.__slots__
    view = world.do(c.UpdateActivity(view.sid, friendly_name="Lunch"))
    assert (view.friendly_name, view.available) == ("Lunch", False)
    assert world.event("activity.updated").data == {
        "workspace_sid": WORKSPACE,
        "workspace_name": "test",
        "activity_sid": view.sid,
        "activity_name": "Lunch",
        "activity_available": "false",
    }


def test_an_update_without_anything_new_answers_the_activity_and_records_nothing(world: World) -> None:
    view = world.do(c.UpdateActivity(world.activities["Available"]))
    assert (view.friendly_name, view.available) == ("Available", True)
    assert not world.changes


def test_there_are_at_most_so_many() -> None:
    world = World(limits=RoutingLimits(activities_max=4))
    world.do(c.CreateActivity(world.new_sid("WA"), "fourth"))
    with pytest.raises(Refused, match="a workspace has at most 4 activities"):
        world.do(c.CreateActivity(world.new_sid("WA"), "fifth"))
    assert RoutingLimits().activities_max == 100


def test_a_renamed_activity_is_seen_by_expressions_at_once(world: World) -> None:
    world.simple_workflow(world.queue(target_workers="activity_name == 'On shift'"))
    ann = world.worker("ann")
    task = world.task()
    assert world.status(task) is T.PENDING
    world.do(c.UpdateActivity(world.get_worker(ann).activity_sid, friendly_name="On shift"))
    assert world.offered_to(task) == ["ann"]


def test_what_does_not_exist_is_not_found(world: World) -> None:
    for command in (c.UpdateActivity("WA0", friendly_name="x"), c.DeleteActivity("WA0")):
        with pytest.raises(NotFound):
            world.do(command)
