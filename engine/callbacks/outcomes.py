"""Writes what attempts came to, many at a time."""

import asyncio

from engine.callbacks.ports import DeliveryStore
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.routing.deliveries import DeliveryOutcome

_LINGER_S = 0.02
_PAUSE_S = 1.0
_BATCH_MAX = 500

log = get_logger()


class OutcomeWriter:
    """Collects outcomes and writes them in the background, the last one of each delivery.

    A failed write is tried again until it succeeds: what is lost at the end is only that an event was
    delivered, and it is delivered again.

    Args:
        store: where they go.
    """

    def __init__(self, store: DeliveryStore) -> None:
        self._store = store
        self._waiting: dict[tuple[str, int], DeliveryOutcome] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, outcome: DeliveryOutcome) -> None:
        """Have an outcome written soon."""
        key = outcome.workspace_sid, outcome.sequence
        self._waiting.pop(key, None)  # the last one stands last
        self._waiting[key] = outcome
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="delivery-outcomes")

    async def flush(self) -> None:
        """Return when everything added before is written. Raises StoreUnavailable.

        What is added meanwhile is not waited for: under load that would not end.
        """
        async with self._writing:
            for _ in range(0, len(self._waiting), _BATCH_MAX):
                await self._write()

    async def stop(self) -> None:
        """Write what waits, if the database answers, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self.flush()
        except StoreUnavailable as error:
            log.warning("delivery.outcomes_lost", outcomes=len(self._waiting), error=str(error))

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(_LINGER_S)
            try:
                await self.flush()
            except StoreUnavailable as error:
                log.warning("delivery.outcomes_waiting", outcomes=len(self._waiting), error=str(error))
                await asyncio.sleep(_PAUSE_S)

    async def _write(self) -> None:
        taken = dict(list(self._waiting.items())[:_BATCH_MAX])
        await self._store.settle(list(taken.values()))
        for key, outcome in taken.items():
            if self._waiting.get(key) is outcome:
                del self._waiting[key]
