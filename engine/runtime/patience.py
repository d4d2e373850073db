"""A limit on waiting that holds even when the work does not let itself be cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from engine.errors import StoreUnavailable

R = TypeVar("R")


async def within(seconds: float, work: Coroutine[Any, Any, R]) -> R:
    """Return what `work` returns, if it does so in time.

    Otherwise it is told to stop and left to itself: cleaning up after a call to a database that hangs can
    take as long as the call, and nobody should wait for that.

    Raises StoreUnavailable when time is up, else whatever `work` raises.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        _abandon(task)
        raise
    if done:
        return task.result()
    _abandon(task)
    raise StoreUnavailable(f"no answer within {seconds:g} s")


def _abandon(task: asyncio.Future[Any]) -> None:
    task.cancel()
    task.add_done_callback(_look_at)
    _abandoned.add(task)


def _look_at(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()


_abandoned: set[asyncio.Future[Any]] = set()
"""Held here, because the event loop itself holds tasks only weakly."""
