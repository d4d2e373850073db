"""Receivers of events that break the rules of HTTP, time or size: bounded, told why, nobody else affected."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web

from engine.routing.deliveries import DeliveryStatus, DeliveryView
from engine.routing.entities import Workspace
from engine.storage.pool import Database
from tests.callbacks.deliverer import QUICK, TASK, Deliverer, now_event, own_events
from tests.callbacks.receiver import PATIENCE_S, RawHandler, Received, raw_server, read_request, serving

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
LIMITS = replace(QUICK, event_timeout_s=0.3)


@pytest.fixture
def deliverer(pools: Database) -> Deliverer:
    return Deliverer(pools)


def answering(*parts: bytes, again: bytes = b"") -> RawHandler:
    """Answer with these parts, then with `again` for ever; without, hang up."""

    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
        while again:
            writer.write(again)
            await writer.drain()

    return handler


async def silent(reader: Reader, _writer: Writer) -> None:
    await reader.read()


async def dripping(reader: Reader, writer: Writer) -> None:
    """A byte of the head now and then: never idle, never done."""
    await read_request(reader)
    for byte in b"HTTP/1.1 204 No Content\r\nX-Slow: " + b"z" * 100:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def unread(_reader: Reader, writer: Writer) -> None:
    """Hang up before anything was read."""
    writer.transport.abort()


OK = b"HTTP/1.1 200 OK\r\n"
FAULTS: dict[str, tuple[RawHandler, int]] = {
    "never answers": (silent, 11200),
    "drips": (dripping, 11200),
    "hangs up": (answering(), 11205),
    "resets": (unread, 11205),
    "breaks off amid the head": (answering(b"HTTP/1.1 200 O"), 11205),
    "speaks something else": (answering(b"SSH-2.0-OpenSSH\r\n"), 11206),
    "a head without end": (answering(OK, again=b"X-Header: " + b"y" * 1_000 + b"\r\n"), 11206),
    "interim answers without end": (answering(again=b"HTTP/1.1 100 Continue\r\n\r\n" * 100), 11206),
    "an error with a body without end": (answering(b"HTTP/1.1 500 No\r\n\r\n", again=b"y" * 50_000), 11200),
    "a redirect to itself": (
        answering(b"HTTP/1.1 307 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
        11215,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_attempt_that_is_no_2xx_in_time_fails_and_is_repeated(
    deliverer: Deliverer, fault: str
) -> None:
    handler, code = FAULTS[fault]
    async with raw_server(handler) as base, deliverer.sending(LIMITS, drain_s=0) as callbacks:
        workspace = await deliverer.workspace(callbacks, base)
        await workspace.commit(now_event(1))
        view = await when(deliverer, workspace.workspace, lambda found: found.attempts >= 2)
    assert view.status is DeliveryStatus.PENDING
    assert str(view.last_error).startswith(str(code)), view.last_error


@pytest.mark.parametrize(
    "body", [b"", b"Transfer-Encoding: chunked\r\n\r\n1;", b"Content-Length: 9999999\r\n\r\n"]
)
async def test_a_2xx_counts_whatever_its_body_is(deliverer: Deliverer, body: bytes) -> None:
    handler = answering(OK + (body or b"\r\n"), again=b"y" * 50_000)
    async with raw_server(handler) as base, deliverer.sending(LIMITS) as callbacks:
        workspace = await deliverer.workspace(callbacks, base)
        await workspace.commit(now_event(1))
        view = await when(
            deliverer, workspace.workspace, lambda found: found.status is DeliveryStatus.DELIVERED
        )
    assert view.attempts == 1


@pytest.mark.parametrize("fault", ["never answers", "interim answers without end", "a head without end"])
async def test_a_faulty_receiver_slows_no_other(deliverer: Deliverer, fault: str) -> None:
    """Its first requests all go wrong at the same time; a hundred events of another take no longer for it."""
    limits = replace(QUICK, event_timeout_s=2.0)
    async with (
        raw_server(FAULTS[fault][0]) as base,
        serving() as alive,
        deliverer.sending(limits, drain_s=0) as callbacks,
    ):
        faulty = await deliverer.workspace(callbacks, base)
        await faulty.commit(*own_events(100))
        other = await deliverer.workspace(callbacks, alive.base, number=2)
        await other.commit(*own_events(100))
        await alive.has(100)


async def test_a_slow_receiver_gets_the_events_of_many_tasks_side_by_side(deliverer: Deliverer) -> None:
    async def slow(_: Received) -> web.StreamResponse:
        await asyncio.sleep(0.25)
        return web.Response(status=204)

    async with serving() as receiver, deliverer.sending(replace(QUICK, event_timeout_s=5)) as callbacks:
        receiver.reply = slow
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(*own_events(100))
        await receiver.has(100)
        assert receiver.under_way_max == QUICK.event_concurrent_per_host_max


async def test_a_redirect_is_not_followed(deliverer: Deliverer) -> None:
    async with serving() as elsewhere, serving() as receiver, deliverer.sending(LIMITS) as callbacks:

        async def away(_: Received) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": elsewhere.base})

        receiver.reply = away
        workspace = await deliverer.workspace(callbacks, receiver.base)
        await workspace.commit(now_event(1, task_sid=TASK))
        await receiver.has(3)
    assert elsewhere.received == []


@pytest.mark.parametrize("injected", ["\r\nX-Evil: 1", "\nHost: evil", " HTTP/1.1\r\n\r\nPOST /x"])
async def test_a_url_that_would_write_a_header_is_not_called(deliverer: Deliverer, injected: str) -> None:
    """It cannot be saved; one that got into the rows all the same fails, and nothing of it is sent."""
    async with serving() as receiver, deliverer.sending(LIMITS) as callbacks:
        workspace = await deliverer.workspace(callbacks, f"{receiver.base}/{injected}")
        await workspace.commit(now_event(1))
        view = await when(deliverer, workspace.workspace, lambda found: found.attempts >= 1)
    assert receiver.received == []
    assert str(view.last_error).startswith("11200")


async def when(
    deliverer: Deliverer, workspace: Workspace, holds: Callable[[DeliveryView], bool]
) -> DeliveryView:
    """Return the only delivery when it is as is waited for."""
    async with asyncio.timeout(2 * PATIENCE_S):
        while True:
            [view] = await deliverer.all(workspace)
            if holds(view):
                return view
            await asyncio.sleep(0.02)
