"""Basic authentication with account SID and auth token (contract §2)."""

import base64
import binascii
import hmac
from collections.abc import Callable

from engine.api.problems import not_authenticated
from engine.sids import is_sid

TokenOf = Callable[[str], str | None]
"""Returns the auth token of an account SID, or None when there is no such account."""

_NOBODY = b"compared with when the account is unknown"


def authenticate(authorization: str | None, token_of: TokenOf) -> str:
    """Return the account SID that an `Authorization` header proves.

    The tokens are compared in constant time, also when the account is unknown.

    Raises:
        ApiError: 401, code 20003, for anything but the right pair.
    """
    account_sid, token = _credentials(authorization)
    expected = token_of(account_sid) if is_sid(account_sid, "AC") else None
    matches = hmac.compare_digest(token, expected.encode() if expected else _NOBODY)
    if not expected or not matches:
        raise not_authenticated()
    return account_sid


def _credentials(authorization: str | None) -> tuple[str, bytes]:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        raise not_authenticated()
    try:
        user, separator, token = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        raise not_authenticated() from None
    if not separator:
        raise not_authenticated()
    return user.decode("latin-1"), token
