import asyncio
import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from engine.alerts import Problem
from engine.callbacks.event_callbacks import EventCallbacks
from engine.callbacks.event_fields import pascal_case
from engine.callbacks.outcomes import OutcomeWriter
from engine.clock import wall_clock_ms
from engine.routing.deliveries import (
    DeliveryOutcome,
    DeliveryStatus,
    PendingDelivery,
    parse_events_filter,
)
from engine.routing.effects import Changes, Event
from engine.storage.deliveries import DeliveryOutbox
from engine.storage.pool import Database
from engine.storage.retention import Retention
from tests.callbacks.deliverer import QUICK, TASK, Deliverer, now_event, number_of, numbers, own_events
from tests.callbacks.receiver import (
    ACCOUNT,
    PATIENCE_S,
    TOKEN,
    Received,
    Workspaces,
    a_callback,
    an_event,
    dispatching,
    raw_server,
    read_request,
    serving,
)


@pytest.fixture
def deliverer(pools: Database) -> Deliverer:
    return Deliverer(pools)


async def test_an_event_arrives_signed_with_its_common_fields_and_its_data(deliverer: Deliverer) -> None:
    data = {"task_sid": TASK, "task_attributes": '{"a": "ü"}', "worker_time_in_previous_activity_ms": "17"}
    event = an_event(7, "reservation.created", data=data, resource_type="reservation", resource_sid="WR1")
    async with serving() as receiver, deliverer.sending() as callbacks:
        workspace = await deliverer.workspace(callbacks, f"{receiver.base}/events?x=1")
        await workspace.commit(event)
        [request] = await receiver.has(1)
    assert request.fields == {
        "EventType": "reservation.created",
        "AccountSid": ACCOUNT,
        "WorkspaceSid": workspace.workspace.sid,
        "WorkspaceName": "Support",
        "EventDescription": "event 7",
        "ResourceType": "reservation",
        "ResourceSid": "WR1",
        "Timestamp": "1700000000",
        "TimestampMs": "1700000000123",
        "Sid": event.sid,
        "TaskSid": TASK,
        "TaskAttributes": '{"a": "ü"}',
        "WorkerTimeInPreviousActivityMs": "17",
    }
    signature = request.headers["X-Twilio-Signature"]
    assert RequestValidator(TOKEN).validate(request.url, request.fields, signature)


async def test_every_attempt_has_the_same_identity_and_verifies_as_a_standard_webhook(
    deliverer: Deliverer,
) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        receiver.answers_in_turn(500, 204)
        workspace = await deliverer.workspace(callbacks, receiver.base)
        event = now_event(7)
        await workspace.commit(event)
        first, second = await receiver.has(2)
    library = Webhook("whsec_" + base64.b64encode(TOKEN.encode()).decode())
    for attempt, request in enumerate((first, second), 1):
        headers = request.headers
        assert headers["webhook-id"] == headers["I-Twilio-Idempotency-Token"] == event.sid
        assert headers["X-Pointsman-Sequence"] == "7"
        assert headers["X-Pointsman-Attempt"] == str(attempt)
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        assert abs((datetime.now(UTC) - at).total_seconds()) < 60
        assert headers["webhook-signature"] == library.sign(event.sid, at, request.body.decode())


@pytest.mark.parametrize(
    ("text", "types"),
    [
        (None, None),
        ("", None),
        (" , ,", None),
        ("task.created", {"task.created"}),
        (
            "task.created, task.completed ,,worker.deleted",
            {"task.created", "task.completed", "worker.deleted"},
        ),
    ],
)
def test_a_filter_lists_exact_types_between_commas(text: str | None, types: set[str] | None) -> None:
    assert parse_events_filter(text) == types


@pytest.mark.parametrize(
    ("snake", "pascal"),
    [("task_sid", "TaskSid"), ("sid", "Sid"), ("timestamp_ms", "TimestampMs"), ("a__b", "AB")],
)
def test_data_keys_become_pascal_case(snake: str, pascal: str) -> None:
    assert pascal_case(snake) == pascal


async def test_only_the_wanted_events_are_sent(deliverer: Deliverer) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        workspace = await deliverer.workspace(
            callbacks, receiver.base, events_filter="task.canceled, task.created"
        )
        types = ["task.created", "task.updated", "task.canceled", "reservation.created", "task"]
        await workspace.commit(*(now_event(number, event_type) for number, event_type in enumerate(types, 1)))
        await deliverer.are(workspace.workspace, delivered=2)
    assert [request.fields["EventType"] for request in receiver.received] == ["task.created", "task.canceled"]


async def test_a_workspace_without_url_has_nothing_to_deliver(deliverer: Deliverer) -> None:
    async with deliverer.sending() as callbacks:
        workspace = await deliverer.workspace(callbacks, "")
        await workspace.commit(now_event(1))
        assert await deliverer.all(workspace.workspace) == []


async def test_a_url_set_later_gets_the_events_from_then_on(deliverer: Deliverer) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        workspace = await deliverer.workspace(callbacks, "")
        await workspace.commit(now_event(1))
        workspace.workspace.event_callback_url = receiver.base
        await workspace.commit(now_event(2))
        await deliverer.are(workspace.workspace, delivered=1)
        await workspace.commit(now_event(3))
        await deliverer.are(workspace.workspace, delivered=2)
    assert numbers(receiver) == [2, 3]


async def test_the_last_events_of_a_deleted_workspace_go_out(deliverer: Deliverer) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(
            now_event(1, event_type="task.canceled"),
            now_event(2, event_type="workspace.deleted"),
            deleted=True,
        )
        callbacks.released(workspace.workspace.sid)
        await receiver.has(2)
    assert [request.fields["EventType"] for request in receiver.received] == [
        "task.canceled",
        "workspace.deleted",
    ]


async def test_events_of_one_task_or_one_worker_arrive_one_after_the_other(deliverer: Deliverer) -> None:
    """Earlier events are answered later, so anything sent side by side would arrive out of order."""
    pending: dict[str, int] = {}
    overlaps: list[str] = []

    async def reply(request: Received) -> web.StreamResponse:
        subjects = [request.fields[name] for name in ("TaskSid", "WorkerSid") if name in request.fields]
        overlaps.extend(subject for subject in subjects if pending.get(subject))
        for subject in subjects:
            pending[subject] = 1
        await asyncio.sleep(0.003 if number_of(request) % 3 else 0.012)
        for subject in subjects:
            pending[subject] = 0
        return web.Response(status=204)

    async with serving() as receiver, deliverer.sending() as callbacks:
        receiver.reply = reply
        workspace = await deliverer.workspace(callbacks, receiver.base)
        events = mingled_events(60)
        for start in range(0, 60, 10):
            await workspace.commit(*events[start : start + 10])
        await receiver.has(60)
    assert overlaps == []
    assert receiver.under_way_max > 1
    assert_in_order(receiver.received)


def mingled_events(count: int) -> list[Event]:
    """Events of a few tasks and workers, some of both and some of neither."""
    events = []
    for number in range(1, count + 1):
        sids: dict[str, str] = {}
        if number % 4 != 3:
            sids["task_sid"] = f"WT{number % 5:032x}"
        if number % 3:
            sids["worker_sid"] = f"WK{number % 7:032x}"
        events.append(now_event(number, resource_sid=f"XX{number}", data=dict(sids), **sids))
    return events


def assert_in_order(requests: list[Received]) -> None:
    for name in ("TaskSid", "WorkerSid"):
        for value in {request.fields.get(name) for request in requests} - {None}:
            own = [number_of(request) for request in requests if request.fields.get(name) == value]
            assert own == sorted(own)


async def test_a_dead_receiver_does_not_hold_up_another_workspaces(deliverer: Deliverer) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(silent) as dead, serving() as alive, deliverer.sending(drain_s=0) as callbacks:
        one = await deliverer.workspace(callbacks, dead)
        await one.commit(*own_events(300))
        other = await deliverer.workspace(callbacks, alive.base, number=2)
        await other.commit(now_event(1))
        await alive.has(1)


async def test_a_dead_receiver_of_events_delays_no_assignment(deliverer: Deliverer) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    workspaces = Workspaces()
    limits = replace(QUICK, event_concurrent_max=20)
    async with (
        raw_server(silent) as dead,
        serving() as alive,
        dispatching(workspaces) as dispatcher,
        deliverer.sending(limits, drain_s=0) as callbacks,
    ):
        one = await deliverer.workspace(callbacks, dead)
        await one.commit(*own_events(300))
        dispatcher.committed(one.workspace, Changes(callbacks=[a_callback(alive.base)]))
        await workspaces.has(1)


async def test_events_given_up_and_receivers_that_are_down_are_alerts(deliverer: Deliverer) -> None:
    problems: list[Problem] = []
    limits = replace(QUICK, event_retry_age_s=0.3)
    async with serving() as receiver, deliverer.sending(limits, report=problems.append) as callbacks:
        receiver.answers(503)
        workspace = await deliverer.workspace(callbacks, f"{receiver.base}/e?token=hush")
        await workspace.commit(now_event(1, task_sid=TASK))
        await deliverer.are(workspace.workspace, dead=1)
        old = [replace(event, event_date_ms=1_700_000_000_000) for event in own_events(40, start=2)]
        await workspace.commit(*old)
        await deliverer.are(workspace.workspace, dead=41)
    down = [problem for problem in problems if "time after time" in problem.text]
    assert down
    [given_up] = [problem for problem in problems if problem.task_sid == TASK]
    assert (given_up.code, given_up.event_sid, given_up.url) == (11200, f"EV{1:032x}", f"{receiver.base}/e")
    assert "status 503" in given_up.text
    # the few that are tried while the others are given up are counted with them and for themselves
    assert 41 <= sum(problem.occurrences for problem in problems) - len(down) <= 45


async def test_a_failed_event_is_repeated_and_holds_its_task_but_nobody_else(deliverer: Deliverer) -> None:
    refused = 3

    async def reply(request: Received) -> web.StreamResponse:
        nonlocal refused
        if number_of(request) == 1 and refused:
            refused -= 1
            return web.Response(status=500)
        return web.Response(status=204)

    with capture_logs() as log:
        async with serving() as receiver, deliverer.sending() as callbacks:
            receiver.reply = reply
            workspace = await deliverer.workspace(callbacks, f"{receiver.base}/e?token=hush")
            await workspace.commit(
                now_event(1, task_sid=TASK), now_event(2, task_sid=TASK), now_event(3, task_sid="WT3")
            )
            await deliverer.are(workspace.workspace, delivered=3)
    assert [number for number in numbers(receiver) if number != 3] == [1, 1, 1, 1, 2]
    attempts = {view.sequence: view.attempts for view in await deliverer.all(workspace.workspace)}
    assert attempts == {1: 4, 2: 1, 3: 1}
    failed = [line for line in log if line["event"] == "event_callback.failed"]
    assert [(line["attempt"], line["code"], line["status"]) for line in failed] == [
        (attempt, 11200, 500) for attempt in (1, 2, 3)
    ]
    assert failed[0]["url"] == f"{receiver.base}/e"
    assert "hush" not in str(log)
    assert [line["attempt"] for line in log if line["event"] == "event_callback.delivered"] == [1, 4, 1]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_a_delivery(deliverer: Deliverer, status: int) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        receiver.answers(status, "" if status == 204 else "x" * 100_000, "text/html")
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(now_event(1))
        await deliverer.are(workspace.workspace, delivered=1)
    [view] = await deliverer.all(workspace.workspace)
    assert (view.attempts, view.last_status, view.last_error) == (1, status, None)


@pytest.mark.parametrize("status", [301, 400, 404, 410, 500, 503])
async def test_anything_else_is_a_failure_that_says_why(deliverer: Deliverer, status: int) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        receiver.answers(status)
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(now_event(1))
        await receiver.has(2)
    [view] = await deliverer.all(workspace.workspace)
    assert (view.status, view.last_status) == (DeliveryStatus.PENDING, status)
    assert str(status) in str(view.last_error)
    assert view.next_attempt_ms > 0


async def test_a_body_that_never_ends_does_not_hold_up_the_next_event(deliverer: Deliverer) -> None:
    requests = asyncio.Queue[bytes]()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.put_nowait(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
        await reader.read()

    async with raw_server(drip) as base, deliverer.sending() as callbacks:
        workspace = await deliverer.workspace(callbacks, base)
        await workspace.commit(*(now_event(number, task_sid=TASK) for number in (1, 2)))
        async with asyncio.timeout(2):
            await requests.get()
            await requests.get()


async def test_a_backlog_beyond_the_window_goes_out_in_order_from_the_database(deliverer: Deliverer) -> None:
    limits = replace(QUICK, event_pending_max=20, event_pending_per_workspace_max=15)
    async with serving() as receiver, deliverer.sending(limits) as callbacks:
        workspace = await deliverer.workspace(callbacks, receiver.base)
        events = mingled_events(200)
        for start in range(0, 200, 40):
            await workspace.commit(*events[start : start + 40])
        await deliverer.are(workspace.workspace, delivered=200)
    assert sorted(numbers(receiver)) == list(range(1, 201))
    assert_in_order(receiver.received)


async def test_what_happens_while_a_receiver_is_down_arrives_in_order_when_it_is_back(
    deliverer: Deliverer,
) -> None:
    down = True

    async def reply(_: Received) -> web.StreamResponse:
        return web.Response(status=503 if down else 204)

    with capture_logs() as log:
        async with serving() as receiver, deliverer.sending() as callbacks:
            receiver.reply = reply
            workspace = await deliverer.workspace(callbacks, receiver.base)
            events = mingled_events(300)
            for start in range(0, 300, 50):
                await workspace.commit(*events[start : start + 50])
            await receiver.has(30)
            refused, down = len(receiver.received), False
            await deliverer.are(workspace.workspace, delivered=300)
    delivered = receiver.received[refused:]
    assert {number_of(request) for request in delivered} == set(range(1, 301))
    assert_in_order(delivered)
    kinds = [line["event"] for line in log]
    assert kinds.count("event_callback.receiver_down") == kinds.count("event_callback.receiver_back") == 1


async def test_a_receiver_that_is_down_is_tried_one_event_at_a_time(deliverer: Deliverer) -> None:
    limits = replace(QUICK, event_retry_first_s=0.05, event_retry_max_s=0.05, event_circuit_pause_max_s=0.05)
    async with serving() as receiver, deliverer.sending(limits) as callbacks:
        receiver.answers(503)
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(*own_events(200))
        await receiver.has(60)
        receiver.under_way_max = 0
        await receiver.has(70)
        assert receiver.under_way_max == 1


async def test_after_a_restart_the_rest_is_delivered_and_nothing_confirmed_again(
    deliverer: Deliverer,
) -> None:
    async with serving() as receiver:
        async with deliverer.sending() as callbacks:
            workspace = await deliverer.workspace(callbacks, receiver.base)
            await workspace.commit(*own_events(5))
            await receiver.has(5)
        receiver.answers(500)
        async with deliverer.sending() as callbacks:
            callbacks.recovered(workspace.workspace, [])
            workspace.callbacks = callbacks
            await workspace.commit(*own_events(3, start=6))
            await receiver.has(8)
        receiver.answers(204)
        seen = len(receiver.received)
        async with deliverer.sending() as callbacks:
            callbacks.recovered(workspace.workspace, [])
            await deliverer.are(workspace.workspace, delivered=8)
    assert sorted(numbers(receiver)[seen:]) == [6, 7, 8]


async def test_a_released_workspace_is_sent_nothing_more(deliverer: Deliverer) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        workspace = await deliverer.workspace(callbacks, receiver.base)
        other = await deliverer.workspace(callbacks, receiver.base, number=2)
        receiver.answers(500)
        await workspace.commit(now_event(1))
        await receiver.has(1)
        callbacks.released(workspace.workspace.sid)
        receiver.answers(204)
        await other.commit(now_event(2))
        await deliverer.are(other.workspace, delivered=1)
    assert await deliverer.numbers(workspace.workspace) == {"pending": 1}


async def test_the_last_events_of_a_deleted_workspace_survive_a_restart(
    deliverer: Deliverer, pools: Database
) -> None:
    """Nobody loads the workspace again; its row stays until they are delivered, and goes then."""
    retention = Retention(pools)
    async with serving() as receiver:
        receiver.answers(503)
        async with deliverer.sending(drain_s=0) as callbacks:
            workspace = await deliverer.workspace(callbacks, receiver.base)
            await workspace.commit(now_event(1), now_event(2, "workspace.deleted"), deleted=True)
            callbacks.released(workspace.workspace.sid)
            await receiver.has(1)
        assert await retention.purge_deleted_workspaces(wall_clock_ms()) == 0
        refused = len(receiver.received)
        receiver.answers(204)
        async with deliverer.sending():
            await deliverer.are(workspace.workspace, delivered=2)
        assert numbers(receiver)[refused:] == [1, 2]
        assert await retention.purge_deleted_workspaces(wall_clock_ms()) == 1


async def test_a_changed_address_gets_the_backlog_at_once(deliverer: Deliverer) -> None:
    limits = replace(QUICK, event_retry_first_s=60, event_retry_max_s=60, event_circuit_pause_max_s=60)
    async with serving() as dead, serving() as alive, deliverer.sending(limits) as callbacks:
        dead.answers(503)
        workspace = await deliverer.workspace(callbacks, dead.base)
        await workspace.commit(*own_events(40))
        await dead.has(5)
        workspace.workspace.event_callback_url = alive.base
        await workspace.commit(now_event(41))
        await deliverer.are(workspace.workspace, delivered=41)
    assert sorted(numbers(alive)) == list(range(1, 42))


async def test_what_fails_at_an_address_that_has_changed_meanwhile_goes_to_the_new_one_at_once(
    deliverer: Deliverer,
) -> None:
    limits = replace(QUICK, event_retry_first_s=60, event_retry_max_s=60, event_circuit_pause_max_s=60)
    changed = asyncio.Event()

    async def refuses_late(_: Received) -> web.StreamResponse:
        await changed.wait()
        return web.Response(status=503)

    async with serving() as dead, serving() as alive, deliverer.sending(limits) as callbacks:
        dead.reply = refuses_late
        workspace = await deliverer.workspace(callbacks, dead.base)
        await workspace.commit(*own_events(5))
        await dead.has(5)
        workspace.workspace.event_callback_url = alive.base
        await workspace.commit(now_event(6))
        await alive.has(1)
        changed.set()
        await deliverer.are(workspace.workspace, delivered=6)
    assert sorted(numbers(alive)) == list(range(1, 7))


async def test_a_cleared_address_keeps_the_backlog_for_the_next_one(deliverer: Deliverer) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        receiver.answers(503)
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(*own_events(30))
        await receiver.has(8)
        workspace.workspace.event_callback_url = ""
        await workspace.commit(now_event(31))
        receiver.answers(204)
        seen = len(receiver.received)
        workspace.workspace.event_callback_url = f"{receiver.base}/new"
        await workspace.commit(now_event(32))
        await deliverer.are(workspace.workspace, delivered=31)
    assert {number_of(request) for request in receiver.received[seen:]} == {*range(1, 31), 32}
    assert {request.path for request in receiver.received[seen + 1 :]} == {"/new"}


async def test_a_clock_that_is_set_back_delays_no_attempt(deliverer: Deliverer) -> None:
    stepped_ms = 0
    async with serving() as receiver:
        receiver.answers_in_turn(500, 500, 204)
        outbox = DeliveryOutbox(deliverer.pools)
        callbacks = EventCallbacks(outbox, QUICK, lambda _: TOKEN, lambda: wall_clock_ms() + stepped_ms)
        await callbacks.start()
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(now_event(1))
        await receiver.has(1)
        stepped_ms = -3_600_000
        await receiver.has(2)
        callbacks.released(workspace.workspace.sid)
        callbacks.recovered(workspace.workspace, [])
        await deliverer.are(workspace.workspace, delivered=1)
        await callbacks.stop(PATIENCE_S)


async def test_a_busy_receiver_does_not_keep_another_workspace_from_its_outbox() -> None:
    """To write what was added before does not wait for what is added meanwhile."""
    writer: OutcomeWriter

    class Store:
        written = 0

        async def settle(self, outcomes: Sequence[DeliveryOutcome]) -> None:
            self.written += len(outcomes)
            if self.written > 100:
                raise AssertionError("it never ends")
            writer.add(an_outcome(self.written + 1))
            await asyncio.sleep(0)

    store = Store()
    writer = OutcomeWriter(store)
    writer.add(an_outcome(1))
    await writer.flush()
    assert store.written == 1
    writer._task.cancel()


def an_outcome(number: int) -> DeliveryOutcome:
    return DeliveryOutcome("WS1", number, 0, DeliveryStatus.DELIVERED, 1, 0, 0, 204, None)


async def test_what_is_asked_for_anew_while_the_outbox_is_read_is_found(deliverer: Deliverer) -> None:
    """The reading that is under way began at the start too, before the wish was written."""

    class Slow(DeliveryOutbox):
        reading, read = asyncio.Event(), asyncio.Event()

        async def pending(self, *arguments: Any) -> list[PendingDelivery]:
            found = await super().pending(*arguments)
            if not self.read.is_set():
                self.reading.set()
                await self.read.wait()
            return found

    async with serving() as receiver:
        async with deliverer.sending() as first:
            workspace = await deliverer.workspace(first, receiver.base)
            await workspace.commit(*own_events(2))
            await deliverer.are(workspace.workspace, delivered=2)
        limits = replace(QUICK, event_poll_interval_s=60)
        callbacks = EventCallbacks(Slow(deliverer.pools), limits, lambda _: TOKEN, wall_clock_ms)
        await callbacks.start()
        callbacks.recovered(workspace.workspace, [])
        await Slow.reading.wait()
        [_, again] = await deliverer.all(workspace.workspace)
        await deliverer.redelivery.redeliver(again, wall_clock_ms())
        callbacks.wake(workspace.workspace.sid)
        Slow.read.set()
        await receiver.has(3)
        await callbacks.stop(PATIENCE_S)
    assert numbers(receiver)[2:] == [1]


async def test_an_event_that_cannot_be_sent_holds_up_nothing_else(deliverer: Deliverer) -> None:
    def token(_account: str) -> str:
        if mistakes:
            raise RuntimeError(mistakes.pop())
        return TOKEN

    mistakes = ["ours"]
    with capture_logs() as log:
        async with serving() as receiver:
            callbacks = EventCallbacks(DeliveryOutbox(deliverer.pools), QUICK, token, wall_clock_ms)
            await callbacks.start()
            workspace = await deliverer.workspace(callbacks, receiver.base)
            await workspace.commit(now_event(1, task_sid=TASK), now_event(2, task_sid=TASK))
            await deliverer.are(workspace.workspace, delivered=2)
            await callbacks.stop(PATIENCE_S)
    assert numbers(receiver) == [1, 2]
    assert [line["event"] for line in log].count("event_callback.crashed") == 1


async def test_an_event_too_old_at_its_last_attempt_is_given_up_and_the_next_goes(
    deliverer: Deliverer,
) -> None:
    limits = replace(QUICK, event_retry_age_s=0.1)

    async def reply(request: Received) -> web.StreamResponse:
        return web.Response(status=500 if number_of(request) == 1 else 204)

    async with serving() as receiver, deliverer.sending(limits) as callbacks:
        receiver.reply = reply
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(now_event(1, task_sid=TASK), now_event(2, task_sid=TASK))
        await deliverer.are(workspace.workspace, dead=1, delivered=1)


async def test_a_backlog_too_old_is_given_up_without_being_tried(deliverer: Deliverer) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        receiver.answers(503)
        workspace = await deliverer.workspace(callbacks, receiver.base)
        old = [replace(event, event_date_ms=1_700_000_000_000) for event in own_events(500)]
        await workspace.commit(*old)
        await deliverer.are(workspace.workspace, dead=500)
        receiver.answers(204)
        await workspace.commit(*own_events(1, start=501))
        await deliverer.are(workspace.workspace, dead=500, delivered=1)
    assert len(receiver.received) < 500


async def test_an_event_refused_for_long_is_overtaken_and_still_tried(deliverer: Deliverer) -> None:
    limits = replace(QUICK, event_hold_s=0.1)

    async def reply(request: Received) -> web.StreamResponse:
        return web.Response(status=400 if number_of(request) == 1 else 204)

    async with serving() as receiver, deliverer.sending(limits) as callbacks:
        receiver.reply = reply
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(now_event(1, task_sid=TASK), now_event(2, task_sid=TASK))
        await deliverer.are(workspace.workspace, pending=1, delivered=1)
        receiver.answers(204)
        await deliverer.are(workspace.workspace, delivered=2)


@pytest.mark.parametrize("told", [True, False])
async def test_an_event_is_delivered_again_when_asked_for(deliverer: Deliverer, told: bool) -> None:
    """A node that is not told finds it by itself."""
    async with serving() as receiver, deliverer.sending() as callbacks:
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(*own_events(3))
        await deliverer.are(workspace.workspace, delivered=3)
        [again] = [view for view in await deliverer.all(workspace.workspace) if view.sequence == 2]
        await deliverer.redelivery.redeliver(again, wall_clock_ms())
        if told:
            callbacks.wake(workspace.workspace.sid)
        await receiver.has(4)
        await deliverer.are(workspace.workspace, delivered=3)
    assert numbers(receiver)[3:] == [2]
    assert receiver.received[3].headers["X-Pointsman-Attempt"] == "2"


async def test_a_stretch_of_time_is_replayed_with_what_was_not_wanted_then(deliverer: Deliverer) -> None:
    async with serving() as receiver, deliverer.sending() as callbacks:
        workspace = await deliverer.workspace(callbacks, receiver.base, events_filter="task.canceled")
        events = own_events(4)
        await workspace.commit(replace(events[0], event_type="task.canceled"), *events[1:])
        await deliverer.are(workspace.workspace, delivered=1)
        begin, end, now = events[0].event_date_ms, events[-1].event_date_ms, wall_clock_ms()
        assert await deliverer.redelivery.replay(workspace.workspace.sid, begin, end, None, now) == 4
        callbacks.wake(workspace.workspace.sid)
        await deliverer.are(workspace.workspace, delivered=4)
        only = await deliverer.redelivery.replay(workspace.workspace.sid, begin, end, ["task.canceled"], now)
        assert only == 1
