"""Deadlines fire without traffic, never early, and survive a restart."""

import pytest

from engine.routing.commands import CreateWorkflow, UpdateTask
from engine.routing.entities import TaskStatus
from engine.routing.errors import NotFound, Refused
from tests.runtime.support import Node

HOUR_MS = 3_600_000


async def test_a_deadline_fires_without_traffic_and_not_early(node: Node) -> None:
    workspace = await node.workspace()
    task = await node.task(workspace, timeout_s=1)
    event = await node.recorder.event("task.canceled")
    assert event.task_sid == task.sid
    assert event.event_date_ms >= task.date_created_ms + 1_000


async def test_what_fell_due_while_nobody_ran_fires_at_the_restart(make_node, node: Node) -> None:
    workspace = await node.workspace()
    await node.available_worker(workspace)
    waiting = await node.task(workspace, timeout_s=600)
    reservation = await node.reservation_of(waiting.sid)
    await node.service.stop()
    later = await make_node(ahead_ms=HOUR_MS)
    canceled = await later.recorder.event("task.canceled")
    assert canceled.task_sid == waiting.sid
    timeout = await later.recorder.event("reservation.timeout")
    assert timeout.reservation_sid == reservation
    assert later.recorder.types().index("reservation.timeout") < later.recorder.types().index("task.canceled")


async def test_a_due_deadline_comes_before_the_command_that_arrives_with_it(node: Node) -> None:
    workspace = await node.workspace()
    task = await node.task(workspace, timeout_s=60)
    node.clock.ahead_ms += HOUR_MS
    with pytest.raises((Refused, NotFound)):
        await node.submit(workspace, UpdateTask(task.sid, assignment_status=TaskStatus.CANCELED))
    (canceled,) = [event for event in node.recorder.events if event.event_type == "task.canceled"]
    assert canceled.task_sid == task.sid


async def test_more_due_deadlines_than_a_batch_may_fire_all_come_before_the_next_command(make_node) -> None:
    node = await make_node(deadlines_max=2)
    workspace = await node.workspace()
    tasks = [await node.task(workspace, timeout_s=60) for _ in range(7)]
    node.clock.ahead_ms += HOUR_MS
    later = await node.task(workspace)
    types = [(event.event_type, event.task_sid) for event in node.recorder.events]
    created = types.index(("task.created", later.sid))
    assert all(types.index(("task.canceled", task.sid)) < created for task in tasks)


async def test_a_clock_that_steps_back_moves_no_time_in_the_state(node: Node) -> None:
    workspace = await node.workspace()
    first = await node.task(workspace)
    node.clock.ahead_ms -= HOUR_MS
    second = await node.task(workspace)
    assert second.date_created_ms >= first.date_created_ms


async def test_a_timed_out_workflow_step_moves_on_without_traffic(node: Node) -> None:
    workspace = await node.workspace()
    queue = (await node.store.load(workspace)).task_queues[0].sid
    configuration = (
        '{"task_routing": {"filters": [{"expression": "1==1", "targets": '
        f'[{{"queue": "{queue}", "timeout": 1}}]}}]}}}}'
    )
    workflow = await node.submit(
        workspace, CreateWorkflow(node.mint("WW"), friendly_name="Steps", configuration=configuration)
    )
    task = await node.task(workspace, workflow_sid=workflow.sid)
    event = await node.recorder.event("workflow.timeout")
    assert event.task_sid == task.sid
