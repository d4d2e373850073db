"""Alerts: what went wrong while talking to an application, for its operator (behaviour §8, contract §11.2).

Whoever caused it cannot be told: an assignment callback was answered long ago, an expression is evaluated
without anybody waiting. So it is a `Problem` with a code of the error dictionary, logged where it happens,
and reported to be kept as an alert.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class AlertLevel(StrEnum):
    """How bad it is: an error keeps something from being done, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(slots=True, frozen=True)
class Problem:
    """Something that went wrong, once. `url` carries no secrets; it is where the request went, if one did."""

    workspace_sid: str
    code: int
    text: str
    url: str | None = None
    task_sid: str | None = None
    worker_sid: str | None = None
    reservation_sid: str | None = None
    workflow_sid: str | None = None
    event_sid: str | None = None
    occurrences: int = 1
    """How often it happened, where that is known at once."""


Report = Callable[[Problem], None]
"""Takes a problem in to be kept. Returns at once and does not raise."""


def unheard(_problem: Problem) -> None:
    """Keep nothing."""


@dataclass(slots=True, frozen=True)
class Alert:
    """A kept problem, or many alike: then it tells of the last of them."""

    sid: str
    workspace_sid: str
    date_ms: int
    code: int
    level: AlertLevel
    text: str
    url: str | None
    task_sid: str | None
    worker_sid: str | None
    reservation_sid: str | None
    workflow_sid: str | None
    event_sid: str | None
    occurrences: int


_WARNINGS = frozenset({14222, 20001, 40001, 40005, 40152, 40154, 40155})
"""What the dictionary calls a warning, and what routing goes on in spite of."""


def level_of(code: int) -> AlertLevel:
    """Return how bad a problem with this code is."""
    return AlertLevel.WARNING if code in _WARNINGS else AlertLevel.ERROR
