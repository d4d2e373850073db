"""Commands in, committed answers out."""

import asyncio

import pytest

from engine.errors import Overloaded, WorkspaceNotFound
from engine.routing.commands import (
    CreateActivity,
    CreateTask,
    DeleteTask,
    DeleteWorkspace,
    UpdateReservation,
    UpdateTask,
    UpdateTaskQueue,
)
from engine.routing.entities import ReservationStatus, TaskStatus
from engine.routing.errors import Gone, NotFound, Refused, VersionMismatch
from tests.runtime.support import ACCOUNT, OTHER_ACCOUNT, Node, until


async def test_a_caller_is_answered_only_after_its_batch_is_durable(node: Node) -> None:
    workspace = await node.workspace()
    node.store.hold()
    call = asyncio.create_task(node.task(workspace))
    await node.store.at_gate.wait()
    assert not call.done()
    assert await node.store.load(workspace) is not None
    assert (await node.store.load(workspace)).tasks == []
    node.store.gate.set()
    view = await call
    assert [task.sid for task in (await node.store.load(workspace)).tasks] == [view.sid]


async def test_a_refusal_is_told_in_turn_after_the_commit_of_its_batch(node: Node) -> None:
    workspace = await node.workspace()
    node.store.hold()
    calls = [asyncio.create_task(node.task(workspace))]
    await node.store.at_gate.wait()
    order: list[str] = []
    for name, command in (
        ("task", CreateTask(sid=node.mint("WT"))),
        ("refusal", CreateTask(sid=node.mint("WT"), workflow_sid="WW" + "0" * 32)),
    ):
        call = asyncio.create_task(node.submit(workspace, command))
        call.add_done_callback(lambda _, name=name: order.append(name))
        calls.append(call)
        await asyncio.sleep(0)
    assert order == []
    node.store.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert order == ["task", "refusal"]
    assert isinstance(answers[2], Refused | NotFound)


async def test_a_refused_command_leaves_state_and_rows_as_they_were(node: Node) -> None:
    workspace = await node.workspace()
    before = await node.store.load(workspace)
    with pytest.raises(Refused):
        await node.submit(workspace, CreateActivity(sid=node.mint("WA"), friendly_name="Offline"))
    assert await node.store.load(workspace) == before


async def test_a_batch_that_changes_nothing_does_not_touch_the_database(node: Node) -> None:
    workspace = await node.workspace()
    await node.task(workspace)
    before = node.store.commits
    with pytest.raises(NotFound):
        await node.submit(workspace, UpdateTask(sid="WT" + "0" * 32, priority=3))
    node.loop(workspace).wake()
    await asyncio.sleep(0)
    assert node.store.commits == before


async def test_what_waited_during_a_commit_is_one_batch(node: Node) -> None:
    workspace = await node.workspace()
    node.store.hold()
    first = asyncio.create_task(node.task(workspace))
    await node.store.at_gate.wait()
    rest = [asyncio.create_task(node.task(workspace)) for _ in range(50)]
    await asyncio.sleep(0)
    before = node.store.commits
    node.store.gate.set()
    await asyncio.gather(first, *rest)
    assert node.store.commits == before + 1


async def test_a_full_inbox_refuses_at_once_and_what_it_took_is_carried_out(make_node) -> None:
    node = await make_node(inbox_commands_max=3)
    workspace = await node.workspace()
    node.store.hold()
    calls = [asyncio.create_task(node.task(workspace))]
    await node.store.at_gate.wait()
    calls += [asyncio.create_task(node.task(workspace)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await node.task(workspace)
    node.store.gate.set()
    await asyncio.gather(*calls)
    assert len((await node.store.load(workspace)).tasks) == 4


async def test_batches_are_bounded(make_node) -> None:
    node = await make_node(batch_commands_max=2)
    workspace = await node.workspace()
    before = node.store.commits
    await asyncio.gather(*(node.task(workspace) for _ in range(6)))
    assert node.store.commits - before >= 3


async def test_another_account_does_not_reach_a_workspace(node: Node) -> None:
    workspace = await node.workspace()
    with pytest.raises(WorkspaceNotFound):
        await node.service.submit(OTHER_ACCOUNT, workspace, CreateTask(sid=node.mint("WT")))
    assert node.service.account_of(workspace) == ACCOUNT
    assert node.service.account_of("WS" + "0" * 32) is None


async def test_a_deleted_workspace_is_gone_for_everybody_who_comes_later(node: Node) -> None:
    workspace = await node.workspace()
    node.store.hold()
    first = asyncio.create_task(node.task(workspace))
    await node.store.at_gate.wait()
    deletion = asyncio.create_task(node.submit(workspace, DeleteWorkspace()))
    await asyncio.sleep(0)
    late = asyncio.create_task(node.task(workspace))
    await asyncio.sleep(0)
    node.store.gate.set()
    await asyncio.gather(first, deletion)
    with pytest.raises(WorkspaceNotFound):
        await late
    with pytest.raises(WorkspaceNotFound):
        await node.task(workspace)
    await until(lambda: node.service.account_of(workspace) is None)
    assert await node.store.workspace_sids() == []
    assert "workspace.deleted" in node.recorder.types()


async def finished_task(node: Node, workspace: str) -> tuple[str, str, str]:
    """A completed task: its SID, its reservation's and its worker's."""
    worker = await node.available_worker(workspace)
    task = await node.task(workspace)
    reservation = await node.reservation_of(task.sid)
    accepted = UpdateReservation(reservation, ReservationStatus.ACCEPTED, task_sid=task.sid)
    await node.submit(workspace, accepted)
    await node.submit(workspace, UpdateTask(task.sid, assignment_status=TaskStatus.COMPLETED))
    return task.sid, reservation, worker.sid


async def reloaded(make_node, node: Node, **limits) -> Node:
    """A new process in place of `node`."""
    await node.service.stop()
    return await make_node(**limits)


async def test_a_finished_task_can_still_be_addressed_after_a_restart(make_node, node: Node) -> None:
    workspace = await node.workspace()
    task, _, _ = await finished_task(node, workspace)
    later = await reloaded(make_node, node)
    view = await later.submit(workspace, UpdateTask(task, attributes='{"note": 1}'))
    assert view.status is TaskStatus.COMPLETED
    assert view.attributes == '{"note": 1}'
    with pytest.raises(Refused, match="Cannot cancel task"):
        await later.submit(workspace, UpdateTask(task, assignment_status=TaskStatus.CANCELED))
    await later.submit(workspace, DeleteTask(task))
    with pytest.raises(NotFound):
        await later.submit(workspace, DeleteTask(task))


async def test_a_finished_task_is_gone_when_its_retention_is_over(make_node, node: Node) -> None:
    workspace = await node.workspace()
    task, reservation, worker = await finished_task(node, workspace)
    later = await reloaded(make_node, node, ahead_ms=301_000)
    with pytest.raises(NotFound):
        await later.submit(workspace, UpdateTask(task, priority=1))
    accept = UpdateReservation(reservation, ReservationStatus.ACCEPTED, worker_sid=worker)
    with pytest.raises(NotFound):
        await later.submit(workspace, accept)


async def test_a_finished_reservation_is_refused_in_the_documented_words(make_node, node: Node) -> None:
    workspace = await node.workspace()
    task, reservation, worker = await finished_task(node, workspace)
    later = await reloaded(make_node, node)
    accept = ReservationStatus.ACCEPTED
    for by in ({"task_sid": task}, {"worker_sid": worker}):
        with pytest.raises(Refused, match=r"already in state \[completed\] .* updated to \[accepted\]"):
            await later.submit(workspace, UpdateReservation(reservation, accept, **by))
    for wrong in ({"task_sid": "WT" + "0" * 32}, {"worker_sid": "WK" + "0" * 32}):
        with pytest.raises(NotFound):
            await later.submit(workspace, UpdateReservation(reservation, accept, **wrong))
    with pytest.raises(VersionMismatch):
        await later.submit(workspace, UpdateReservation(reservation, accept, task_sid=task, if_match=77))
    await later.submit(workspace, DeleteTask(task))
    with pytest.raises(NotFound):
        await later.submit(workspace, UpdateReservation(reservation, accept, task_sid=task))


async def test_accepting_a_rescinded_reservation_is_gone(node: Node) -> None:
    workspace = await node.workspace()
    rows = await node.store.load(workspace)
    await node.submit(workspace, UpdateTaskQueue(rows.task_queues[0].sid, max_reserved_workers=2))
    await node.available_worker(workspace, "Alice")
    await node.available_worker(workspace, "Bob")
    task = await node.task(workspace)
    await node.recorder.until(lambda: node.recorder.types().count("reservation.created") == 2)
    first, second = [
        event.reservation_sid
        for event in node.recorder.events
        if event.event_type == "reservation.created" and event.reservation_sid
    ]
    accept = ReservationStatus.ACCEPTED
    await node.submit(workspace, UpdateReservation(first, accept, task_sid=task.sid))
    with pytest.raises(Gone):
        await node.submit(workspace, UpdateReservation(second, accept, task_sid=task.sid))


async def test_a_node_is_ready_while_the_database_answers_and_its_loops_run(node: Node) -> None:
    await node.workspace()
    assert await node.service.ready()
    node.store.away = True
    assert not await node.service.ready()
    node.store.away = False
    assert await node.service.ready()
    await node.service.stop()
    assert not await node.service.ready()


async def test_many_workspaces_are_created_and_deleted_while_the_discovery_looks(make_node) -> None:
    node = await make_node(discovery_interval_s=0.001)

    async def come_and_go() -> None:
        workspace = await node.workspace()
        await node.task(workspace)
        await node.submit(workspace, DeleteWorkspace())

    await asyncio.gather(*(come_and_go() for _ in range(20)))
    staying = await node.workspace()
    await until(lambda: [loop.workspace_sid for loop in node.service.loops()] == [staying])
    assert node.recorder.loads == []
    assert node.loop(staying)._lease.epoch == 1
