"""Kept connections to any number of servers, and requests over them.

Who makes a connection to a server, and so how its address is found and judged, is the server's own affair:
`TcpServer` and `UnixServer` are those with a known address. A connection that carries nothing is used again
while it is younger than the keep-alive time, the youngest first, and closed after it. At most so many
requests are under way to one server; others wait their turn, within their deadline.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from engine.http_answer import Fault, HttpAnswer, HttpFailure
from engine.http_connection import HttpConnection, NeedsBody, always

Make = Callable[[], HttpConnection]
"""Makes a connection's protocol for a transport."""

_CLOSING_S = 1.0


class Server(Protocol):
    """Where requests go."""

    @property
    def key(self) -> str:
        """What tells servers apart: those with the same key share connections."""

    async def connect(self, make: Make) -> HttpConnection:
        """Make a connection; what it raises becomes the cause of a failure NO_CONNECTION."""


class TcpServer:
    """A server at a host and port; any address that the host name has is taken.

    Args:
        host: a name or an address.
        port: where it listens.
        tls: trust settings, where it speaks TLS.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.key = f"{host}:{port}"
        self._host = host
        self._port = port
        self._tls = tls

    async def connect(self, make: Make) -> HttpConnection:
        """Make a connection. Raises OSError."""
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(make, self._host, self._port, ssl=self._tls))[1]


class UnixServer:
    """A server at a unix socket.

    Args:
        path: of the socket.
    """

    def __init__(self, path: str) -> None:
        self.key = f"unix:{path}"
        self._path = path

    async def connect(self, make: Make) -> HttpConnection:
        """Make a connection. Raises OSError."""
        return (await asyncio.get_running_loop().create_unix_connection(make, self._path))[1]


@dataclass(slots=True)
class _Place:
    """What is kept for one server."""

    turns: asyncio.Semaphore | None
    idle: list[HttpConnection] = field(default_factory=list)
    users: int = 0


class HttpPool:
    """Sends requests over kept connections. Make it inside the running loop; `close()` it.

    Args:
        body_bytes_max: the largest body of an answer.
        keepalive_s: how long an idle connection is kept.
        per_server_max: most requests under way to one server; None is no limit.
    """

    def __init__(self, body_bytes_max: int, keepalive_s: float, per_server_max: int | None = None) -> None:
        self._body_bytes_max = body_bytes_max
        self._keepalive_s = keepalive_s
        self._per_server_max = per_server_max
        self._loop = asyncio.get_running_loop()
        self._places: dict[str, _Place] = {}
        self._all: set[HttpConnection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._emptied = asyncio.Event()

    async def send(
        self,
        server: Server,
        request: bytes,
        deadline_s: float,
        *,
        needs_body: NeedsBody = always,
        repeat: bool = False,
    ) -> HttpAnswer:
        """Send a request and return its answer.

        Args:
            server: whom to send it to.
            request: its bytes (`http_connection.request_bytes`).
            deadline_s: for everything from the wait for a turn to the last byte, by the loop's clock.
            needs_body: as in `HttpConnection.send`.
            repeat: whether a request may be sent once more, on a new connection, when a kept one was lost
                before anything of an answer came. The server most likely closed it before, but it may have
                acted on the request.

        Raises:
            HttpFailure: `sent` tells whether the server may have got it.
        """
        place = self._places.get(server.key) or self._new_place(server)
        place.users += 1
        try:
            if place.turns is None:
                return await self._send(place, server, request, deadline_s, needs_body, repeat=repeat)
            await _turn(place.turns, deadline_s)
            try:
                return await self._send(place, server, request, deadline_s, needs_body, repeat=repeat)
            finally:
                place.turns.release()
        finally:
            place.users -= 1

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._all):
            connection.close()
        if self._all:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), _CLOSING_S)

    async def _send(
        self,
        place: _Place,
        server: Server,
        request: bytes,
        deadline_s: float,
        needs_body: NeedsBody,
        *,
        repeat: bool,
    ) -> HttpAnswer:
        connection = kept = self._kept(place)
        while True:
            if connection is None:
                connection = await self._connect(server, deadline_s)
            try:
                answer = await connection.send(request, deadline_s, needs_body)
            except HttpFailure as failure:
                stale = kept is not None and failure.fault is Fault.CLOSED and not failure.answered
                if not (repeat and stale):
                    raise
                connection = kept = None
            except BaseException:
                connection.close()
                raise
            else:
                if connection.usable:
                    place.idle.append(connection)
                return answer

    def _kept(self, place: _Place) -> HttpConnection | None:
        young_s = self._loop.time() - self._keepalive_s
        while place.idle:
            connection = place.idle.pop()
            if connection.usable:
                if connection.idle_since_s >= young_s:
                    return connection
                connection.close()
        return None

    async def _connect(self, server: Server, deadline_s: float) -> HttpConnection:
        if self._closed:
            raise HttpFailure(Fault.NO_CONNECTION, "closed", sent=False)
        try:
            async with asyncio.timeout_at(deadline_s):
                connection = await server.connect(self._make)
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:  # ours, not the system's
                raise HttpFailure(Fault.LATE, "no connection in time", sent=False) from error
            detail = error.strerror or str(error) or type(error).__name__
            raise HttpFailure(Fault.NO_CONNECTION, detail, sent=False) from error
        if self._closed or not connection.usable:
            connection.close()
            raise HttpFailure(Fault.CLOSED, "the connection was closed before the answer", sent=False)
        self._all.add(connection)
        connection.on_lost = self._lost
        return connection

    def _make(self) -> HttpConnection:
        return HttpConnection(self._body_bytes_max)

    def _new_place(self, server: Server) -> _Place:
        limit = self._per_server_max
        place = _Place(None if limit is None else asyncio.Semaphore(limit))
        self._places[server.key] = place
        if self._sweeper is None and not self._closed:
            self._sweeper = self._loop.call_later(self._keepalive_s, self._sweep)
        return place

    def _lost(self, connection: HttpConnection) -> None:
        self._all.discard(connection)
        if not self._all and self._closed:
            self._emptied.set()

    def _sweep(self) -> None:
        """Close what was idle for too long, and forget servers that nothing is kept for."""
        self._sweeper = None
        young_s = self._loop.time() - self._keepalive_s
        for key, place in tuple(self._places.items()):
            for connection in place.idle:
                if connection.idle_since_s < young_s:
                    connection.close()
            place.idle = [connection for connection in place.idle if connection.usable]
            if not place.idle and not place.users:
                del self._places[key]
        if self._places and not self._closed:
            self._sweeper = self._loop.call_later(self._keepalive_s, self._sweep)


async def _turn(turns: asyncio.Semaphore, deadline_s: float) -> None:
    if not turns.locked():
        await turns.acquire()
        return
    try:
        async with asyncio.timeout_at(deadline_s):
            await turns.acquire()
    except TimeoutError as error:
        raise HttpFailure(Fault.LATE, "too much is under way", sent=False) from error
