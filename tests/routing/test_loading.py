"""A core loaded from copied rows goes on as the one that wrote them would have (behaviour OQ-24)."""

import gc
from typing import Any

import pytest

from engine.routing import commands as c
from engine.routing import invariants
from engine.routing.core import WorkspaceCore
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskOrder
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Refused
from tests.model.side_by_side import Store
from tests.routing.world import START_MS, World, one, routing


class StoredWorld(World):
    """A world whose changes are kept as a store would keep them, and that can be loaded from there."""

    def __init__(self, **options: Any) -> None:
        self.store = Store()
        super().__init__(**options)
        self.store.commit(self.changes)

    def do(self, command: Any = None) -> Any:
        try:
            return super().do(command)
        finally:
            self.store.commit(self.changes)

    def restart(self) -> None:
        """Forget everything but the rows."""
        self.core = WorkspaceCore.load(self.store.load_rows(), new_sid=self.new_sid, now_ms=self.now_ms)
        assert not self.core.take_changes()


def filled() -> StoredWorld:
    """Tasks in every open state, in both kinds of queue, some in a step and some on an old configuration."""
    world = StoredWorld(prioritize_queue_order=TaskOrder.LIFO)
    a, b = world.queue("a", max_reserved_workers=2), world.lifo_queue("b", "level >= 2")
    steps = {"queue": a, "timeout": 300, "priority": 2}, {"queue": b, "order_by": "worker.level DESC"}
    configuration = routing(one("kind == 'steps'", *steps), default=b)
    workflow = world.workflow(configuration, assignment_callback_url="http://x/")
    world.do(c.UpdateTaskChannel("chat", channel_optimized_routing=True))
    for name, level in (("ann", 1), ("bob", 2), ("cid", 3)):
        world.capacity(world.worker(name, level=level), "default", 2)
    for number in range(8):
        world.task(attributes={"kind": "steps" if number % 2 else "plain"})
        world.wait(7)
    first, second = [sid for sid in world.state.tasks if world.status(sid) is T.RESERVED][:2]
    world.accept(first)
    world.accept(second)
    world.move(world.offers(second)[0], R.WRAPPING)
    text = '{"task_routing": {"default_filter": {"queue": "Q", "priority": 1}}}'.replace("Q", b)
    world.do(c.UpdateWorkflow(workflow, task_reservation_timeout_s=30, configuration=text))
    world.task()
    world.task(routing_target=next(iter(world.state.workers)), ignore_capacity=False)
    world.task(timeout_s=200)
    world.task(task_channel="chat", virtual_start_ms=START_MS - 5000)
    return world


def seen(world: World) -> dict[str, Any]:
    """Every open task with where it stands and whom it is offered to."""
    return {
        sid: (task.status, world.queue_of(sid), task.priority, task.step_deadline_ms, world.offered_to(sid))
        for sid, task in world.state.tasks.items()
    }


def hours(world: World) -> list[Any]:
    """What happens while every timer runs out and the workers always come back."""
    history: list[Any] = []
    for _ in range(40):
        next_ms = world.core.next_deadline_ms()
        assert next_ms is not None
        world.wait(max(next_ms - world.now_ms, 0) / 1000)
        history.append(log(world))
        for sid in list(world.state.workers):
            world.activity(sid, "Available")
            history.append(log(world))
    return history


def log(world: World) -> list[Any]:
    return [
        (event.event_type, event.event_date_ms, event.sequence, event.task_sid, event.worker_sid)
        for event in world.changes.events
    ]


def test_a_loaded_core_has_the_same_tasks_offers_and_deadlines() -> None:
    world = filled()
    assert {task.status for task in world.state.tasks.values()} == {
        T.PENDING,
        T.RESERVED,
        T.ASSIGNED,
        T.WRAPPING,
    }
    before, next_ms, view = seen(world), world.core.next_deadline_ms(), world.core.view()
    world.restart()
    assert (seen(world), world.core.next_deadline_ms(), world.core.view()) == (before, next_ms, view)
    invariants.check(world.core.board, world.now_ms)


def test_a_loaded_core_goes_on_like_the_one_before() -> None:
    kept, loaded = filled(), filled()
    loaded.restart()
    history = hours(kept)
    happened = {event[0] for batch in history for event in batch}
    assert {"task.canceled", "reservation.timeout", "task-queue.moved"} <= happened
    assert hours(loaded) == history
    assert seen(loaded) == seen(kept)


def test_tasks_on_an_old_configuration_go_on_by_it_after_a_load() -> None:
    world = StoredWorld()
    a, b = world.queue("a", "1==0"), world.queue("b", "1==0")
    workflow = world.steps({"queue": a, "timeout": 10}, {"priority": 7})
    task = world.task()
    text = '{"task_routing": {"default_filter": {"queue": "Q"}}}'.replace("Q", b)
    world.do(c.UpdateWorkflow(workflow, configuration=text))
    world.restart()
    world.wait(10)
    assert (world.queue_of(task), world.get(task).priority) == ("a", 7)
    assert world.queue_of(world.task()) == "b"


def test_the_order_of_idle_workers_and_of_waiting_tasks_survives() -> None:
    world = StoredWorld()
    world.simple_workflow(world.queue())
    for name in ("ann", "bob", "cid"):
        world.worker(name)
    first = world.task()
    world.accept(first)
    world.complete(first)
    world.restart()
    assert [world.offered_to(world.task()) for _ in range(3)] == [["bob"], ["cid"], ["ann"]]
    low, high = world.task(), world.task(priority=5)
    world.restart()
    world.worker("dan")
    assert (world.status(low), world.offered_to(high)) == (T.PENDING, ["dan"])


def test_what_fell_due_meanwhile_fires_in_due_order_at_the_first_advance() -> None:
    world = StoredWorld()
    world.simple_workflow(world.queue())
    world.worker("ann")
    reserved, late, soon = world.task(), world.task(timeout_s=7000), world.task(timeout_s=60)
    world.now_ms += 7_200_000
    world.restart()
    assert world.get(soon).status is T.PENDING
    world.do()
    fired = [(event.event_type, event.task_sid) for event in world.changes.events]
    assert fired == [
        ("task.canceled", soon),
        ("reservation.timeout", reserved),
        ("worker.activity.update", None),
        ("task.canceled", late),
    ]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_what_is_due_at_the_same_moment_fires_in_the_same_order_with_or_without_a_load(
    order: tuple[int, int],
) -> None:
    histories = []
    for restarted in (False, True):
        world = StoredWorld()
        world.simple_workflow(world.queue("q", "1==0"))
        for number in order:
            world.do(c.CreateTask(f"WT{number:032x}", timeout_s=60))
        if restarted:
            world.restart()
        world.wait(60)
        histories.append(log(world))
    assert histories[0] == histories[1]


def test_a_restart_forgives_refusals() -> None:
    world = StoredWorld()
    world.simple_workflow(world.queue())
    world.worker("ann")
    task = world.task()
    world.reject(task)
    assert world.status(task) is T.PENDING
    world.restart()
    world.do()
    assert world.offered_to(task) == ["ann"]


def test_finished_tasks_are_not_loaded_and_can_be_taken_back_in() -> None:
    world = StoredWorld()
    world.simple_workflow(world.queue())
    task = world.task()
    world.cancel(task)
    finished = world.changes.tasks[task]
    world.restart()
    assert world.status(task) is None
    world.do(c.AdoptFinishedTask(finished))
    world.do(c.DeleteTask(task))
    assert world.events == ["task.deleted"]


def test_a_loaded_task_is_routed_by_its_attributes_and_to_whom_it_names() -> None:
    world = StoredWorld()
    queue = world.queue()
    world.workflow(
        routing(
            one("kind == 1", {"queue": queue, "expression": "worker.level == task.level"}),
            one("kind == 2", {"queue": queue, "known_worker_friendly_name": "task.agent"}),
        )
    )
    ann, bob = world.worker("ann", "Offline", level=1), world.worker("bob", "Offline", level=2)
    leveled, named = (
        world.task(attributes={"kind": 1, "level": 2}),
        world.task(attributes={"kind": 2, "agent": "ann"}),
    )
    world.restart()
    for worker in (ann, bob):
        world.activity(worker, "Available")
    assert (world.offered_to(leveled), world.offered_to(named)) == (["bob"], ["ann"])


def test_a_load_repeats_no_warning() -> None:
    world = StoredWorld()
    world.steps({"queue": world.queue(), "known_worker_sid": "task.agent"})
    task = world.task()
    assert [warning.code for warning in world.changes.warnings] == [40154]
    core = WorkspaceCore.load(world.store.load_rows(), new_sid=world.new_sid, now_ms=world.now_ms)
    assert core.take_changes().warnings == []
    assert core.board.eligibility.is_waiting(task)


def test_the_name_of_a_loaded_worker_is_taken() -> None:
    world = StoredWorld()
    ann = world.worker("ann")
    world.restart()
    with pytest.raises(Refused, match="same friendly name"):
        world.worker("Ann")
    world.do(c.DeleteWorker(ann))
    world.worker("Ann")


def test_a_loaded_task_is_deleted_a_day_after_it_was_assigned_unless_it_is_wrapping() -> None:
    world = StoredWorld()
    world.simple_workflow(world.queue())
    tasks = []
    for name in ("ann", "bob"):
        world.worker(name)
        tasks.append(world.task())
        world.wait(60)
        world.accept(tasks[-1])
    world.move(world.offers(tasks[1])[0], R.WRAPPING)
    world.restart()
    world.wait(86_400 - 60 - 0.001)
    assert [world.status(task) for task in tasks] == [T.ASSIGNED, T.WRAPPING]
    world.wait(0.001)
    assert world.events[-1] == "task.system-deleted"
    world.wait(86_400)
    assert [world.status(task) for task in tasks] == [None, T.WRAPPING]


@pytest.mark.parametrize("text", ["", "  "])
def test_a_queue_for_nobody_is_loaded_as_one(text: str) -> None:
    world = StoredWorld()
    queue = world.queue("nobody", text)
    world.worker("ann")
    world.restart()
    assert world.core.board.eligibility.members(queue) == set()


def test_a_question_to_skip_put_in_a_pass_cut_short_survives_a_restart() -> None:
    world = StoredWorld()
    a, b = world.queue("a", "1==0"), world.queue("b")
    asking = one("kind == 1", {"queue": a, "skip_if": "workers.available == 0"}, {"queue": b})
    world.workflow(routing(asking, default=b))
    for name in ("ann", "bob"):
        world.worker(name)
    plain, skipping = world.new_sid("WT"), world.new_sid("WT")
    world.core.handle(c.CreateTask(plain), world.now_ms)
    world.core.handle(c.CreateTask(skipping, '{"kind": 1}'), world.now_ms)
    assert world.core.match(world.now_ms, 1) is True
    world.store.commit(world.core.take_changes())
    world.restart()
    assert world.queue_of(skipping) == "a"
    world.do()
    assert (world.queue_of(skipping), world.status(skipping)) == ("b", T.RESERVED)
    assert not world.get(skipping).skip_if_open


def test_a_workspace_with_many_tasks_is_loaded_in_many_steps() -> None:
    world = StoredWorld()
    world.simple_workflow(world.queue())
    few = steps_to_load(world)
    for _ in range(1_000):
        world.core.handle(c.CreateTask(world.new_sid("WT"), "{}"), world.now_ms)
    world.do()
    assert steps_to_load(world) >= few + 4


def steps_to_load(world: StoredWorld) -> int:
    steps = WorkspaceCore.load_in_steps(world.store.load_rows(), new_sid=world.new_sid, now_ms=world.now_ms)
    return sum(1 for _ in steps)


def test_a_core_that_is_dropped_leaves_nothing_to_the_garbage_collector() -> None:
    world = filled()
    core = WorkspaceCore.load(world.store.load_rows(), new_sid=world.new_sid, now_ms=world.now_ms)
    core.match(world.now_ms, 100)
    gc.collect()
    del core
    assert gc.collect() == 0


def test_the_filters_of_a_loaded_workflow_are_parsed_when_a_task_comes() -> None:
    world = StoredWorld()
    world.workflow(routing(one("kind == 'a'", {"queue": world.queue("a")}), default=world.queue("b")))
    world.restart()
    (configuration,) = world.state.configurations.values()
    assert configuration.filters[0].parsed is None
    task = world.task(attributes={"kind": "a"})
    assert world.state.task_queues[world.get(task).task_queue_sid].friendly_name == "a"
