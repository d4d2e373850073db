"""Errors that cross the layers: what a store may raise, and what the runtime answers when it cannot."""


class PointsmanError(Exception):
    """Base of every error of the product that is not a refusal by the routing core."""


class StoreUnavailable(PointsmanError):
    """The database did not answer, or the connection was lost: what happened to the call is unknown."""


class Fenced(PointsmanError):
    """Another owner holds the workspace: its lease row carries a newer epoch. Nothing was written."""


class Overloaded(PointsmanError):
    """The inbox of the workspace is full; nothing was taken in. `retry_after_s` is a hint."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(PointsmanError):
    """The workspace cannot take commands now, or it is unknown whether the command was carried out."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotServing(Unavailable):
    """The workspace is not served by this node now; the command was not taken in."""


class KeyReused(PointsmanError):
    """The idempotency key was used for another request; nothing was carried out."""


class KeyTaken(PointsmanError):
    """Another node carried out a request with the same idempotency key; nothing was written."""


class InstructionUnderWay(PointsmanError):
    """The voice gateway is carrying out another instruction for the reservation; nothing was sent."""


class VoiceGatewayFailed(PointsmanError):
    """The voice gateway did not answer as agreed: what became of the instruction is unknown.

    `code` is the alert's (contract §11.2), `late` tells that it did not answer in time.
    """

    def __init__(self, message: str, code: int, *, late: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.late = late


class WorkspaceNotFound(PointsmanError):
    """There is no such workspace in this account."""


class SettingsError(PointsmanError):
    """A setting is unknown or has a bad value; the message is one line that names it."""


def forget_tracebacks(error: BaseException) -> None:
    """Drop the tracebacks of an error that was dealt with, and of those that led to it.

    They refer to the calls it came through, and these often to the error: a cycle, with all that they held,
    that would stay until the oldest objects are collected.
    """
    led: BaseException | None = error
    while led is not None and led.__traceback__ is not None:
        led.__traceback__ = None
        led = led.__cause__ or led.__context__
