"""A limit on how long answers are waited for, which costs next to nothing per answer."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Waiting:
    """Fails what is not answered in time.

    All wait equally long, so they stand in the order in which their time is up, and one timer is enough: a
    timer for each took 4 µs of a command. What was answered leaves when later ones come or time is up.

    Args:
        patience_s: how long each is waited for.
        error: makes what it then fails with.
    """

    __slots__ = ("_error", "_line", "_patience_s", "_timer")

    def __init__(self, patience_s: float, error: Callable[[], Exception]) -> None:
        self._patience_s = patience_s
        self._error = error
        self._line: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._line)

    def watch(self, future: asyncio.Future[Any]) -> None:
        """Fail `future` unless it is done in time."""
        loop, line = asyncio.get_running_loop(), self._line
        while line and line[0][1].done():
            line.popleft()
        due_s = loop.time() + self._patience_s
        line.append((due_s, future))
        if self._timer is None:
            self._timer = loop.call_at(due_s, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        loop, line = asyncio.get_running_loop(), self._line
        now_s = loop.time()
        while line and (line[0][1].done() or line[0][0] <= now_s):
            _, future = line.popleft()
            if not future.done():
                future.set_exception(self._error())
        if line:
            self._timer = loop.call_at(line[0][0], self._time_is_up)


def following(future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """Return a future that ends as `future` does, unless it ends before: then `future` goes on alone.

    As asyncio.shield(), which complains when what follows has failed before.
    """
    follower = asyncio.get_running_loop().create_future()

    def follow(ended: asyncio.Future[Any]) -> None:
        if follower.done():
            return
        if ended.cancelled():
            follower.cancel()
        elif (error := ended.exception()) is not None:
            follower.set_exception(error)
        else:
            follower.set_result(ended.result())

    future.add_done_callback(follow)
    return follower
