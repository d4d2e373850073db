"""A task's states, what a client may ask of each, its fields and its updates (behaviour §2)."""

import json
from typing import Any

import pytest

from engine.api import representations
from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import Task
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import NotFound, Refused, VersionMismatch
from engine.routing.states import TASK_MOVES
from engine.routing.viewing import task_view
from tests.routing.world import ACCOUNT, START_MS, WORKSPACE, World, one, routing

REFUSALS = {
    T.CANCELED: ("cancel task", "it is not pending or reserved"),
    T.COMPLETED: ("complete task", "it is not currently assigned"),
    T.WRAPPING: ("wrap up a task", "it's not currently assigned"),
}
LEGAL = {
    T.PENDING: {T.CANCELED},
    T.RESERVED: {T.CANCELED},
    T.ASSIGNED: {T.WRAPPING, T.COMPLETED},
    T.WRAPPING: {T.COMPLETED},
    T.COMPLETED: set(),
    T.CANCELED: set(),
}


@pytest.fixture
def world() -> World:
    world = World()
    world.simple_workflow(world.queue())
    return world


def in_status(world: World, status: T) -> str:
    """A task in a status; a finished one as the runtime brings it back from its row."""
    if status is not T.PENDING:
        world.worker("ann")
    task = world.task()
    if status in (T.ASSIGNED, T.WRAPPING, T.COMPLETED):
        world.accept(task)
    if status is T.WRAPPING:
        world.move(world.offers(task)[0], R.WRAPPING)
    if status is T.COMPLETED:
        world.complete(task)
    if status is T.CANCELED:
        world.cancel(task)
    if status in (T.COMPLETED, T.CANCELED):
        finished: Task = world.changes.tasks[task]
        world.do(c.AdoptFinishedTask(finished))
    assert world.get(task).status is status
    return task


@pytest.mark.parametrize("wanted", REFUSALS)
@pytest.mark.parametrize("status", T)
def test_a_client_may_move_a_task_as_the_table_says_and_no_other_way(
    world: World, status: T, wanted: T
) -> None:
    task = in_status(world, status)
    update = c.UpdateTask(task, assignment_status=wanted)
    if wanted in LEGAL[status]:
        assert world.do(update).status is wanted
        return
    with pytest.raises(Refused) as caught:
        world.do(update)
    verb, reason = REFUSALS[wanted]
    assert caught.value.code == 20001
    assert caught.value.message == (
        f"Cannot {verb} {task} in workspace {WORKSPACE} for account {ACCOUNT} because {reason}. "
        f"Its status is {status}."
    )
    assert world.get(task).status is status
    assert not world.changes


@pytest.mark.parametrize("wanted", [T.PENDING, T.RESERVED, T.ASSIGNED])
@pytest.mark.parametrize("status", [T.PENDING, T.RESERVED, T.ASSIGNED])
def test_only_canceled_wrapping_and_completed_can_be_set(world: World, status: T, wanted: T) -> None:
    task = in_status(world, status)
    message = f"^AssignmentStatus: expected canceled, wrapping or completed, found {wanted}$"
    with pytest.raises(Refused, match=message):
        world.do(c.UpdateTask(task, assignment_status=wanted))


def test_every_change_of_status_raises_the_version(world: World) -> None:
    world.worker("ann")
    view = world.do(c.CreateTask(world.new_sid("WT")))
    versions = [(view.status, view.version)]
    task = world.get(view.sid)
    for move in (
        lambda: None,
        lambda: world.reject(task.sid),
        lambda: world.wait(1),
        lambda: world.accept(task.sid),
        lambda: world.move(world.offers(task.sid)[0], R.WRAPPING),
        lambda: world.complete(task.sid),
    ):
        move()
        versions.append((task.status, task.version))
    assert versions == [
        (T.PENDING, 0),
        (T.RESERVED, 1),
        (T.PENDING, 2),
        (T.RESERVED, 3),
        (T.ASSIGNED, 4),
        (T.WRAPPING, 5),
        (T.COMPLETED, 6),
    ]


def test_nothing_cancels_an_assigned_task_and_nothing_leads_out_of_an_end() -> None:
    assert TASK_MOVES[T.ASSIGNED] == {T.WRAPPING, T.COMPLETED, T.RESERVED, T.PENDING}
    assert TASK_MOVES[T.WRAPPING] == {T.COMPLETED}
    assert not TASK_MOVES[T.COMPLETED]
    assert not TASK_MOVES[T.CANCELED]


@pytest.mark.parametrize("end", [R.REJECTED, R.TIMEOUT, R.CANCELED])
def test_a_task_is_pending_again_when_its_offer_ended_unaccepted(world: World, end: R) -> None:
    world.worker("ann")
    task = world.task()
    offer = world.offers(task)[0]
    if end is R.REJECTED:
        world.reject(task)
    elif end is R.TIMEOUT:
        world.timeout(task)
    else:
        world.do(c.AssignmentCallbackFailed(offer.sid, "no answer"))
    assert (offer.status, world.status(task)) == (end, T.PENDING)
    assert world.events[0] == f"reservation.{end}"


def test_events_of_a_wrap_up_and_a_completion_by_the_task(world: World) -> None:
    task = in_status(world, T.ASSIGNED)
    world.do(c.UpdateTask(task, assignment_status=T.WRAPPING))
    assert world.events == ["task.wrapup", "reservation.wrapup", "task.updated"]
    world.do(c.UpdateTask(task, assignment_status=T.COMPLETED, reason="solved"))
    assert world.events == ["task.completed", "reservation.completed", "task.updated"]
    assert world.event("task.completed").data["task_completed_reason"] == "solved"


@pytest.mark.parametrize(("status", "events"), [(T.PENDING, []), (T.RESERVED, ["reservation.canceled"])])
def test_events_of_a_cancellation(world: World, status: T, events: list[str]) -> None:
    task = in_status(world, status)
    world.do(c.UpdateTask(task, assignment_status=T.CANCELED, reason="hung up"))
    assert world.events == ["task.canceled", *events, "task.updated"]
    event = world.event("task.canceled")
    assert (event.data["task_canceled_reason"], event.description) == ("hung up", "hung up")


@pytest.mark.parametrize(("status", "wanted"), [(T.PENDING, T.CANCELED), (T.ASSIGNED, T.COMPLETED)])
def test_a_reason_is_optional_and_kept(world: World, status: T, wanted: T) -> None:
    task = in_status(world, status)
    view = world.do(c.UpdateTask(task, assignment_status=wanted))
    assert (view.status, view.reason) == (wanted, None)
    assert world.reason(task) is None


@pytest.mark.parametrize(
    ("status", "events"),
    [
        (T.PENDING, ["task.deleted"]),
        (T.RESERVED, ["reservation.canceled", "task.deleted"]),
        (T.ASSIGNED, ["reservation.completed", "task.deleted"]),
        (T.WRAPPING, ["reservation.completed", "task.deleted"]),
        (T.COMPLETED, ["task.deleted"]),
        (T.CANCELED, ["task.deleted"]),
    ],
)
def test_a_task_can_be_deleted_in_any_state_with_its_reservations(
    world: World, status: T, events: list[str]
) -> None:
    task = in_status(world, status)
    world.do(c.DeleteTask(task))
    assert world.events == events
    assert world.changes.removed == [("tasks", task)]
    assert not world.state.reservations
    for command in (c.DeleteTask(task), c.UpdateTask(task, priority=1)):
        with pytest.raises(NotFound):
            world.do(command)


def test_a_task_begins_with_the_documented_defaults(world: World) -> None:
    view = world.do(c.CreateTask(world.new_sid("WT")))
    assert (view.status, view.priority, view.reason) == (T.PENDING, 0, None)
    assert (view.attributes, view.addons, view.timeout_s, view.version) == ("{}", "{}", 86_400, 0)
    assert (view.routing_target, view.ignore_capacity) == (None, False)
    assert view.virtual_start_ms == view.date_created_ms == START_MS


def test_the_age_is_in_whole_seconds_since_creation_and_goes_on_after_the_end(world: World) -> None:
    task = world.task()
    world.wait(61.999)
    world.cancel(task)
    assert world.event("task.canceled").data["task_age"] == "61"
    view = task_view(world.state, world.changes.tasks[task])
    for seconds, age in ((0, 61), (0.001, 62), (10, 72)):
        world.now_ms += round(seconds * 1000)
        place = representations.Place("http://x", ACCOUNT, WORKSPACE, world.now_ms)
        assert representations.task(place, view)["age"] == age


def test_a_target_with_a_priority_overrides_create_and_earlier_updates_and_others_leave_it(
    world: World,
) -> None:
    queue = world.queue("q", "1==0")
    targets = [{"queue": queue, "timeout": 10}, {"priority": 7, "timeout": 10}, {"timeout": 10}]
    workflow = world.steps(*targets, name="ladder")
    task = world.task(workflow_sid=workflow, priority=3)
    assert world.get(task).priority == 3
    world.do(c.UpdateTask(task, priority=4))
    assert world.get(task).priority == 4
    world.wait(10)
    assert world.get(task).priority == 7
    world.do(c.UpdateTask(task, priority=5))
    world.wait(10)
    assert world.get(task).priority == 5


def test_the_queue_entered_date_is_that_of_the_present_queue(world: World) -> None:
    a, b = world.queue("a", "1==0"), world.queue("b", "1==0")
    workflow = world.steps({"queue": a, "timeout": 10}, {"timeout": 10}, {"queue": b}, name="steps")
    task = world.task(workflow_sid=workflow)
    for second, entered_ms in ((0, START_MS), (10, START_MS), (20, START_MS + 20_000)):
        world.wait((START_MS + second * 1000 - world.now_ms) / 1000)
        assert world.get(task).task_queue_entered_ms == entered_ms
    direct = world.task(routing_target=world.worker("ann", "Offline"), ignore_capacity=False)
    assert world.get(direct).task_queue_entered_ms is None


def test_attributes_are_replaced_as_a_whole(world: World) -> None:
    task = world.task(attributes={"a": 1})
    world.attributes(task, b=2)
    assert (world.get(task).attributes, world.get(task).values) == ('{"b": 2}', {"b": 2})


def test_any_attribute_key_is_kept_and_those_that_are_no_names_hinder_nothing(world: World) -> None:
    queue = world.queue("q", "1==0")
    workflow = world.workflow(routing(one("value == 'gold'", {"queue": queue})), name="w")
    attributes = {"customer-value": "silver", "": 1, "a.b": [], "and": True, "value": "gold"}
    task = world.task(workflow_sid=workflow, attributes=attributes)
    assert json.loads(world.get(task).attributes) == attributes
    assert world.queue_of(task) == "q"


@pytest.mark.parametrize("wanted", [T.WRAPPING, T.COMPLETED])
def test_attributes_and_a_wrap_up_or_completion_are_separate_requests(world: World, wanted: T) -> None:
    task = in_status(world, T.ASSIGNED)
    message = f"^Attributes and AssignmentStatus={wanted} must be sent in separate requests$"
    with pytest.raises(Refused, match=message):
        world.do(c.UpdateTask(task, attributes='{"a": 1}', assignment_status=wanted))
    assert (world.get(task).attributes, world.status(task)) == ("{}", T.ASSIGNED)


def test_attributes_and_a_cancellation_may_be_one_request(world: World) -> None:
    task = world.task()
    view = world.do(c.UpdateTask(task, attributes='{"a": 1}', assignment_status=T.CANCELED))
    assert (view.status, view.attributes) == (T.CANCELED, '{"a": 1}')


def test_an_attribute_write_on_a_reserved_task_keeps_the_offer(world: World) -> None:
    queue = world.queue("other")
    workflow = world.workflow(routing(one("grab == 1", {"queue": queue}), default=queue), name="w")
    world.worker("ann")
    task = world.task(workflow_sid=workflow)
    offer = world.offers(task)[0]
    world.attributes(task, grab=1)
    assert world.events == ["task.updated"]
    assert world.offers(task) == [offer]
    assert world.status(task) is T.RESERVED


def test_a_write_on_a_reserved_task_counts_when_the_task_is_pending_again(world: World) -> None:
    a, b = world.queue("a"), world.queue("b", "1==0")
    workflow = world.workflow(routing(one("away == 1", {"queue": b}), default=a), name="w")
    world.worker("ann")
    task = world.task(workflow_sid=workflow)
    world.attributes(task, away=1)
    assert world.queue_of(task) == "a"
    world.reject(task)
    assert world.queue_of(task) == "b"
    assert world.events == [
        "reservation.rejected",
        "task-queue.moved",
        "task-queue.entered",
        "workflow.target-matched",
    ]


@pytest.mark.parametrize("status", [T.ASSIGNED, T.WRAPPING, T.COMPLETED])
def test_the_attributes_of_a_task_can_be_changed_in_any_state(world: World, status: T) -> None:
    task = in_status(world, status)
    world.attributes(task, note=1)
    assert world.events == ["task.updated"]
    assert (world.get(task).attributes, world.get(task).status) == ('{"note": 1}', status)


def test_a_pending_task_that_changes_its_channel_is_offered_on_the_new_one(world: World) -> None:
    ann = world.worker("ann")
    world.capacity(ann, "voice", 0)
    task = world.task(task_channel="voice")
    world.do(c.UpdateTask(task, task_channel="chat"))
    assert world.events == ["task.updated", "reservation.created"]
    assert world.offers(task)[0].task_channel_sid == world.channel_sid("chat")


def test_a_reserved_task_that_changes_its_channel_uses_the_old_one_until_its_offer_ends(world: World) -> None:
    ann = world.worker("ann")
    task = world.task(task_channel="voice")
    world.do(c.UpdateTask(task, task_channel="chat"))
    assert (world.channel_of(ann, "voice").pending, world.channel_of(ann, "chat").pending) == (1, 0)
    world.accept(task)
    world.complete(task)
    assert (world.channel_of(ann, "voice").accepted, world.channel_of(ann, "chat").accepted) == (0, 0)


@pytest.mark.parametrize(
    "update",
    [
        {"attributes": '{"a": 1}', "task_channel": "fax"},
        {"priority": 5, "assignment_status": T.COMPLETED},
        {"priority": 5, "if_match": 9},
    ],
)
def test_a_refused_update_changes_nothing_at_all(world: World, update: dict[str, Any]) -> None:
    task = world.task()
    with pytest.raises((Refused, VersionMismatch)):
        world.do(c.UpdateTask(task, **update))
    assert not world.changes
    assert (world.get(task).attributes, world.get(task).priority) == ("{}", 0)


def test_with_exactly_one_workflow_none_need_be_named(world: World) -> None:
    (workflow,) = world.state.workflows
    assert world.get(world.task()).workflow_sid == workflow
    empty = World()
    with pytest.raises(Refused, match=r"^WorkflowSid field is required$"):
        empty.task()


def test_the_events_of_one_life_come_in_the_observed_order(world: World) -> None:
    world.worker("ann")
    events = []
    task = world.task(attributes={"a": 1})
    events += world.events
    world.accept(task)
    events += world.events
    world.complete(task)
    events += world.events
    assert events == [
        "task.created",
        "workflow.entered",
        "task-queue.entered",
        "workflow.target-matched",
        "reservation.created",
        "reservation.accepted",
        "task.completed",
        "reservation.completed",
        "task.updated",
    ]
