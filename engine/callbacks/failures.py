"""What went wrong with a callback, as the documented alert codes (contract §11.2)."""

import ssl
from dataclasses import dataclass

import aiohttp

from engine.callbacks.url_policy import AddressRefused

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


def failure_of(error: Exception) -> CallbackFailure:
    """Classify what the HTTP client raised while connecting, sending or reading."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate_failure(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _connection_failure(error)
    for kind, code, reason in _KINDS:
        if isinstance(error, kind):
            return CallbackFailure(code, reason)
    return CallbackFailure(RETRIEVAL, type(error).__name__)


_KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], int, str], ...] = (
    (AddressRefused, CONNECTION, "the address is refused"),
    (ssl.SSLError, TLS, "TLS failed"),
    (aiohttp.ServerDisconnectedError, CONNECTION, "the connection was closed before the answer"),
    (aiohttp.ClientPayloadError, PROTOCOL, "the answer broke off"),
    (aiohttp.InvalidURL, RETRIEVAL, "the URL cannot be called"),
    (aiohttp.ClientResponseError, PROTOCOL, "the answer is not HTTP"),
    (OSError, CONNECTION, "the connection broke"),
)


def _certificate_failure(error: Exception) -> CallbackFailure:
    if getattr(error, "verify_code", None) in _NAME_MISMATCHES:
        return CallbackFailure(CERTIFICATE_NAME, "the certificate is for another host")
    return CallbackFailure(CERTIFICATE_PATH, "the certificate is not trusted")


def _connection_failure(error: aiohttp.ClientConnectorError) -> CallbackFailure:
    if isinstance(error.os_error, AddressRefused):
        return CallbackFailure(CONNECTION, str(error.os_error))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return CallbackFailure(HOST_NAME, "the host name could not be resolved")
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return CallbackFailure(TLS, "the TLS handshake failed")
    return CallbackFailure(CONNECTION, f"no connection: {error.os_error.strerror or error.os_error}")
