"""After every commit the rows describe exactly the live state."""

from dataclasses import fields

from engine.clock import wall_clock_ms
from engine.routing.commands import (
    CreateActivity,
    CreateTask,
    CreateTaskChannel,
    CreateTaskQueue,
    CreateWorker,
    CreateWorkflow,
    DeleteTask,
    DeleteTaskQueue,
    UpdateReservation,
    UpdateTask,
    UpdateWorker,
    UpdateWorkerChannel,
)
from engine.routing.core import WorkspaceCore
from engine.routing.entities import ReservationStatus, TaskOrder, TaskStatus
from engine.routing.invariants import check
from tests.runtime.support import Node

DERIVED = {
    "Worker": {"channels", "values", "environment", "reservations"},
    "TaskQueue": {"predicate"},
    "Task": {"values", "reservations", "refusals"},
}


def plain(entity: object) -> dict[str, object]:
    """The stored fields of an entity."""
    derived = DERIVED.get(type(entity).__name__, set())
    return {field.name: getattr(entity, field.name) for field in fields(entity) if field.name not in derived}


def described(core: WorkspaceCore) -> dict[str, object]:
    """Everything a core holds that rows can hold, but for finished tasks: they are no live state."""
    state = core.board.state
    finished = {TaskStatus.COMPLETED, TaskStatus.CANCELED}
    kinds = {
        name: {sid: plain(entity) for sid, entity in getattr(state, name).items()}
        for name in ("activities", "task_channels", "task_queues", "workflows", "workers", "reservations")
    }
    tasks = {sid: plain(task) for sid, task in state.tasks.items() if task.status not in finished}
    channels = {
        channel.sid: plain(channel)
        for worker in state.workers.values()
        for channel in worker.channels.values()
    }
    return {"workspace": plain(state.workspace), "tasks": tasks, "worker_channels": channels, **kinds}


async def assert_rows_equal_state(node: Node, workspace: str) -> None:
    live = node.loop(workspace)._core
    assert live is not None
    rows = await node.store.load(workspace)
    assert rows is not None
    loaded = WorkspaceCore.load(rows, new_sid=node.mint, now_ms=wall_clock_ms())
    assert described(loaded) == described(live)
    check(live.board, wall_clock_ms())
    check(loaded.board, wall_clock_ms(), after_match=False)


async def test_loaded_rows_equal_the_live_state_through_a_whole_life_cycle(node: Node) -> None:
    workspace = await node.workspace()
    mint = node.mint
    available = await node.activity(workspace, available=True)
    busy = (await node.submit(workspace, CreateActivity(mint("WA"), "Busy", available=False))).sid
    queue = mint("WQ")
    worker, other = mint("WK"), mint("WK")
    await node.submit(
        workspace,
        CreateTaskQueue(queue, "Spanish", target_workers='languages HAS "es"', max_reserved_workers=2),
    )
    await node.submit(workspace, CreateTaskChannel(mint("TC"), "Parcel", "parcel", True))
    workflow = mint("WW")
    await node.submit(
        workspace,
        CreateWorkflow(
            workflow,
            "Support",
            '{"task_routing": {"filters": [{"expression": "lang == \\"es\\"", "targets": '
            f'[{{"queue": "{queue}", "priority": 5, "timeout": 300}}]}}]}}}}',
            assignment_callback_url="http://127.0.0.1:9/assignment",
        ),
    )
    await assert_rows_equal_state(node, workspace)
    spanish = '{"languages": ["es"], "größe": "ü"}'
    await node.submit(workspace, CreateWorker(worker, "Alice", spanish, available))
    await node.submit(workspace, CreateWorker(other, "Bob", spanish))
    await node.submit(workspace, UpdateWorkerChannel(worker, "parcel", capacity=3))
    await assert_rows_equal_state(node, workspace)

    task, second, third = mint("WT"), mint("WT"), mint("WT")
    for sid in (task, second, third):
        await node.submit(
            workspace, CreateTask(sid, '{"lang": "es"}', workflow, task_channel="parcel", priority=1)
        )
    reservation = await node.reservation_of(task)
    await assert_rows_equal_state(node, workspace)
    accept = UpdateReservation(reservation, ReservationStatus.ACCEPTED, task_sid=task)
    await node.submit(workspace, accept)
    await assert_rows_equal_state(node, workspace)
    reject = UpdateReservation(
        await node.reservation_of(second), ReservationStatus.REJECTED, task_sid=second, activity_sid=busy
    )
    await node.submit(workspace, reject)
    await assert_rows_equal_state(node, workspace)
    await node.submit(workspace, UpdateWorker(other, activity_sid=available))
    await node.recorder.until(lambda: node.recorder.types().count("reservation.created") >= 4)
    await node.submit(workspace, UpdateTask(task, assignment_status=TaskStatus.WRAPPING, reason="done"))
    await assert_rows_equal_state(node, workspace)
    await node.submit(workspace, UpdateTask(task, assignment_status=TaskStatus.COMPLETED))
    await node.submit(workspace, UpdateTask(third, assignment_status=TaskStatus.CANCELED))
    await assert_rows_equal_state(node, workspace)
    await node.submit(workspace, DeleteTask(second))
    await assert_rows_equal_state(node, workspace)


async def test_what_was_deleted_is_neither_live_nor_in_the_rows(node: Node) -> None:
    workspace = await node.workspace()
    queue = node.mint("WQ")
    await node.submit(workspace, CreateTaskQueue(queue, "Short-lived", task_order=TaskOrder.LIFO))
    await assert_rows_equal_state(node, workspace)
    await node.submit(workspace, DeleteTaskQueue(queue))
    await assert_rows_equal_state(node, workspace)
    rows = await node.store.load(workspace)
    assert rows is not None
    assert queue not in {row.sid for row in rows.task_queues}
