"""The outbox of event callbacks: written with the events, read by the sender, settled attempt by attempt.

Outcomes are not fenced by an epoch: what they say (a receiver has confirmed this event) is true whoever owns
the workspace meanwhile, and it changes no state that routing goes by.
"""

from collections.abc import Sequence

import asyncpg

from engine.routing.deliveries import DeliveryOutcome, PendingDelivery
from engine.routing.entities import Workspace
from engine.storage import rows
from engine.storage.pool import Database
from engine.storage.queries import query

_PENDING = query("pending_deliveries")
_FIRST_PENDING = query("first_pending_deliveries")
_SETTLE = query("settle_deliveries")
_EXPIRE = query("expire_deliveries")
_DESERTED = query("deserted_workspaces")
_TOO_OLD = "it grew too old before its receiver could be reached"
_OUTCOME = rows.mapper_of(DeliveryOutcome)


class DeliveryOutbox:
    """What the sender of event callbacks asks of Postgres. Methods raise StoreUnavailable.

    Args:
        database: the pools.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, workspace_sid: str, after_sequence: int, limit: int) -> list[PendingDelivery]:
        """Read the first pending deliveries beyond a sequence number, in the order of the log."""
        async with self._database.reading() as connection:
            records = await connection.fetch(_PENDING, workspace_sid, after_sequence, limit)
        return [_pending(record) for record in records]

    async def first_pending(self, workspace_sids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return sequence and `pending_since_ms` of the first pending delivery of each that has any."""
        async with self._database.reading() as connection:
            records = await connection.fetch(_FIRST_PENDING, workspace_sids)
        return {sid: (sequence, since_ms) for sid, sequence, since_ms in records}

    async def settle(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        """Write what attempts came to; at least one, and one per delivery."""
        async with self._database.committing() as connection:
            await connection.execute(_SETTLE, *_OUTCOME.columns(outcomes))

    async def expire(self, workspace_sid: str, pending_before_ms: int, limit: int) -> int:
        """Give up the deliveries pending since before a moment; returns how many, at most `limit`."""
        async with self._database.committing() as connection:
            status = await connection.execute(_EXPIRE, workspace_sid, pending_before_ms, _TOO_OLD, limit)
        return int(status.rpartition(" ")[2])

    async def deserted(self) -> list[Workspace]:
        """Read the deleted workspaces that have an address and pending deliveries."""
        async with self._database.reading() as connection:
            return rows.WORKSPACE.entities(await connection.fetch(_DESERTED))


def _pending(record: asyncpg.Record) -> PendingDelivery:
    attempts, pending_since_ms, next_attempt_ms, *columns = record
    [event] = rows.EVENT.entities([columns])
    return PendingDelivery(event, attempts, pending_since_ms, next_attempt_ms)
