"""How nodes know each other: what a node sends to another carries a proof that it has the shared secret.

A proof names its sender, the moment it was made and the id of the request, and is good for one method and
target, for a short time by the clock of who checks it. Clocks may differ: whoever refuses a true proof for
its age tells the time, so that the sender can date the next one by it.
"""

import hashlib
import hmac
import re
import time
from enum import StrEnum

from engine.clock import Clock

AGE_MS_MAX = 30_000
"""How much older or younger than the clock of who checks it a proof may be."""

TOLD_EVERY_S = 1.0

NO_ID = "-"
"""In place of the id of a request that no client has made."""

_PROOF = re.compile(r"1 ([\x21-\x7e]{1,300}) ([0-9]{1,15}) (-|RQ[0-9a-f]{32}) ([0-9a-f]{64})")
_PURPOSE = b"requests between the nodes of a pointsman cluster"


class Verdict(StrEnum):
    """What became of a proof."""

    TRUE = "true"
    OLD = "old"
    FALSE = "false"


def shared_secret(configured: str, credentials_key: bytes) -> bytes:
    """Return what proofs are made with: of the setting, else of the key that all nodes have anyway."""
    return hmac.digest(configured.encode() or credentials_key, _PURPOSE, hashlib.sha256)


class Proofs:
    """Makes and checks proofs.

    Args:
        secret: of `shared_secret`.
        node: the name of this node.
        clock: milliseconds since the epoch.
    """

    def __init__(self, secret: bytes, node: str, clock: Clock) -> None:
        self._keyed = hmac.new(secret, digestmod=hashlib.sha256)
        self._node = node
        self._clock = clock
        self._told_s = -TOLD_EVERY_S

    def may_tell(self) -> bool:
        """Tell whether a refusal is to be logged: not each one, when somebody knocks all the time."""
        now_s = time.monotonic()
        if now_s - self._told_s < TOLD_EVERY_S:
            return False
        self._told_s = now_s
        return True

    def now_ms(self) -> int:
        """Return the time that proofs are judged by here."""
        return self._clock()

    def make(self, method: str, target: str, request_id: str = NO_ID, ahead_ms: int = 0) -> str:
        """Return a proof for a node whose clock is so far ahead of this one's."""
        said = f"1 {self._node} {self._clock() + ahead_ms} {request_id}"
        return f"{said} {self._mac(said, method, target)}"

    def check(self, text: str, method: str, target: str) -> tuple[Verdict, str]:
        """Judge a proof that came with a request; returns what it is, and the id of the request."""
        match = _PROOF.fullmatch(text)
        if match is None:
            return Verdict.FALSE, NO_ID
        said = text[: match.start(4) - 1]
        if not hmac.compare_digest(match[4], self._mac(said, method, target)):
            return Verdict.FALSE, NO_ID
        if abs(self._clock() - int(match[2])) > AGE_MS_MAX:
            return Verdict.OLD, NO_ID
        return Verdict.TRUE, match[3]

    def _mac(self, said: str, method: str, target: str) -> str:
        mac = self._keyed.copy()  # with the key set up once, it takes half the time
        mac.update(f"{said} {method} {target}".encode("utf-8", "surrogateescape"))
        return mac.hexdigest()
