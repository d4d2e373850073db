"""One connection to another node: a request at a time, or the bytes of a websocket.

Own code, because a general HTTP client takes several times the CPU time of what is forwarded with it. The
other side is a node too: every answer has a length.
"""

import asyncio
import time
from collections.abc import Callable
from typing import cast

from engine.cluster.messages import Answer, NoAnswer

HEAD_BYTES_MAX = 65_536
TOGETHER_BYTES_MAX = 65_536
"""Head and body are sent as one piece up to this size."""

_LENGTH = b"\r\nContent-Length: "
_BODYLESS = frozenset({204, 304})


class Connection(asyncio.Protocol):
    """Carries one request at a time, until it is switched to raw bytes."""

    __slots__ = (
        "_body_start",
        "_buffer",
        "_head",
        "_length",
        "_lost",
        "_passing",
        "_raw",
        "_transport",
        "_waiter",
        "idle_since_s",
        "open",
        "sent_s",
        "subject",
    )

    def __init__(self) -> None:
        self.open = False
        self.subject = ""
        """What the request under way is about."""
        self.sent_s = 0.0
        self.idle_since_s = 0.0
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._raw: Callable[[bytes], None] | None = None
        self._lost: Callable[[], None] | None = None
        self._buffer = bytearray()
        self._head: tuple[int, list[tuple[str, str]]] = (0, [])
        self._body_start = -1
        self._length = 0
        self._passing = False

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return self._waiter is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self.open = True
        self.idle_since_s = time.monotonic()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell whoever waits that no answer will come."""
        self.open = False
        self._fail("the connection was lost")
        if self._lost is not None:
            self._lost()

    def send(
        self, head: bytes, body: bytes, subject: str = "", *, passing: bool = False
    ) -> asyncio.Future[Answer]:
        """Send a request; the future has its answer, or raises NoAnswer.

        With `passing` the answer is only to be passed on.
        """
        assert self._waiter is None
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self.subject, self.sent_s, self._passing = subject, time.monotonic(), passing
        if len(body) <= TOGETHER_BYTES_MAX:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return self._waiter

    def usable(self) -> bool:
        """Tell whether a request may be sent, as far as that is known."""
        return self.open and self._transport is not None and not self._transport.is_closing()

    def give_up(self, reason: str) -> None:
        """Close the connection at once; whoever waits has no answer."""
        self._fail(reason)
        self.close()

    def close(self) -> None:
        """Close the connection at once."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    # Raw bytes

    def switch(self, received: Callable[[bytes], None], lost: Callable[[], None]) -> asyncio.Transport:
        """Hand over what comes from now on as it comes; returns the transport to write to.

        What came behind the head of the last answer is handed over at once, and so is a loss that has
        happened already.
        """
        assert self._transport is not None
        self._raw, self._lost = received, lost
        if rest := bytes(self._buffer):
            self._buffer.clear()
            received(rest)
        if not self.open:
            lost()
        return self._transport

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer."""
        if self._raw is not None:
            self._raw(data)
            return
        self._buffer += data
        if self._waiter is None and self._body_start < 0 and self._head[0] != 101:
            self.give_up("it said something unasked")
            return
        if self._body_start < 0 and not self._read_head():
            return
        end = self._body_start + self._length
        if len(self._buffer) >= end:
            self._answered(end)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                self.give_up("its answer is not understood")
            return False
        try:
            read = _scanned if self._passing else _parsed
            self._head, self._length = read(bytes(self._buffer[:end]))
        except ValueError:
            self.give_up("its answer is not understood")
            return False
        self._body_start = end + 4
        return True

    def _answered(self, end: int) -> None:
        waiter, self._waiter = self._waiter, None
        status, headers = self._head
        if self._passing:
            answer = Answer(status, headers, b"", bytes(self._buffer[:end]))
        else:
            answer = Answer(status, headers, bytes(self._buffer[self._body_start : end]))
        if status == 101:
            del self._buffer[:end]
        else:
            self._buffer.clear()
        self._body_start = -1
        self.idle_since_s = time.monotonic()
        if any(name.lower() == "connection" and "close" in value.lower() for name, value in headers):
            self.close()
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _fail(self, reason: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(NoAnswer(reason))


def _parsed(head: bytes) -> tuple[tuple[int, list[tuple[str, str]]], int]:
    """Return status, headers and the length of the body. Raises ValueError."""
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.1 "):
        raise ValueError(first)
    status = int(first[9:12])
    headers = []
    length = 0 if status in _BODYLESS or status == 101 else -1
    for line in lines:
        name, separator, value = line.partition(":")
        if not separator:
            raise ValueError(line)
        value = value.strip()
        headers.append((name, value))
        if length < 0 and name.lower() == "content-length":
            length = int(value)
    if length < 0:
        raise ValueError("it has no length")
    return (status, headers), length


def _scanned(head: bytes) -> tuple[tuple[int, list[tuple[str, str]]], int]:
    """Return of a head only what is needed to pass it on. Raises ValueError, also when it must not be."""
    if b"\r\nConnection: " in head or head.startswith(b"HTTP/1.1 421 "):
        return _parsed(head)
    at = head.find(_LENGTH)
    if not head.startswith(b"HTTP/1.1 ") or at < 0:
        return _parsed(head)
    at += len(_LENGTH)
    end = head.find(b"\r\n", at)
    return (int(head[9:12]), []), int(head[at : end if end > 0 else len(head)])
