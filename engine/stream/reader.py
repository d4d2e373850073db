"""One connection that follows a workspace's log: a place in the log, and the socket it is sent over.

It is written to straight through its transport, which takes at most `send_buffer_bytes_max` and a slice
before it is full; then the reader is left alone until it has taken that, or is given up as too slow. Nothing
else waits for it: what comes meanwhile is in the ring, or in the database.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp.abc import AbstractStreamWriter

from engine import metrics
from engine.storage.event_log import Position
from engine.stream.frames import Filter, Style, farewell, greeting, heartbeat
from engine.stream.limits import StreamLimits
from engine.stream.ring import SLICE_EVENTS_MAX, Slice

_FAREWELL_S = 1.0
PACE_MIN = 16
START = Position(0, 0)
"""Before the first event."""


class Ending(StrEnum):
    """Why a stream ended; the values are what its last word, metrics and the log say."""

    GONE = "gone"
    SLOW = "slow"
    DELETED = "deleted"
    EXPIRED = "expired"
    CREDENTIALS = "credentials"
    STOPPING = "stopping"
    FAILED = "failed"


_UNHEARD = frozenset({Ending.GONE, Ending.SLOW})
"""Endings of connections that take nothing any more."""


@dataclass(slots=True, eq=False)
class Reader:
    """A connection.

    Args:
        account_sid: whose stream it is.
        workspace_sid: which log it follows.
        wanted: what it is told of.
        style: how.
        allowed: tells whether its credentials still hold.
        limits: its bounds.
        position: the event it has come to; known once it has joined its feed.
    """

    account_sid: str
    workspace_sid: str
    wanted: Filter
    style: Style
    allowed: Callable[[], bool]
    limits: StreamLimits
    position: Position = START
    begins_now: bool = False
    """Whether it did not say where to begin."""
    ending: Ending | None = None
    events: int = 0
    """How many it was sent."""
    opened_s: float = field(default_factory=time.monotonic)
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is no longer written to as events come: it has fallen behind, or has ended."""
    _transport: asyncio.Transport | None = None
    _writer: AbstractStreamWriter | None = None
    _touched_s: float = 0.0
    _told: int = 0
    _pace: int = PACE_MIN

    def connect(self, transport: asyncio.Transport, writer: AbstractStreamWriter) -> None:
        """Begin to write, the head of the answer having been sent."""
        _bound_kernel(transport, self.limits)
        transport.set_write_buffer_limits(high=self.limits.send_buffer_bytes_max)
        self._transport, self._writer = transport, writer
        self._told = self.position.sequence
        self._write(greeting(self.style, self.position.sequence if self.begins_now else None))

    def send(self, part: Slice) -> None:
        """Write a slice and stand behind it."""
        self.position = part.position
        if part.events:
            self._write(part.data)
            self._told = part.last
            self.events += part.events
            metrics.STREAM_EVENTS.inc(part.events)

    def age_ms(self) -> int:
        """Return for how long it has been open, in milliseconds."""
        return round((time.monotonic() - self.opened_s) * 1000)

    def pace(self) -> int:
        """Return how many older events to read for it: few at first, as it may want no more than those."""
        self._pace = min(self._pace * 2, SLICE_EVENTS_MAX)
        return self._pace

    @property
    def full(self) -> bool:
        """Whether more waits to be taken than may."""
        transport = self._transport
        return transport is not None and (
            transport.get_write_buffer_size() > self.limits.send_buffer_bytes_max
        )

    async def room(self) -> None:
        """Wait until most of what was written is taken; ends the reader when that takes too long."""
        if self._writer is None or self.ending is not None:
            return
        try:
            async with asyncio.timeout(self.limits.send_timeout_s):
                await self._writer.drain()
        except TimeoutError:
            self.end(Ending.SLOW)
        except ConnectionError:
            self.end(Ending.GONE)

    def look_after(self, now_s: float) -> None:
        """End it when its peer is gone or its credentials no longer hold; else send a heartbeat if due."""
        transport = self._transport
        if self.ending is not None or transport is None:
            return
        if transport.is_closing():
            self.end(Ending.GONE)
        elif not self.allowed():
            self.end(Ending.CREDENTIALS)
        elif now_s - self._touched_s >= self.limits.heartbeat_s and not self.full:
            passed = self.wanted and self.position.sequence > self._told
            self._told = self.position.sequence
            self._write(heartbeat(self.style, self.position.sequence if passed else None))

    def end(self, why: Ending) -> None:
        """Let it end; the first reason counts."""
        if self.ending is None:
            self.ending = why
        self.awake.set()

    async def close(self) -> None:
        """Say the last word, if there is anybody to hear it; else cut the connection."""
        transport, writer = self._transport, self._writer
        if transport is None or writer is None or transport.is_closing():
            return
        if self.ending in _UNHEARD or self.ending is None:
            _cut(transport)
            return
        self._write(farewell(self.style, self.ending))
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await writer.drain()
                return
        _cut(transport)

    def _write(self, data: bytes) -> None:
        transport = self._transport
        self._touched_s = time.monotonic()
        if data and transport is not None and not transport.is_closing():
            transport.write(data)


def _bound_kernel(transport: asyncio.Transport, limits: StreamLimits) -> None:
    """Have the kernel hold no more than we do, and give up a peer that confirms nothing.

    Left to itself it buffers megabytes for each reader that has gone to sleep.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer_bytes_max)
    unconfirmed = getattr(socket, "TCP_USER_TIMEOUT", None)
    if unconfirmed is not None:
        sock.setsockopt(socket.IPPROTO_TCP, unconfirmed, round(limits.send_timeout_s * 2_000))


def _cut(transport: asyncio.Transport) -> None:
    """Close a connection so that its peer hears of it, and the kernel keeps nothing for it."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
