"""What went wrong with a callback, as the documented alert codes (contract §11.2)."""

import ssl
from dataclasses import dataclass

from engine.callbacks.connecting import NameUnknown
from engine.callbacks.url_policy import AddressRefused
from engine.http_answer import Fault, HttpFailure

RETRIEVAL = 11200
CONNECTION = 11205
PROTOCOL = 11206
HOST_NAME = 11210
REDIRECT = 11215
TLS = 11220
CERTIFICATE_NAME = 11235
CERTIFICATE_PATH = 11237
CONTENT_TYPE = 40000
NOT_JSON = 40001
NO_INSTRUCTION = 40005
REJECT_ACTIVITY = 40100
INVALID_INSTRUCTION = 55555

_NAME_MISMATCHES = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


@dataclass(slots=True, eq=False)
class CallbackFailure(Exception):
    """An attempt that failed: the alert code, one line for people, and the HTTP status if there was one.

    `late` tells that the time was up.
    """

    code: int
    reason: str
    status: int | None = None
    late: bool = False

    def __str__(self) -> str:
        return f"{self.code} {self.reason}"


def failure_of(failure: HttpFailure) -> CallbackFailure:
    """Classify what the HTTP client raised while connecting, sending or reading."""
    if failure.fault is Fault.NO_CONNECTION:
        return _connection_failure(failure.__cause__, failure.detail)
    if failure.fault is Fault.LATE and not failure.sent:
        return CallbackFailure(CONNECTION, failure.detail, late=True)
    late = failure.fault is Fault.LATE
    return CallbackFailure(_CODES[failure.fault], failure.detail, failure.status, late)


_CODES = {
    Fault.LATE: RETRIEVAL,
    Fault.TOO_LARGE: RETRIEVAL,
    Fault.CLOSED: CONNECTION,
    Fault.BROKEN_OFF: PROTOCOL,
    Fault.MALFORMED: PROTOCOL,
}


def _connection_failure(error: BaseException | None, detail: str) -> CallbackFailure:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _NAME_MISMATCHES:
            return CallbackFailure(CERTIFICATE_NAME, "the certificate is for another host")
        return CallbackFailure(CERTIFICATE_PATH, "the certificate is not trusted")
    for kind, code, reason in _CAUSES:
        if isinstance(error, kind):
            return CallbackFailure(code, reason or str(error))
    return CallbackFailure(CONNECTION, f"no connection: {detail}")


_CAUSES: tuple[tuple[type[OSError], int, str], ...] = (
    (AddressRefused, CONNECTION, ""),
    (NameUnknown, HOST_NAME, "the host name could not be resolved"),
    (ssl.SSLError, TLS, "the TLS handshake failed"),
)
"""Why there was no connection; without a reason, the error says it."""
