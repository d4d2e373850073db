"""Answers of HTTP/1.1, read from the bytes of a connection without doing I/O.

httptools (llhttp) does the parsing, as lenient as clients usually are with servers: lines may end with a bare
line feed, values may hold odd bytes. What comes is bounded here: the head, the body, all bytes together, and
how often a server may say "continue".
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import orjson
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_HEAD_BYTES_MAX = 65_536
_INTERIM_ANSWERS_MAX = 16
_CHUNKING_FACTOR = 8
"""So many times the largest body may come in all: chunks of a byte each are six."""

Headers = list[tuple[bytes, bytes]]
"""Names and values as they stand on the wire."""


class Fault(Enum):
    """What kept a request from being answered."""

    NO_CONNECTION = auto()
    """None could be made; the failure's cause tells why. Nothing was sent."""
    LATE = auto()
    """The time was up."""
    CLOSED = auto()
    """The connection was lost before the head of the answer was complete."""
    BROKEN_OFF = auto()
    """The connection was lost amid the body."""
    MALFORMED = auto()
    """What came is not HTTP, or a head without end."""
    TOO_LARGE = auto()
    """The body is larger than permitted."""


@dataclass(slots=True, eq=False)
class HttpFailure(Exception):
    """A request that was not answered.

    Args:
        fault: why.
        detail: one line for people.
        sent: whether the server may have got the request, and may have acted on it.
        answered: whether it sent at least a byte of an answer.
        status: of the answer, when its head was complete.
    """

    fault: Fault
    detail: str
    sent: bool = True
    answered: bool = False
    status: int | None = None

    def __str__(self) -> str:
        return self.detail


@dataclass(slots=True, frozen=True)
class HttpAnswer:
    """An answer. `body` is empty where it was not needed and did not come (see `HttpConnection.send`)."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """Return the document in the body. Raises ValueError when it is none."""
        return orjson.loads(self.body)

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, by its name in lower case; None when it is not there."""
        return next((value.strip() for each, value in self.headers if each.lower() == name), None)


class AnswerReader:
    """Reads answers that come one after the other, each to a request that was sent after the last answer.

    Args:
        body_bytes_max: largest body.
    """

    __slots__ = (
        "_body",
        "_head_size",
        "_headers",
        "_interim",
        "_parser",
        "_received",
        "_size",
        "body_bytes_max",
        "complete",
        "reusable",
        "status",
    )

    def __init__(self, body_bytes_max: int) -> None:
        self.body_bytes_max = body_bytes_max
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self.begin()

    def begin(self) -> None:
        """Get ready for the next answer."""
        self.status = 0
        """Of the answer, as soon as its head is complete; 0 before."""
        self.complete = False
        self.reusable = False
        """Whether the connection may carry another request when the answer is complete."""
        self._headers: Headers = []
        self._head_size = 0
        self._body: list[bytes] = []
        self._size = 0
        self._received = 0
        self._interim = 0

    @property
    def answered(self) -> bool:
        """Whether anything came since `begin`."""
        return self._received > 0

    def feed(self, data: bytes) -> bool:
        """Take in what came; returns whether the answer is complete.

        Raises:
            HttpFailure: MALFORMED or TOO_LARGE.
        """
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.reusable = False  # it switches protocols, or something follows the answer
            if not self.complete:
                raise self._failure(Fault.MALFORMED, "the answer is not HTTP") from error
        if self._size > self.body_bytes_max or self._received > self._bytes_max():
            detail = f"the answer is larger than {self.body_bytes_max} bytes"
            raise self._failure(Fault.TOO_LARGE if self.status else Fault.MALFORMED, detail)
        return self.complete

    def end(self) -> None:
        """Take in that nothing will come any more; returns when that completes the answer.

        Raises:
            HttpFailure: CLOSED or BROKEN_OFF.
        """
        self.reusable = False
        if not self._lasts_until_end():
            raise self.lost()
        self.complete = True

    def lost(self) -> HttpFailure:
        """Return the failure that the connection was lost."""
        if self.status:
            return self._failure(Fault.BROKEN_OFF, "the answer broke off")
        return self._failure(Fault.CLOSED, "the connection was closed before the answer")

    def late(self) -> HttpFailure:
        """Return the failure that the time was up."""
        detail = "the answer was not complete in time" if self.status else "no answer in time"
        return self._failure(Fault.LATE, detail)

    def answer(self) -> HttpAnswer:
        """Return the answer, whose head has to be complete; the body only if it is complete, too."""
        body = self._body if self.complete and self._size <= self.body_bytes_max else ()
        return HttpAnswer(self.status, self._headers, body[0] if len(body) == 1 else b"".join(body))

    def _failure(self, fault: Fault, detail: str) -> HttpFailure:
        return HttpFailure(fault, detail, answered=self.answered, status=self.status or None)

    def _bytes_max(self) -> int:
        return _HEAD_BYTES_MAX + (self.body_bytes_max * _CHUNKING_FACTOR if self.status else 0)

    def _lasts_until_end(self) -> bool:
        """Tell whether the end of the connection is the end of the body (RFC 9112 §6.3)."""
        if not self.status:
            return False
        framing = {name.lower(): value.lower() for name, value in self._headers}
        coding = framing.get(b"transfer-encoding")
        if coding is not None:
            return not coding.rstrip().endswith(b"chunked")
        return b"content-length" not in framing

    # What the parser calls; an exception stops it.

    def on_message_begin(self) -> None:
        """Refuse what follows the answer, unless that was an interim one."""
        if self.complete:
            raise HttpParserError("more than was asked for")
        self._headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the head, within bounds; what stands in a trailer is not needed."""
        if self.status:
            return
        self._headers.append((name, value))
        self._head_size += len(name) + len(value)
        if self._head_size > _HEAD_BYTES_MAX or b"\x00" in value:
            raise HttpParserError("a head without end, or with zeros")

    def on_headers_complete(self) -> None:
        """Tell an interim answer from the one that is waited for."""
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._interim += 1
            if self._interim > _INTERIM_ANSWERS_MAX:
                raise HttpParserError("interim answers without end")
            return
        if status < 100:
            raise HttpParserError("no status")
        self.status = status
        self.reusable = self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body, within bounds."""
        self._size += len(part)
        if self._size <= self.body_bytes_max:
            self._body.append(part)

    def on_message_complete(self) -> None:
        """Note that the answer has come as a whole."""
        self.complete = self.status > 0
