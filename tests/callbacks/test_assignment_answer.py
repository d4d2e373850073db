"""Every row of the answer table, over a real socket."""

import asyncio

import pytest
from structlog.testing import capture_logs

from engine.routing.commands import AssignmentCallbackFailed, AssignmentInstructed
from tests.callbacks.receiver import (
    Workspaces,
    a_callback,
    a_workspace,
    changes_with,
    dispatching,
    raw_server,
    read_request,
    serving,
)

JSON = "application/json"
RESERVATION = f"WR{1:032x}"
ACTIVITY = "WA" + "ab" * 16


async def outcome_of(status: int, body: str, content_type: str) -> tuple[object, list[int | None]]:
    """Return the command that one answer leads to, and the codes that were logged."""
    workspaces = Workspaces()
    with capture_logs() as log:
        async with serving() as receiver, dispatching(workspaces) as dispatcher:
            receiver.answers(status, body, content_type)
            dispatcher.committed(a_workspace(), changes_with(a_callback(f"{receiver.base}/cb")))
            [command] = await workspaces.has(1)
    return command, [line.get("code") for line in log if line.get("code")]


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (200, "", JSON),
        (200, "", "text/plain"),
        (200, " \r\n", "text/html"),
        (200, "{}", JSON),
        (200, " {\n} ", f"{JSON}; charset=utf-8"),
        (201, "", JSON),
        (204, "", JSON),
    ],
)
async def test_an_empty_answer_leaves_the_reservation_pending(
    status: int, body: str, content_type: str
) -> None:
    command, codes = await outcome_of(status, body, content_type)
    assert command == AssignmentInstructed(RESERVATION, None)
    assert codes == []


@pytest.mark.parametrize("content_type", [JSON, "Application/JSON;charset=UTF-8", f"{JSON} ; x=y"])
async def test_accept_is_taken_in(content_type: str) -> None:
    command, codes = await outcome_of(200, '{"instruction": "accept"}', content_type)
    assert command == AssignmentInstructed(RESERVATION, "accept")
    assert codes == []


async def test_a_byte_order_mark_does_not_spoil_an_answer() -> None:
    command, _ = await outcome_of(200, '\ufeff{"instruction": "accept"}', JSON)
    assert command == AssignmentInstructed(RESERVATION, "accept")


@pytest.mark.parametrize(
    ("parameters", "activity_sid", "codes"),
    [
        ("", None, []),
        (', "activity_sid": null', None, []),
        (', "activity_sid": ""', None, []),
        (f', "activity_sid": "{ACTIVITY}"', ACTIVITY, []),
        (', "activity_sid": "Offline"', None, [40100]),
        (f', "activity_sid": "WK{ACTIVITY[2:]}"', None, [40100]),
        (', "activity_sid": 7', None, [40100]),
    ],
)
async def test_reject_moves_the_worker_only_to_an_activity(
    parameters: str, activity_sid: str | None, codes: list[int]
) -> None:
    command, logged = await outcome_of(200, f'{{"instruction": "reject"{parameters}}}', JSON)
    assert command == AssignmentInstructed(RESERVATION, "reject", activity_sid)
    assert logged == codes


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"foo": 1}', 40005),
        ('{"instruction": null}', 40005),
        ('{"instruction": ""}', 40005),
        ("[]", 40005),
        ("null", 40005),
        ('"accept"', 40005),
        ("7", 40005),
        ('{"instruction": "dance"}', 55555),
        ('{"instruction": "Accept"}', 55555),
        ('{"instruction": 1}', 55555),
        ('{"instruction": ["accept"]}', 55555),
        ('{"instruction": {"accept": true}}', 55555),
        ('{"instruction": "dequeue"}', 55555),
        ('{"instruction": "call", "from": "+1"}', 55555),
        ('{"instruction": "redirect"}', 55555),
        ('{"instruction": "conference"}', 55555),
        ('{"instruction": "supervise"}', 55555),
    ],
)
async def test_an_answer_that_asks_for_nothing_possible_alerts_and_leaves_it_pending(
    body: str, code: int
) -> None:
    command, codes = await outcome_of(200, body, JSON)
    assert command == AssignmentInstructed(RESERVATION, None)
    assert codes == [code]


@pytest.mark.parametrize(
    ("status", "body", "content_type", "code"),
    [
        (200, '{"instruction": "accept"}', "text/plain", 40000),
        (200, '{"instruction": "accept"}', "text/json", 40000),
        (200, '{"instruction": "accept"}', "", 40000),
        (200, "<html>", "text/html", 40000),
        (200, "{", JSON, 40001),
        (200, "{'instruction': 'accept'}", JSON, 40001),
        (200, '{"instruction": "accept"} x', JSON, 40001),
        (200, "[" * 5000, JSON, 40001),
        (200, '{"instruction": NaN}', JSON, 40001),
        (301, '{"instruction": "accept"}', JSON, 11215),
        (302, '{"instruction": "accept"}', JSON, 11215),
        (304, "", JSON, 11200),
        (307, "", JSON, 11215),
        (400, '{"instruction": "accept"}', JSON, 11200),
        (401, "", JSON, 11200),
        (404, "", JSON, 11200),
        (500, '{"instruction": "accept"}', JSON, 11200),
        (503, "", JSON, 11200),
    ],
)
async def test_an_answer_that_is_none_cancels_the_reservation(
    status: int, body: str, content_type: str, code: int
) -> None:
    command, codes = await outcome_of(status, body, content_type)
    assert isinstance(command, AssignmentCallbackFailed)
    assert command.reservation_sid == RESERVATION
    assert str(code) in command.reason
    assert codes == [code]


@pytest.mark.parametrize(
    ("body", "code"), [(b'{"instruction":"accept"}', 40000), (b"", None), (b"\xff\xfe", 40000)]
)
async def test_a_body_without_content_type_is_no_answer(body: bytes, code: int | None) -> None:
    async def bare(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        await reader.read()

    workspaces = Workspaces()
    async with raw_server(bare) as base, dispatching(workspaces) as dispatcher:
        dispatcher.committed(a_workspace(), changes_with(a_callback(base)))
        [command] = await workspaces.has(1)
    if code is None:
        assert command == AssignmentInstructed(RESERVATION, None)
    else:
        assert isinstance(command, AssignmentCallbackFailed)


async def test_bytes_that_are_no_text_are_no_json() -> None:
    async def binary(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        body = b'{"\xff": 1}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        await writer.drain()
        await reader.read()

    workspaces = Workspaces()
    async with raw_server(binary) as base, dispatching(workspaces) as dispatcher:
        dispatcher.committed(a_workspace(), changes_with(a_callback(base)))
        [command] = await workspaces.has(1)
    assert isinstance(command, AssignmentCallbackFailed)
    assert "40001" in command.reason
