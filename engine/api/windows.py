"""Windows of time: what Minutes, StartDate and EndDate say (contract §5.3, §6)."""

from dataclasses import dataclass
from typing import Any

from engine.api import fields
from engine.api.operations import Fields, optional
from engine.api.problems import START_TOO_OLD, bad_request

WINDOW_DEFAULT_MIN = 15
WINDOW_MAX_MIN = 5_256_000
"""Ten years: anything longer is a mistake."""

STATISTICS_DAYS = 30
"""How far back statistics go."""

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_START_SLACK_MS = 60_000
"""Clocks differ, and a start of exactly 30 days ago is past them when it arrives."""

WINDOW = Fields(
    minutes=optional(
        "Minutes",
        fields.integer(1, WINDOW_MAX_MIN),
        "Length of the window before its end, in minutes; StartDate wins over it.",
        WINDOW_DEFAULT_MIN,
    ),
    start_ms=optional("StartDate", fields.instant_ms, "First instant of the window."),
    end_ms=optional("EndDate", fields.instant_ms, "Last instant of the window; by default now."),
)
"""What names a window."""


@dataclass(slots=True, frozen=True)
class Window:
    """From `start_ms` to `end_ms`, both included; `named_end_ms` is the end as it was named."""

    start_ms: int
    end_ms: int
    named_end_ms: int


def window_of(asked: dict[str, Any], now_ms: int) -> Window:
    """Take the window out of what was asked for; by default the last 15 minutes.

    StartDate wins over Minutes; an EndDate without a fraction means the whole of that second, because dates
    are told to the second. Raises 400 for an end before the start.
    """
    minutes, start_ms, end_ms = asked.pop("minutes"), asked.pop("start_ms"), asked.pop("end_ms")
    if start_ms is not None and end_ms is not None and end_ms < start_ms:
        raise bad_request("EndDate must not be before StartDate")
    named_end_ms = now_ms if end_ms is None else end_ms
    last_ms = named_end_ms
    if end_ms is not None and end_ms % 1_000 == 0:
        last_ms += 999
    if start_ms is None:
        start_ms = last_ms - minutes * _MINUTE_MS
    return Window(start_ms, last_ms, named_end_ms)


def statistics_window(asked: dict[str, Any], now_ms: int) -> Window:
    """Read a window as `window_of`. Raises 400/14241 when it begins more than 30 days ago."""
    window = window_of(asked, now_ms)
    if window.start_ms < now_ms - STATISTICS_DAYS * _DAY_MS - _START_SLACK_MS:
        raise bad_request(f"StartDate must not be more than {STATISTICS_DAYS} days ago", START_TOO_OLD)
    return window
