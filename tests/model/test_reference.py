"""The oracle itself against the worked examples of the behaviour reference."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.model.naive_expressions import BadExpression, evaluate, parse, time_names
from tests.model.reference import Reference, Refusal

START = 1_700_000_000_000


def numbered_sids() -> Callable[[str], str]:
    counts: Counter[str] = Counter()

    def mint(prefix: str) -> str:
        counts[prefix] += 1
        return f"{prefix}{counts[prefix]:032x}"

    return mint


class Desk:
    """A reference with a clock in seconds and short names."""

    def __init__(self, **settings: Any) -> None:
        self.mint = numbered_sids()
        self.router = Reference(self.mint, START, **settings)
        self.now = START
        self.available = list(self.router.w["activities"])[1]

    def at(self, second: float) -> None:
        self.now = START + int(second * 1000)
        self.router.advance(self.now)
        self.router.match(self.now)

    def do(self, command: str, **fields: Any) -> None:
        self.router.do(command, fields, self.now)
        self.router.match(self.now)

    def queue(self, **fields: Any) -> str:
        sid = self.mint("WQ")
        self.do("CreateTaskQueue", sid=sid, friendly_name=sid, **fields)
        return sid

    def workflow(
        self, *targets: dict[str, Any], default: Any = None, timeout_s: int = 120, **more: Any
    ) -> str:
        sid = self.mint("WW")
        routing = {"filters": [{"expression": "1==1", "targets": list(targets)}], "default_filter": default}
        if not targets:
            routing["filters"] = []
        self.do(
            "CreateWorkflow",
            sid=sid,
            friendly_name=sid,
            configuration=json.dumps({"task_routing": routing}),
            task_reservation_timeout_s=timeout_s,
        )
        return sid

    def worker(self, *, available: bool = True, **attributes: Any) -> str:
        sid = self.mint("WK")
        activity = self.available if available else None
        self.do(
            "CreateWorker",
            sid=sid,
            friendly_name=sid,
            attributes=json.dumps(attributes),
            activity_sid=activity,
        )
        return sid

    def task(self, workflow: str | None = None, attributes: Any = None, **fields: Any) -> str:
        sid = self.mint("WT")
        self.do(
            "CreateTask", sid=sid, workflow_sid=workflow, attributes=json.dumps(attributes or {}), **fields
        )
        return sid

    def __getitem__(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = self.router.w["tasks"][task]
        return found

    def offers(self, task: str) -> list[dict[str, Any]]:
        return [r for r in self.router.w["reservations"].values() if r["task"] == task]

    def events(self, task: str) -> list[str]:
        mine = {task, *(offer["sid"] for offer in self.offers(task))}
        return [event for event, sid in self.router.log if sid in mine]


def test_three_ten_second_targets_end_at_ten_twenty_and_thirty() -> None:
    desk = Desk()
    queues = [desk.queue() for _ in range(3)]
    workflow = desk.workflow(*({"queue": queue, "timeout": 10} for queue in queues))
    task = desk.task(workflow)
    deadlines = []
    for second in (0, 10, 20):
        desk.at(second)
        deadlines.append((desk[task]["queue"], (desk[task]["deadline"] - START) // 1000))
    assert deadlines == list(zip(queues, (10, 20, 30), strict=True))
    desk.at(30)
    assert (desk[task]["status"], desk[task]["reason"]) == ("canceled", "Task canceled on Workflow timeout")


def test_a_reservation_that_times_out_inside_the_step_leaves_the_task_in_it() -> None:
    desk = Desk()
    first, second = desk.queue(), desk.queue(target_workers="1==2")
    workflow = desk.workflow({"queue": first, "timeout": 10}, {"queue": second, "timeout": 10}, timeout_s=8)
    desk.worker()
    task = desk.task(workflow)
    desk.at(8)
    assert (desk[task]["status"], desk[task]["step"]) == ("pending", 0)
    desk.at(10)
    assert (desk[task]["step"], desk[task]["deadline"]) == (1, START + 20_000)


def test_one_long_reservation_uses_up_the_steps_whose_deadlines_it_outlasts() -> None:
    desk = Desk()
    queues = [desk.queue() for _ in range(3)]
    workflow = desk.workflow(*({"queue": queue, "timeout": 10} for queue in queues), timeout_s=25)
    desk.worker()
    task = desk.task(workflow)
    desk.at(20)
    assert (desk[task]["status"], desk[task]["step"]) == ("reserved", 0)
    desk.at(25)
    assert (desk[task]["status"], desk[task]["step"]) == ("pending", 2)
    assert (
        desk.events(task)[-6:]
        == [
            *("task-queue.timeout", "task-queue.moved", "task-queue.entered", "workflow.target-matched"),
            *("task-queue.timeout", "task-queue.moved", "task-queue.entered", "workflow.target-matched"),
        ][-6:]
    )


@pytest.mark.parametrize(
    ("preferred", "expected"),
    [("FIFO", "F1 F2 F3 F4 F5 L5 L4 L3 L2 L1"), ("LIFO", "L5 L4 L3 L2 L1 F1 F2 F3 F4 F5")],
)
def test_the_preferred_type_of_queue_is_drained_first_and_completely(preferred: str, expected: str) -> None:
    desk = Desk(preferred_order=preferred)
    queues = {"F": desk.queue(), "L": desk.queue(task_order="LIFO")}
    names = {}
    for number in range(1, 6):
        for kind in "FL":
            desk.at(number)
            names[desk.task(task_queue_sid=queues[kind])] = f"{kind}{number}"
    desk.worker()
    drained = []
    for _ in range(10):
        (offer,) = (r for r in desk.router.w["reservations"].values() if r["status"] == "pending")
        drained.append(names[offer["task"]])
        desk.do("UpdateReservation", sid=offer["sid"], status="accepted")
        desk.do("UpdateReservation", sid=offer["sid"], status="completed")
    assert " ".join(drained) == expected


def test_the_first_to_accept_has_the_task_and_the_others_are_rescinded() -> None:
    desk = Desk()
    queue = desk.queue(max_reserved_workers=2)
    workers = [desk.worker() for _ in range(3)]
    task = desk.task(desk.workflow({"queue": queue}))
    assert [offer["worker"] for offer in desk.offers(task)] == workers[:2]
    desk.do("UpdateReservation", sid=desk.offers(task)[1]["sid"], status="accepted")
    assert [offer["status"] for offer in desk.offers(task)] == ["rescinded", "accepted"]
    assert desk.events(task) == [
        *("task.created", "workflow.entered", "task-queue.entered", "workflow.target-matched"),
        *("reservation.created", "reservation.created", "reservation.accepted", "reservation.rescinded"),
    ]
    with pytest.raises(Refusal):
        desk.do("UpdateReservation", sid=desk.offers(task)[0]["sid"], status="accepted")


def test_a_round_is_not_topped_up_and_ends_with_its_last_refusal() -> None:
    desk = Desk()
    queue = desk.queue(max_reserved_workers=2)
    task = desk.task(desk.workflow({"queue": queue}))
    desk.worker(available=False)
    first, second = desk.worker(), desk.worker()
    assert [offer["worker"] for offer in desk.offers(task)] == [first]
    desk.do("UpdateReservation", sid=desk.offers(task)[0]["sid"], status="rejected")
    assert [(o["worker"], o["status"]) for o in desk.offers(task)] == [
        (first, "rejected"),
        (second, "pending"),
    ]


def test_a_refusal_keeps_the_pair_apart_for_a_second_then_two() -> None:
    desk = Desk()
    task = desk.task(desk.workflow({"queue": desk.queue()}))
    desk.worker()
    for offered_at, refused_at in ((0, 5), (6, 7), (9, 10)):
        desk.at(offered_at)
        assert desk[task]["status"] == "reserved"
        desk.at(refused_at)
        desk.do("UpdateReservation", sid=desk.offers(task)[-1]["sid"], status="rejected")
        assert desk[task]["status"] == "pending"
    desk.at(13.999)
    assert desk[task]["status"] == "pending"
    desk.at(14)
    assert desk[task]["status"] == "reserved"


def test_skip_if_asks_once_on_entry_when_nobody_was_reserved() -> None:
    desk = Desk()
    first, second = desk.queue(target_workers="level == 1"), desk.queue(target_workers="level == 2")
    workflow = desk.workflow(
        {"queue": first, "skip_if": "workers.available == 0", "timeout": 10}, {"queue": second}
    )
    skipped = desk.task(workflow)
    assert desk[skipped]["queue"] == second
    worker = desk.worker(level=1)
    taken = desk.task(workflow)
    stays = desk.task(workflow)
    desk.do("UpdateWorker", sid=worker, activity_sid=desk.router.w["default_activity"])
    assert (desk[taken]["status"], desk[stays]["queue"]) == ("reserved", first)


def test_skip_if_is_asked_again_after_a_round_but_not_while_the_worker_only_pauses() -> None:
    desk = Desk()
    first, second = desk.queue(), desk.queue(target_workers="")
    workflow = desk.workflow({"queue": first, "skip_if": "1==1"}, {"queue": second})
    worker = desk.worker()
    task = desk.task(workflow)
    desk.do("UpdateReservation", sid=desk.offers(task)[0]["sid"], status="rejected")
    assert desk[task]["queue"] == first
    desk.at(1)
    offline = desk.router.w["default_activity"]
    desk.do("UpdateReservation", sid=desk.offers(task)[1]["sid"], status="rejected", activity_sid=offline)
    assert (len(desk.offers(task)), desk[task]["queue"]) == (2, second)
    assert desk.router.w["workers"][worker]["activity"] == offline


def test_a_skipped_step_adds_only_the_time_spent_in_it() -> None:
    desk = Desk()
    queue = desk.queue()
    task = desk.task(
        desk.workflow({"queue": queue, "timeout": 60, "skip_if": "1==1"}, {"queue": queue, "timeout": 10})
    )
    assert (desk[task]["step"], desk[task]["deadline"]) == (1, START + 10_000)


def test_skipping_out_of_a_filter_may_use_the_default_and_timing_out_may_not() -> None:
    desk = Desk()
    queue, fallback = desk.queue(), desk.queue()
    by_skip = desk.workflow({"queue": queue, "skip_if": "1==1"}, default={"queue": fallback})
    by_time = desk.workflow({"queue": queue, "timeout": 5}, default={"queue": fallback})
    skipped, timed_out = desk.task(by_skip), desk.task(by_time)
    desk.at(5)
    assert (desk[skipped]["queue"], desk[skipped]["status"]) == (fallback, "pending")
    assert desk[timed_out]["status"] == "canceled"


def test_a_task_that_matches_nothing_is_created_and_canceled_at_once() -> None:
    desk = Desk()
    task = desk.task(desk.workflow())
    assert desk.events(task) == ["task.created", "workflow.entered", "workflow.timeout", "task.canceled"]


def test_order_by_puts_missing_values_last_and_is_ignored_for_a_value_that_is_no_integer() -> None:
    desk = Desk()
    queue = desk.queue(max_reserved_workers=3)
    workflow = desk.workflow({"queue": queue, "order_by": "worker.level DESC"})
    none, low, high = desk.worker(), desk.worker(level=1), desk.worker(level=2)
    task = desk.task(workflow)
    assert [offer["worker"] for offer in desk.offers(task)] == [high, low, none]
    desk.do("UpdateTask", sid=task, assignment_status="canceled")
    desk.do("UpdateWorker", sid=none, attributes='{"level": "3"}')
    assert [offer["worker"] for offer in desk.offers(desk.task(workflow))] == [high, low, none]


def test_a_timeout_moves_the_worker_and_leaves_its_other_offers() -> None:
    desk = Desk()
    workflow = desk.workflow({"queue": desk.queue()}, timeout_s=30)
    worker = desk.worker()
    desk.do("UpdateWorkerChannel", worker_sid=worker, channel="default", capacity=2)
    first = desk.task(workflow)
    desk.at(10)
    second = desk.task(workflow)
    desk.at(30)
    assert (desk[first]["status"], desk[second]["status"]) == ("pending", "reserved")
    assert desk.router.log[-2:] == [
        ("reservation.timeout", desk.offers(first)[0]["sid"]),
        ("worker.activity.update", worker),
    ]


def test_ttl_counts_reserved_time_too() -> None:
    desk = Desk()
    workflow = desk.workflow({"queue": desk.queue()})
    desk.worker()
    task = desk.task(workflow, timeout_s=20)
    desk.at(20)
    assert desk.events(task)[-2:] == ["task.canceled", "reservation.canceled"]
    assert desk[task]["reason"] == "Task TTL Exceeded"


def test_a_worker_target_ignores_activity_and_capacity_unless_told_otherwise() -> None:
    desk = Desk()
    worker = desk.worker(available=False)
    assert desk[desk.task(routing_target=worker)]["status"] == "reserved"
    assert desk[desk.task(routing_target=worker, ignore_capacity=False)]["status"] == "pending"


def test_single_tasking_moves_the_worker_and_gives_one_task_at_a_time() -> None:
    desk = Desk(single_tasking=True)
    offline, available, unavailable = desk.router.w["activities"]
    queue = desk.queue(reservation_activity_sid=unavailable, assignment_activity_sid=offline)
    workflow = desk.workflow({"queue": queue})
    worker = desk.worker()
    desk.do("UpdateWorkerChannel", worker_sid=worker, channel="default", capacity=5)
    first, second = desk.task(workflow), desk.task(workflow)
    assert desk.router.w["workers"][worker]["activity"] == unavailable
    desk.do("UpdateWorker", sid=worker, activity_sid=available)
    assert desk[second]["status"] == "pending"
    desk.do("UpdateReservation", sid=desk.offers(first)[0]["sid"], status="accepted")
    assert desk.router.w["workers"][worker]["activity"] == offline


NAMES = {
    "level": 2,
    "rate": 2.0,
    "name": "o'neil",
    "languages": ["en", "es"],
    "nested": {"team": [{"lead": "ann"}]},
    "flag": True,
    "nothing": None,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1==1", True),
        ("level == 2 AND rate = level", True),
        ("level == 2 or level == 3 and level == 4", True),
        ("(level == 2 or level == 3) and level == 4", False),
        ("not level == 3", True),
        ("languages HAS 'en' AND languages >- \"es\"", True),
        ("name HAS 'o'", False),
        ("name CONTAINS 'neil'", True),
        ("level in [1, 2]", True),
        ("level <- [1]", False),
        ("level not in [1]", True),
        ("absent NOT IN languages", True),
        ("level NOT IN absent", False),
        ("nested.team[0].lead == 'ann'", True),
        ("nested.team[1].lead == null", True),
        ("nothing == absent", True),
        ("level != null", True),
        ("level == '2'", False),
        ("level != '2'", True),
        ("level < '3'", False),
        ("flag == true", True),
        ("flag == 1", False),
        ("0800 == 800", True),
        ("level > -5", True),
        ("languages == 'en'", False),
        ("languages != 'en'", False),
    ],
)
def test_an_expression_means_what_the_table_of_unusual_cases_says(text: str, expected: bool) -> None:
    assert evaluate(text, NAMES) is expected


@pytest.mark.parametrize(
    "text", ["", "level", "level ==", "a && b", "(1==1", "customer-value == 1", "1 == 1 2"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(BadExpression):
        parse(text)


def test_the_time_names_are_utc() -> None:
    assert time_names(START) == {"currentTime": 2213, "currentHour": 22, "currentMin": 13, "dayOfWeek": "Tue"}
