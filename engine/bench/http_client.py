"""Requests of one account to one server, for who makes load.

Generator and daemon share the machine, so a general client library would take more CPU time than the requests
are worth: they go over the daemon's own client. Connections are kept alive, as many as are asked for, one
request at a time on each; a request that got no answer is not sent again.
"""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Mapping
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from engine import __version__
from engine.bench.errors import BenchError
from engine.http_answer import Fault, HttpAnswer, HttpFailure
from engine.http_pool import HttpPool, TcpServer

REQUEST_TIMEOUT_S = 30.0
_BODY_BYTES_MAX = 256 * 2**20
_KEEPALIVE_S = 60.0
_FORM = "application/x-www-form-urlencoded"
_FAULTS = {Fault.LATE: "timeout", Fault.CLOSED: "connection", Fault.BROKEN_OFF: "connection"}

Answer = HttpAnswer


class NoAnswer(Exception):
    """The connection broke or the answer did not come in time: what became of the request is unknown."""


class Client:
    """Connections to one server, for one account.

    Args:
        base_url: scheme, host and port; a path before /v1 is kept.
        account_sid: user of Basic authentication; empty = none is sent.
        auth_token: its password.
        connections_max: more requests than this wait for a connection.
        request_timeout_s: how long an answer may take, with the wait for a connection.
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
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._server = TcpServer(parts.hostname, parts.port or (443 if tls else 80), tls)
        self._prefix = parts.path.rstrip("/")
        login = b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._head = (
            f" HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
            f"User-Agent: pointsman-bench/{__version__}\r\nAccept: application/json\r\n"
            + (f"Authorization: Basic {login}\r\n" if account_sid else "")
        )
        self._connections_max = connections_max
        self._request_timeout_s = request_timeout_s

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._pool = HttpPool(_BODY_BYTES_MAX, _KEEPALIVE_S, self._connections_max)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

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

    async def _tried(self, sent: Awaitable[Answer]) -> Answer:
        try:
            return await sent
        except NoAnswer as error:
            raise BenchError(f"{self._server.key} does not answer: {error}") from None

    def _document(self, what: str, answer: Answer) -> Any:
        if answer.status >= 300:
            raise BenchError(f"{what}: {answer.status} {answer.body[:300].decode(errors='replace')}")
        return answer.json()

    async def _send(self, request: bytes) -> Answer:
        try:
            return await self._pool.send(self._server, request, self._loop.time() + self._request_timeout_s)
        except HttpFailure as failure:
            raise NoAnswer(_FAULTS.get(failure.fault, failure.detail)) from failure
