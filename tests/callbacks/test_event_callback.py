import asyncio

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from engine.callbacks.event_fields import parse_events_filter, pascal_case
from engine.callbacks.limits import CallbackLimits
from engine.routing.effects import Kind
from tests.callbacks.receiver import (
    ACCOUNT,
    PATIENCE_S,
    TOKEN,
    Received,
    Receiver,
    Workspaces,
    a_callback,
    a_workspace,
    an_event,
    changes_with,
    dispatching,
    raw_server,
    read_request,
    serving,
)

TASK = "WT" + "1" * 32


def number_of(request: Received) -> int:
    digits = request.fields["Sid"].removeprefix("EV")
    return int(digits, base=16)


def numbers(receiver: Receiver) -> list[int]:
    return [number_of(request) for request in receiver.received]


async def test_an_event_arrives_signed_with_its_common_fields_and_its_data() -> None:
    data = {"task_sid": TASK, "task_attributes": '{"a": "ü"}', "worker_time_in_previous_activity_ms": "17"}
    event = an_event(7, "reservation.created", data=data, resource_type="reservation", resource_sid="WR1")
    async with serving() as receiver, dispatching(Workspaces(), drain_s=PATIENCE_S) as dispatcher:
        workspace = a_workspace(event_callback_url=f"{receiver.base}/events?x=1")
        dispatcher.committed(workspace, changes_with(events=[event]))
        [request] = await receiver.has(1)
    assert request.fields == {
        "EventType": "reservation.created",
        "AccountSid": ACCOUNT,
        "WorkspaceSid": workspace.sid,
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


async def test_only_the_wanted_events_are_sent() -> None:
    async with serving() as receiver, dispatching(Workspaces(), drain_s=PATIENCE_S) as dispatcher:
        workspace = a_workspace(event_callback_url=receiver.base, events_filter="task.canceled, task.created")
        types = ["task.created", "task.updated", "task.canceled", "reservation.created", "task"]
        events = [an_event(number, event_type) for number, event_type in enumerate(types)]
        dispatcher.committed(workspace, changes_with(events=events))
        await receiver.has(2)
    assert [request.fields["EventType"] for request in receiver.received] == ["task.created", "task.canceled"]


async def test_a_workspace_without_url_sends_no_events() -> None:
    async with serving() as receiver, dispatching(Workspaces(), drain_s=PATIENCE_S) as dispatcher:
        dispatcher.committed(a_workspace(), changes_with(events=[an_event(1)]))
        dispatcher.committed(
            a_workspace(2, event_callback_url=receiver.base), changes_with(events=[an_event(2)])
        )
        await receiver.has(1)
    assert numbers(receiver) == [2]


async def test_the_last_events_of_a_deleted_workspace_go_out() -> None:
    async with serving() as receiver, dispatching(Workspaces(), drain_s=PATIENCE_S) as dispatcher:
        workspace = a_workspace(event_callback_url=receiver.base)
        deletion = changes_with(events=[an_event(1, "task.canceled"), an_event(2, "workspace.deleted")])
        deletion.removed.append((Kind.WORKSPACE, workspace.sid))
        dispatcher.committed(workspace, deletion)
        await receiver.has(2)
    assert [request.fields["EventType"] for request in receiver.received] == [
        "task.canceled",
        "workspace.deleted",
    ]


async def test_an_event_goes_where_its_workspace_wanted_it_when_it_was_committed() -> None:
    async with serving() as receiver, dispatching(Workspaces(), drain_s=PATIENCE_S) as dispatcher:
        workspace = a_workspace(event_callback_url=f"{receiver.base}/before")
        dispatcher.committed(workspace, changes_with(events=[an_event(1)]))
        workspace.event_callback_url, workspace.friendly_name = f"{receiver.base}/after", "Sales"
        await receiver.has(1)
    assert receiver.received[0].path == "/before"
    assert receiver.received[0].fields["WorkspaceName"] == "Support"


async def test_events_of_one_task_or_one_worker_arrive_one_after_the_other() -> None:
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

    events = []
    for number in range(60):
        sids: dict[str, str] = {}
        if number % 4 != 3:
            sids["task_sid"] = f"WT{number % 5:032x}"
        if number % 3:
            sids["worker_sid"] = f"WK{number % 7:032x}"
        events.append(an_event(number, resource_sid=f"XX{number}", data=dict(sids), **sids))
    async with serving() as receiver, dispatching(Workspaces(), drain_s=PATIENCE_S) as dispatcher:
        receiver.reply = reply
        workspace = a_workspace(event_callback_url=receiver.base)
        for start in range(0, 60, 10):
            dispatcher.committed(workspace, changes_with(events=events[start : start + 10]))
        await receiver.has(60)
    assert overlaps == []
    assert receiver.under_way_max > 1
    arrived = numbers(receiver)
    for name in ("TaskSid", "WorkerSid"):
        for value in {request.fields.get(name) for request in receiver.received} - {None}:
            own = [n for n, r in zip(arrived, receiver.received, strict=True) if r.fields.get(name) == value]
            assert own == sorted(own)


async def test_a_new_receiver_does_not_wait_for_the_old_one() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(silent) as dead, serving() as alive, dispatching(Workspaces()) as dispatcher:
        event = an_event(1, task_sid=TASK)
        dispatcher.committed(a_workspace(event_callback_url=dead), changes_with(events=[event]))
        dispatcher.committed(a_workspace(event_callback_url=alive.base), changes_with(events=[event]))
        await alive.has(1)


async def test_an_event_that_fails_is_logged_and_the_next_of_its_task_follows() -> None:
    with capture_logs() as log:
        async with serving() as receiver, dispatching(Workspaces(), drain_s=PATIENCE_S) as dispatcher:
            receiver.answers(500)
            workspace = a_workspace(event_callback_url=f"{receiver.base}/e?token=hush")
            events = [an_event(number, task_sid=TASK) for number in (1, 2)]
            dispatcher.committed(workspace, changes_with(events=events))
            await receiver.has(2)
    failed = [line for line in log if line["event"] == "event_callback.failed"]
    assert [(line["event_sid"], line["code"], line["status"]) for line in failed] == [
        (events[0].sid, 11200, 500),
        (events[1].sid, 11200, 500),
    ]
    assert failed[0]["url"] == f"{receiver.base}/e"
    assert "hush" not in str(log)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_a_delivery(status: int) -> None:
    with capture_logs() as log:
        async with serving() as receiver, dispatching(Workspaces(), drain_s=PATIENCE_S) as dispatcher:
            receiver.answers(status, "" if status == 204 else "x" * 100_000, "text/html")
            workspace = a_workspace(event_callback_url=receiver.base)
            dispatcher.committed(workspace, changes_with(events=[an_event(1)]))
            await receiver.has(1)
    assert [line["event"] for line in log] == ["event_callback.delivered"]


async def test_a_body_that_never_ends_does_not_hold_up_the_next_event() -> None:
    requests = asyncio.Queue[bytes]()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.put_nowait(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
        await reader.read()

    async with raw_server(drip) as base, dispatching(Workspaces()) as dispatcher:
        workspace = a_workspace(event_callback_url=base)
        events = [an_event(number, task_sid=TASK) for number in (1, 2)]
        dispatcher.committed(workspace, changes_with(events=events))
        async with asyncio.timeout(2):
            await requests.get()
            await requests.get()


async def test_events_beyond_the_limit_are_dropped_counted_and_reported_once() -> None:
    opened = asyncio.Event()

    async def reply(_: Received) -> web.StreamResponse:
        await opened.wait()
        return web.Response(status=204)

    limits = CallbackLimits(event_pending_max=8, event_pending_per_host_max=5)
    with capture_logs() as log:
        async with serving() as receiver, dispatching(Workspaces(), limits, drain_s=PATIENCE_S) as dispatcher:
            receiver.reply = reply
            one = a_workspace(1, event_callback_url=receiver.base)
            other_base = receiver.base.replace("127.0.0.1", "localhost")
            other = a_workspace(2, event_callback_url=other_base)
            for number in range(10):
                event = an_event(number, task_sid=f"WT{number:032x}")
                dispatcher.committed(one, changes_with(events=[event]))
            for number in range(10, 20):
                event = an_event(number, task_sid=f"WT{number:032x}")
                dispatcher.committed(other, changes_with(events=[event]))
            await receiver.has(8)
            opened.set()
    assert sorted(numbers(receiver)) == [0, 1, 2, 3, 4, 10, 11, 12]
    assert [line["dropped"] for line in log if line["event"] == "event_callback.dropped"] == [12]


async def test_stopping_sends_events_that_are_committed_meanwhile() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        workspace = a_workspace(event_callback_url=f"{receiver.base}/events")
        released = asyncio.Event()

        async def reply(_: Received) -> web.StreamResponse:
            await released.wait()
            return web.Response()

        receiver.reply = reply
        dispatcher.committed(workspace, changes_with(a_callback(f"{receiver.base}/cb")))
        await receiver.has(1)
        stopping = asyncio.ensure_future(dispatcher.stop(PATIENCE_S))
        await asyncio.wait({stopping}, timeout=0)
        dispatcher.committed(workspace, changes_with(events=[an_event(1), an_event(2, task_sid=TASK)]))
        released.set()
        assert await stopping
    assert sorted(request.path for request in receiver.received) == ["/cb", "/events", "/events"]


async def test_events_not_sent_when_time_is_up_are_counted_as_dropped() -> None:
    async def never(_: Received) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    with capture_logs() as log:
        async with serving() as receiver, dispatching(Workspaces()) as dispatcher:
            receiver.reply = never
            workspace = a_workspace(event_callback_url=receiver.base)
            events = [an_event(number, task_sid=TASK) for number in range(5)]
            dispatcher.committed(workspace, changes_with(events=events))
            await receiver.has(1)
            assert not await dispatcher.stop(0.02)
    assert [line["dropped"] for line in log if line["event"] == "event_callback.dropped"] == [4]
