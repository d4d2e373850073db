"""Frames that wait for their moment, and the one timer for all of them."""

import asyncio
import heapq
import time
from dataclasses import dataclass, field
from itertools import count

from engine.bridge.events import Frame
from engine.bridge.socket import Socket

WorkerKey = tuple[str, str]
"""Workspace SID and worker SID."""


@dataclass(slots=True, order=True)
class _Delivery:
    due_s: float
    number: int
    sockets: tuple[Socket, ...] = field(compare=False)
    frame: Frame = field(compare=False)
    text: str = field(compare=False)


class DelayedFrames:
    """Hands frames to sockets after a delay of their own; those of one worker keep their order."""

    def __init__(self) -> None:
        self._waiting: list[_Delivery] = []
        self._numbers = count()
        self._last_due_s: dict[WorkerKey, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, frame: Frame, key: WorkerKey, sockets: tuple[Socket, ...], delay_s: float) -> None:
        """Send a frame of a worker to these sockets after the delay, and after its earlier ones."""
        due_s = max(time.monotonic() + delay_s, self._last_due_s.get(key, 0.0))
        self._last_due_s[key] = due_s
        delivery = _Delivery(due_s, next(self._numbers), sockets, frame, frame.text())
        heapq.heappush(self._waiting, delivery)
        if self._waiting[0] is delivery:
            self._arm()

    def forget(self, key: WorkerKey) -> None:
        """Forget a worker who has no sockets any more."""
        self._last_due_s.pop(key, None)

    def drop(self) -> None:
        """Drop everything that waits."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay_s = max(0.0, self._waiting[0].due_s - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._send_due)

    def _send_due(self) -> None:
        self._timer = None
        now_s = time.monotonic()
        try:
            while self._waiting and self._waiting[0].due_s <= now_s:
                delivery = heapq.heappop(self._waiting)
                for socket in delivery.sockets:
                    socket.deliver(delivery.frame, delivery.text, now_s)
        finally:
            if self._waiting:
                self._arm()
