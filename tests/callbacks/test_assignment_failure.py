"""A primary URL that fails, in every way a network knows, and what follows."""

import asyncio
import socket
import time
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from engine.callbacks.limits import CallbackLimits
from engine.routing.commands import AssignmentCallbackFailed, AssignmentInstructed, Command
from tests.callbacks.certificates import certificate_for
from tests.callbacks.receiver import (
    RawHandler,
    Received,
    Workspaces,
    a_callback,
    a_workspace,
    changes_with,
    dispatching,
    raw_server,
    read_request,
    serving,
)

QUICK = CallbackLimits(assignment_timeout_s=0.3, response_bytes_max=4096)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def failure_of(url: str, limits: CallbackLimits = QUICK, **more: object) -> tuple[int, Command]:
    """Return the code logged for the primary, and the outcome after a fallback that accepts."""
    workspaces = Workspaces()
    with capture_logs() as log:
        async with serving() as fallback, dispatching(workspaces, limits, **more) as dispatcher:
            fallback.answers(200, '{"instruction": "accept"}')
            dispatcher.committed(a_workspace(), changes_with(a_callback(url, f"{fallback.base}/fallback")))
            [command] = await workspaces.has(1)
    [failed] = [line for line in log if line["event"] == "callback.failed"]
    assert failed["attempt"] == "primary"
    assert [line["attempt"] for line in log if line["event"] == "callback.fallback"] == ["fallback"]
    code = failed["code"]
    assert isinstance(code, int)
    return code, command


ACCEPTED = AssignmentInstructed(f"WR{1:032x}", "accept")


async def test_the_fallback_is_called_when_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert await failure_of(f"http://127.0.0.1:{taken.getsockname()[1]}/") == (11205, ACCEPTED)


async def test_the_fallback_is_called_when_the_host_has_no_address() -> None:
    assert await failure_of("http://nobody.invalid/", CallbackLimits()) == (11210, ACCEPTED)


async def test_the_fallback_is_called_when_the_url_is_none() -> None:
    assert await failure_of("ftp://example.com/") == (11200, ACCEPTED)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Write a piece every 20 ms until the other side has had enough."""
    gone = asyncio.ensure_future(reader.read())
    while not gone.done():
        writer.write(piece)
        await asyncio.wait({gone}, timeout=0.02)
    gone.exception()


async def _drip_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await _drip(reader, writer, b"X-More: 1\r\n")


async def _drip_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(OK + b"Content-Length: 1000\r\n\r\n")
    await _drip(reader, writer, b" ")


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"400\r\n" + b" " * 1024 + b"\r\n")
        await writer.drain()


async def _huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(OK + b"Content-Length: 5000\r\n\r\n" + b" " * 5000)
    await writer.drain()
    await reader.read()


async def _reset_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def _reset_in_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(OK + b'Content-Length: 100\r\n\r\n{"instruction": "reject"}')
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    await writer.drain()
    await reader.read()


async def _long_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n")
    await writer.drain()
    await reader.read()


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (_silent, 11200),
        (_drip_head, 11200),
        (_drip_body, 11200),
        (_endless, 11200),
        (_huge, 11200),
        (_reset_at_once, 11205),
        (_reset_in_body, 11206),
        (_not_http, 11206),
        (_long_head, 11206),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)).strip("_"),
)
async def test_the_fallback_is_called_when_the_answer_is_no_answer(handler: RawHandler, code: int) -> None:
    started_s = time.monotonic()
    async with raw_server(handler) as base:
        assert await failure_of(base) == (code, ACCEPTED)
    assert time.monotonic() - started_s < 2


async def test_an_attempt_ends_at_its_time_limit_and_not_before() -> None:
    workspaces = Workspaces()
    with capture_logs() as log:
        async with raw_server(_silent) as base, dispatching(workspaces, QUICK) as dispatcher:
            dispatcher.committed(a_workspace(), changes_with(a_callback(base, base)))
            [command] = await workspaces.has(1)
    durations = [line["duration_ms"] for line in log if line["event"] == "callback.failed"]
    assert len(durations) == 2
    assert all(300 <= duration < 1500 for duration in durations)
    assert isinstance(command, AssignmentCallbackFailed)


async def test_an_answer_just_within_the_limit_counts() -> None:
    workspaces, limits = Workspaces(), CallbackLimits(assignment_timeout_s=2.0)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        body = b'{"instruction": "accept"}'
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(body))
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
        await reader.read()

    async with raw_server(slow) as base, dispatching(workspaces, limits) as dispatcher:
        dispatcher.committed(a_workspace(), changes_with(a_callback(base)))
        assert await workspaces.has(1) == [ACCEPTED]


async def test_redirects_are_not_followed() -> None:
    workspaces = Workspaces()
    async with serving() as target, serving() as receiver, dispatching(workspaces) as dispatcher:

        async def reply(_: Received) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": f"{target.base}/elsewhere"})

        receiver.reply = reply
        dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base)))
        [command] = await workspaces.has(1)
    assert isinstance(command, AssignmentCallbackFailed)
    assert target.received == []


async def test_when_both_fail_the_reason_tells_of_both() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        receiver.answers(500)
        callback = a_callback(f"{receiver.base}/cb", "http://nobody.invalid/")
        dispatcher.committed(a_workspace(), changes_with(callback))
        [command] = await workspaces.has(1)
    assert isinstance(command, AssignmentCallbackFailed)
    assert command.reason.startswith("primary: 11200 status 500; fallback: 11210")
    assert [request.path for request in receiver.received] == ["/cb"]


async def test_the_fallback_gets_the_same_fields_signed_for_its_own_url() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        receiver.answers(500)
        dispatcher.committed(
            a_workspace(), changes_with(a_callback(f"{receiver.base}/cb", f"{receiver.base}/fallback"))
        )
        await workspaces.has(1)
    primary, fallback = receiver.received
    assert primary.fields == fallback.fields
    assert primary.headers["X-Twilio-Signature"] != fallback.headers["X-Twilio-Signature"]


async def test_https_receivers_are_called_when_their_certificate_is_trusted(tmp_path: Path) -> None:
    workspaces = Workspaces()
    with certificate_for("localhost", tmp_path) as (server, client):
        async with serving(tls=server) as receiver, dispatching(workspaces, tls=client) as dispatcher:
            receiver.answers(200, '{"instruction": "accept"}')
            url = receiver.base.replace("127.0.0.1", "localhost")
            dispatcher.committed(a_workspace(), changes_with(a_callback(url)))
            assert await workspaces.has(1) == [ACCEPTED]


async def test_a_certificate_nobody_vouches_for_fails(tmp_path: Path) -> None:
    with certificate_for("localhost", tmp_path) as (server, _):
        async with serving(tls=server) as receiver:
            url = receiver.base.replace("127.0.0.1", "localhost")
            assert await failure_of(url, CallbackLimits()) == (11237, ACCEPTED)


async def test_a_certificate_of_another_host_fails(tmp_path: Path) -> None:
    with certificate_for("elsewhere.example", tmp_path) as (server, client):
        async with serving(tls=server) as receiver:
            assert await failure_of(receiver.base, CallbackLimits(), tls=client) == (11235, ACCEPTED)


async def test_a_receiver_that_does_not_speak_tls_fails() -> None:
    async with serving() as receiver:
        url = receiver.base.replace("http://", "https://")
        assert await failure_of(url, CallbackLimits()) == (11220, ACCEPTED)
