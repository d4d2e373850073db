"""What goes over the wire: events, heartbeats and the last word, as Server-Sent Events or as JSON lines.

An event is rendered once, whoever reads it. Only scheme and host of its URLs depend on the reader; where they
stand it is cut, and joined again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

from engine.routing.effects import Event
from engine.stream.ports import MARK

RETRY_MS = 2_000
"""After so long a browser connects again."""

END_TYPE = "stream.end"

_MARK = MARK.encode()


class Format(StrEnum):
    """How events are written; the values are those of the parameter `Format`."""

    SSE = "sse"
    NDJSON = "ndjson"


MEDIA = {Format.SSE: "text/event-stream", Format.NDJSON: "application/x-ndjson"}
"""Content types by format."""


@dataclass(slots=True, frozen=True)
class Style:
    """How one reader is written to: `root` is scheme and host; `chunked` frames as HTTP/1.1 wants it."""

    format: Format
    root: str
    chunked: bool


@dataclass(slots=True, frozen=True)
class Filter:
    """Which events are wanted: those that match every set that is not empty."""

    event_types: frozenset[str] = frozenset()
    task_sids: frozenset[str] = frozenset()
    worker_sids: frozenset[str] = frozenset()
    task_queue_sids: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """True when something is left out."""
        return bool(self.event_types or self.task_sids or self.worker_sids or self.task_queue_sids)

    def wants(self, entry: "Entry") -> bool:
        """Tell whether an event is wanted."""
        return (
            (not self.event_types or entry.event_type in self.event_types)
            and (not self.task_sids or entry.task_sid in self.task_sids)
            and (not self.worker_sids or entry.worker_sid in self.worker_sids)
            and (not self.task_queue_sids or entry.task_queue_sid in self.task_queue_sids)
        )


@dataclass(slots=True, eq=False)
class Entry:
    """A rendered event: what filters look at, and its JSON between the places of the root."""

    sequence: int
    date_ms: int
    event_type: str
    task_sid: str | None
    worker_sid: str | None
    task_queue_sid: str | None
    pieces: Sequence[bytes]
    size: int
    """Bytes it takes, roughly."""

    @classmethod
    def of(cls, event: Event, rendered: bytes) -> "Entry":
        """Make an entry of an event and its JSON with the mark in it."""
        return cls(
            event.sequence,
            event.event_date_ms,
            event.event_type,
            event.task_sid,
            event.worker_sid,
            event.task_queue_sid,
            rendered.split(_MARK),
            len(rendered) + _ENTRY_BYTES,
        )


_ENTRY_BYTES = 700
"""About what an entry takes beside its JSON."""


def written(entries: Iterable[Entry], style: Style) -> bytes:
    """Return events as they are sent; nothing for none."""
    root = orjson.dumps(style.root)[1:-1]
    if style.format is Format.NDJSON:
        body = b"".join(root.join(entry.pieces) + b"\n" for entry in entries)
    else:
        body = b"".join(
            b"id: %d\nevent: %b\ndata: %b\n\n"
            % (entry.sequence, entry.event_type.encode(), root.join(entry.pieces))
            for entry in entries
        )
    return framed(body, style)


def greeting(style: Style, sequence: int | None) -> bytes:
    """Return what a stream begins with; `sequence` is where it begins, for those who did not say.

    An `id` without data is no event, but what a browser resumes from, should it be cut off before the first.
    """
    if style.format is Format.NDJSON:
        return b""
    position = b"" if sequence is None else b"id: %d\n" % sequence
    return framed(b"retry: %d\n%b\n" % (RETRY_MS, position), style)


def heartbeat(style: Style, sequence: int | None) -> bytes:
    """Return a sign of life; `sequence` is how far a reader has come, when it was not told by an event."""
    if style.format is Format.NDJSON:
        return framed(b"\n", style)
    position = b"" if sequence is None else b"id: %d\n" % sequence
    return framed(b": heartbeat\n%b\n" % position, style)


def farewell(style: Style, reason: str) -> bytes:
    """Return the last word of a stream that the server ends; it has no sequence."""
    if style.format is Format.NDJSON:
        return framed(orjson.dumps({"event_type": END_TYPE, "reason": reason}) + b"\n", style)
    data = orjson.dumps({"reason": reason})
    return framed(b"event: %b\ndata: %b\n\n" % (END_TYPE.encode(), data), style)


def framed(body: bytes, style: Style) -> bytes:
    """Return bytes of a body as they go over the wire."""
    return b"%x\r\n%b\r\n" % (len(body), body) if style.chunked and body else body
