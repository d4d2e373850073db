"""A customer's webhook server on a real socket, and the workspace side that takes the outcomes in."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from engine.callbacks.client import TokenOf
from engine.callbacks.dispatcher import CallbackDispatcher
from engine.callbacks.limits import CallbackLimits
from engine.routing.commands import Command
from engine.routing.effects import AssignmentCallback, Changes, Event
from engine.routing.entities import TaskOrder, Workspace

TOKEN = "a" * 32
ACCOUNT = "AC" + "0" * 32
PATIENCE_S = 5.0
RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Received:
    path: str
    url: str
    headers: CIMultiDict[str]
    fields: dict[str, str]
    peer: Any
    body: bytes


@dataclass
class Receiver:
    """Answers as `reply` says; `received` keeps every request in the order of arrival."""

    received: list[Received] = field(default_factory=list)
    under_way: int = 0
    under_way_max: int = 0
    base: str = ""
    reply: Callable[[Received], Awaitable[web.StreamResponse]] | None = None
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def answers(self, status: int = 200, body: str = "", content_type: str = "application/json") -> None:
        async def reply(_: Received) -> web.StreamResponse:
            return web.Response(status=status, body=body.encode(), headers={"Content-Type": content_type})

        self.reply = reply

    def answers_in_turn(self, *statuses: int) -> None:
        """Answer the first requests with these statuses; the last one holds for the rest."""
        left = list(statuses)

        async def reply(_: Received) -> web.StreamResponse:
            return web.Response(status=left.pop(0) if len(left) > 1 else left[0])

        self.reply = reply

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        form = await request.post()
        fields = {name: str(value) for name, value in form.items()}
        peer = request.transport.get_extra_info("peername") if request.transport else None
        url = f"{request.scheme}://{request.headers['Host']}{request.raw_path}"
        received = Received(request.path, url, CIMultiDict(request.headers), fields, peer, body)
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        async with self.arrived:
            self.received.append(received)
            self.arrived.notify_all()
        try:
            return await self.reply(received) if self.reply else web.Response()
        finally:
            self.under_way -= 1

    async def has(self, count: int) -> list[Received]:
        async with asyncio.timeout(PATIENCE_S), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)
        return self.received


@asynccontextmanager
async def serving(
    receiver: Receiver | None = None, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    receiver = receiver or Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls, backlog=1024)
    await site.start()
    port = runner.addresses[0][1]
    receiver.base = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(
    handler: RawHandler, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """A server that speaks whatever `handler` writes after it has read one request's head."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, host, port, ssl=tls)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request with its body; returns the body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return await reader.readexactly(length)


@dataclass
class Workspaces:
    """Takes the outcomes in, or refuses as `refusals` say, one per call."""

    commands: list[tuple[str, Command]] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)
    offers: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def submit(self, workspace_sid: str, command: Command) -> None:
        async with self.arrived:
            self.offers += 1
            self.arrived.notify_all()
            if self.refusals:
                raise self.refusals.pop(0)
            self.commands.append((workspace_sid, command))
            self.arrived.notify_all()

    async def has(self, count: int) -> list[Command]:
        async with asyncio.timeout(PATIENCE_S), self.arrived:
            await self.arrived.wait_for(lambda: len(self.commands) >= count)
        return [command for _, command in self.commands]

    async def was_offered(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self.arrived:
            await self.arrived.wait_for(lambda: self.offers >= count)


@asynccontextmanager
async def dispatching(
    workspaces: Workspaces,
    limits: CallbackLimits | None = None,
    token_of: TokenOf = lambda _: TOKEN,
    drain_s: float = 0.0,
    **more: Any,
) -> AsyncIterator[CallbackDispatcher]:
    limits = limits or CallbackLimits(backoff_first_s=0.005, backoff_max_s=0.01)
    dispatcher = CallbackDispatcher(limits, token_of, workspaces.submit, **more)
    await dispatcher.start()
    try:
        yield dispatcher
    finally:
        await dispatcher.stop(drain_s)


def a_workspace(number: int = 1, **changes: Any) -> Workspace:
    values: dict[str, Any] = {
        "sid": f"WS{number:032x}",
        "account_sid": ACCOUNT,
        "friendly_name": "Support",
        "event_callback_url": "",
        "events_filter": None,
        "multi_task_enabled": True,
        "prioritize_queue_order": TaskOrder.FIFO,
        "default_activity_sid": None,
        "timeout_activity_sid": None,
        "date_created_ms": 0,
        "date_updated_ms": 0,
    }
    return Workspace(**(values | changes))


def a_callback(url: str, fallback_url: str = "", number: int = 1, **fields: str) -> AssignmentCallback:
    reservation_sid = f"WR{number:032x}"
    return AssignmentCallback(
        reservation_sid=reservation_sid,
        task_sid=f"WT{number:032x}",
        worker_sid=f"WK{number:032x}",
        workflow_sid=f"WW{number:032x}",
        url=url,
        fallback_url=fallback_url,
        date_created_ms=0,
        fields={"AccountSid": ACCOUNT, "ReservationSid": reservation_sid, **fields},
    )


def an_event(number: int, event_type: str = "task.created", **changes: Any) -> Event:
    values: dict[str, Any] = {
        "sid": f"EV{number:032x}",
        "sequence": number,
        "event_type": event_type,
        "event_date_ms": 1_700_000_000_123,
        "description": f"event {number}",
        "resource_type": "task",
        "resource_sid": "WT" + "1" * 32,
        "actor_type": None,
        "actor_sid": None,
        "data": {},
    }
    return Event(**(values | changes))


def changes_with(
    *callbacks: AssignmentCallback, events: list[Event] | None = None, settled: list[str] | None = None
) -> Changes:
    return Changes(callbacks=list(callbacks), events=events or [], callbacks_settled=settled or [])
