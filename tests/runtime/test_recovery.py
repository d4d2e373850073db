"""Whatever goes wrong with a commit, the workspace comes back by itself as its rows describe it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from engine.errors import StoreUnavailable, Unavailable
from engine.routing.commands import CreateTask, UpdateReservation, UpdateWorkflow
from engine.routing.entities import ReservationStatus
from engine.runtime.loop_state import State
from tests.runtime.conftest import MakeNode
from tests.runtime.support import ACCOUNT, Fault, Node, until


async def live_tasks(node: Node, workspace: str) -> list[str]:
    """The tasks as a core loaded from rows has them."""
    return [task.sid for task in (await node.store.load(workspace)).tasks]


@pytest.mark.parametrize("fault", [Fault.NOT_WRITTEN, Fault.HANGS])
async def test_a_commit_that_failed_leaves_nothing_and_the_next_one_works(node: Node, fault: Fault) -> None:
    workspace = await node.workspace()
    kept = await node.task(workspace)
    node.store.faults.append(fault)
    with pytest.raises(Unavailable):
        await node.task(workspace)
    await node.serving(workspace)
    again = await node.task(workspace)
    assert await live_tasks(node, workspace) == [kept.sid, again.sid]


async def test_a_commit_that_was_written_before_the_error_is_found_again(node: Node) -> None:
    workspace = await node.workspace()
    sid = node.mint("WT")
    node.store.faults.append(Fault.WRITTEN_THEN_ERROR)
    with pytest.raises(Unavailable):
        await node.submit(workspace, CreateTask(sid=sid))
    await node.serving(workspace)
    assert await live_tasks(node, workspace) == [sid]
    await node.available_worker(workspace)
    assert (await node.reservation_of(sid)).startswith("WR")


async def test_callbacks_whose_outcome_was_never_committed_are_handed_over_again(node: Node) -> None:
    workspace = await node.workspace()
    rows = await node.store.load(workspace)
    url = "http://127.0.0.1:9/assignment"
    await node.submit(workspace, UpdateWorkflow(rows.workflows[0].sid, assignment_callback_url=url))
    await node.available_worker(workspace)
    reservation = await node.reservation_of((await node.task(workspace)).sid)
    assert [callback.reservation_sid for callback in node.recorder.callbacks] == [reservation]
    node.store.faults.append(Fault.NOT_WRITTEN)
    with pytest.raises(Unavailable):
        await node.task(workspace)
    await node.serving(workspace)
    recovered = [callback.reservation_sid for callback in node.recorder.recovered_callbacks]
    assert recovered == [reservation]


async def test_what_waits_behind_a_failed_commit_is_refused_at_once(node: Node) -> None:
    workspace = await node.workspace()
    node.store.hold()
    calls = [asyncio.create_task(node.task(workspace))]
    await node.store.at_gate.wait()
    calls += [asyncio.create_task(node.task(workspace)) for _ in range(3)]
    await asyncio.sleep(0)
    node.store.away = True
    node.store.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers), answers
    with pytest.raises(Unavailable) as refusal:
        await node.task(workspace)
    assert refusal.value.retry_after_s >= 1


async def test_a_workspace_comes_back_by_itself_when_the_database_does(node: Node) -> None:
    workspace = await node.workspace()
    node.store.away = True
    with pytest.raises(Unavailable):
        await node.task(workspace)
    assert not await node.service.ready()
    node.store.away = False
    await node.serving(workspace)
    assert await node.service.ready()
    await node.task(workspace)


async def test_pauses_grow_while_a_workspace_can_be_loaded_but_not_written(node: Node) -> None:
    workspace = await node.workspace()
    node.store.faults += [Fault.NOT_WRITTEN] * 3
    with capture_logs() as logged:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await node.task(workspace)
            await node.serving(workspace)
    failures = [entry["failures"] for entry in logged if entry["event"] == "commit.failed"]
    assert failures == [1, 2, 3]
    await node.task(workspace)
    node.store.faults.append(Fault.NOT_WRITTEN)
    with capture_logs() as logged, pytest.raises(Unavailable):
        await node.task(workspace)
    assert [entry["failures"] for entry in logged if entry["event"] == "commit.failed"] == [1]


async def test_a_workspace_that_cannot_be_created_now_says_so(node: Node, monkeypatch) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(node.store, "create_workspace", away)
    with pytest.raises(Unavailable):
        await node.workspace()


async def test_a_workspace_created_with_an_unknown_outcome_is_found_later(make_node, monkeypatch) -> None:
    node = await make_node(discovery_interval_s=0.05)
    create = node.store.create_workspace

    async def written_then_error(*arguments) -> None:
        await create(*arguments)
        raise StoreUnavailable("the connection was lost")

    monkeypatch.setattr(node.store, "create_workspace", written_then_error)
    with pytest.raises(Unavailable):
        await node.workspace()
    (workspace,) = await node.store.workspace_sids()
    await until(lambda: node.service.account_of(workspace) == ACCOUNT)
    await node.task(workspace)


async def test_a_core_that_breaks_stops_its_workspace_only_and_is_loaded_again(
    node: Node, monkeypatch
) -> None:
    broken, sound = await node.workspace(), await node.workspace()
    kept = await node.task(broken)
    core = node.loop(broken)._core
    monkeypatch.setattr(type(core), "match", _broken_for(core))
    with pytest.raises(Unavailable):
        await node.task(broken)
    await node.task(sound)
    assert await node.service.ready()
    await node.serving(broken)
    assert await live_tasks(node, broken) == [kept.sid]
    await node.task(broken)


def _broken_for(core):
    sound = type(core).match

    def match(self, now_ms: int, limit: int) -> bool:
        if self is core:
            raise AssertionError("capacity is negative")
        return sound(self, now_ms, limit)

    return match


async def test_stopping_finishes_what_waits_and_refuses_what_comes(node: Node) -> None:
    workspace = await node.workspace()
    node.store.hold()
    calls = [asyncio.create_task(node.task(workspace))]
    await node.store.at_gate.wait()
    calls += [asyncio.create_task(node.task(workspace)) for _ in range(3)]
    await asyncio.sleep(0)
    loop = node.loop(workspace)
    stop = asyncio.create_task(node.service.stop())
    await until(lambda: loop.state is State.STOPPING)
    with pytest.raises(Unavailable):
        await node.task(workspace)
    node.store.gate.set()
    tasks = await asyncio.gather(*calls)
    await stop
    assert await live_tasks(node, workspace) == [task.sid for task in tasks]


async def test_a_caller_that_waits_too_long_is_told_that_the_outcome_is_unknown(make_node) -> None:
    node = await make_node(request_timeout_s=0.05)
    workspace = await node.workspace()
    node.store.hold()
    with pytest.raises(Unavailable):
        await node.task(workspace)
    node.store.gate.set()
    await until(lambda: "task.created" in node.recorder.types())


async def test_an_accepted_reservation_survives_the_loss_of_its_answer(node: Node) -> None:
    workspace = await node.workspace()
    await node.available_worker(workspace)
    task = await node.task(workspace)
    reservation = await node.reservation_of(task.sid)
    node.store.faults.append(Fault.WRITTEN_THEN_ERROR)
    accept = UpdateReservation(reservation, ReservationStatus.ACCEPTED, task_sid=task.sid)
    with pytest.raises(Unavailable):
        await node.submit(workspace, accept)
    await node.serving(workspace)
    (row,) = (await node.store.load(workspace)).reservations
    assert row.status is ReservationStatus.ACCEPTED


async def test_dates_do_not_go_back_when_the_clock_does(make_node: MakeNode) -> None:
    early = await make_node(ahead_ms=3_600_000)
    workspace = await early.workspace()
    await early.task(workspace)
    await early.service.stop()
    late = await make_node()
    await late.serving(workspace)
    await late.task(workspace)
    before, after = ([event.event_date_ms for event in node.recorder.events] for node in (early, late))
    assert after == sorted(after)
    # Time goes on from there: an hour of difference is neither lost nor doubled.
    assert max(before) <= after[0] <= after[-1] < max(before) + 3_600_000
