"""Whatever a command changes is written: after every batch the rows are what is in memory, field by field."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.routing import commands as c
from engine.routing.effects import Kind
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskOrder
from engine.routing.entities import TaskStatus as T
from tests.model.side_by_side import Store, bare
from tests.routing.world import World, one, routing

OPEN = {*(T.PENDING, T.RESERVED, T.ASSIGNED, T.WRAPPING), *(R.PENDING, R.ACCEPTED, R.WRAPPING)}


class WrittenWorld(World):
    """A world that writes after every batch and then compares."""

    def __init__(self, **options: Any) -> None:
        self.store = Store()
        super().__init__(**options)
        self.written()

    def do(self, command: Any = None) -> Any:
        self.now_ms += 1
        try:
            return super().do(command)
        finally:
            self.written()

    def written(self) -> None:
        self.store.commit(self.changes)
        assert self.store.workspace == self.state.workspace
        for kind, live in self.live():
            rows = {sid: row for sid, row in self.store.rows[kind].items() if is_open(row)}
            assert rows == {sid: bare(kind, entity) for sid, entity in live.items()}
        assert set(self.store.configurations) >= set(self.state.configurations)

    def live(self) -> Iterator[tuple[Kind, dict[str, Any]]]:
        state = self.state
        yield Kind.ACTIVITY, state.activities
        yield Kind.TASK_CHANNEL, state.task_channels
        yield Kind.TASK_QUEUE, state.task_queues
        yield Kind.WORKFLOW, state.workflows
        yield Kind.WORKER, state.workers
        channels = [channel for worker in state.workers.values() for channel in worker.channels.values()]
        yield Kind.WORKER_CHANNEL, {channel.sid: channel for channel in channels}
        yield Kind.TASK, state.tasks
        yield Kind.RESERVATION, state.reservations

    def row(self, kind: Kind, sid: str) -> Any:
        return self.store.rows[kind][sid]


def is_open(row: Any) -> bool:
    return getattr(row, "status", T.PENDING) in OPEN


@pytest.fixture
def world() -> WrittenWorld:
    return WrittenWorld()


def test_a_round_is_written_from_its_offers_to_the_end_of_its_task(world: WrittenWorld) -> None:
    world.simple_workflow(world.queue(max_reserved_workers=2))
    ann, bob = world.worker("ann"), world.worker("bob")
    task = world.task()
    (first, second) = world.offers(task)
    for worker in (ann, bob):
        row = world.row(Kind.WORKER_CHANNEL, world.channel_of(worker, "default").sid)
        assert row.last_reserved_ms == world.row(Kind.WORKER, worker).last_reserved_ms == world.now_ms
        assert row.last_reserved_sequence == world.row(Kind.WORKER, worker).last_reserved_sequence
    world.move(first, R.ACCEPTED)
    assigned_ms = world.now_ms
    assert world.row(Kind.TASK, task).date_assigned_ms == assigned_ms
    assert world.row(Kind.RESERVATION, second.sid).status is R.RESCINDED
    world.move(first, R.WRAPPING)
    world.complete(task)
    row = world.row(Kind.TASK, task)
    assert (row.status, row.date_assigned_ms, row.date_finished_ms) == (
        T.COMPLETED,
        assigned_ms,
        world.now_ms,
    )
    assert row.version == 4


@pytest.mark.parametrize("reserved", [False, True])
def test_a_canceled_task_is_written_with_its_end_and_without_a_step(
    world: WrittenWorld, reserved: bool
) -> None:
    world.steps({"queue": world.queue(), "timeout": 60})
    if reserved:
        world.worker("ann")
    task = world.task()
    world.cancel(task)
    row = world.row(Kind.TASK, task)
    assert (row.status, row.reason, row.step_deadline_ms) == (T.CANCELED, "gone", None)
    assert (row.date_finished_ms, row.version) == (world.now_ms, 1 + reserved)


def test_refusals_time_outs_and_back_offs_are_written(world: WrittenWorld) -> None:
    world.simple_workflow(world.queue())
    ann = world.worker("ann")
    task = world.task()
    world.reject(task, activity_sid=world.activities["Offline"])
    assert world.row(Kind.WORKER, ann).activity_sid == world.activities["Offline"]
    world.wait(1)
    world.activity(ann, "Available")
    world.timeout(task)
    assert world.row(Kind.TASK, task).version == 4


def test_the_way_through_steps_and_filters_is_written(world: WrittenWorld) -> None:
    a, b = world.queue("a", "1==0"), world.lifo_queue("b", "1==0")
    steps = {"queue": a, "timeout": 10, "priority": 3}, {"queue": b, "timeout": 10}
    skipped = {"queue": b, "skip_if": "workers.available == 0"}
    world.workflow(routing(one("kind == 1", *steps), one("1==1", skipped), default=a))
    task = world.task(attributes={"kind": 1})
    world.wait(10)
    world.wait(10)
    assert world.get(task).filter_index == -1
    world.attributes(task, kind=2)
    world.do(c.UpdateTask(task, priority=9, virtual_start_ms=5, task_channel="chat"))
    world.do(c.UpdateTask(task, reason="why"))
    world.do(c.DeleteTask(task))
    assert not world.store.rows[Kind.TASK]


def test_what_is_done_to_workers_is_written(world: WrittenWorld) -> None:
    ann = world.worker("ann")
    versions = [world.get_worker(ann).version]
    for command in (
        c.UpdateWorker(ann, activity_sid=world.activities["Offline"]),
        c.UpdateWorker(ann, activity_sid=world.activities["Offline"]),
        c.UpdateWorker(ann, attributes='{"a": 1}'),
        c.UpdateWorker(ann, friendly_name="anna"),
        c.UpdateWorker(ann, friendly_name="anna"),
        c.UpdateWorkerChannel(ann, "chat", capacity=3, available=False),
        c.UpdateWorkerChannel(ann, "chat", capacity=3, available=False),
        c.UpdateWorker(ann, activity_sid=world.activities["Available"], attributes="{}"),
    ):
        world.do(command)
        versions.append(world.get_worker(ann).version)
    assert versions == [0, 1, 1, 2, 3, 3, 5, 5, 7]
    world.do(c.DeleteWorker(ann))
    assert not world.store.rows[Kind.WORKER] | world.store.rows[Kind.WORKER_CHANNEL]


def test_the_configuration_is_written(world: WrittenWorld) -> None:
    ann = world.worker("ann")
    activity = world.do(c.CreateActivity(world.new_sid("WA"), "Lunch", available=True)).sid
    world.do(c.UpdateActivity(activity, "Tea"))
    world.do(c.UpdateWorkspace(friendly_name="new", timeout_activity_sid=activity))
    world.do(c.UpdateWorkspace(timeout_activity_sid=world.activities["Offline"]))
    world.do(c.CreateTaskChannel(world.new_sid("TC"), "Fax", "fax"))
    world.do(c.UpdateTaskChannel("fax", "Telefax", channel_optimized_routing=True))
    queue = world.queue("a")
    world.do(c.UpdateTaskQueue(queue, "b", "level > 1", 3, TaskOrder.LIFO, activity, None))
    world.do(c.UpdateTaskQueue(queue, reservation_activity_sid=None))
    workflow = world.simple_workflow(queue)
    text = json.dumps({"task_routing": {"default_filter": {"queue": queue, "priority": 1}}})
    world.do(c.UpdateWorkflow(workflow, "renamed", text, "http://a/", "http://b/", 7, re_evaluate_tasks=True))
    assert world.row(Kind.WORKFLOW, workflow).configuration_version == 2
    world.do(c.UpdateWorkflow(workflow, task_reservation_timeout_s=8))
    for command in (c.DeleteWorkflow(workflow), c.DeleteTaskQueue(queue), c.DeleteTaskChannel("fax")):
        world.do(command)
    world.do(c.DeleteActivity(activity))
    assert not world.store.rows[Kind.WORKFLOW] | world.store.rows[Kind.TASK_QUEUE]
    assert len(world.get_worker(ann).channels) == 5


def test_a_worker_moved_by_a_queues_activities_is_written() -> None:
    world = WrittenWorld(multi_task_enabled=False)
    world.simple_workflow(world.queue(reservation_activity_sid=world.activities["Unavailable"]))
    ann = world.worker("ann")
    world.task()
    row = world.row(Kind.WORKER, ann)
    assert (row.activity_sid, row.version) == (world.activities["Unavailable"], 2)
    assert row.date_status_changed_ms == row.date_updated_ms == world.now_ms
