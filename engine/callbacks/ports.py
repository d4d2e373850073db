"""What the sender of event callbacks needs of the database; storage implements it."""

from collections.abc import Sequence
from typing import Protocol

from engine.routing.deliveries import DeliveryOutcome, PendingDelivery
from engine.routing.entities import Workspace


class DeliveryStore(Protocol):
    """The outbox of event callbacks. Every method raises StoreUnavailable."""

    async def pending(self, workspace_sid: str, after_sequence: int, limit: int) -> list[PendingDelivery]:
        """Read the first pending deliveries beyond a sequence number, in the order of the log."""

    async def first_pending(self, workspace_sids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return sequence and `pending_since_ms` of the first pending delivery of each that has any."""

    async def settle(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        """Write what attempts came to."""

    async def expire(self, workspace_sid: str, pending_before_ms: int, limit: int) -> int:
        """Give up deliveries pending since before a moment; returns how many, at most `limit`."""

    async def deserted(self) -> list[Workspace]:
        """Read the deleted workspaces that have an address and pending deliveries."""
