"""Why a task waits, and why its worker has it: told by the predicates that the matcher uses."""

import gc
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskOrder, TaskStatus
from engine.routing.errors import NotFound
from engine.routing.explain_views import Reason, RouteKind, TaskExplanation
from engine.routing.limits import RoutingLimits
from engine.routing.matching import offerable
from tests.model.worlds import CHANNELS, TARGET_WORKERS, configuration, task_attributes, worker_attributes
from tests.routing.world import World, routing

BUDGET_MS = 150
"""Some times what 15,000 workers take; the machine may be busy with other things."""


def explain(world: World, task: str, **page: Any) -> TaskExplanation:
    """Explain a task, and hold the explanation to changing nothing."""
    before = repr((world.state.tasks, world.state.workers, world.state.workspace))
    explanation = world.core.explain(task, world.now_ms, **page)
    assert repr((world.state.tasks, world.state.workers, world.state.workspace)) == before
    changes = world.core.take_changes()
    assert not changes
    assert not changes.warnings
    return explanation


def told(world: World, task: str) -> dict[str, str]:
    """What the explanation says of each worker."""
    return {view.friendly_name: view.explanation for view in explain(world, task).workers}


def targeting(queue: str, **target: Any) -> dict[str, Any]:
    targets = [{"queue": queue, **target}]
    return {"task_routing": {"filters": [{"expression": "1==1", "targets": targets}]}}


@pytest.fixture
def world() -> World:
    return World()


def test_a_worker_whom_target_workers_does_not_take_is_told_by_its_first_false_condition(
    world: World,
) -> None:
    world.simple_workflow(world.queue("q", "level >= 3 AND kinds HAS 'a' AND (team == 'x' OR team == 'y')"))
    world.worker("low", level=2, kinds=["a"])
    world.worker("bare")
    world.worker("other", level=3, kinds=["b", 1, None, {}, [1]])
    world.worker("alone", level=3, kinds=["a"], team="z")
    assert told(world, world.task()) == {
        "low": "TargetWorkers: level >= 3 is false: level is 2",
        "bare": "TargetWorkers: level >= 3 is false: level is missing",
        "other": "TargetWorkers: kinds HAS 'a' is false: kinds is ['b', 1, null, an object, […]]",
        "alone": "TargetWorkers: none of team == 'x', team == 'y' holds: team is 'z'",
    }


def test_a_worker_who_does_not_meet_the_target_expression_is_told_the_bound_condition(world: World) -> None:
    expression = "worker.level >= task.level AND NOT worker.nick == task.not_for"
    world.workflow(targeting(world.queue(), expression=expression))
    world.worker("low", level=2)
    world.worker("kim", level=5, nick="kim")
    task = world.task(attributes={"level": 3, "not_for": "kim"})
    assert told(world, task) == {
        "low": "worker.level >= 3 is false: level is 2",
        "kim": "NOT worker.nick == 'kim' is false: nick is 'kim'",
    }
    asked = explain(world, task).asked
    assert asked is not None
    assert asked.expression == expression
    assert asked.bound_expression == "worker.level >= 3 AND NOT worker.nick == 'kim'"
    assert asked.target_workers == "1==1"


def test_an_expression_that_the_tasks_values_make_false_is_told_with_those_values(world: World) -> None:
    world.workflow(targeting(world.queue(), expression="worker.a == 1 AND worker.level >= task.level"))
    world.worker("ann", level=2, a=1)
    task = world.task()
    assert told(world, task) == {
        "ann": "worker.level >= task.level can hold for nobody: task.level is missing"
    }
    assert explain(world, task).reasons[0].unblocked == "when the task's attributes change"


def test_alternatives_are_named_while_they_are_few(world: World) -> None:
    few = " OR ".join(f"worker.x == {number}" for number in range(4))
    many = " OR ".join(f"worker.x == {number}" for number in range(50))
    queue = world.queue()
    world.workflow(targeting(queue, expression=few), name="few")
    world.workflow(targeting(queue, expression=many), name="many")
    world.worker("ann", x="none of them")
    workflows = {workflow.friendly_name: sid for sid, workflow in world.state.workflows.items()}
    assert told(world, world.task(workflow_sid=workflows["few"])) == {
        "ann": "none of worker.x == 0, worker.x == 1, worker.x == 2, worker.x == 3 holds: x is 'none of them'"
    }
    assert told(world, world.task(workflow_sid=workflows["many"])) == {
        "ann": "none of 50 alternatives holds: x is 'none of them'"
    }


def test_a_queue_without_target_workers_takes_nobody(world: World) -> None:
    world.simple_workflow(world.queue("closed", ""))
    world.worker("ann")
    task = world.task()
    assert told(world, task) == {"ann": "TargetWorkers of closed is empty: it takes nobody"}


def test_the_activity_comes_before_the_channel_and_that_before_its_capacity(world: World) -> None:
    world.simple_workflow(world.queue())
    for name in ("away", "off", "full"):
        world.worker(name, "Unavailable")
    world.do(c.CreateActivity(world.new_sid("WA"), "Break"))
    breaks = next(a.sid for a in world.state.activities.values() if a.friendly_name == "Break")
    workers = {worker.friendly_name: sid for sid, worker in world.state.workers.items()}
    world.do(c.UpdateWorker(workers["away"], activity_sid=breaks))
    for name in ("away", "off"):
        world.do(c.UpdateWorkerChannel(workers[name], "voice", available=False))
    world.activity(workers["full"], "Available")
    world.task(task_channel="voice")
    world.activity(workers["off"], "Available")
    task = world.task(task_channel="voice")
    assert told(world, task) == {
        "away": "activity Break is not available",
        "off": "voice channel is switched off",
        "full": "voice capacity 1/1 used",
    }
    reasons = {view.reason: view.unblocked for view in explain(world, task).reasons}
    assert list(reasons) == [Reason.CAPACITY, Reason.CHANNEL, Reason.ACTIVITY]
    assert reasons[Reason.CAPACITY] == (
        "when a voice reservation of the worker ends, or its capacity is raised"
    )


def test_single_tasking_makes_a_worker_busy_on_all_channels() -> None:
    world = World(multi_task_enabled=False)
    world.simple_workflow(world.queue())
    world.worker("ann")
    world.task(task_channel="chat")
    assert told(world, world.task(task_channel="voice")) == {
        "ann": "busy: a single-tasking workspace allows one reservation at a time"
    }


def test_a_back_off_tells_how_the_offer_ended_and_when_the_next_is() -> None:
    world = World(limits=RoutingLimits(refusal_backoff_base_ms=5_000))
    world.simple_workflow(world.queue(), task_reservation_timeout_s=10)
    ann = world.worker("ann")
    task = world.task()
    world.reject(task)
    world.wait(4)
    assert told(world, task) == {"ann": "rejected 4 s ago, offered again in 1 s"}
    back_off = next(timer for timer in explain(world, task).timers if timer.name == "back_off")
    assert back_off.at_ms == world.now_ms + 1_000
    world.wait(1)
    world.wait(10)
    world.activity(ann, "Available")
    assert told(world, task) == {"ann": "let it time out 0 s ago, offered again in 10 s"}
    world.wait(10)
    world.do(c.AssignmentCallbackFailed(world.offers(task)[0].sid, "both URLs failed"))
    world.wait(2.5)
    assert told(world, task) == {"ann": "lost it to a failed callback 2 s ago, offered again in 18 s"}


@pytest.mark.parametrize(
    ("attributes", "said", "note"),
    [
        ({"agent": "bob"}, "only worker 'bob' may take it", None),
        ({"agent": "eve"}, "only worker 'eve' may take it", "there is no such worker in this workspace"),
        (
            {},
            "nobody may take it: the known worker's name is missing",
            "the attribute that names the worker is missing or not text",
        ),
    ],
)
def test_a_known_worker_excludes_all_others(
    world: World, attributes: dict[str, Any], said: str, note: str | None
) -> None:
    world.workflow(targeting(world.queue(), known_worker_friendly_name="task.agent", timeout=30))
    world.worker("ann")
    world.worker("bob", "Offline")
    task = world.task(attributes=attributes)
    assert told(world, task)["ann"] == said
    explanation = explain(world, task)
    assert explanation.asked is not None
    assert explanation.asked.worker == attributes.get("agent")
    assert explanation.asked.worker_named_by == "known_worker_friendly_name"
    assert explanation.asked.worker_note == note
    known = next(view for view in explanation.reasons if view.reason is Reason.KNOWN_WORKER)
    assert known.unblocked == (
        "when the worker that the task names is available, or when the step of its workflow times out"
    )


def test_a_task_for_one_worker_tells_that_it_is(world: World) -> None:
    world.simple_workflow(world.queue())
    ann, bob = world.worker("ann"), world.worker("bob", "Offline")
    task = world.task(routing_target=bob, ignore_capacity=False)
    assert told(world, task) == {
        "ann": f"only worker '{bob}' may take it",
        "bob": "activity Offline is not available",
    }
    explanation = explain(world, task)
    assert explanation.route is not None
    assert explanation.route.kind is RouteKind.WORKER
    assert explanation.reasons[1].unblocked == "when the worker that the task is for is available"
    assert explanation.position is not None
    assert explanation.position.in_queue is None
    offered = explain(world, world.task(routing_target=ann))
    assert offered.offers[0].chosen_because == "it is the only worker that may take the task"


def test_the_route_names_filter_target_and_configuration(world: World) -> None:
    first, second = world.queue("first", "1==0"), world.queue("second", "1==0")
    filters = [
        {"expression": "x == 2", "targets": [{"queue": first}]},
        {
            "filter_friendly_name": "ones",
            "expression": "x == 1",
            "targets": [{"queue": first, "timeout": 10}, {"queue": second, "timeout": 20, "skip_if": "1==0"}],
        },
    ]
    configured = {"task_routing": {"filters": filters, "default_filter": {"queue": second}}}
    workflow = world.workflow(configured)
    task, other = world.task(attributes={"x": 1}), world.task()
    direct = world.task(task_queue_sid=second)
    world.wait(12)
    world.do(c.UpdateWorkflow(workflow, configuration=json.dumps(targeting(first))))
    explanation = explain(world, task)
    route, asked = explanation.route, explanation.asked
    assert route is not None
    assert asked is not None
    assert (route.kind, route.filter_index, route.filter_name) == (RouteKind.FILTER, 1, "ones")
    assert (route.filter_expression, route.target_index, route.target_count) == ("x == 1", 1, 2)
    assert (route.workflow_sid, route.workflow_name) == (workflow, "workflow")
    assert (route.configuration_version, route.is_current_configuration) == (1, False)
    assert asked.skip_if == "1==0"
    timers = {timer.name: (timer.at_ms - world.now_ms, timer.then) for timer in explanation.timers}
    assert timers == {
        "step": (18_000, "it goes to the next filter that matches, else it is canceled"),
        "ttl": (86_388_000, "it is canceled: Task TTL Exceeded"),
    }
    default, queued = explain(world, other).route, explain(world, direct).route
    assert default is not None
    assert queued is not None
    assert (default.kind, default.filter_index, default.target_index) == (RouteKind.DEFAULT_FILTER, None, 0)
    assert (queued.kind, queued.target_index) == (RouteKind.TASK_QUEUE, None)


def test_a_position_counts_the_tasks_before_it_among_its_like_and_in_its_queue(world: World) -> None:
    world.workflow(targeting(world.queue("q", "1==0"), expression="worker.level >= task.level"))
    for level, priority in ((1, 0), (2, 5), (1, 3), (1, 0)):
        world.task(attributes={"level": level}, priority=priority)
    task = world.task(attributes={"level": 1}, priority=1)
    position = explain(world, task).position
    assert position is not None
    assert (position.before_among_alike, position.alike) == (1, 4)
    assert (position.before_in_queue, position.in_queue) == (2, 5)


def test_a_position_counts_tasks_that_are_set_aside_for_a_back_off(world: World) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    parked = world.task(priority=9)
    world.reject(parked)
    task = world.task()
    assert world.offered_to(task) == ["ann"]
    world.activity(ann, "Offline", reject_pending_reservations=True)
    position = explain(world, task).position
    assert position is not None
    assert (position.before_among_alike, position.before_in_queue, position.in_queue) == (1, 1, 2)


def test_an_offer_tells_whom_until_when_and_why(world: World) -> None:
    world.simple_workflow(world.queue(max_reserved_workers=2))
    for name in ("ann", "bob", "cid"):
        world.worker(name)
    first = world.task()
    world.wait(20)
    for reservation in world.offers(first):
        world.move(reservation, R.REJECTED)
    world.cancel(first)
    task = world.task()
    world.wait(7)
    explanation = explain(world, task)
    assert [offer.worker_name for offer in explanation.offers] == ["ann", "bob"]
    ann, bob = explanation.offers
    assert ann.chosen_because == (
        "first of 3 workers that could be offered the task: longest without a reservation, "
        "its last one was 20 s before"
    )
    assert bob.chosen_because == (
        "number 2 of 3 workers that could be offered the task: longest without a reservation, "
        "its last one was 20 s before"
    )
    assert (ann.status, ann.since_ms, ann.until_ms) == (
        R.PENDING,
        world.now_ms - 7_000,
        world.now_ms + 113_000,
    )
    assert explanation.summary == (
        "Offered to ann 7 s ago; no answer yet, 113 s are left. "
        "Offered to bob 7 s ago; no answer yet, 113 s are left."
    )
    assert explanation.workers == ()
    assert explanation.assignment_count == 1


def test_on_a_channel_with_its_own_line_only_offers_on_that_channel_are_told_of(world: World) -> None:
    world.simple_workflow(world.queue())
    world.do(c.UpdateTaskChannel("voice", channel_optimized_routing=True))
    for name in ("ann", "bob"):
        world.worker(name)
    on_another_channel = world.task()
    world.accept(on_another_channel)
    world.complete(on_another_channel)
    world.wait(5)
    assert explain(world, world.task(task_channel="voice")).offers[0].chosen_because == (
        "first of 2 workers that could be offered the task: longest without a reservation, it had none before"
    )


def test_beyond_20_kinds_of_reasons_the_others_are_counted(world: World) -> None:
    world.simple_workflow(world.queue())
    task = world.task()
    for number in range(22):
        activity = world.new_sid("WA")
        world.do(c.CreateActivity(activity, f"pause {number}"))
        world.do(c.CreateWorker(world.new_sid("WK"), f"worker {number}", activity_sid=activity))
        explanation = explain(world, task)
        assert len(explanation.reasons) == min(number + 1, 20)
        assert explanation.reasons_left_out == max(number - 19, 0)


def test_an_order_by_is_told_with_the_workers_values(world: World) -> None:
    world.workflow(targeting(world.queue(), order_by="worker.level DESC, worker.rank"))
    world.worker("low", level=1)
    world.worker("high", level=9)
    task = world.task()
    world.accept(task)
    world.wait(3)
    explanation = explain(world, task)
    assert explanation.summary == "Held by high, who accepted it 3 s ago."
    assert explanation.offers[0].chosen_because == (
        "first of 2 workers that could be offered the task: order_by worker.level DESC, worker.rank ASC "
        "(worker.level is 9, worker.rank is missing now), then longest without a reservation, "
        "it had none before"
    )
    assert [(timer.name, timer.then) for timer in explanation.timers] == [("assigned", "it is deleted")]
    world.move(world.offers(task)[0], R.WRAPPING)
    world.wait(2)
    assert explain(world, task).summary == "Held by high, who has been wrapping it up for 2 s."


def test_the_only_worker_who_could_is_told_to_be_that(world: World) -> None:
    world.simple_workflow(world.queue())
    world.worker("ann")
    offer = explain(world, world.task()).offers[0]
    assert offer.chosen_because == "it was the only worker that could be offered the task"


def test_what_a_restart_forgot_is_said_to_be_unknown(world: World) -> None:
    world.simple_workflow(world.queue())
    world.worker("ann")
    task = world.task()
    world.core.board.choices.clear()
    assert explain(world, task).offers[0].chosen_because == (
        "longest without a reservation; the other workers of that moment are not known any more"
    )


def test_a_worker_for_whom_nothing_fails_is_about_to_get_the_task(world: World) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann", "Offline")
    task = world.task()
    world.core.handle(c.UpdateWorker(ann, activity_sid=world.activities["Available"]), world.now_ms)
    explanation = world.core.explain(task, world.now_ms)
    assert [view.reason for view in explanation.workers] == [Reason.NONE]
    assert explanation.summary == "It is about to be offered: 1 of 1 workers can take it now."
    world.do()
    assert world.offered_to(task) == ["ann"]


def test_the_summary_counts_by_reason_nearest_to_an_offer_first(world: World) -> None:
    world.simple_workflow(world.queue("q", "level >= 1"))
    assert explain(world, world.task()).summary == "It waits: there is no worker in this workspace."
    for number in range(5):
        world.worker(f"junior {number}", level=0)
    world.worker("away", "Offline", level=1)
    explanation = explain(world, world.task())
    assert explanation.summary == (
        "It waits: none of 6 workers can be offered it now. "
        "1: activity Offline is not available. 5: TargetWorkers: level >= 1 is false."
    )
    assert [(view.workers, len(view.examples)) for view in explanation.reasons] == [(1, 1), (5, 3)]


def test_the_workers_are_paged_by_sid_both_ways(world: World) -> None:
    world.simple_workflow(world.queue("q", "1==0"))
    sids = [world.worker(f"w{number}") for number in range(7)]
    task = world.task()
    first = explain(world, task, size=3)
    assert [view.sid for view in first.workers] == sids[:3]
    assert (first.previous_worker, first.next_worker, first.worker_count) == (None, sids[2], 7)
    second = explain(world, task, size=3, after=first.next_worker)
    assert [view.sid for view in second.workers] == sids[3:6]
    assert (second.previous_worker, second.next_worker) == (sids[3], sids[5])
    last = explain(world, task, size=3, after=second.next_worker)
    assert [view.sid for view in last.workers] == sids[6:]
    assert last.next_worker is None
    back = explain(world, task, size=3, before=second.previous_worker)
    assert [view.sid for view in back.workers] == sids[:3]
    assert (back.previous_worker, back.next_worker) == (None, sids[2])
    assert explain(world, task, size=3, after=sids[-1]).workers == ()


def test_a_task_that_is_not_in_memory_is_not_found(world: World) -> None:
    world.simple_workflow(world.queue())
    task = world.task()
    world.cancel(task)
    with pytest.raises(NotFound):
        world.core.explain(task, world.now_ms)


def test_a_finished_task_in_memory_tells_its_end(world: World) -> None:
    world.simple_workflow(world.queue())
    task = world.task()
    world.cancel(task)
    world.do(c.AdoptFinishedTask(world.changes.tasks[task]))
    explanation = explain(world, task)
    assert explanation.summary == "Canceled: gone."
    assert (explanation.task.status, explanation.workers) == (TaskStatus.CANCELED, ())


def test_the_command_gives_what_the_method_gives_and_changes_nothing(world: World) -> None:
    world.simple_workflow(world.queue("q", "1==0"))
    world.worker("ann")
    task = world.task()
    answer = world.do(c.ExplainTask(task))
    assert answer == world.core.explain(task, world.now_ms)
    assert not world.changes


def test_long_values_and_conditions_are_cut(world: World) -> None:
    text = "x" * 3_000
    world.simple_workflow(world.queue("q", f"nick == '{text}'"))
    world.worker("ann", nick=text[1:])
    explanation = told(world, world.task())["ann"]
    assert len(explanation) < 400
    assert explanation.startswith("TargetWorkers: nick == 'xxx")


# The explanation and the matcher


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A tiny world with a history: tasks offered, refused, accepted, workers come and go."""
    world = World(multi_task_enabled=draw(st.sampled_from((True, True, False))))
    queues = tuple(
        world.queue(
            name,
            draw(st.sampled_from(TARGET_WORKERS)),
            max_reserved_workers=draw(st.integers(1, 2)),
            task_order=draw(st.sampled_from(TaskOrder)),
        )
        for name in ("q1", "q2")
    )
    workflow = world.workflow(json.loads(draw(configuration(queues, world.activities["Offline"]))))
    workers = []
    for name in ("w1", "w2", "w3"):
        activity = draw(st.sampled_from(("Available", "Available", "Offline")))
        workers.append(world.worker(name, activity, **json.loads(draw(worker_attributes()))))
    moves = st.tuples(st.sampled_from(MOVES), st.integers(0, 5), st.integers(0, 2))
    for number in range(draw(st.integers(1, 4))):
        target = draw(st.sampled_from((None, None, None, *queues, workers[0])))
        attributes = json.loads(draw(task_attributes(tuple(workers))))
        channel = draw(st.sampled_from(CHANNELS))
        world.task(
            attributes=attributes,
            workflow_sid=workflow,
            routing_target=target,
            task_channel=channel,
            priority=number % 2,
        )
        for name, which, other in draw(st.lists(moves, max_size=5)):
            move(world, name, which, workers[other])
    for name, which, other in draw(st.lists(moves, max_size=2)):
        move(world, name, which, workers[other], matched=False)
    return world


MOVES = ("reject", "accept", "complete", "offline", "available", "switch", "capacity", "level", "wait")


def move(world: World, name: str, which: int, worker: str, *, matched: bool = True) -> None:
    """Do something if it can be done; `matched` lets the matcher run after it."""
    if name == "wait":
        world.wait(which / 2)
        return
    command = _command(world, name, which, worker)
    if command is None:
        return
    if matched:
        world.do(command)
    else:
        world.core.handle(command, world.now_ms)


def _command(world: World, name: str, which: int, worker: str) -> Any:
    if name in ("reject", "accept", "complete"):
        before = R.ACCEPTED if name == "complete" else R.PENDING
        found = [r.sid for r in world.state.reservations.values() if r.status is before]
        status = {"reject": R.REJECTED, "accept": R.ACCEPTED, "complete": R.COMPLETED}[name]
        return c.UpdateReservation(found[which % len(found)], status) if found else None
    if name in ("offline", "available"):
        return c.UpdateWorker(worker, activity_sid=world.activities[name.capitalize()])
    if name == "switch":
        return c.UpdateWorkerChannel(worker, "voice", available=which % 2 == 0)
    if name == "capacity":
        return c.UpdateWorkerChannel(worker, "default", capacity=which % 3)
    return c.UpdateWorker(worker, attributes=json.dumps({"level": which}))


@settings(max_examples=20, derandomize=True, database=None, deadline=None)
@given(worlds())
def test_whom_nothing_keeps_from_a_task_is_whom_the_matcher_chooses_from(world: World) -> None:
    world.core.take_changes()
    for task in list(world.state.tasks.values()):
        if task.status is not TaskStatus.PENDING:
            assert bool(explain(world, task.sid).offers) == bool(task.reservations)
            continue
        class_ = world.core.board.eligibility.class_of(task.sid)
        assert class_ is not None
        explanation = explain(world, task.sid)
        ready = {view.sid for view in explanation.workers if view.reason is Reason.NONE}
        assert ready == offerable(class_, task, world.now_ms)
        assert [view.sid for view in explanation.workers] == sorted(world.state.workers)
        assert all(view.explanation for view in explanation.workers)
        assert sum(view.workers for view in explanation.reasons) == len(explanation.workers)


def with_workers(count: int) -> World:
    """Make them with the collector off: looking for garbage among so many new objects only costs time."""
    world = World()
    world.workflow(
        targeting(world.queue("q", "level >= 1 AND kinds HAS 'a'"), expression="worker.level >= task.level")
    )
    gc.disable()
    for number in range(count):
        command = c.CreateWorker(
            world.new_sid("WK"),
            f"worker {number}",
            json.dumps({"level": number % 5, "kinds": ["a"] if number % 3 else ["b"]}),
            world.activities["Available" if number % 7 == 0 else "Offline"],
        )
        world.core.handle(command, world.now_ms)
    world.core.take_changes()
    gc.enable()
    return world


def test_an_explanation_takes_tens_of_milliseconds_with_15_000_workers() -> None:
    world = with_workers(15_000)
    task = world.new_sid("WT")
    world.core.handle(c.CreateTask(task, '{"level": 4}', task_channel="voice"), world.now_ms)
    for worker in world.state.workers.values():
        worker.channels[world.state.task_channel("voice").sid].available = False
    gc.collect()
    taken_ms = []
    for _ in range(3):
        began_s = time.perf_counter()
        explanation = world.core.explain(task, world.now_ms, size=1_000)
        taken_ms.append((time.perf_counter() - began_s) * 1_000)
    assert explanation.worker_count == 15_000
    assert len(explanation.reasons) == 5
    assert len(explanation.workers) == 1_000
    assert min(taken_ms) < BUDGET_MS, taken_ms


@pytest.mark.parametrize("in_filter", [True, False])
def test_an_assigned_task_whose_workflow_is_deleted_is_still_explained(world: World, in_filter: bool) -> None:
    queue = world.queue()
    workflow = world.workflow(targeting(queue) if in_filter else routing(default=queue))
    world.worker("ann")
    task = world.task()
    world.accept(task)
    world.do(c.DeleteWorkflow(workflow))
    view = explain(world, task)
    assert len(view.offers) == 1
    route = view.route
    assert route is not None
    assert (route.workflow_name, route.filter_expression, route.target_index) == (None, None, None)
