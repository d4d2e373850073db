"""Time to live, a day assigned, how long ends stay, time of day (behaviour §2 TTL, §5 time-of-day variables;
CX-10, CX-18, OQ-23).

The world starts at 22:13:20 UTC on a Tuesday.
"""

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import NotFound
from engine.routing.values import time_values
from tests.routing.world import START_MS, World, one, routing

DAY_S = 86_400


@pytest.fixture
def world() -> World:
    return World()


# Time to live


@pytest.mark.parametrize("held", ["pending", "reserved"])
def test_the_time_to_live_ends_pending_and_reserved_tasks_at_the_millisecond(world: World, held: str) -> None:
    world.simple_workflow(world.queue(), task_reservation_timeout_s=3600)
    if held == "reserved":
        world.worker("ann")
    task = world.task(timeout_s=60)
    world.wait(59.999)
    assert (world.status(task), world.events) == (held, [])
    world.wait(0.001)
    assert world.events == ["task.canceled", *["reservation.canceled"] * (held == "reserved")]
    assert world.reason(task) == "Task TTL Exceeded"
    event = world.event("task.canceled")
    assert (event.data["task_canceled_reason"], event.description) == ("Task TTL Exceeded",) * 2


def test_the_time_to_live_counts_from_creation_through_every_offer(world: World) -> None:
    world.simple_workflow(world.queue(), task_reservation_timeout_s=20)
    for name in ("ann", "bob"):
        world.worker(name)
    task = world.task(timeout_s=30)
    world.wait(20)
    assert world.offered_to(task) == ["bob"]
    world.wait(9.999)
    assert world.offered_to(task) == ["bob"]
    world.wait(0.001)
    assert world.reason(task) == "Task TTL Exceeded"


def test_of_a_time_to_live_and_a_reservation_that_end_together_the_former_wins(world: World) -> None:
    world.simple_workflow(world.queue(), task_reservation_timeout_s=60)
    ann = world.worker("ann")
    world.task(timeout_s=60)
    world.wait(60)
    assert world.events == ["task.canceled", "reservation.canceled"]
    assert world.get_worker(ann).activity_sid == world.activities["Available"]


@pytest.mark.parametrize("status", [R.ACCEPTED, R.WRAPPING])
def test_assigned_and_wrapping_tasks_outlive_their_time_to_live(world: World, status: R) -> None:
    world.simple_workflow(world.queue())
    world.worker("ann")
    task = world.task(timeout_s=60)
    world.accept(task)
    if status is R.WRAPPING:
        world.move(world.offers(task)[0], R.WRAPPING)
    world.wait(600)
    assert world.events == []
    assert world.status(task) in (T.ASSIGNED, T.WRAPPING)


def test_the_time_to_live_is_a_day_unless_given_and_no_update_changes_it(world: World) -> None:
    world.simple_workflow(world.queue())
    task = world.task()
    world.wait(DAY_S - 0.001)
    assert world.status(task) is T.PENDING
    world.wait(0.001)
    assert world.status(task) is None
    assert "timeout_s" not in c.UpdateTask.__slots__


# A day assigned, and how long an end stays


def test_a_task_assigned_for_a_day_is_deleted_by_the_system_at_the_millisecond(world: World) -> None:
    world.simple_workflow(world.queue())
    world.worker("ann")
    task = world.task()
    world.wait(100)
    world.accept(task)
    world.wait(DAY_S - 0.001)
    assert world.status(task) is T.ASSIGNED
    world.wait(0.001)
    assert world.events == ["reservation.completed", "task.system-deleted"]
    assert world.changes.removed == [("tasks", task)]


def test_a_wrapping_task_is_not_deleted_after_a_day(world: World) -> None:
    world.simple_workflow(world.queue())
    world.worker("ann")
    task = world.task()
    world.accept(task)
    world.move(world.offers(task)[0], R.WRAPPING)
    world.wait(3 * DAY_S)
    assert world.status(task) is T.WRAPPING


@pytest.mark.parametrize("end", ["completed", "canceled"])
def test_a_finished_task_is_gone_five_minutes_after_its_end_without_an_event(world: World, end: str) -> None:
    world.simple_workflow(world.queue())
    if end == "completed":
        world.worker("ann")
    task = world.task()
    if end == "completed":
        world.accept(task)
        world.complete(task)
    else:
        world.cancel(task)
    world.do(c.AdoptFinishedTask(world.changes.tasks[task]))
    world.wait(299.999)
    world.do(c.UpdateTask(task, attributes='{"note": 1}'))
    assert world.status(task) == end
    world.wait(0.001)
    assert world.events == []
    with pytest.raises(NotFound):
        world.do(c.UpdateTask(task, attributes="{}"))


# Time of day


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, (2213, 22, 13, "Tue")),
        (39, (2213, 22, 13, "Tue")),
        (40, (2214, 22, 14, "Tue")),
        (106 * 60 + 39, (2359, 23, 59, "Tue")),
        (106 * 60 + 40, (0, 0, 0, "Wed")),
        (106 * 60 + 40 + 8 * 3600, (800, 8, 0, "Wed")),
        (5 * DAY_S, (2213, 22, 13, "Sun")),
        (6 * DAY_S, (2213, 22, 13, "Mon")),
    ],
)
def test_hour_minute_and_both_are_integers_and_the_day_a_name_in_utc(
    seconds: int, expected: tuple[int, int, int, str]
) -> None:
    values = time_values(START_MS + seconds * 1000)
    assert (
        tuple(values[name] for name in ("currentTime", "currentHour", "currentMin", "dayOfWeek")) == expected
    )


def test_all_seven_days_have_their_names() -> None:
    days = [time_values(START_MS + day * DAY_S * 1000)["dayOfWeek"] for day in range(7)]
    assert days == ["Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("taskrouter.currentHour > 8", True),
        ("taskrouter.currentHour == '22'", False),
        ("taskrouter.currentTime >= 0800 AND taskrouter.currentTime <= 2213", True),
        ("taskrouter.currentTime < 800", False),
        ("taskrouter.currentMin == 13", True),
        ("taskrouter.dayOfWeek IN ['Mon', 'Tue']", True),
        ("taskrouter.dayOfWeek IN ['MON', 'TUE']", False),
        ("taskrouter.nothing == null", True),
    ],
)
def test_filters_read_the_time(world: World, expression: str, expected: bool) -> None:
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one(expression, {"queue": a}), default=b))
    assert world.queue_of(world.task()) == ("a" if expected else "b")


def test_an_attribute_cannot_take_the_place_of_the_time(world: World) -> None:
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one("taskrouter.currentHour == 3", {"queue": a}), default=b))
    assert world.queue_of(world.task(attributes={"taskrouter": {"currentHour": 3}})) == "b"


def test_a_waiting_task_sees_the_new_minute_in_its_targets_expression_and_not_earlier(world: World) -> None:
    world.steps({"queue": world.queue(), "expression": "taskrouter.currentMin == 14"})
    world.worker("ann")
    task = world.task()
    world.wait(39.999)
    assert world.status(task) is T.PENDING
    world.wait(0.001)
    assert world.offered_to(task) == ["ann"]


@pytest.mark.parametrize(("second", "expected"), [(2799.999, "day"), (2800, "night")])
def test_an_offer_that_ends_unaccepted_chooses_the_filter_of_the_new_time(
    world: World, second: float, expected: str
) -> None:
    day, night = world.queue("day"), world.queue("night", "1==0")
    filter_ = one("taskrouter.currentHour == 22", {"queue": day})
    world.workflow(routing(filter_, default=night), task_reservation_timeout_s=3600)
    world.worker("ann")
    task = world.task()
    world.wait(second)
    world.reject(task)
    assert world.queue_of(task) == expected
