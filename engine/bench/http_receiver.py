"""Where the daemon sends assignment callbacks: a lean HTTP/1.1 server for that one kind of request."""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import cast

_TASK = re.compile(rb"(?:^|&)TaskSid=(WT[0-9a-f]{32})")
_RESERVATION = re.compile(rb"(?:^|&)ReservationSid=(WR[0-9a-f]{32})")
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Reply = Callable[[bytes], None]
"""Answers a callback with a JSON document; nothing happens when its connection is gone."""

OnCallback = Callable[[str, str, Reply], None]
"""Is called with the SIDs of task and reservation."""


def listen(host: str) -> socket.socket:
    """Return a socket that listens on a free port of an address. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, 0), family=family, backlog=1024)


class Receiver(asyncio.Protocol):
    """One connection of the daemon's: callbacks come one after the other."""

    def __init__(self, on_callback: OnCallback, everybody: set["Receiver"]) -> None:
        self._on_callback = on_callback
        self._everybody = everybody
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._everybody.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the transport."""
        self._transport = None
        self._everybody.discard(self)

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request; a complete one is handed on."""
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._buffer[:head_end]).lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        end = head_end + 4 + length
        if len(self._buffer) < end:
            return
        body = bytes(self._buffer[head_end + 4 : end])
        del self._buffer[:end]
        self._received(body)

    def _received(self, body: bytes) -> None:
        task, reservation = _TASK.search(body), _RESERVATION.search(body)
        if task is None or reservation is None:
            self._write(_REFUSED)
            return
        self._on_callback(task[1].decode(), reservation[1].decode(), self._reply)

    def _reply(self, document: bytes) -> None:
        self._write(_ANSWER % (len(document), document))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
