"""Work of a command line that SIGINT and SIGTERM end in good order."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

INTERRUPTED = 130
"""The exit code of work that was interrupted."""


async def until_signal(work: Coroutine[Any, Any, int]) -> int:
    """Return what the work returns; a signal cancels it, and it cleans up after itself."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return INTERRUPTED
