"""What the event stream needs of its surroundings, as Protocols."""

import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

from engine.routing.effects import Event
from engine.storage.event_log import Found, Position

MARK = secrets.token_hex(16)
"""Stands for scheme and host in a rendered event; nobody can know it, so that no event holds it otherwise."""

Render = Callable[[str, str, Event], bytes]
"""Takes account SID, workspace SID and an event; returns its JSON in one line, with MARK for the root."""


class Log(Protocol):
    """The committed log. Every method raises StoreUnavailable when the database does not answer."""

    async def positions(self, workspace_sids: Sequence[str], /) -> dict[str, int]:
        """Return the sequence of the last event of each of these workspaces that is not deleted."""

    async def last(self, workspace_sid: str, /) -> Position:
        """Return the end of a workspace's log."""

    async def after(self, workspace_sid: str, position: Position, limit: int, /) -> list[Event]:
        """Read events beyond a position, in order."""

    async def before(self, workspace_sid: str, position: Position, limit: int, /) -> list[Event]:
        """Read the last events up to a position, in order."""

    async def find(self, workspace_sid: str, sequence: int, /) -> Found | None:
        """Find an event, or the first that is kept when it is none any more; None when the log is empty."""
