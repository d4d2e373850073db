"""A workspace: what it begins with, what of it can be changed, and its end (behaviour §1)."""

import json

import pytest

from engine.routing import commands as c
from engine.routing.core import WorkspaceCore
from engine.routing.entities import TaskOrder
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Refused
from tests.routing.world import ACCOUNT, START_MS, WORKSPACE, World, sids


@pytest.fixture
def world() -> World:
    return World()


def test_a_new_workspace_has_the_documented_defaults() -> None:
    core = WorkspaceCore.create(WORKSPACE, ACCOUNT, friendly_name="new", new_sid=sids(), now_ms=START_MS)
    view = core.view()
    assert (view.multi_task_enabled, view.prioritize_queue_order) == (True, TaskOrder.FIFO)
    assert (view.event_callback_url, view.events_filter) == ("", None)
    assert (view.sid, view.account_sid, view.friendly_name) == (WORKSPACE, ACCOUNT, "new")


def test_a_new_workspace_has_three_activities_of_which_offline_is_default_and_timeout(world: World) -> None:
    assert [(a.friendly_name, a.available) for a in world.state.activities.values()] == [
        ("Offline", False),
        ("Available", True),
        ("Unavailable", False),
    ]
    view = world.core.view()
    assert view.default_activity_sid == view.timeout_activity_sid == world.activities["Offline"]
    assert view.default_activity_name == view.timeout_activity_name == "Offline"


def test_the_template_none_makes_neither_queue_nor_workflow(world: World) -> None:
    assert not world.state.task_queues
    assert not world.state.workflows


def test_the_template_fifo_adds_a_queue_for_everybody_and_a_workflow_that_leads_there() -> None:
    world = World(template="FIFO")
    (queue,) = world.state.task_queues.values()
    (workflow,) = world.state.workflows.values()
    assert (queue.friendly_name, queue.target_workers) == ("Sample Queue", "1==1")
    assert (queue.task_order, queue.max_reserved_workers) == (TaskOrder.FIFO, 1)
    assert workflow.friendly_name == "Default Fifo Workflow"
    assert workflow.task_reservation_timeout_s == 120
    assert (workflow.assignment_callback_url, workflow.fallback_assignment_callback_url) == ("", "")
    world.worker("ann")
    assert world.offered_to(world.task()) == ["ann"]


def test_a_workspace_records_its_creation_and_that_of_everything_in_it() -> None:
    world = World(template="FIFO")
    assert world.events == [
        "workspace.created",
        *["activity.created"] * 3,
        *["task-channel.created"] * 5,
        "task-queue.created",
        "workflow.created",
    ]


def test_every_kind_has_the_prefix_of_its_sids() -> None:
    world = World(template="FIFO")
    worker, task = world.worker("ann"), world.task()
    state = world.state
    found = [worker, task, *state.activities, *state.task_channels, *state.task_queues, *state.workflows]
    found += [channel.sid for channel in world.get_worker(worker).channels.values()]
    found += [*state.reservations, *(event.sid for event in world.changes.events)]
    assert {sid[:2] for sid in found} == {"WA", "TC", "WQ", "WW", "WK", "WC", "WT", "WR", "EV"}
    assert {len(sid) for sid in found} == {34}


def test_the_default_activity_is_that_of_workers_created_without_one(world: World) -> None:
    first = world.do(c.CreateWorker(world.new_sid("WK"), "ann"))
    world.do(c.UpdateWorkspace(default_activity_sid=world.activities["Available"]))
    assert world.events == ["workspace.updated"]
    second = world.do(c.CreateWorker(world.new_sid("WK"), "bob"))
    assert (first.activity_name, second.activity_name) == ("Offline", "Available")


def test_the_timeout_activity_is_where_a_timed_out_worker_goes(world: World) -> None:
    world.simple_workflow(world.queue())
    view = world.do(c.UpdateWorkspace(timeout_activity_sid=world.activities["Unavailable"]))
    assert view.timeout_activity_name == "Unavailable"
    ann = world.worker("ann")
    world.timeout(world.task())
    assert world.get_worker(ann).activity_sid == world.activities["Unavailable"]


@pytest.mark.parametrize("field", ["default_activity_sid", "timeout_activity_sid"])
def test_an_activity_that_does_not_exist_is_refused_and_changes_nothing(world: World, field: str) -> None:
    with pytest.raises(Refused, match=r"ActivitySid: there is no Activity WA9+ in this workspace"):
        world.do(c.UpdateWorkspace(friendly_name="other", **{field: "WA" + "9" * 32}))
    assert world.core.view().friendly_name == "test"
    assert not world.changes


def test_multitasking_can_be_switched_off_and_on_again_and_capacities_survive(world: World) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    world.capacity(ann, "chat", 3)
    world.do(c.UpdateWorkspace(multi_task_enabled=False))
    tasks = [world.task(task_channel="chat") for _ in range(3)]
    assert [world.status(task) for task in tasks] == [T.RESERVED, T.PENDING, T.PENDING]
    world.do(c.UpdateWorkspace(multi_task_enabled=True))
    assert [world.status(task) for task in tasks] == [T.RESERVED] * 3
    assert world.channel_of(ann, "chat").configured_capacity == 3


def test_an_update_that_changes_nothing_records_nothing(world: World) -> None:
    world.do(c.UpdateWorkspace(friendly_name="test", multi_task_enabled=True))
    assert not world.changes


def test_a_deleted_workspace_takes_no_more_commands_and_offers_nothing(world: World) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann", "Offline")
    world.task()
    world.do(c.DeleteWorkspace())
    assert world.events == ["workspace.deleted"]
    assert world.changes.removed == [("workspaces", WORKSPACE)]
    with pytest.raises(Refused, match=f"workspace {WORKSPACE} is deleted"):
        world.do(c.UpdateWorker(ann, activity_sid=world.activities["Available"]))
    assert not world.core.match(world.now_ms, 1000)


def test_the_queue_order_of_the_workspace_takes_effect_at_once(world: World) -> None:
    fifo, lifo = world.queue("fifo"), world.lifo_queue("lifo")
    world.workflow(
        {
            "task_routing": {
                "filters": [{"expression": "last == 1", "targets": [{"queue": lifo}]}],
                "default_filter": {"queue": fifo},
            }
        }
    )
    first, last = world.task(), world.task(attributes={"last": 1})
    world.do(c.UpdateWorkspace(prioritize_queue_order=TaskOrder.LIFO))
    world.worker("ann")
    assert (world.status(first), world.status(last)) == (T.PENDING, T.RESERVED)


def test_events_of_a_workspace_carry_its_sid_and_name(world: World) -> None:
    world.do(c.UpdateWorkspace(friendly_name="renamed"))
    event = world.event("workspace.updated")
    assert event.data == {"workspace_sid": WORKSPACE, "workspace_name": "renamed"}
    assert json.dumps(event.data)
