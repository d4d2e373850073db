"""Times, durations and reasons that go with a change, to the second and the millisecond (behaviour §9)."""

from typing import Any

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Refused
from tests.routing.world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.simple_workflow(world.queue())
    return world


def test_every_move_of_a_task_sets_its_date_updated(world: World) -> None:
    task = world.task()
    row = world.get(task)
    world.wait(5)
    ann = world.worker("ann")
    dates = [row.date_updated_ms]
    world.wait(5)
    world.reject(task)
    dates.append(row.date_updated_ms)
    world.wait(5)
    dates.append(row.date_updated_ms)
    world.wait(5)
    world.accept(task)
    dates.append(row.date_updated_ms)
    world.wait(5)
    world.do(c.UpdateTask(task, assignment_status=T.WRAPPING))
    dates.append(row.date_updated_ms)
    world.wait(5)
    world.complete(task)
    dates.append(row.date_updated_ms)
    assert [(date - row.date_created_ms) // 1000 for date in dates] == [5, 10, 15, 20, 25, 30]
    assert world.get_worker(ann).date_created_ms == row.date_created_ms + 5000


def test_a_worker_event_tells_how_long_the_activity_before_lasted(world: World) -> None:
    ann = world.worker("ann")
    world.wait(5000.999)
    world.activity(ann, "Offline")
    data = world.event("worker.activity.update").data
    assert data["worker_time_in_previous_activity"] == "5000"
    assert data["worker_time_in_previous_activity_ms"] == "5000999"
    assert data["worker_previous_activity_sid"] == world.activities["Available"]
    assert data["worker_previous_activity_name"] == "Available"
    assert data["worker_activity_name"] == "Offline"
    world.wait(2.5)
    world.do(c.DeleteWorker(ann))
    assert world.event("worker.deleted").data["worker_time_in_activity_ms"] == "2500"


def test_a_reason_is_kept_with_whatever_it_came(world: World) -> None:
    world.worker("ann")
    task = world.task()
    assert world.do(c.UpdateTask(task, reason="first")).reason == "first"
    world.accept(task)
    view = world.do(c.UpdateTask(task, assignment_status=T.WRAPPING, reason="second"))
    assert (view.reason, view.status) == ("second", T.WRAPPING)
    view = world.do(c.UpdateTask(task, assignment_status=T.COMPLETED))
    assert (view.reason, view.status) == ("second", T.COMPLETED)


def test_a_reservation_that_wraps_keeps_the_reason_of_its_task(world: World) -> None:
    world.worker("ann")
    task = world.task()
    world.do(c.UpdateTask(task, reason="why"))
    world.accept(task)
    reservation = world.offers(task)[0]
    world.move(reservation, R.WRAPPING)
    assert world.get(task).reason == "why"
    world.move(reservation, R.COMPLETED)
    assert world.reason(task) == "why"


@pytest.mark.parametrize(("count", "end"), [(5, ""), (6, " … (6 in all)")])
def test_a_refusal_names_five_tasks_and_counts_the_others(world: World, count: int, end: str) -> None:
    tasks = [world.task() for _ in range(count)]
    (workflow,) = world.state.workflows
    with pytest.raises(Refused) as refused:
        world.do(c.DeleteWorkflow(workflow))
    assert str(refused.value).endswith(f"controls {count} open task(s), {', '.join(tasks[:5])}{end}")


@pytest.mark.parametrize(
    "change", [{"attributes": '{"a": 1}'}, {"priority": 1}, {"reason": "why"}, {"virtual_start_ms": 5}]
)
def test_every_change_of_a_tasks_data_sets_its_date_updated(world: World, change: dict[str, Any]) -> None:
    task = world.task()
    world.wait(5)
    view = world.do(c.UpdateTask(task))
    assert (view.date_updated_ms, view.version) == (view.date_created_ms, 0)
    view = world.do(c.UpdateTask(task, **change))
    assert (view.date_updated_ms, view.version) == (view.date_created_ms + 5000, 1)
    assert {name: getattr(view, name) for name in change} == change


def test_every_change_of_the_configuration_sets_its_date_updated(world: World) -> None:
    (queue,), (workflow,) = world.state.task_queues, world.state.workflows
    activity = world.activities["Offline"]
    for change, same in (
        (c.UpdateWorkspace(friendly_name="new"), c.UpdateWorkspace(friendly_name="new")),
        (c.UpdateActivity(activity, "new"), c.UpdateActivity(activity, "new")),
        (c.UpdateTaskChannel("chat", "new"), c.UpdateTaskChannel("chat", "new")),
        (c.UpdateTaskQueue(queue, "new"), c.UpdateTaskQueue(queue, "new")),
        (c.UpdateWorkflow(workflow, "new"), None),
    ):
        world.wait(5)
        changed_ms = world.now_ms
        view = world.do(change)
        assert (view.friendly_name, view.date_updated_ms) == ("new", changed_ms)
        assert view.date_created_ms < changed_ms
        world.wait(5)
        if same is not None:
            assert world.do(same).date_updated_ms == changed_ms
            assert world.events == []


def test_ages_are_whole_seconds(world: World) -> None:
    (workflow,) = world.state.workflows
    world.do(c.UpdateWorkflow(workflow, assignment_callback_url="http://x/"))
    task = world.task()
    world.wait(5000.999)
    world.worker("ann")
    (callback,) = world.changes.callbacks
    assert callback.fields["TaskAge"] == world.event("reservation.created").data["task_age"] == "5000"
    world.accept(task)
    assert world.event("reservation.accepted").data["task_age_in_queue"] == "5000"
