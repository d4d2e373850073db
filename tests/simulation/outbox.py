"""The outbox of event callbacks in memory, by the letter of the real one.

Events are never asked for anew here, so that what is pending stays in the order of the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from engine.routing.deliveries import DeliveryOutcome, DeliveryStatus, PendingDelivery, wanted_events
from engine.routing.effects import Changes, Event
from engine.routing.entities import Workspace


@dataclass(slots=True)
class DeliveryRow:
    """The delivery of an event."""

    event: Event
    pending_since_ms: int
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    next_attempt_ms: int = 0


@dataclass(slots=True)
class Deliveries:
    """Those of one workspace, by sequence number."""

    workspace: Workspace
    deleted: bool = False
    all: dict[int, DeliveryRow] = field(default_factory=dict)
    pending: dict[int, DeliveryRow] = field(default_factory=dict)

    def write(self, workspace: Workspace, changes: Changes) -> None:
        """Add what a batch wants to be delivered."""
        self.workspace = workspace
        for event in wanted_events(workspace, changes.events):
            self.all[event.sequence] = self.pending[event.sequence] = DeliveryRow(event, event.event_date_ms)


class Outbox:
    """What `engine.callbacks.ports.DeliveryStore` asks for."""

    def __init__(self) -> None:
        self.deliveries: dict[str, Deliveries] = {}

    async def pending(self, workspace_sid: str, after_sequence: int, limit: int) -> list[PendingDelivery]:
        beyond = (
            PendingDelivery(row.event, row.attempts, row.pending_since_ms, row.next_attempt_ms)
            for sequence, row in self._pending_of(workspace_sid).items()
            if sequence > after_sequence
        )
        return list(islice(beyond, limit))

    async def first_pending(self, workspace_sids: Sequence[str]) -> dict[str, tuple[int, int]]:
        found = {}
        for sid in workspace_sids:
            for sequence, row in islice(self._pending_of(sid).items(), 1):
                found[sid] = sequence, row.pending_since_ms
        return found

    async def settle(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        for outcome in outcomes:
            here = self.deliveries[outcome.workspace_sid]
            row = here.all[outcome.sequence]
            if row.status is DeliveryStatus.DELIVERED:
                continue
            row.status, row.next_attempt_ms = outcome.status, outcome.next_attempt_ms
            row.attempts = max(row.attempts, outcome.attempts)
            if row.status is not DeliveryStatus.PENDING:
                here.pending.pop(outcome.sequence, None)

    async def expire(self, workspace_sid: str, pending_before_ms: int, limit: int) -> int:
        pending = self._pending_of(workspace_sid)
        old = [number for number, row in pending.items() if row.pending_since_ms < pending_before_ms]
        for sequence in old[:limit]:
            self.deliveries[workspace_sid].pending.pop(sequence).status = DeliveryStatus.DEAD
        return len(old[:limit])

    async def deserted(self) -> list[Workspace]:
        left = (here.workspace for here in self.deliveries.values() if here.deleted and here.pending)
        return [workspace for workspace in left if workspace.event_callback_url]

    def _pending_of(self, workspace_sid: str) -> Mapping[int, DeliveryRow]:
        here = self.deliveries.get(workspace_sid)
        return {} if here is None else here.pending
