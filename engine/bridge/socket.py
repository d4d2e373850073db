"""One websocket of one worker: what it is sent, how much may wait for it, and how long it may live.

Frames are put into a bounded queue and sent by a task of the socket's own. A reader so slow that the queue is
full, or that one frame is not taken in time, is cut off; it reads its state again when it comes back. The
hub puts in a blank text frame now and then: the SDK takes that for the heartbeat, pings do not count (SDK
protocol §2.4). Pings go out beside that, to notice peers that are gone.

The client has nothing to say on the socket. What it says all the same is thrown away; one that floods, or
sends more in one message than MESSAGE_BYTES_MAX, is closed.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import WSCloseCode, WSMsgType, web

from engine import metrics
from engine.bridge.events import Frame
from engine.bridge.limits import BridgeLimits
from engine.bridge.snapshot import Fitness, Snapshot
from engine.bridge.tokens import Session
from engine.logs import get_logger

log = get_logger()

HEARTBEAT = " "
MESSAGE_BYTES_MAX = 4_096
MESSAGES_MAX = 100
"""So many messages of a client are thrown away in MESSAGES_PERIOD_S before it counts as a flood."""
MESSAGES_PERIOD_S = 10.0
CLOSE_TIMEOUT_S = 2.0


class Ending(StrEnum):
    """Why a socket ended; the values are what metrics and the log say."""

    GONE = "gone"
    SLOW = "slow"
    FLOOD = "flood"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REPLACED = "replaced"
    STALE = "stale"
    RELOADED = "reloaded"
    MOVED = "moved"
    DELETED = "deleted"
    STOPPING = "stopping"


_SAID = {
    Ending.FLOOD: (WSCloseCode.POLICY_VIOLATION, b"Too many messages"),
    Ending.EXPIRED: (WSCloseCode.POLICY_VIOLATION, b"Token expired"),
    Ending.REVOKED: (WSCloseCode.POLICY_VIOLATION, b"Token revoked"),
    Ending.REPLACED: (WSCloseCode.OK, b"Closed by a newer session"),
    Ending.STALE: (WSCloseCode.OK, b"The activities or channels have changed"),
    Ending.RELOADED: (WSCloseCode.SERVICE_RESTART, b"The workspace was loaded again"),
    Ending.MOVED: (WSCloseCode.SERVICE_RESTART, b"The workspace has moved to another node"),
    Ending.DELETED: (WSCloseCode.OK, b"The worker was deleted"),
    Ending.STOPPING: (WSCloseCode.GOING_AWAY, b"Server is shutting down"),
}
"""Close code and reason; the SDK shows the reason to the application. The code means nothing to it."""


@dataclass(slots=True, eq=False)
class Socket:
    """An open websocket.

    Args:
        ws: prepared.
        transport: what it is sent over.
        session: whose it is.
        goes_offline: what the client asked for when its worker's last socket is gone; None = nothing.
        opened_ms: milliseconds since the epoch.
        limits: its bounds.
    """

    ws: web.WebSocketResponse
    transport: asyncio.Transport | None
    session: Session
    goes_offline: bool | None
    opened_ms: int
    limits: BridgeLimits
    ending: Ending | None = None
    """Why it is to end or has ended; None while it is open."""
    opened_s: float = field(default_factory=time.monotonic)
    touched_s: float = field(default_factory=time.monotonic)
    """When a frame was put in last, by the monotonic clock."""
    snapshot: Snapshot = field(init=False)
    _frames: asyncio.Queue[str] = field(init=False)
    _held: list[tuple[Frame, str]] = field(default_factory=list)
    _closer: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.snapshot = Snapshot(self.opened_s)
        self._frames = asyncio.Queue(self.limits.frames_pending_max)

    @property
    def worker(self) -> tuple[str, str]:
        """Workspace SID and worker SID."""
        return self.session.workspace_sid, self.session.worker_sid

    def put(self, text: str) -> None:
        """Send a frame soon. A socket that has too many waiting is cut off instead."""
        if self.ending is not None:
            return
        self.touched_s = time.monotonic()
        try:
            self._frames.put_nowait(text)
        except asyncio.QueueFull:
            metrics.BRIDGE_FRAMES_DROPPED.labels(Ending.SLOW).inc(self._frames.qsize() + 1)
            self.end(Ending.SLOW)

    def deliver(self, frame: Frame, text: str, now_s: float) -> None:
        """Send an event, or hold it until the client listens; what the client cannot take is not sent."""
        if self._held or now_s < self.snapshot.hold_until_s:
            if not self._held:
                asyncio.get_running_loop().call_later(self.snapshot.hold_until_s - now_s, self._release)
            self._held.append((frame, text))
            if len(self._held) > self.limits.frames_pending_max:
                self.end(Ending.SLOW)
            return
        match self.snapshot.fitness(frame):
            case Fitness.SEND:
                self.put(text)
            case Fitness.STALE:
                self.end(Ending.STALE)
            case Fitness.DROP:
                metrics.BRIDGE_FRAMES_DROPPED.labels("known").inc()

    def _release(self) -> None:
        held, self._held = self._held, []
        now_s = max(time.monotonic(), self.snapshot.hold_until_s)
        for frame, text in held:
            self.deliver(frame, text, now_s)

    def end(self, why: Ending) -> None:
        """Close it, in the background; the first reason counts."""
        if self.ending is not None:
            return
        self.ending = why
        if why in _SAID:
            self._closer = asyncio.create_task(self._close(*_SAID[why]))
        else:
            self._abort()

    async def run(self) -> None:
        """Serve it until either side has closed."""
        sender = asyncio.create_task(self._send(), name=f"socket-{self.session.worker_sid}")
        try:
            await self._receive()
        finally:
            self.ending = self.ending or Ending.GONE
            sender.cancel()
            await asyncio.gather(sender, *([self._closer] if self._closer else ()), return_exceptions=True)

    async def _send(self) -> None:
        """Send what is put in, until the peer is gone or does not take a frame in time."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                text = await self._frames.get()
                try:
                    async with asyncio.timeout(self.limits.send_timeout_s):
                        await self.ws.send_str(text)
                except TimeoutError:
                    self.end(Ending.SLOW)
                    return
                metrics.BRIDGE_FRAMES.inc()

    async def _receive(self) -> None:
        """Throw away what the client says, until it closes or says too much."""
        count, since_s = 0, time.monotonic()
        async for message in self.ws:
            if message.type is WSMsgType.ERROR:
                return
            now_s = time.monotonic()
            if now_s - since_s > MESSAGES_PERIOD_S:
                count, since_s = 0, now_s
            count += 1
            if count > MESSAGES_MAX:
                self.end(Ending.FLOOD)

    async def _close(self, code: WSCloseCode, reason: bytes) -> None:
        with contextlib.suppress(TimeoutError, ConnectionError, RuntimeError):
            async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                await self.ws.close(code=code, message=reason)
                return
        self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
