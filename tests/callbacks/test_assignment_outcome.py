"""From the answer to the workspace: outcomes are neither lost nor doubled."""

import asyncio

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from engine.callbacks.limits import CallbackLimits
from engine.errors import Overloaded, StoreUnavailable, Unavailable, WorkspaceNotFound
from engine.routing.commands import AssignmentCallbackFailed, AssignmentInstructed
from engine.routing.effects import Kind
from engine.routing.errors import Gone, NotFound, Refused
from tests.callbacks.receiver import (
    PATIENCE_S,
    Received,
    Receiver,
    Workspaces,
    a_callback,
    a_workspace,
    changes_with,
    dispatching,
    serving,
)

SHORT_RETRY = CallbackLimits(backoff_first_s=0.001, backoff_max_s=0.002, outcome_retry_s=0.05)


class Gate(Receiver):
    """Holds every answer back until opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()

        async def reply(_: Received) -> web.StreamResponse:
            await self.open.wait()
            return web.json_response({"instruction": "accept"})

        self.reply = reply


@pytest.mark.parametrize("error", [Overloaded("full"), Unavailable("loading"), StoreUnavailable("down")])
async def test_an_outcome_is_offered_until_the_workspace_takes_it(error: Exception) -> None:
    workspaces = Workspaces(refusals=[error] * 3)
    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        receiver.answers(200, '{"instruction": "accept"}')
        dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base)))
        assert await workspaces.has(1) == [AssignmentInstructed(f"WR{1:032x}", "accept")]
    assert workspaces.offers == 4
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "error", [NotFound("reservation", "WR1"), Gone("rescinded"), Refused("no"), WorkspaceNotFound("gone")]
)
async def test_an_outcome_that_nobody_needs_any_more_is_dropped(error: Exception) -> None:
    workspaces = Workspaces(refusals=[error])
    with capture_logs() as log:
        async with serving() as receiver, dispatching(workspaces, drain_s=PATIENCE_S) as dispatcher:
            receiver.answers(200, '{"instruction": "accept"}')
            dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base)))
            await workspaces.was_offered(1)
    assert workspaces.commands == []
    assert workspaces.offers == 1
    assert not [line for line in log if line["log_level"] == "error"]


async def test_a_rejection_whose_activity_the_workspace_refuses_still_rejects() -> None:
    workspaces = Workspaces(refusals=[Refused("no such activity")])
    activity_sid = "WA" + "0" * 32
    with capture_logs() as log:
        async with serving() as receiver, dispatching(workspaces) as dispatcher:
            receiver.answers(200, f'{{"instruction": "reject", "activity_sid": "{activity_sid}"}}')
            dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base)))
            assert await workspaces.has(1) == [AssignmentInstructed(f"WR{1:032x}", "reject")]
    assert [line["code"] for line in log if line["event"] == "callback.alert"] == [40100]


async def test_an_outcome_offered_in_vain_for_too_long_is_left_to_the_outbox() -> None:
    workspaces = Workspaces(refusals=[Unavailable("never")] * 1000)
    with capture_logs() as log:
        async with (
            serving() as receiver,
            dispatching(workspaces, SHORT_RETRY, drain_s=PATIENCE_S) as dispatcher,
        ):
            dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base)))
            await receiver.has(1)
    assert [line["log_level"] for line in log if line["event"] == "callback.outcome_lost"] == ["error"]


async def test_an_error_of_ours_in_taking_an_outcome_stops_nothing_else() -> None:
    workspaces = Workspaces(refusals=[RuntimeError("bug")])
    with capture_logs() as log:
        async with serving() as receiver, dispatching(workspaces) as dispatcher:
            dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base, number=1)))
            await workspaces.was_offered(1)
            dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base, number=2)))
            await workspaces.has(1)
    assert [line["event"] for line in log if line["log_level"] == "error"] == ["callback.crashed"]


async def test_a_recovered_callback_is_sent_once() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces, drain_s=PATIENCE_S) as dispatcher:
        callbacks = [a_callback(receiver.base, number=number) for number in range(3)]
        dispatcher.recovered(a_workspace(), callbacks)
        await workspaces.has(3)
    sent = [request.fields["ReservationSid"] for request in receiver.received]
    assert sorted(sent) == [callback.reservation_sid for callback in callbacks]


async def test_a_callback_under_way_is_not_sent_again_when_its_workspace_is_reloaded() -> None:
    workspaces, gate = Workspaces(), Gate()
    async with serving(gate), dispatching(workspaces, drain_s=PATIENCE_S) as dispatcher:
        callback = a_callback(gate.base)
        dispatcher.committed(a_workspace(), changes_with(callback))
        await gate.has(1)
        dispatcher.recovered(a_workspace(), [callback])
        gate.open.set()
        await workspaces.has(1)
    assert len(gate.received) == len(workspaces.commands) == 1


async def test_a_reservation_may_be_recovered_again_once_its_outcome_was_taken_in() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        for round_number in (1, 2):
            dispatcher.recovered(a_workspace(), [a_callback(receiver.base)])
            await workspaces.has(round_number)
    assert len(receiver.received) == 2


async def test_a_waiting_callback_is_not_sent_when_its_reservation_was_settled() -> None:
    workspaces, gate = Workspaces(), Gate()
    limits = CallbackLimits(concurrent_max=1)
    async with serving(gate), dispatching(workspaces, limits, drain_s=PATIENCE_S) as dispatcher:
        callbacks = [a_callback(gate.base, number=number) for number in (1, 2, 3)]
        dispatcher.committed(a_workspace(), changes_with(*callbacks))
        await gate.has(1)
        dispatcher.committed(a_workspace(), changes_with(settled=[callbacks[1].reservation_sid]))
        gate.open.set()
        await workspaces.has(2)
    sent = [request.fields["ReservationSid"] for request in gate.received]
    assert sent == [callbacks[0].reservation_sid, callbacks[2].reservation_sid]


async def test_a_callback_settled_by_its_own_batch_is_not_sent() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces, drain_s=PATIENCE_S) as dispatcher:
        both = [a_callback(receiver.base, number=number) for number in (1, 2)]
        dispatcher.committed(a_workspace(), changes_with(*both, settled=[both[0].reservation_sid]))
        await workspaces.has(1)
    assert [request.fields["ReservationSid"] for request in receiver.received] == [both[1].reservation_sid]


async def test_callbacks_of_a_deleted_workspace_are_not_sent() -> None:
    workspaces, gate = Workspaces(), Gate()
    limits = CallbackLimits(concurrent_max=1)
    doomed, other = a_workspace(1), a_workspace(2)
    async with serving(gate), dispatching(workspaces, limits, drain_s=PATIENCE_S) as dispatcher:
        dispatcher.committed(other, changes_with(a_callback(gate.base, number=1)))
        await gate.has(1)
        dispatcher.committed(doomed, changes_with(a_callback(gate.base, number=2)))
        dispatcher.committed(other, changes_with(a_callback(gate.base, number=3)))
        deletion = changes_with()
        deletion.removed.append((Kind.WORKSPACE, doomed.sid))
        dispatcher.committed(doomed, deletion)
        gate.open.set()
        await workspaces.has(2)
    assert [sid for sid, _ in workspaces.commands] == [other.sid, other.sid]
    assert len(gate.received) == 2


async def test_callbacks_beyond_the_pending_limit_arrive_complete() -> None:
    workspaces, gate = Workspaces(), Gate()
    limits = CallbackLimits(concurrent_max=1, assignment_pending_max=1)
    fields = {"TaskAttributes": '{"name": "Zoë 😀"}', "Empty": ""}
    async with serving(gate), dispatching(workspaces, limits, drain_s=PATIENCE_S) as dispatcher:
        callbacks = [a_callback(gate.base, number=number, **fields) for number in range(5)]
        dispatcher.committed(a_workspace(), changes_with(*callbacks))
        gate.open.set()
        await workspaces.has(5)
    assert [request.fields for request in gate.received] == [callback.fields for callback in callbacks]


async def test_stopping_waits_for_answers_and_gives_them_to_the_workspaces() -> None:
    workspaces, gate = Workspaces(), Gate()
    async with serving(gate), dispatching(workspaces) as dispatcher:
        dispatcher.committed(a_workspace(), changes_with(a_callback(gate.base)))
        await gate.has(1)
        stopping = asyncio.ensure_future(dispatcher.stop(PATIENCE_S))
        gate.open.set()
        assert await stopping
    assert workspaces.commands == [(a_workspace().sid, AssignmentInstructed(f"WR{1:032x}", "accept"))]


async def test_stopping_starts_no_new_assignment_callback() -> None:
    workspaces, gate = Workspaces(), Gate()
    async with serving(gate), dispatching(workspaces) as dispatcher:
        dispatcher.committed(a_workspace(), changes_with(a_callback(gate.base, number=1)))
        await gate.has(1)
        stopping = asyncio.ensure_future(dispatcher.stop(PATIENCE_S))
        await asyncio.wait({stopping}, timeout=0)
        dispatcher.committed(a_workspace(), changes_with(a_callback(gate.base, number=2)))
        dispatcher.recovered(a_workspace(), [a_callback(gate.base, number=3)])
        gate.open.set()
        assert await stopping
    assert len(gate.received) == 1


async def test_stopping_gives_up_after_its_time() -> None:
    workspaces, gate = Workspaces(), Gate()
    limits = CallbackLimits(concurrent_max=2)
    async with serving(gate), dispatching(workspaces, limits) as dispatcher:
        dispatcher.committed(
            a_workspace(), changes_with(*[a_callback(gate.base, number=number) for number in range(4)])
        )
        await gate.has(2)
        assert not await dispatcher.stop(0.05)
        gate.open.set()
    assert workspaces.commands == []
    assert len(gate.received) == 2


async def test_what_is_committed_before_the_start_is_sent_at_the_start() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces) as running:
        early = type(running)(CallbackLimits(), lambda _: "token", workspaces.submit)
        early.committed(a_workspace(), changes_with(a_callback(receiver.base)))
        await early.start()
        assert await workspaces.has(1)
        await early.stop(PATIENCE_S)


async def test_a_failure_is_offered_like_any_other_outcome() -> None:
    workspaces = Workspaces(refusals=[Overloaded("full")])
    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        receiver.answers(500)
        dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base)))
        [command] = await workspaces.has(1)
    assert isinstance(command, AssignmentCallbackFailed)
