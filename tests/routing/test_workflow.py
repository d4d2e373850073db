"""Workflows: validation on save, filters, targets, their clock, skips (behaviour §5)."""

import json

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Refused
from tests.routing.world import World, one, routing


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_matching_filter_counts(world: World) -> None:
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one("x == 1", {"queue": a}), one("x >= 1", {"queue": b})))
    assert world.get(world.task(attributes={"x": 1})).task_queue_sid == a
    assert world.get(world.task(attributes={"x": 2})).task_queue_sid == b


def test_no_match_goes_to_the_default_filter(world: World) -> None:
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one("x == 1", {"queue": a}), default=b))
    assert world.get(world.task()).task_queue_sid == b


def test_no_match_and_no_default_is_canceled_at_once(world: World) -> None:
    world.workflow(routing(one("x == 1", {"queue": world.queue()})))
    task = world.task()
    assert world.status(task) is None
    assert world.events == ["task.created", "workflow.entered", "workflow.timeout", "task.canceled"]
    assert [warning.code for warning in world.changes.warnings] == [14222]


def test_step_deadlines_are_cumulative_on_the_age_of_the_task(world: World) -> None:
    a = world.queue("a", "1==0")
    targets = [{"queue": a, "timeout": 10, "priority": n} for n in (1, 2, 3)]
    world.workflow(routing(one("1==1", *targets)))
    task = world.task()
    for priority in (1, 2, 3):
        assert world.get(task).priority == priority
        world.wait(10)
    assert world.changes.tasks[task].reason == "Task canceled on Workflow timeout"
    assert world.events == ["task-queue.timeout", "workflow.timeout", "task.canceled"]


def test_one_slow_reservation_uses_up_several_steps(world: World) -> None:
    a = world.queue("a")
    targets = [{"queue": a, "timeout": 10, "priority": n} for n in (1, 2, 3)]
    world.workflow(routing(one("1==1", *targets)), task_reservation_timeout_s=25)
    world.worker("ann")
    task = world.task()
    world.wait(15)
    assert world.get(task).target_index == 0
    world.wait(10)
    assert world.get(task).target_index == 2
    assert world.get(task).step_deadline_ms == world.get(task).date_created_ms + 30_000


def test_a_timeout_leads_to_the_next_matching_filter_but_not_to_the_default(world: World) -> None:
    a, b, d = world.queue("a"), world.queue("b"), world.queue("d")
    world.workflow(
        routing(
            one("x == 1", {"queue": a, "timeout": 5}),
            one("x == 2", {"queue": d}),
            one("x >= 1", {"queue": b, "timeout": 5}),
            default=d,
        )
    )
    task = world.task(attributes={"x": 1})
    world.wait(5)
    assert world.get(task).task_queue_sid == b
    assert world.events == [
        "task-queue.timeout",
        "task-queue.moved",
        "task-queue.entered",
        "workflow.target-matched",
    ]
    world.wait(5)
    assert world.status(task) is None


def test_skip_if_leaves_the_step_when_nobody_can_take_the_task_now(world: World) -> None:
    a, b = world.queue("a", "skill == 'a'"), world.queue("b")
    targets = [{"queue": a, "skip_if": "1==1", "timeout": 100}, {"queue": b}]
    world.workflow(routing(one("1==1", *targets)))
    waiting = world.task()
    assert world.get(waiting).task_queue_sid == b
    world.worker("ann", skill="a")
    assert world.offered_to(waiting) == ["ann"]


def test_skip_if_is_not_asked_when_a_reservation_was_created(world: World) -> None:
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one("1==1", {"queue": a, "skip_if": "1==1"}, {"queue": b})))
    world.worker("ann")
    assert world.get(world.task()).task_queue_sid == a


@pytest.mark.parametrize(
    ("skip_if", "skipped"),
    [
        ("workers.available == 0", False),
        ("workers.available == 1", True),
        ("workers.unavailable >= 1", True),
        ("workers.WA00000000000000000000000000000000 == 0", True),
    ],
)
def test_skip_if_counts_the_workers_of_the_queue_by_activity(
    world: World, skip_if: str, skipped: bool
) -> None:
    world.worker("ann", "Offline")
    busy = world.worker("bob")
    world.capacity(busy, "default", 0)
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one("1==1", {"queue": a, "skip_if": skip_if}, {"queue": b})))
    assert world.get(world.task()).task_queue_sid == (b if skipped else a)


def test_a_skip_out_of_the_last_step_uses_the_default_filter(world: World) -> None:
    a, d = world.queue("a"), world.queue("d")
    world.workflow(routing(one("1==1", {"queue": a, "skip_if": "1==1"}), default=d))
    assert world.get(world.task()).task_queue_sid == d


def test_a_skip_out_without_default_filter_cancels(world: World) -> None:
    world.workflow(routing(one("1==1", {"queue": world.queue(), "skip_if": "1==1"})))
    task = world.task()
    assert world.status(task) is None
    assert world.events[-2:] == ["workflow.skipped", "task.canceled"]


def test_order_by_ranks_workers_and_those_without_the_value_come_last(world: World) -> None:
    a = world.queue()
    for name, attributes in (("none", {}), ("low", {"level": 1}), ("high", {"level": 9})):
        world.worker(name, **attributes)
    world.workflow(routing(one("1==1", {"queue": a, "order_by": "worker.level DESC"})))
    assert [world.offered_to(world.task())[0] for _ in range(3)] == ["high", "low", "none"]


def test_a_known_worker_gets_the_task_and_nobody_else(world: World) -> None:
    a = world.queue()
    world.worker("ann")
    bob = world.worker("bob")
    target = {"queue": a, "known_worker_sid": "task.agent"}
    world.workflow(routing(one("1==1", target)))
    assert world.offered_to(world.task(attributes={"agent": bob})) == ["bob"]
    waiting = world.task(attributes={"agent": "WK" + "f" * 32})
    assert world.status(waiting) is T.PENDING
    assert [warning.code for warning in world.changes.warnings] == [40155]


def test_target_expressions_see_the_task_and_the_worker(world: World) -> None:
    a = world.queue()
    world.worker("ann", langs=["en"])
    world.worker("eva", langs=["es", "en"])
    world.workflow(routing(one("1==1", {"queue": a, "expression": "worker.langs HAS task.lang"})))
    assert world.offered_to(world.task(attributes={"lang": "es"})) == ["eva"]


def test_an_attribute_write_moves_a_waiting_task_to_an_earlier_filter(world: World) -> None:
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one("grab == 1", {"queue": a}), one("1==1", {"queue": b, "timeout": 50})))
    task = world.task()
    world.wait(20)
    world.do(c.UpdateTask(task, attributes='{"grab": 1}'))
    assert world.get(task).task_queue_sid == a
    assert world.events == [
        "task.updated",
        "task-queue.moved",
        "task-queue.entered",
        "workflow.target-matched",
    ]


def test_an_attribute_write_that_changes_no_filter_keeps_the_clock(world: World) -> None:
    a = world.queue("a")
    world.workflow(routing(one("1==1", {"queue": a, "timeout": 50})))
    task = world.task()
    deadline_ms = world.get(task).step_deadline_ms
    world.wait(20)
    world.do(c.UpdateTask(task, attributes='{"other": 1}'))
    assert world.get(task).step_deadline_ms == deadline_ms
    assert world.events == ["task.updated"]


def test_an_update_without_re_evaluation_leaves_waiting_tasks_on_their_configuration(world: World) -> None:
    a, b = world.queue("a"), world.queue("b")
    workflow = world.simple_workflow(a)
    old = world.task()
    new_text = json.dumps(routing(default=b))
    world.do(c.UpdateWorkflow(workflow, configuration=new_text))
    assert world.get(old).task_queue_sid == a
    assert world.get(world.task()).task_queue_sid == b
    world.do(c.UpdateWorkflow(workflow, re_evaluate_tasks=True))
    assert world.get(old).task_queue_sid == b


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ("{", "Configuration: not valid JSON"),
        ("[]", "Configuration: expected an object"),
        ("{}", "Configuration: expected"),
        ({"task_routing": {"filters": {}}}, "filters: expected a list, found an object"),
        (routing({"targets": []}), r"filters\[0\]\.expression: required"),
        (routing({"expression": "1==1"}), r"filters\[0\]\.targets: expected a list"),
        (routing(one("1==1")), r"filters\[0\]\.targets: expected a list of one target or more, found a list"),
        (
            routing({"expression": "1==1", "targets": {"queue": "Q"}}),
            r"targets: expected .*, found an object",
        ),
        (routing(one("1==1", {})), r"filters\[0\]\.targets\[0\]\.queue: required"),
        (routing(one("1==1", {"queue": "WQ" + "9" * 32})), r"targets\[0\]\.queue: there is no TaskQueue"),
        (routing(one("a-b == 1", {"queue": "Q"})), r"filters\[0\]\.expression: column \d+"),
        (routing(one("1==1", {"queue": "Q", "timeout": 0})), r"timeout: expected at least 1"),
        (routing(one("1==1", {"queue": "Q", "timeout": "x"})), r"timeout: expected a whole number"),
        (routing(one("1==1", {"queue": "Q", "priority": -1})), r"priority: expected at least 0"),
        (routing(one("1==1", {"queue": "Q", "order_by": "worker.level DOWN"})), r"targets\[0\]\.order_by: "),
        (
            routing(one("1==1", {"queue": "Q", "known_worker_sid": "agent"})),
            r"known_worker_sid: expected a path such as task\.agent_sid",
        ),
        (
            routing(
                one(
                    "1==1",
                    {"queue": "Q", "known_worker_sid": "task.a", "known_worker_friendly_name": "task.b"},
                )
            ),
            "exclude each other",
        ),
    ],
)
def test_a_bad_configuration_is_refused_with_its_path(
    world: World, configuration: object, message: str
) -> None:
    queue = world.queue()
    text = configuration if isinstance(configuration, str) else json.dumps(configuration)
    with pytest.raises(Refused, match=message):
        world.workflow(text.replace('"Q"', f'"{queue}"'))
    assert not world.state.workflows


def test_numbers_may_be_quoted_and_unknown_keys_are_tolerated_with_a_warning(world: World) -> None:
    target = {"queue": world.queue(), "timeout": "30", "priority": "5", "colour": "red"}
    world.workflow(routing(one("1==1", target)))
    assert "filters[0].targets[0].colour" in world.changes.warnings[0].message
    assert world.get(world.task()).priority == 5


def test_filters_without_task_routing_are_accepted(world: World) -> None:
    queue = world.queue()
    world.workflow({"filters": [one("1==1", {"queue": queue})]})
    assert world.get(world.task()).task_queue_sid == queue


def test_time_of_day_is_seen_by_a_waiting_task_at_the_next_minute(world: World) -> None:
    # The world starts at 22:13:20 UTC on a Tuesday.
    a = world.queue()
    world.worker("ann")
    target = {"queue": a, "expression": "taskrouter.currentTime >= 2215 AND taskrouter.dayOfWeek == 'Tue'"}
    world.workflow(routing(one("1==1", target)))
    task = world.task()
    world.wait(60)
    assert world.status(task) is T.PENDING
    world.wait(40)
    assert world.status(task) is T.RESERVED


def test_every_configuration_saved_in_one_batch_is_handed_out(world: World) -> None:
    a, b = world.queue("a"), world.queue("b")
    workflow = world.simple_workflow(a)
    core = world.core
    for queue in (b, a):
        text = json.dumps(routing(default=queue))
        core.handle(c.UpdateWorkflow(workflow, configuration=text), world.now_ms)
        core.handle(c.CreateTask(world.new_sid("WT")), world.now_ms)
    versions = core.take_changes().configurations
    assert sorted(versions) == [(workflow, 2), (workflow, 3)]


def test_skip_if_is_asked_although_the_task_was_updated_in_the_batch_of_its_creation(world: World) -> None:
    a, b = world.queue("a"), world.queue("b")
    world.workflow(routing(one("1==1", {"queue": a, "skip_if": "1==1"}, {"queue": b})))
    task = world.new_sid("WT")
    world.core.handle(c.CreateTask(task), world.now_ms)
    world.do(c.UpdateTask(task, priority=1))
    assert world.get(task).task_queue_sid == b


def test_skip_if_is_asked_again_when_the_offer_ended_and_nobody_is_left(world: World) -> None:
    a, b = world.queue("a", "skill == 'a'"), world.queue("b", "skill == 'b'")
    world.worker("ann", skill="a")
    world.workflow(routing(one("1==1", {"queue": a, "skip_if": "1==1"}, {"queue": b})))
    task = world.task()
    world.reject(task, activity_sid=world.activities["Offline"])
    assert world.get(task).task_queue_sid == b


def test_skip_if_is_not_asked_while_the_one_who_refused_stays_ready(world: World) -> None:
    a, b = world.queue("a", "skill == 'a'"), world.queue("b", "skill == 'b'")
    world.worker("ann", skill="a")
    world.workflow(routing(one("1==1", {"queue": a, "skip_if": "1==1"}, {"queue": b})))
    task = world.task()
    world.reject(task)
    assert world.get(task).task_queue_sid == a
    world.wait(1)
    assert world.offered_to(task) == ["ann"]


def test_a_timed_step_that_was_left_wakes_nobody(world: World) -> None:
    a = world.queue("a", "1==0")
    timed = {"queue": a, "expression": "taskrouter.currentMin >= 0", "timeout": 5}
    world.workflow(routing(one("1==1", timed, {"queue": a})))
    world.task(timeout_s=3600)
    world.wait(5)
    assert world.core.next_deadline_ms() == world.now_ms - 5_000 + 3_600_000


def test_a_new_minute_alone_writes_nothing(world: World) -> None:
    a = world.queue("a", "1==0")
    world.workflow(routing(one("1==1", {"queue": a, "expression": "taskrouter.currentMin >= 0"})))
    world.task()
    world.wait(60)
    assert not world.changes


def test_the_bounds_of_a_targets_numbers_belong_to_them() -> None:
    world = World()
    queue = world.queue("a", "1==0")
    least, most = {"queue": queue, "timeout": 1, "priority": 0}, {"timeout": "2", "priority": 2**31 - 1}
    world.workflow(routing(one("1==1", least, most)))
    task = world.task(priority=3)
    assert (world.get(task).priority, world.get(task).step_deadline_ms) == (0, world.now_ms + 1000)
    world.wait(1)
    assert (world.get(task).priority, world.get(task).step_deadline_ms) == (2**31 - 1, world.now_ms + 2000)
    with pytest.raises(
        Refused, match=r"priority: expected at least 0 and at most 2147483647, found 2147483648"
    ):
        world.workflow(routing(one("1==1", {"queue": queue, "priority": 2**31})))


def test_empty_texts_in_a_target_are_as_good_as_none() -> None:
    world = World()
    names = ("expression", "order_by", "skip_if", "timeout", "priority")
    world.workflow(routing(one("1==1", {"queue": world.queue("a"), **dict.fromkeys(names, "")})))
    world.worker("ann")
    task = world.task(priority=4)
    assert (world.get(task).priority, world.get(task).step_deadline_ms) == (4, None)
    assert (world.offered_to(task), world.changes.warnings) == (["ann"], [])
