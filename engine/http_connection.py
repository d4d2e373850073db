"""One HTTP/1.1 connection of a client: a request at a time, sent in one write, its answer whole and bounded.

For callers who send the same kind of request over and over and count microseconds: callbacks, and what one
node sends to another. A request is bytes (`request_head` renders its head, to be made once and used often),
with any method but HEAD and CONNECT; the transport may be TCP, TLS or a unix socket. Redirects are answers
like any other; cookies, proxies, compression and pipelining do not exist here. `HttpPool` keeps connections.

A request has one deadline, and a connection one timer, which is moved only when it fires too early: a timer
per request would cost more than reading the answer.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

from engine.http_answer import AnswerReader, HttpAnswer, HttpFailure

_UNNEEDED_BODY_S = 0.2

NeedsBody = Callable[[int], bool]
"""Tells by an answer's status whether its body has to come."""


def always(_status: int) -> bool:
    """Need every body."""
    return True


def never(_status: int) -> bool:
    """Need no body."""
    return False


def request_head(method: str, target: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Render the beginning of a request: its first line and headers, without Content-Length.

    Args:
        method: such as POST.
        target: path and query, encoded.
        headers: as `header_lines` takes them, Host among them.

    Raises:
        ValueError: something in it cannot be said in a head.
    """
    line = f"{method} {target} HTTP/1.1"
    if not line.isascii() or not line.isprintable() or line.count(" ") != 2:
        raise ValueError("a request cannot begin like that")
    return b"%b\r\n%b" % (line.encode("ascii"), header_lines(headers))


def header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Render headers, of which there is at least one.

    Raises:
        ValueError: one would begin another line, or is not Latin-1.
    """
    lines = [f"{name}: {value}" for name, value in headers]
    text = "\r\n".join(lines)
    if not all(map(str.isprintable, lines)):
        raise ValueError("a header cannot hold that")
    return b"%b\r\n" % text.encode("latin-1")


def request_bytes(head: bytes, body: bytes) -> bytes:
    """Return the request of a head (`request_head`, perhaps with more `header_lines`) and a body."""
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


class HttpConnection(asyncio.Protocol):
    """A connection that carries one request at a time. Make it inside the running loop.

    Args:
        body_bytes_max: the largest body of an answer.
    """

    def __init__(self, body_bytes_max: int) -> None:
        self.idle_since_s = 0.0
        """When the last answer was complete, by the loop's clock."""
        self.on_lost: Callable[[HttpConnection], None] | None = None
        """Is called once, when the connection is gone."""
        self._loop = asyncio.get_running_loop()
        self._reader = AnswerReader(body_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[HttpAnswer] | None = None
        self._needs_body: NeedsBody = always
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._deadline_s = 0.0

    @property
    def usable(self) -> bool:
        """Whether a request may be sent now."""
        return self._transport is not None and self._waiter is None

    def send(
        self, request: bytes, deadline_s: float, needs_body: NeedsBody = always
    ) -> asyncio.Future[HttpAnswer]:
        """Send a request; the connection has to be `usable`.

        Args:
            request: head and body.
            deadline_s: by when the answer has to be complete, by the loop's clock.
            needs_body: where it says no, the head is enough: the body gets a moment to come, so that the
                connection can be used again, and is left out when it does not, or is too large.

        Returns:
            The answer, or HttpFailure. Who stops waiting for it has to `close` the connection.
        """
        assert self._transport is not None
        assert self._waiter is None
        self._reader.begin()
        self._needs_body = needs_body
        waiter: asyncio.Future[HttpAnswer] = self._loop.create_future()
        self._waiter = waiter
        self._watch(deadline_s)
        self._transport.write(request)
        return waiter

    def close(self) -> None:
        """Close the connection at once; whoever waits for an answer gets CLOSED or BROKEN_OFF."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiter is not None:
            self._failed(self._reader.lost())

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer; what nobody asked for ends the connection."""
        if self._waiter is None:
            self.close()
            return
        reader = self._reader
        try:
            if reader.feed(data):
                self._answered()
            elif reader.status and not self._needs_body(reader.status):
                self._watch(min(self._deadline_s, self._loop.time() + _UNNEEDED_BODY_S))
        except HttpFailure as failure:
            self._failed(failure)

    def eof_received(self) -> None:
        """Take in that the server sends no more, which may be the end of its answer."""
        if self._waiter is None:
            self.close()
            return
        try:
            self._reader.end()
            self._answered()
        except HttpFailure as failure:
            self._failed(failure)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits that no answer will come."""
        if self._waiter is not None:
            failure = self._reader.lost()
            failure.__cause__ = exc
            self._failed(failure)
        self.close()
        lost, self.on_lost = self.on_lost, None
        if lost is not None:
            lost(self)

    def _answered(self) -> None:
        waiter, self._waiter = self._waiter, None
        assert waiter is not None
        self.idle_since_s = self._loop.time()
        # An answer that came before the request was sent leaves a rest of it in the way of the next one.
        if not self._reader.reusable or (self._transport and self._transport.get_write_buffer_size()):
            self.close()
        if not waiter.done():
            waiter.set_result(self._reader.answer())

    def _failed(self, failure: HttpFailure) -> None:
        """End the connection; the request fails, unless the head of the answer is all that was needed."""
        waiter, self._waiter = self._waiter, None
        self.close()
        if waiter is None or waiter.done():
            return
        if failure.status and not self._needs_body(failure.status):
            waiter.set_result(self._reader.answer())
        else:
            waiter.set_exception(failure)

    def _watch(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        if self._timer is not None:
            if self._timer_s <= deadline_s:
                return
            self._timer.cancel()
        self._timer_s = deadline_s
        self._timer = self._loop.call_at(deadline_s, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline_s:
            self._watch(self._deadline_s)
        else:
            self._failed(self._reader.late())
