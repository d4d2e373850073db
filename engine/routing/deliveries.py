"""Event callbacks as data: which events a receiver wants, and what became of a delivery (behaviour §9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from engine.routing.effects import Event
from engine.routing.entities import Workspace


class DeliveryStatus(StrEnum):
    """Where a delivery stands. Only a pending one is attempted."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up: it was too old when its last attempt failed."""


@dataclass(slots=True)
class PendingDelivery:
    """An event that its receiver has not confirmed yet."""

    event: Event
    attempts: int
    """How many attempts were made."""
    pending_since_ms: int
    """When it was committed, or asked for again; its age counts from here."""
    next_attempt_ms: int
    """Not before this moment."""


@dataclass(slots=True, frozen=True)
class DeliveryOutcome:
    """What an attempt, the `attempts`-th, came to."""

    workspace_sid: str
    sequence: int
    event_date_ms: int
    status: DeliveryStatus
    attempts: int
    next_attempt_ms: int
    last_attempt_ms: int
    last_status: int | None
    """The HTTP status, if there was an answer."""
    last_error: str | None


@dataclass(slots=True, frozen=True)
class DeliveryView:
    """A delivery as the API shows it."""

    sid: str
    """`ED` and the digits of its event's SID: one delivery an event."""
    workspace_sid: str
    event_sid: str
    event_type: str
    sequence: int
    resource_type: str
    resource_sid: str
    task_sid: str | None
    worker_sid: str | None
    status: DeliveryStatus
    attempts: int
    event_date_ms: int
    pending_since_ms: int
    next_attempt_ms: int
    last_attempt_ms: int | None
    last_status: int | None
    last_error: str | None


@lru_cache(maxsize=1024)
def parse_events_filter(text: str | None) -> frozenset[str] | None:
    """Read an EventsFilter: exact event types between commas, blanks ignored; None when it names none."""
    types = frozenset(part.strip() for part in (text or "").split(","))
    return (types - {""}) or None


def wanted_events(workspace: Workspace, events: Sequence[Event]) -> Sequence[Event]:
    """Return the events that the workspace's receiver is to be told of, in their order."""
    if not workspace.event_callback_url:
        return ()
    wanted = parse_events_filter(workspace.events_filter)
    return events if wanted is None else [event for event in events if event.event_type in wanted]
