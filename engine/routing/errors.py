"""Why the core refused a command. A refused command leaves the state untouched.

`code` is the error code that the REST API answers with (contract §11.1); the core knows nothing of HTTP
beyond that number.
"""


class RoutingError(Exception):
    """Base of every refusal.

    Args:
        message: what is wrong and where, for the caller.
        code: the documented error code.
    """

    code = 20001

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class Refused(RoutingError):
    """The command is not legal in the present state, or a value is not acceptable."""


class NotFound(RoutingError):
    """The addressed entity is not in this workspace's live state.

    `kind` and `sid` name it, so that the runtime can look for a finished one among the rows.
    """

    code = 20404

    def __init__(self, kind: str, sid: str) -> None:
        super().__init__(f"{kind} {sid} was not found")
        self.kind = kind
        self.sid = sid


class VersionMismatch(RoutingError):
    """If-Match does not equal the entity's version."""

    code = 20412


class Gone(RoutingError):
    """The reservation was rescinded: another worker has the task (behaviour §3)."""

    code = 20410
