"""Requests that are carried out once, however often they are sent: the idempotency keys.

Theory of operation
-------------------
The answer to a request with a key is kept in the transaction that carries the request out, so there is
never one without the other. Who repeats it looks for the kept answer first. What remains is an attempt whose
outcome is open at that moment:

- One under way in this process keeps its turn until its commands are settled, even when its client has
  given up; a repetition waits for it.
- One whose commit ended in an unknown way is decided as soon as the workspace is served again, because
  taking the lease waits for the transaction that holds its row. So nobody looks before it is served.

A refused attempt keeps nothing: its key is free.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.routing.effects import KeptAnswer

KEPT_MS = 86_400_000
"""How long an answer is kept; the statement that writes it knows the same number."""

Place = tuple[str, str, str]


@dataclass(slots=True, frozen=True)
class Outcome:
    """What became of a command: its view, or the error it was refused with."""

    index: int
    result: Any
    error: Exception | None = None


@dataclass(slots=True, eq=False)
class Once:
    """A request's idempotency key, and how its answer is made.

    Args:
        scope_sid: the workspace, or the account when the request creates one.
        path: what the request was sent to.
        key: as the client chose it.
        fingerprint: tells requests with the same key apart.
        render: makes the kept answer of what became of commands in one batch; None keeps nothing.
    """

    scope_sid: str
    path: str
    key: str
    fingerprint: bytes
    render: Callable[[Sequence[Outcome]], bytes | None]
    answers: list[bytes] = field(default_factory=list)
    """What was kept by this attempt."""
    futures: list[asyncio.Future[Any]] = field(default_factory=list)
    """The commands of this attempt."""

    @property
    def place(self) -> Place:
        """What the key is unique within, and the key."""
        return self.scope_sid, self.path, self.key

    def kept(self, outcomes: Sequence[Outcome], now_ms: int) -> KeptAnswer | None:
        """Return what is to be kept of a batch's outcomes, if anything."""
        answer = self.render(outcomes)
        if answer is None:
            return None
        self.answers.append(answer)
        return KeptAnswer(*self.place, outcomes[0].index, self.fingerprint, answer, now_ms)


class Attempts:
    """The requests with a key under way in this process: one at a time per key."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: dict[Place, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def turn(self, once: Once) -> AsyncIterator[None]:
        """Wait for the others with the same key; the turn ends when the commands of `once` are settled."""
        while (running := self._running.get(once.place)) is not None:
            await asyncio.wait([running])
        over = self._running[once.place] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            waiting = [future for future in once.futures if not future.done()]
            if waiting:
                settled = asyncio.gather(*waiting, return_exceptions=True)
                settled.add_done_callback(lambda _: self._end(once.place, over))
            else:
                self._end(once.place, over)

    def _end(self, place: Place, over: asyncio.Future[None]) -> None:
        del self._running[place]
        if not over.done():
            over.set_result(None)
