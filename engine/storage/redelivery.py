"""The wish to have events delivered again; the sender finds it in the outbox."""

from collections.abc import Callable, Sequence

from engine.routing.deliveries import DeliveryView
from engine.storage.pool import Database
from engine.storage.queries import query

_REDELIVER = query("redeliver")
_REPLAY = query("replay_deliveries")
_BEFORE_ALL = 0
_BATCH = 5_000


class Redelivery:
    """Puts deliveries back into the outbox. Every method raises StoreUnavailable.

    Args:
        database: the pools.
        wake: has a workspace's outbox looked at at once; without it, the sender finds it in its own time.
    """

    def __init__(self, database: Database, wake: Callable[[str], None] | None = None) -> None:
        self._database = database
        self._wake = wake or (lambda _workspace_sid: None)

    async def redeliver(self, delivery: DeliveryView, now_ms: int) -> None:
        """Have a delivery made anew, whatever became of it; its age counts from now."""
        key = (delivery.workspace_sid, delivery.event_date_ms, delivery.sequence)
        async with self._database.committing() as connection:
            await connection.execute(_REDELIVER, *key, now_ms)
        self._wake(delivery.workspace_sid)

    async def replay(
        self, workspace_sid: str, start_ms: int, end_ms: int, event_types: Sequence[str] | None, now_ms: int
    ) -> int:
        """Have all events between two moments, both included, delivered anew; returns how many.

        Also those that were not wanted when they happened. They are put back some at a time: after a failure
        those of the first part are delivered, and asking again does no harm.
        """
        replayed: int = 0
        position = [start_ms, _BEFORE_ALL]
        while True:
            async with self._database.committing() as connection:
                [found] = await connection.fetch(
                    _REPLAY, workspace_sid, *position, end_ms, event_types, now_ms, _BATCH
                )
            self._wake(workspace_sid)
            replayed += found["replayed"]
            if found["replayed"] < _BATCH:
                return replayed
            position = [found["event_date_ms"], found["sequence"]]
