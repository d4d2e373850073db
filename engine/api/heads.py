"""Plain requests, told from the bytes as they arrived.

Plain is what nearly every client sends: a method, a path and HTTP/1.1; header lines of printable ASCII; a
body whose length is told. It is read more strictly than HTTP asks for, and whatever departs from it in any
way is left to the HTTP library: there are not two opinions about a request.

The lines after the first are the same in all requests of a client but for a few numbers, so what they say is
remembered by their bytes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from engine.api.roots import named_root
from engine.cluster.messages import PROOF
from engine.cluster.proof import Proofs, Verdict

HEAD_BYTES_MAX = 4_096
"""Longer heads are not plain."""
_LINES_MAX = 64
_REMEMBERED_MAX = 1_024

_FIRST_LINE = re.compile(rb"(GET|POST|DELETE) (/[!-~]*) HTTP/1\.1")
_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([!-~](?:[\t -~]*[!-~])?)?[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,12}")
_ONCE = frozenset({"host", "content-length", "content-type", "authorization"})
_FRAMING = frozenset({"transfer-encoding", "upgrade", "expect", "te", "trailer", "http2-settings"})
_ASKING = frozenset({"content-encoding", "idempotency-key", "if-match"})
_OURS = "x-pointsman-"
_PROOF_LINE = f"{PROOF}: ".encode()


@dataclass(slots=True, frozen=True)
class Headers:
    """What the header lines of a plain request say.

    `length` is that of the body, `root` scheme and host of the URLs in the answer, as far as the request
    decides them. `simple` requests carry no condition, no key and nothing that nodes tell each other.
    """

    length: int
    authorization: str | None
    content_type: str
    root: str
    simple: bool


@dataclass(slots=True, frozen=True)
class Plain:
    """A plain request: `data` is what there is of it so far, its body begins at `body_start`."""

    method: str
    target: str
    headers: Headers
    body_start: int
    data: bytes
    request_id: str = ""
    """The id that another node has given it; empty when a client has sent it."""

    @property
    def lines(self) -> bytes:
        """The header lines behind the first line."""
        return self.data[self.data.index(b"\r\n") + 2 : self.body_start - 4]

    @property
    def body(self) -> bytes:
        """The body, as far as it is there."""
        return self.data[self.body_start :]

    @property
    def missing(self) -> int:
        """How many bytes are still to come."""
        return self.body_start + self.headers.length - len(self.data)


class Heads:
    """Reads the heads of plain requests.

    Args:
        line_bytes_max: the longest header line that the HTTP library takes.
        trust_forwarded: whether X-Forwarded-Proto and X-Forwarded-Host are believed.
    """

    def __init__(self, line_bytes_max: int, trust_forwarded: bool) -> None:
        self._head_bytes_max = min(HEAD_BYTES_MAX, line_bytes_max)
        self._headers = lru_cache(_REMEMBERED_MAX)(lambda lines: _read(lines, trust_forwarded))

    def read(self, data: bytes) -> Plain | None:
        """Return the request that `data` begins with; None when it does not begin with a whole plain head.

        That half of one has arrived is not waited for, because clients send their heads at once.
        """
        end = data.find(b"\r\n\r\n")
        first = data.find(b"\r\n", 0, end)
        if not 0 < first < end <= self._head_bytes_max:
            return None
        return self._read(data, first, first, end)

    def _read(self, data: bytes, first: int, before: int, end: int, request_id: str = "") -> Plain | None:
        """Return the request whose first line ends at `first`, and whose head at `end`.

        The lines that are remembered begin behind the end of a line at `before`.
        """
        line = _FIRST_LINE.fullmatch(data, 0, first)
        headers = self._headers(data[before + 2 : end])
        if line is None or headers is None:
            return None
        start = end + 4
        whole = data[: start + headers.length]
        return Plain(line[1].decode(), line[2].decode(), headers, start, whole, request_id)


class PeerHeads(Heads):
    """Reads the heads of what other nodes send: the line behind the first has the proof.

    Args:
        proofs: checks it.
        line_bytes_max: as of Heads.
        trust_forwarded: as of Heads.
    """

    def __init__(self, proofs: Proofs, line_bytes_max: int, trust_forwarded: bool) -> None:
        super().__init__(line_bytes_max, trust_forwarded)
        self._proofs = proofs

    def read(self, data: bytes) -> Plain | None:
        """As `Heads.read`; None, too, when the proof is not true."""
        end = data.find(b"\r\n\r\n")
        first = data.find(b"\r\n", 0, end)
        second = data.find(b"\r\n", first + 2, end)
        if not 0 < first < second < end <= self._head_bytes_max:
            return None
        line = _FIRST_LINE.fullmatch(data, 0, first)
        if line is None or not data.startswith(_PROOF_LINE, first + 2):
            return None
        proof = data[first + 2 + len(_PROOF_LINE) : second].decode("latin-1")
        verdict, request_id = self._proofs.check(proof, line[1].decode(), line[2].decode())
        if verdict is not Verdict.TRUE:
            return None
        return self._read(data, first, second, end, request_id)


def _read(lines: bytes, trust_forwarded: bool) -> Headers | None:
    """Return what header lines say; None when they are not plain."""
    values = _values(lines)
    if values is None or not _FRAMING.isdisjoint(values):
        return None
    if values.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    length = values.get("content-length", "0")
    root = named_root("http", values, trust_forwarded)
    if root is None or not _LENGTH.fullmatch(length):
        return None
    return Headers(
        length=int(length),
        authorization=values.get("authorization"),
        content_type=values.get("content-type", ""),
        root=root,
        simple=_ASKING.isdisjoint(values) and not any(name.startswith(_OURS) for name in values),
    )


def _values(lines: bytes) -> Mapping[str, str] | None:
    """Return the headers by their name in lower case, of several the first as the HTTP library does."""
    values: dict[str, str] = {}
    split = lines.split(b"\r\n")
    if len(split) > _LINES_MAX or not lines.isascii():
        return None
    for line in split:
        match = _LINE.fullmatch(line.decode())
        if match is None:
            return None
        name = match[1].lower()
        if name in values and name in _ONCE:
            return None
        values.setdefault(name, match[2] or "")
    return values
