"""A lean HTTP/1.1 client: what it costs is not measured as the daemon's share.

Generator and daemon share the machine, so a general client library would take more CPU time than the requests
are worth. This one sends what an ordinary client sends and reads answers with a length or in chunks; one
request at a time per connection, connections kept alive, as many as are asked for.
"""

import asyncio
import ssl
import time
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast
from urllib.parse import urlencode, urlsplit

import orjson

from engine import __version__
from engine.bench.errors import BenchError

REQUEST_TIMEOUT_S = 30.0
_SWEEP_S = 1.0
_FORM = "application/x-www-form-urlencoded"


class NoAnswer(Exception):
    """The connection broke or the answer did not come in time: what became of the request is unknown."""


@dataclass(slots=True, frozen=True)
class Answer:
    """A response: its status, its whole body, its head in small letters."""

    status: int
    body: bytes
    head: bytes = b""

    def json(self) -> Any:
        """Return the document in the body."""
        return orjson.loads(self.body)


class Connection(asyncio.Protocol):
    """One connection that carries one request at a time."""

    def __init__(self) -> None:
        self.open = False
        self.since_s = 0.0
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._buffer = bytearray()
        self._body_start = -1
        self._length = -1
        self._status = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell whoever waits that no answer will come."""
        self.open = False
        self._fail("connection")

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a whole request; the future has its answer, or raises NoAnswer."""
        assert self._waiter is None
        assert self._transport is not None
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        self.since_s = time.monotonic()
        self._transport.write(request)
        return waiter

    def sweep(self, sent_before_s: float) -> None:
        """Give up a request that was sent before a moment, and has no answer yet."""
        if self._waiter is not None and self.since_s < sent_before_s:
            self._fail("timeout")
            self.close()

    def close(self) -> None:
        """Close the connection at once."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer."""
        self._buffer += data
        if self._body_start < 0 and not self._read_head():
            return
        if self._length >= 0:
            end = self._body_start + self._length
            if len(self._buffer) >= end:
                self._answered(bytes(self._buffer[self._body_start : end]))
        elif (body := _unchunked(self._buffer, self._body_start)) is not None:
            self._answered(body)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._body_start = end + 4
        head = self._head = bytes(self._buffer[:end]).lower()
        self._status = int(head[9:12])
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            self._length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        elif self._status in {204, 304}:
            self._length = 0
        if b"\r\nconnection: close" in head:
            self.open = False
        return True

    def _answered(self, body: bytes) -> None:
        waiter, self._waiter = self._waiter, None
        answer = Answer(self._status, body, self._head)
        self._buffer.clear()
        self._body_start = self._length = -1
        if not self.open:
            self.close()
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _fail(self, reason: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(NoAnswer(reason))


def _unchunked(buffer: bytearray, at: int) -> bytes | None:
    """Return the body that is sent in chunks, None while it is not complete."""
    body = bytearray()
    while (end := buffer.find(b"\r\n", at)) >= 0:
        size = int(bytes(buffer[at:end]).split(b";")[0], 16)
        if size == 0:
            return bytes(body) if buffer.find(b"\r\n", end + 2) >= 0 else None
        at = end + 2 + size + 2
        if len(buffer) < at:
            return None
        body += buffer[end + 2 : at - 2]
    return None


class Client:
    """Connections to one server, for one account.

    Args:
        base_url: scheme, host and port; a path before /v1 is kept.
        account_sid: user of Basic authentication; empty = none is sent.
        auth_token: its password.
        connections_max: more requests than this wait for a connection.
        request_timeout_s: how long an answer may take, to the second.
    """

    def __init__(
        self,
        base_url: str,
        account_sid: str = "",
        auth_token: str = "",
        connections_max: int = 1_000,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BenchError(f"{base_url}: an address like http://127.0.0.1:8080 is needed")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._prefix = parts.path.rstrip("/")
        login = b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._head = (
            f" HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
            f"User-Agent: pointsman-bench/{__version__}\r\nAccept: application/json\r\n"
            + (f"Authorization: Basic {login}\r\n" if account_sid else "")
        )
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._room = connections_max
        self._request_timeout_s = request_timeout_s
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._sweeper is not None
        self._sweeper.cancel()
        await asyncio.wait([self._sweeper])
        for connection in self._all:
            connection.close()
        await asyncio.sleep(0)

    def head(self, path: str, content_type: str = _FORM, key: str = "") -> bytes:
        """Return the head of a POST up to the value of Content-Length, to be made once and used often.

        `key` goes into Idempotency-Key.
        """
        once = f"Idempotency-Key: {key}\r\n" if key else ""
        own = f"{once}Content-Type: {content_type}\r\nContent-Length: "
        return f"POST {self._prefix}{path}{self._head}{own}".encode()

    async def post(self, head: bytes, body: bytes) -> Answer:
        """Send a POST whose head was made with `head`. Raises NoAnswer."""
        return await self._send(b"%b%d\r\n\r\n%b" % (head, len(body), body))

    async def get(self, path: str) -> Answer:
        """Send a GET. Raises NoAnswer."""
        return await self._send(f"GET {self._prefix}{path}{self._head}\r\n".encode())

    async def read(self, path: str) -> Any:
        """GET a document. Raises BenchError when it is not answered 200."""
        return self._document(f"GET {path}", await self._tried(self.get(path)))

    async def create(self, path: str, fields: Mapping[str, str]) -> Any:
        """POST a form and return the document. Raises BenchError when it is not answered with a 2xx."""
        sent = self.post(self.head(path), urlencode(fields).encode())
        return self._document(f"POST {path}", await self._tried(sent))

    async def delete(self, path: str) -> int:
        """Send a DELETE and return the status. Raises NoAnswer."""
        return (await self._send(f"DELETE {self._prefix}{path}{self._head}\r\n".encode())).status

    async def _tried(self, sent: Any) -> Answer:
        try:
            answer: Answer = await sent
        except NoAnswer as error:
            raise BenchError(f"{self._host}:{self._port} does not answer: {error}") from None
        return answer

    def _document(self, what: str, answer: Answer) -> Any:
        if answer.status >= 300:
            raise BenchError(f"{what}: {answer.status} {answer.body[:300].decode(errors='replace')}")
        return answer.json()

    async def _send(self, request: bytes) -> Answer:
        connection = await self._take()
        try:
            return await connection.send(request)
        except asyncio.CancelledError:
            connection.close()  # its answer would be taken for that of the next request
            raise
        finally:
            self._give_back(connection)

    async def _take(self) -> Connection:
        while True:
            while self._idle:
                connection = self._idle.pop()
                if connection.open:
                    return connection
                self._forget(connection)
            if self._room > 0:
                return await self._connect()
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    async def _connect(self) -> Connection:
        self._room -= 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, self._host, self._port, ssl=self._tls
            )
        except OSError as error:
            self._room += 1
            raise NoAnswer(error.strerror or type(error).__name__) from None
        self._all.add(connection)
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.open:
            self._idle.append(connection)
        else:
            self._forget(connection)
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _forget(self, connection: Connection) -> None:
        if connection in self._all:
            self._all.discard(connection)
            self._room += 1

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            for connection in tuple(self._all):
                connection.sweep(time.monotonic() - self._request_timeout_s)
