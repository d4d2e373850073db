"""What a link or a sign-in is proved with: a workspace's SID, a dot, and 32 random bytes as text.

The SID tells where the row is; the database has only a digest of the rest.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

_SHAPE = re.compile(r"(WS[0-9a-f]{32})\.([\w-]{43})", re.ASCII)
_BYTES = 32


@dataclass(slots=True, frozen=True)
class Proof:
    """A workspace and a secret."""

    workspace_sid: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, workspace_sid: str) -> "Proof":
        """Return one that nobody can guess."""
        return cls(workspace_sid, secrets.token_urlsafe(_BYTES))

    @classmethod
    def read(cls, text: str) -> "Proof | None":
        """Return what a text proves, or None when it has another shape."""
        match = _SHAPE.fullmatch(text)
        return cls(match[1], match[2]) if match else None

    @property
    def text(self) -> str:
        """What is handed out."""
        return f"{self.workspace_sid}.{self.secret}"

    @property
    def digest(self) -> bytes:
        """What is kept."""
        return hashlib.sha256(self.secret.encode()).digest()
