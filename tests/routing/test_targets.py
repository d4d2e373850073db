"""Filters and targets: what a target inherits, skip_if, default filter, idioms in use (behaviour §5)."""

import json
from typing import Any

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Refused
from tests.routing.world import World, one, routing


@pytest.fixture
def world() -> World:
    return World()


# The configuration's form


def test_the_text_is_kept_verbatim(world: World) -> None:
    queue = world.queue()
    text = '{ "task_routing" :\n\t{"default_filter":{"queue":"Q"}, "unknown": "é"} }'.replace("Q", queue)
    workflow = world.workflow(text)
    assert world.changes.configurations == {(workflow, 1): text}
    assert world.state.workflow(workflow).configuration == text


@pytest.mark.parametrize(
    "body",
    [
        {"filters": [], "default_filter": {"queue": "Q"}},
        {"default_filter": {"queue": "Q"}},
        {"filters": [{"expression": "1==1", "targets": [{"queue": "Q"}]}]},
    ],
)
def test_filters_and_the_default_filter_may_be_absent(world: World, body: dict[str, Any]) -> None:
    queue = world.queue()
    world.workflow(json.dumps({"task_routing": body}).replace('"Q"', f'"{queue}"'))
    assert world.queue_of(world.task()) == "queue"


@pytest.mark.parametrize("key", ["filter_friendly_name", "friendly_name", "friendlyName"])
def test_the_name_of_a_filter_has_three_spellings(world: World, key: str) -> None:
    target = {"queue": world.queue()}
    workflow = world.workflow(routing({key: "Sales", "expression": "1==1", "targets": [target]}))
    assert world.state.configurations[workflow, 1].filters[0].friendly_name == "Sales"
    assert not world.changes.warnings


def test_the_hyphenated_form_is_not_supported_and_the_refusal_says_what_is(world: World) -> None:
    text = json.dumps({"task-routing": {"default_filter": {"queue": world.queue()}}})
    with pytest.raises(Refused, match=r'^Configuration: expected \{"task_routing": \{"filters": \['):
        world.workflow(text)


def test_the_set_style_priority_is_an_unknown_key_with_a_warning(world: World) -> None:
    world.steps({"queue": world.queue("q", "1==0"), "set-priority": 9})
    (warning,) = world.changes.warnings
    assert warning.message.startswith("filters[0].targets[0].set-priority: unknown key, ignored; known: ")
    assert world.get(world.task()).priority == 0


# What a target has of its own, and what it keeps


def test_the_queue_and_the_priority_pass_on_and_nothing_else(world: World) -> None:
    queue = world.queue("q", max_reserved_workers=3)
    first = {
        "queue": queue,
        "priority": 5,
        "timeout": 10,
        "expression": "1==0",
        "order_by": "worker.level DESC",
        "known_worker_sid": "task.agent",
        "skip_if": "1==0",
    }
    world.steps(first, {}, {"priority": 9})
    for name, level in (("low", 1), ("high", 9)):
        world.worker(name, level=level)
    task = world.task(attributes={"agent": "WK0"})
    assert world.status(task) is T.PENDING
    world.wait(10)
    assert (world.queue_of(task), world.get(task).priority) == ("q", 5)
    assert world.offered_to(task) == ["low", "high"]
    assert world.get(task).target_index == 1


def test_a_target_without_timeout_is_the_last_one_reached(world: World) -> None:
    queue = world.queue("q", "1==0")
    world.steps({"queue": queue}, {"priority": 9})
    task = world.task()
    world.wait(86_399)
    assert (world.get(task).target_index, world.get(task).step_deadline_ms) == (0, None)
    world.wait(1)
    assert world.reason(task) == "Task TTL Exceeded"


def test_a_target_without_timeout_can_be_left_by_a_skip(world: World) -> None:
    a, b = world.queue("a", "1==0"), world.queue("b", "1==0")
    world.steps({"queue": a, "skip_if": "1==1"}, {"queue": b})
    assert world.queue_of(world.task()) == "b"


# No match


def test_a_task_that_nothing_matches_is_answered_as_pending_and_canceled_at_once(world: World) -> None:
    world.workflow(routing(one("x == 1", {"queue": world.queue()})))
    view = world.do(c.CreateTask(world.new_sid("WT")))
    assert (view.status, view.reason, view.version) == (T.PENDING, None, 0)
    assert world.events == ["task.created", "workflow.entered", "workflow.timeout", "task.canceled"]
    reason = "Task canceled: no filter of the Workflow matches and it has no default filter"
    assert world.reason(view.sid) == reason
    assert [(warning.code, warning.message) for warning in world.changes.warnings] == [(14222, reason)]


# The default filter


def test_the_default_filter_heeds_priority_expression_and_order(world: World) -> None:
    default = {
        "queue": world.queue(max_reserved_workers=2),
        "priority": 4,
        "expression": "worker.level > 1",
        "order_by": "worker.level DESC",
    }
    world.workflow(routing(default=default))
    for name, level in (("one", 1), ("two", 2), ("three", 3)):
        world.worker(name, level=level)
    task = world.task()
    assert world.offered_to(task) == ["three", "two"]
    assert world.get(task).priority == 4


def test_a_timeout_of_the_default_filter_is_ignored_with_a_warning(world: World) -> None:
    world.workflow(routing(default={"queue": world.queue("q", "1==0"), "timeout": 5}))
    (warning,) = world.changes.warnings
    assert warning.message == "default_filter.timeout: ignored, the default filter has no timeout"
    task = world.task()
    world.wait(86_399.999)
    assert world.status(task) is T.PENDING
    world.wait(0.001)
    assert world.reason(task) == "Task TTL Exceeded"


def test_the_default_filter_can_be_skipped_out_of(world: World) -> None:
    world.workflow(routing(default={"queue": world.queue("q", "1==0"), "skip_if": "1==1"}))
    task = world.task()
    assert world.events[-2:] == ["workflow.skipped", "task.canceled"]
    reason = "Task canceled: skipped out of the Workflow, which has no default filter"
    assert world.reason(task) == reason


# skip_if


def test_a_skip_out_of_a_filter_goes_to_the_next_one_that_matches(world: World) -> None:
    a, b, d = (world.queue(name, "1==0") for name in ("a", "b", "d"))
    world.workflow(
        routing(
            one("x == 1", {"queue": a, "skip_if": "1==1"}),
            one("x == 2", {"queue": d}),
            one("x > 0", {"queue": b}),
            default=d,
        )
    )
    assert world.queue_of(world.task(attributes={"x": 1})) == "b"


def test_a_skip_is_no_timeout_and_moves_the_task_by_these_events(world: World) -> None:
    a, b = world.queue("a", "1==0"), world.queue("b", "1==0")
    world.steps({"queue": a, "skip_if": "1==1"}, {"queue": b})
    world.task()
    entered = ["task-queue.entered", "workflow.target-matched"]
    assert world.events == ["task.created", "workflow.entered", *entered, "task-queue.moved", *entered]


def test_without_skip_if_a_task_waits_although_nobody_is_there(world: World) -> None:
    a, b = world.queue("a", "1==0"), world.queue("b")
    world.worker("ann")
    world.steps({"queue": a}, {"queue": b})
    assert world.queue_of(world.task()) == "a"


def test_skip_if_is_not_asked_again_while_the_task_waits(world: World) -> None:
    a, b = world.queue("a", "skill == 1"), world.queue("b")
    world.steps({"queue": a, "skip_if": "workers.available == 0"}, {"queue": b})
    ann = world.worker("ann", skill=1)
    world.capacity(ann, "default", 0)
    task = world.task()
    assert world.queue_of(task) == "a"
    world.activity(ann, "Offline")
    world.wait(600)
    assert world.queue_of(task) == "a"


def test_skip_if_is_asked_on_entering_each_step(world: World) -> None:
    queues = [world.queue(name, "1==0") for name in "abc"]
    steps = [{"queue": queue, "skip_if": "workers.available == 0"} for queue in queues]
    world.steps(*steps, {"priority": 1})
    task = world.task()
    assert (world.get(task).target_index, world.queue_of(task)) == (3, "c")


@pytest.mark.parametrize(
    ("skip_if", "skipped"),
    [
        ("workers.available == 1 AND workers.unavailable == 2", True),
        ("workers.available == 0 OR workers.unavailable > 1", True),
        ("workers.available > 1 AND 1==1", False),
        ("workers.OFFLINE == 2", True),
        ("workers.OFFLINE == 1", False),
        ("workers.WA00000000000000000000000000000000 == 0", True),
        ("workers.nothing == 0", True),
    ],
)
def test_skip_if_counts_the_queues_workers_by_activity_only(
    world: World, skip_if: str, skipped: bool
) -> None:
    a, b = world.queue("a", "team == 1"), world.queue("b", "1==0")
    text = skip_if.replace("OFFLINE", world.activities["Offline"])
    world.steps({"queue": a, "skip_if": text, "expression": "worker.level == 9"}, {"queue": b})
    world.worker("ann", team=1)
    world.worker("bob", "Offline", team=1)
    world.worker("cid", "Offline", team=1)
    world.worker("dan", team=2)
    assert world.queue_of(world.task()) == ("b" if skipped else "a")


# Idioms


def test_a_first_step_that_nobody_can_take_is_a_delay(world: World) -> None:
    world.steps({"queue": world.queue(), "expression": "1==0", "timeout": 15}, {})
    world.worker("ann")
    task = world.task()
    world.wait(14.999)
    assert world.status(task) is T.PENDING
    world.wait(0.001)
    assert world.offered_to(task) == ["ann"]


@pytest.mark.parametrize("expression", ["1=0", "1==0"])
def test_a_queue_that_takes_nobody_holds_its_tasks(world: World, expression: str) -> None:
    world.simple_workflow(world.queue(target_workers=expression))
    world.worker("ann")
    assert world.status(world.task()) is T.PENDING


def test_a_ladder_raises_the_priority_in_the_same_queue(world: World) -> None:
    queue = world.queue("q", "1==0")
    world.steps(*[{"queue": queue, "priority": n, "timeout": 30} for n in (1, 5, 10)], {"priority": 20})
    task = world.task()
    for priority in (1, 5, 10, 20, 20):
        assert (world.get(task).priority, world.queue_of(task)) == (priority, "q")
        world.wait(30)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("worker.sid not in task.do_not_contact", ["bob"]),
        ("task.caller!=worker.contact_uri", ["bob"]),
        ("worker.sid NOT IN task.unheard_of", []),
    ],
)
def test_workers_can_be_excluded(world: World, expression: str, expected: list[str]) -> None:
    world.steps({"queue": world.queue(), "expression": expression})
    ann = world.worker("ann", contact_uri="client:ann")
    world.worker("bob", contact_uri="client:bob")
    task = world.task(attributes={"do_not_contact": [ann], "caller": "client:ann"})
    assert world.offered_to(task) == expected
