"""The work under way on the event loop: started, waited for, and ended together."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from engine.logs import get_logger

_log = get_logger()


class Background:
    """Runs coroutines as tasks, keeps hold of them, and logs the one that ends by an error of ours."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a coroutine; its result is its own affair."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def drain(self, timeout_s: float) -> bool:
        """Wait until nothing is under way, including what the work itself starts; False when time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            return False
        return True

    async def cancel(self) -> None:
        """End everything now."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("callback.crashed", exc_info=error)
