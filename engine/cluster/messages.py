"""A request on its way to another node, and the answer that came back."""

from dataclasses import dataclass
from enum import StrEnum

from engine.cluster.proof import NO_ID

PROOF = "X-Pointsman-Peer"
"""The request header with the proof; only the internal listener looks at it."""
REFUSED = "X-Pointsman-Refused"
"""The header of an answer that tells why another node did not take a request in."""
TIME = "X-Pointsman-Time"
"""The header with the time that a proof is judged by, in milliseconds since the epoch."""


class Refusal(StrEnum):
    """Why a node has not taken a request of another node in. Nothing was carried out."""

    NOT_SERVING = "not-serving"
    OLD_PROOF = "old-proof"
    FALSE_PROOF = "false-proof"


@dataclass(slots=True, frozen=True)
class Message:
    """A request to be sent to another node.

    `head` are its header lines, each with its end, without the proof and Content-Length. `repeatable` tells
    that it may be sent again when it is unknown whether it was carried out. `subject` is the workspace,
    `request_id` what a client is told of its request.
    """

    method: str
    target: str
    head: bytes
    body: bytes = b""
    repeatable: bool = False
    subject: str = ""
    request_id: str = NO_ID


@dataclass(slots=True, frozen=True)
class Answer:
    """An answer: status, headers in their order, and the whole body.

    One that is only passed on has all of it as it came in `raw`, and neither headers nor body.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes = b""

    def header(self, name: str) -> str:
        """Return the first value of a header; empty without one."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


class NotSent(Exception):
    """The request was not sent: nothing was carried out."""


class NoAnswer(Exception):
    """The request was sent and no answer came: what became of it is unknown."""
