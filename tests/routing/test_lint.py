"""The linter of configurations and of TargetWorkers, alone and with what is known of the workspace."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.expressions.expression import parse
from engine.routing import commands as c
from engine.routing.errors import Refused
from engine.routing.knowledge import LOOK_UPS_MAX
from engine.routing.lint import Knowledge, first_warnings, lint_configuration, lint_target_workers
from engine.routing.values import worker_values
from engine.routing.workflow import parse_configuration
from tests.expressions.strategies import COMPARISONS, RECORDS, TEXTS
from tests.routing.world import World

AVAILABLE, BREAK = "WA" + "a" * 32, "WA" + "b" * 32
QUEUE = "WQ" + "1" * 32
OTHER_QUEUE = "WQ" + "2" * 32


def worker(number: int, **attributes: Any) -> dict[str, Any]:
    return worker_values(attributes, f"WK{number:032x}", f"worker {number}", AVAILABLE, "Available")


def knowledge(*workers: dict[str, Any], **options: Any) -> Knowledge:
    return Knowledge(workers, {AVAILABLE: "Available", BREAK: "On break"}, ["voice", "chat"], **options)


TEAM = knowledge(
    worker(1, skills=["billing"], level=3, language="en", vip=True, home={"city": "Bonn"}, tags=["a"]),
    worker(2, skills=[], level=1, language="de", extra="7", tags="a"),
    worker(3, skills=["sales", "billing"], level=2, language="en"),
)


def filter_of(expression: str, *targets: dict[str, Any]) -> dict[str, Any]:
    return {"expression": expression, "targets": list(targets) or [{"queue": QUEUE}]}


def target(**options: Any) -> dict[str, Any]:
    return {"queue": QUEUE, **options}


def in_target(**options: Any) -> list[dict[str, Any]]:
    return [filter_of("1==1", target(**options))]


def warnings(
    filters: list[dict[str, Any]], known: Knowledge | None = TEAM, **routing: Any
) -> list[tuple[str, int | None, str]]:
    text = json.dumps({"task_routing": {"filters": filters, **routing}})
    found = lint_configuration(parse_configuration(text), known)
    return [(warning.path, warning.column, warning.message) for warning in found]


def of_queue(text: str, known: Knowledge | None = TEAM) -> list[str]:
    return [str(warning) for warning in lint_target_workers(parse(text), known)]


def assert_one(found: list[tuple[str, int | None, str]], path: str, column: int | None, says: str) -> None:
    assert len(found) == 1, found
    assert found[0][:2] == (path, column)
    assert says in found[0][2]


QUEUES = {
    "a prefix": ("worker.level > 2", "names stand without prefix in TargetWorkers; write level"),
    "the task": ("task.level > 2", "TargetWorkers sees nothing but the worker"),
    "the time": ("taskrouter.currentHour > 8", "TargetWorkers sees nothing but the worker"),
    "an attribute that no worker has": ("skill_level > 2", "no worker has an attribute skill_level"),
    "one of another spelling": ("Language == 'en'", "no worker has an attribute Language; write language"),
    "one in the singular": ("skill HAS 'billing'", "write skills"),
    "a deeper one": ("home.street == 'x'", "no worker has an attribute home.street"),
    "HAS on text": (
        "language HAS 'en'",
        "language is text on every worker that has it; write language == 'en'",
    ),
    "a number as text": ("level >= '2'", "write 2 without quotes"),
    "an object": ("home == 'Bonn'", "name one of its keys"),
    "an unknown activity": ("activity_name == 'on break'", "write 'On break'"),
    "an unknown activity SID": (f"activity_sid == 'WA{'c' * 32}'", f"it is one of '{AVAILABLE}', '{BREAK}'"),
    "a SID as number": ("sid == 5", "sid is text and 5 is a number"),
    "NOT IN what some lack": ("'x' NOT IN tags", "NOT IN is false where tags is missing"),
    "a constant": ("level == 1 AND level == 2", "never hold together"),
}


@pytest.mark.parametrize(("text", "says"), QUEUES.values(), ids=QUEUES.keys())
def test_target_workers_are_warned_of(text: str, says: str) -> None:
    (found,) = of_queue(text)
    assert found.startswith("TargetWorkers: column ")
    assert says in found


@pytest.mark.parametrize(
    "text",
    [
        "1==1",
        "1==0",
        "skills HAS 'billing' AND level >= 2 AND language IN ['en', 'fr']",
        "tags HAS 'a' OR tags == 'a'",
        "activity_name IN ['On break'] AND sid != 'WK1' AND friendly_name CONTAINS 'w'",
        "gone == null AND 'x' NOT IN skills",
        "home.city == 'Bonn' AND vip != true",
    ],
)
def test_target_workers_that_fit_the_workers_pass(text: str) -> None:
    assert of_queue(text) == []


def test_without_workers_nothing_is_said_about_attributes() -> None:
    for known in (None, knowledge()):
        assert of_queue("gone HAS 'x' AND level > 2", known) == []
        assert of_queue("activity_name == 'gone'", None) == []
    assert list(lint_target_workers(None, TEAM)) == []


def test_a_worker_attribute_of_the_name_of_a_prefix_is_no_prefix() -> None:
    assert of_queue("task.kind == 'x'", knowledge(worker(1, task={"kind": "x"}))) == []


FILTERS = {
    "a prefix": ("task.kind == 'x'", "names stand without prefix in a filter; write kind"),
    "the worker": ("worker.level > 2", "ask for worker.level in a target's expression"),
    "the counts": ("workers.available > 2", "ask for workers.available in a target's skip_if"),
    "no such time": ("taskrouter.currentDay == 1", "taskrouter.currentHour, taskrouter.currentMin"),
    "the time itself": ("taskrouter == 1", "there is no taskrouter; write one of"),
    "an hour as text": ("taskrouter.currentHour > '8'", "write 8 without quotes"),
    "no such day": (
        "taskrouter.dayOfWeek IN ['Mon', 'THU']",
        "taskrouter.dayOfWeek is never 'THU'; write 'Thu'",
    ),
    "a long day": ("taskrouter.dayOfWeek != 'Sunday'", "write 'Sun'"),
    "ordered days": ("taskrouter.dayOfWeek <= 'Fri'", "taskrouter.dayOfWeek IN ['Fri']"),
    "a quoted name": ("'kind' == 'x'", "write kind == 'x'"),
}


@pytest.mark.parametrize(("text", "says"), FILTERS.values(), ids=FILTERS.keys())
def test_filters_are_warned_of(text: str, says: str) -> None:
    assert_one(warnings([filter_of(text)]), "filters[0].expression", 1, says)


def test_filters_on_bare_names_and_the_time_pass() -> None:
    text = (
        "kind == 'x' AND worker == 'me' AND taskrouter.currentTime >= 0800 AND taskrouter.dayOfWeek == 'Mon'"
    )
    assert warnings([filter_of(text)]) == []


TARGETS = {
    "a worker's attribute without prefix": ("level > 2", "write worker.level"),
    "a name without prefix": ("kind == task.kind", "write task.kind or worker.kind"),
    "a bare root": ("worker == task.agent", "worker has attributes and is no value itself"),
    "the counts": ("workers.available > 2", "workers.available is known in skip_if only"),
    "an attribute that no worker has": ("worker.lvl > task.level", "no worker has an attribute lvl"),
    "HAS on text": ("worker.language HAS task.language", "write worker.language == task.language"),
    "a quoted path": ("'worker.language' == task.language", "write worker.language"),
    "no such channel": (
        "worker.channel.fax.assigned_tasks == 0",
        "no task channel fax in this workspace; it has",
    ),
    "no such figure": (
        "worker.channel.voice.capacity == 0",
        "a channel has configured_capacity, assigned_tasks",
    ),
    "no such day": ("taskrouter.dayOfWeek == 'THU'", "taskrouter.dayOfWeek is never 'THU'; write 'Thu'"),
    "a figure as text": ("worker.channel.voice.assigned_tasks == '0'", "write 0 without quotes"),
    "NOT IN what may be missing": (
        "worker.sid NOT IN task.no",
        "(worker.sid NOT IN task.no OR task.no == null)",
    ),
}


@pytest.mark.parametrize(("text", "says"), TARGETS.values(), ids=TARGETS.keys())
def test_target_expressions_are_warned_of(text: str, says: str) -> None:
    assert_one(warnings(in_target(expression=text)), "filters[0].targets[0].expression", 1, says)


def test_target_expressions_on_prefixed_names_pass() -> None:
    text = (
        "worker.skills HAS task.skill AND worker.level >= task.level AND worker.sid != task.not_me "
        "AND (worker.channel.chat.available_capacity_percentage > 50 OR taskrouter.currentHour < 12)"
    )
    assert warnings(in_target(expression=text)) == []
    assert warnings(in_target(expression="1==0", timeout=5)) == []


SKIPS = {
    "another count": ("workers.busy == 0", "skip_if does not know workers.busy"),
    "the task": ("task.level == 0", "write workers.available, workers.unavailable"),
    "an activity that does not exist": (f"workers.WA{'c' * 32} == 0", "in this workspace, so workers.WAccc"),
    "a count as text": ("workers.available == '0'", "write 0 without quotes"),
    "a quoted name": ("'available' == 0", "write workers.available == 0"),
}


@pytest.mark.parametrize(("text", "says"), SKIPS.values(), ids=SKIPS.keys())
def test_skip_if_is_warned_of(text: str, says: str) -> None:
    assert_one(warnings(in_target(skip_if=text)), "filters[0].targets[0].skip_if", 1, says)


def test_skip_if_on_counts_passes() -> None:
    text = f"workers.available == 0 OR workers.{AVAILABLE} < 2 AND workers.unavailable > 1"
    assert warnings(in_target(skip_if=text)) == []
    assert warnings(in_target(skip_if="1==1")) == []
    assert warnings(in_target(skip_if=f"workers.WA{'c' * 32} == 0"), None) == []


ORDERS = {
    "without prefix": (
        "level DESC",
        1,
        "level orders nothing: order_by looks at workers; write worker.level",
    ),
    "by the task": ("worker.level, task.level", 15, "task.level orders nothing"),
    "by nothing": ("worker.level DESC,  worker.rank ASC", 21, "no worker has an attribute rank"),
    "by text": ("worker.language", 1, "worker.language is no whole number on every worker that has it"),
    "by a built-in text": ("worker.friendly_name", 1, "worker.friendly_name is no whole number, and then"),
}


@pytest.mark.parametrize(("text", "column", "says"), ORDERS.values(), ids=ORDERS.keys())
def test_order_by_is_warned_of(text: str, column: int, says: str) -> None:
    assert_one(warnings(in_target(order_by=text)), "filters[0].targets[0].order_by", column, says)


def test_order_by_numbers_of_workers_passes() -> None:
    text = "worker.level DESC, worker.channel.voice.assigned_tasks"
    assert warnings(in_target(order_by=text)) == []
    mixed = knowledge(worker(1, level=1), worker(2, level="high"))
    assert "on some workers" in warnings(in_target(order_by="worker.level"), mixed)[0][2]


def test_a_filter_below_one_that_always_matches_and_keeps_its_tasks_is_never_reached() -> None:
    found = warnings([filter_of("x == 1"), filter_of("1==1"), filter_of("x == 2")])
    assert_one(
        found, "filters[2]", None, "never reached: filters[1] matches every task and no task leaves it"
    )


@pytest.mark.parametrize(
    "way_out", [{"timeout": 10}, {"skip_if": "1==1"}, {"skip_if": "workers.available == 0"}]
)
def test_a_filter_below_one_that_can_be_left_is_reached(way_out: dict[str, Any]) -> None:
    assert warnings([filter_of("1==1", target(**way_out)), filter_of("x == 2")]) == []
    assert warnings([filter_of("x == 1", target(**way_out)), filter_of("x == 1")]) == []


def test_a_filter_with_the_condition_of_one_that_keeps_its_tasks_is_never_reached() -> None:
    found = warnings([filter_of("x == 1"), filter_of("y == 1"), filter_of("(x = 1)")])
    assert_one(found, "filters[2]", None, "filters[0] has the same condition and no task leaves it")


def test_filters_that_are_switched_off_hide_nothing() -> None:
    assert warnings([filter_of("1==0"), filter_of("1==0"), filter_of("x == 1")]) == []


def test_targets_behind_one_without_timeout_and_skip_if_are_never_reached() -> None:
    never = {"skip_if": "1==0"}
    for options in ({}, never):
        targets = [target(timeout=5), target(priority=5, **options), target(priority=9), target(priority=10)]
        found = warnings([filter_of("x == 1", *targets)])
        assert_one(found, "filters[0].targets[1]", None, "so targets[2] is never reached; give it a timeout")


def test_a_target_that_repeats_the_one_before_it_is_told() -> None:
    same = [target(timeout=5, priority=3), target(timeout=7), target(priority=3, queue=OTHER_QUEUE)]
    found = warnings([filter_of("x == 1", *same)])
    assert_one(found, "filters[0].targets[1]", None, "the same as targets[0] before it")


@pytest.mark.parametrize(
    "second",
    [
        {"queue": OTHER_QUEUE},
        {"priority": 4},
        {"expression": "worker.level > 1"},
        {"order_by": "worker.level"},
        {"known_worker_sid": "task.agent"},
        {"skip_if": "workers.available == 0"},
    ],
)
def test_a_target_that_asks_for_something_else_is_no_repetition(second: dict[str, Any]) -> None:
    assert warnings([filter_of("x == 1", target(timeout=5, priority=3), target(timeout=5, **second))]) == []


def test_what_was_tolerated_in_reading_is_told_first() -> None:
    default = {"queue": QUEUE, "timeout": 5, "expression": "level > 1"}
    found = warnings([filter_of("x == 1", target(colour="red"))], default_filter=default)
    assert [path for path, _, _ in found] == [
        "filters[0].targets[0].colour",
        "default_filter.timeout",
        "default_filter.expression",
    ]
    assert "unknown key, ignored; known: expression, known_worker_friendly_name" in found[0][2]
    assert found[1][2] == "ignored, the default filter has no timeout"


def test_unknown_keys_beside_and_in_task_routing_are_told() -> None:
    text = json.dumps({"task_routing": {"filter": [], "default_filter": target()}, "filters": []})
    found = lint_configuration(parse_configuration(text))
    assert [str(warning) for warning in found] == [
        "Configuration.filters: unknown key, ignored; known: task_routing",
        "task_routing.filter: unknown key, ignored; known: default_filter, filters",
    ]


def test_unknown_keys_are_shown_short_and_on_one_line() -> None:
    found = warnings([filter_of("x == 1", target(**{"a\nb" * 5_000: 1}))])
    assert len(found[0][0]) < 100
    assert found[0][0].isprintable()
    many = {f"key{n}": n for n in range(500)}
    assert len(warnings([filter_of("x == 1", target(**many))])) == 100


def test_a_sample_of_many_workers_is_looked_at_and_said_to_be_one() -> None:
    crowd = knowledge(*(worker(n, level=n) for n in range(50)), sample_max=10)
    assert "no worker of the 10 looked at has an attribute gone" in of_queue("gone == 1", crowd)[0]
    assert "on every worker of the 10 looked at that has it" in of_queue("level == 'x'", crowd)[0]


def test_when_enough_values_were_read_nothing_more_is_claimed() -> None:
    few = knowledge(*(worker(n) for n in range(10)), look_ups_max=25)
    assert len(of_queue("a == 1 OR b == 1 OR c == 1 OR a == 2", few)) == 2


def test_the_default_limits_hold_for_any_configuration() -> None:
    crowd = knowledge(*(worker(n, level=n) for n in range(3_000)))
    names = " OR ".join(f"n{n} == 1" for n in range(300))
    assert len(of_queue(names, crowd)) == LOOK_UPS_MAX // 1_000


def test_only_the_first_warnings_go_into_an_answer_and_the_last_says_so() -> None:
    found = first_warnings(lint_target_workers(parse(" AND ".join(f"x{n} > '3'" for n in range(200)))))
    assert len(found) == 100
    assert found[-1] == "more than 99 warnings; the others are left out"
    assert (
        len(first_warnings(lint_target_workers(parse(" AND ".join(f"x{n} > '3'" for n in range(100))))))
        == 100
    )


@pytest.fixture
def world() -> World:
    return World()


def test_saving_a_queue_answers_warnings_against_the_workers_there_are(world: World) -> None:
    world.worker("ann", level=2)
    queue = world.new_sid("WQ")
    view = world.do(c.CreateTaskQueue(queue, "queue", "level >= '2'"))
    assert view.target_workers == "level >= '2'"
    assert ["level is a number on every worker" in text for text in view.warnings] == [True]
    assert world.do(c.UpdateTaskQueue(queue, friendly_name="renamed")).warnings == ()
    assert len(world.do(c.UpdateTaskQueue(queue, target_workers="level >= '2'")).warnings) == 1
    assert world.do(c.UpdateTaskQueue(queue, target_workers="level >= 2")).warnings == ()
    assert world.do(c.UpdateTaskQueue(queue, target_workers="")).warnings == ()


def test_saving_a_workflow_answers_warnings_and_changes_nothing_else(world: World) -> None:
    queue, workflow = world.queue(), world.new_sid("WW")
    clean = json.dumps({"task_routing": {"default_filter": {"queue": queue}}})
    text = json.dumps({"task_routing": {"filters": [filter_of("task.x == 1", {"queue": queue, "foo": 1})]}})
    view = world.do(c.CreateWorkflow(workflow, "workflow", text))
    assert view.configuration == text
    assert [found.partition(": ")[0] for found in view.warnings] == [
        "filters[0].targets[0].foo",
        "filters[0].expression",
    ]
    assert world.do(c.UpdateWorkflow(workflow, friendly_name="renamed")).warnings == ()
    assert world.do(c.UpdateWorkflow(workflow, configuration=text)).warnings == view.warnings
    assert world.do(c.UpdateWorkflow(workflow, configuration=clean)).warnings == ()


def test_what_is_wrong_is_refused_and_not_warned_of(world: World) -> None:
    with pytest.raises(Refused, match=r"TargetWorkers: column 2"):
        world.queue("queue", "a-b > '2'")


WORKERS = st.lists(RECORDS.map(lambda record: worker(1, **record)), min_size=1, max_size=4)
CLAIMS = {"never holds": False, "always holds": True, "never equal": False, "always unequal": True}


@given(COMPARISONS, WORKERS, RECORDS)
def test_what_is_claimed_with_knowledge_is_true_of_every_worker(
    text: str, workers: list[dict[str, Any]], task: dict[str, Any]
) -> None:
    expression = parse(text)
    compares_paths = len(expression.paths) > 1
    for _, _, message in warnings(in_target(expression=text), knowledge(*workers)):
        for claim, outcome in CLAIMS.items():
            if claim in message and not compares_paths:
                for values in workers:
                    assert expression.evaluate({"worker": values, "task": task}) is outcome


@settings(max_examples=50)
@given(TEXTS, TEXTS, TEXTS, WORKERS)
def test_every_configuration_that_can_be_saved_can_be_linted(
    condition: str, expression: str, skip_if: str, workers: list[dict[str, Any]]
) -> None:
    targets = [target(expression=expression, timeout=5), target(skip_if=skip_if, order_by="worker.a, b")]
    known = knowledge(*workers)
    for path, column, message in warnings([filter_of(condition, *targets)] * 2, known):
        assert path.startswith("filters[")
        assert column is None or column >= 1
        assert message.isprintable()
    of_queue(condition, known)
