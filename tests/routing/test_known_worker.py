"""Known agent routing (behaviour §5)."""

from typing import Any

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from tests.routing.world import World

NOBODY = "WK" + "f" * 32


@pytest.fixture
def world() -> World:
    return World()


def known_step(world: World, target_workers: str = "1==1", **target: Any) -> None:
    queue = world.queue(target_workers=target_workers)
    world.steps({"queue": queue, "known_worker_sid": "task.agent.sid", **target})


def to(sid: object) -> dict[str, Any]:
    return {"attributes": {"agent": {"sid": sid}}}


def test_the_worker_whose_sid_the_attribute_holds_gets_the_task(world: World) -> None:
    known_step(world)
    world.worker("ann")
    bob = world.worker("bob")
    assert world.offered_to(world.task(**to(bob))) == ["bob"]
    assert not world.changes.warnings


def test_the_worker_whose_name_the_attribute_holds_gets_the_task(world: World) -> None:
    world.steps({"queue": world.queue(), "known_worker_friendly_name": "task.agent"})
    world.worker("ann")
    world.worker("Bob")
    assert world.offered_to(world.task(attributes={"agent": "Bob"})) == ["Bob"]
    assert world.status(world.task(attributes={"agent": "ann smith"})) is T.PENDING


def test_the_targets_expression_must_hold_as_well(world: World) -> None:
    known_step(world, expression="worker.level >= 3")
    ann = world.worker("ann", level=2)
    task = world.task(**to(ann))
    assert world.status(task) is T.PENDING
    world.attributes(ann, level=3)
    assert world.offered_to(task) == ["ann"]


def test_the_task_waits_for_its_worker_while_others_are_free(world: World) -> None:
    known_step(world)
    world.worker("ann")
    bob = world.worker("bob", "Offline")
    task = world.task(**to(bob))
    assert world.status(task) is T.PENDING
    assert not world.changes.warnings
    world.activity(bob, "Available")
    assert world.offered_to(task) == ["bob"]


@pytest.mark.parametrize(
    ("attributes", "code", "message"),
    [
        ({"agent": {"sid": NOBODY}}, 40155, f"known worker: there is no worker '{NOBODY}' in this workspace"),
        ({"agent": {"sid": "bob"}}, 40154, "known worker: there is no worker 'bob' in this workspace"),
        ({"agent": {"sid": 7}}, 40154, "known worker: the attribute is missing or not text"),
        ({"agent": {"sid": ["x"]}}, 40154, "known worker: the attribute is missing or not text"),
        ({"agent": {}}, 40154, "known worker: the attribute is missing or not text"),
        ({}, 40154, "known worker: the attribute is missing or not text"),
    ],
)
def test_a_worker_that_cannot_be_found_alerts_and_the_task_stays(
    world: World, attributes: dict[str, Any], code: int, message: str
) -> None:
    known_step(world)
    world.worker("bob")
    task = world.task(attributes=attributes)
    (warning,) = world.changes.warnings
    assert (warning.code, warning.message, warning.task_sid) == (code, message, task)
    world.wait(3600)
    assert world.status(task) is T.PENDING


def test_a_worker_outside_the_queue_alerts_and_the_task_stays(world: World) -> None:
    known_step(world, "level == 1")
    ann = world.worker("ann", level=2)
    task = world.task(**to(ann))
    (warning,) = world.changes.warnings
    assert warning.code == 40152
    assert warning.message.startswith(f"known worker: worker {ann} is not in queue WQ")
    assert world.status(task) is T.PENDING
    world.attributes(ann, level=1)
    assert world.offered_to(task) == ["ann"]


@pytest.mark.parametrize(
    ("path", "attributes", "codes"),
    [
        ("task.agent.sid", {"agent": {"sid": None}}, []),
        ("task.agents[0]", {"agents": [None]}, []),
        ("task.agents[1]", {"agents": [None]}, [40154]),
        ("task.agents.first", {"agents": [None]}, [40154]),
    ],
)
def test_an_attribute_that_is_null_waits_without_an_alert(
    world: World, path: str, attributes: dict[str, Any], codes: list[int]
) -> None:
    world.steps({"queue": world.queue(), "known_worker_sid": path})
    world.worker("ann")
    task = world.task(attributes=attributes)
    assert [warning.code for warning in world.changes.warnings] == codes
    assert world.status(task) is T.PENDING


@pytest.mark.parametrize("attributes", [to(NOBODY), to(None), {}])
def test_a_task_whose_worker_is_not_found_leaves_by_timeout_skip_or_ttl(attributes: dict[str, Any]) -> None:
    step = {"known_worker_sid": "task.agent.sid"}
    by_timeout, by_skip, by_ttl = World(), World(), World()
    by_timeout.steps({"queue": by_timeout.queue(), "timeout": 10, **step})
    by_skip.steps({"queue": by_skip.queue("first"), "skip_if": "1==1", **step}, {"queue": by_skip.queue()})
    by_ttl.steps({"queue": by_ttl.queue(), **step})
    late = by_timeout.task(**attributes)
    by_timeout.wait(10)
    assert by_timeout.reason(late) == "Task canceled on Workflow timeout"
    assert by_skip.queue_of(by_skip.task(**attributes)) == "queue"
    old = by_ttl.task(timeout_s=60, **attributes)
    by_ttl.wait(60)
    assert by_ttl.reason(old) == "Task TTL Exceeded"


def test_a_worker_who_is_created_later_is_known_then(world: World) -> None:
    world.steps({"queue": world.queue(), "known_worker_friendly_name": "task.agent"})
    task = world.task(attributes={"agent": "ann"})
    assert [warning.code for warning in world.changes.warnings] == [40154]
    world.worker("ann")
    assert world.offered_to(task) == ["ann"]


def test_a_worker_known_by_name_is_no_longer_known_under_the_old_one(world: World) -> None:
    world.steps({"queue": world.queue(), "known_worker_friendly_name": "task.agent"})
    ann = world.worker("ann", "Offline")
    old, new = world.task(attributes={"agent": "ann"}), world.task(attributes={"agent": "eve"})
    world.do(c.UpdateWorker(ann, friendly_name="eve", activity_sid=world.activities["Available"]))
    assert (world.status(old), world.offered_to(new)) == (T.PENDING, ["eve"])


def test_the_restriction_does_not_pass_on_to_the_next_target(world: World) -> None:
    world.steps(
        {"queue": world.queue(), "known_worker_sid": "task.agent.sid", "timeout": 10}, {"timeout": 10}
    )
    world.worker("ann")
    task = world.task()
    assert world.status(task) is T.PENDING
    world.wait(10)
    assert world.offered_to(task) == ["ann"]


def test_events_of_known_agent_routing_carry_the_workers_sid(world: World) -> None:
    world.steps({"queue": world.queue(), "known_worker_friendly_name": "task.agent"})
    ann = world.worker("ann")
    task = world.task(attributes={"agent": "ann"})
    assert world.event("workflow.target-matched").data["known_worker_sid"] == ann
    assert world.event("reservation.created").data["known_worker_sid"] == ann
    world.accept(task)
    assert world.event("reservation.accepted").data["known_worker_sid"] == ann
    world.task(attributes={"agent": "bob"})
    assert "known_worker_sid" not in world.event("workflow.target-matched").data
