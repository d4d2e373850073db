"""One at a time per key, and few that wait: for requests that keep a workspace busy for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from engine.errors import Overloaded


@dataclass(slots=True)
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    inside: int = 0


class Turns:
    """Lets requests with the same key in one after the other.

    Args:
        waiting_max: so many may wait for their turn; one more is Overloaded.
    """

    __slots__ = ("_queues", "_waiting_max")

    def __init__(self, waiting_max: int) -> None:
        self._waiting_max = waiting_max
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[None]:
        """Wait for one's turn and hold it. Raises Overloaded at once when too many wait already."""
        queue = self._queues.setdefault(key, _Queue())
        if queue.inside > self._waiting_max:
            raise Overloaded(f"{self._waiting_max} requests of this kind are waiting for {key}")
        queue.inside += 1
        try:
            async with queue.lock:
                yield
        finally:
            queue.inside -= 1
            if not queue.inside:
                del self._queues[key]
