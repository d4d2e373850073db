"""The bounded queue of commands in front of one workspace loop."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from engine import metrics
from engine.errors import Overloaded
from engine.routing.commands import Command
from engine.runtime.once import Once


@dataclass(slots=True, eq=False)
class Envelope:
    """One command on its way through a loop.

    `future` gets the core's answer or its refusal after the commit. `context` holds the log context of
    the caller, so that what the command caused can be logged with the request that caused it. `once` is
    the idempotency key that the command came with, as number `index` of its request.
    """

    command: Command
    future: asyncio.Future[Any]
    context: Mapping[str, Any] = field(default_factory=dict)
    once: Once | None = None
    index: int = 0

    def resolve(self, result: object) -> None:
        """Answer the caller, unless it has gone away."""
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: Exception) -> None:
        """Answer the caller with an error, unless it has gone away."""
        if not self.future.done():
            self.future.set_exception(error)


class Inbox:
    """First in, first out, at most `commands_max`; `wakeup` is set whenever something was put.

    A consumer clears `wakeup` and looks only then, so that nothing put in between is overlooked.
    """

    __slots__ = ("__weakref__", "_commands_max", "_waiting", "wakeup")

    def __init__(self, commands_max: int) -> None:
        self._commands_max = commands_max
        self._waiting: deque[Envelope] = deque()
        self.wakeup = asyncio.Event()
        _inboxes.add(self)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, *envelopes: Envelope) -> None:
        """Queue the envelopes next to each other, or none of them: raises Overloaded at once when full."""
        if len(self._waiting) + len(envelopes) > self._commands_max:
            metrics.INBOX_REFUSED.inc(len(envelopes))
            raise Overloaded(f"{self._commands_max} commands are waiting for this workspace")
        self._waiting.extend(envelopes)
        self.wakeup.set()

    def take(self, commands_max: int) -> list[Envelope]:
        """Take everything that waits, up to `commands_max`, oldest first."""
        return [self._waiting.popleft() for _ in range(min(commands_max, len(self._waiting)))]

    async def sleep(self, delay_ms: int | None) -> None:
        """Return when `wakeup` is set, or after `delay_ms` milliseconds (None: only then)."""
        if delay_ms is None:
            await self.wakeup.wait()
            return
        timer = asyncio.get_running_loop().call_later(max(1, delay_ms) / 1000, self.wakeup.set)
        try:
            await self.wakeup.wait()
        finally:
            timer.cancel()

    def refuse_all(self, error: Exception) -> None:
        """Answer everything that waits with `error`."""
        for envelope in self.take(len(self._waiting)):
            envelope.refuse(error)


_inboxes: WeakSet[Inbox] = WeakSet()
metrics.INBOX_COMMANDS.set_function(lambda: sum(map(len, list(_inboxes))))
