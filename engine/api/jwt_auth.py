"""JSON Web Tokens: who signed one, until when it holds, and what it allows (clients §4).

A capability token is signed with the account's auth token, which its `iss` names, and carries policies. An
access token is signed with the secret of the API key that its `iss` names, for the account in `sub`, and
carries a grant. Both are HS256 and nothing else; which of them a token is only decides which secret it is
held against. PyJWT checks the signature. Times are checked here, against this system's clock: `exp` must be
there and holds to the second, `nbf` and `iat` may be CLOCK_SKEW_S ahead.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from jwt.algorithms import HMACAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidSignatureError, PyJWTError
from jwt.utils import base64url_decode

from engine.api.access import Principal
from engine.api.policies import BadPolicies, PolicyGrant
from engine.api.problems import ApiError, refused_credentials
from engine.api.roles import BadGrants, RoleGrant
from engine.keyring import Keyring

TOKEN_CHARS_MAX = 8_192
CLOCK_SKEW_S = 2
ALGORITHM = "HS256"
ACCESS_CONTENT_TYPE = "twilio-fpa;v=1"

INVALID = (20101, "Invalid Access Token")
BAD_HEADER = (20102, "Invalid Access Token header")
BAD_ISSUER = (20103, "Invalid Access Token issuer/subject")
EXPIRED = (20104, "Access Token has expired or its expiration date is invalid")
NOT_YET_VALID = (20105, "Access Token is not yet valid")
BAD_GRANTS = (20106, "Invalid Access Token grants")
BAD_SIGNATURE = (20107, "Invalid Access Token signature")


class _AnyKeyLength(HMACAlgorithm):
    """HMAC that does not warn of short keys: how long an auth token is was decided elsewhere."""

    def check_key_length(self, _key: bytes) -> None:
        return None


_jws = PyJWS(algorithms=[])
_jws.register_algorithm(ALGORITHM, _AnyKeyLength(hashlib.sha256))


@dataclass(slots=True, frozen=True)
class Verified:
    """A token that holds until `expires_ms`."""

    principal: Principal
    expires_ms: int


def looks_like_jwt(text: str) -> bool:
    """Tell whether a text has the shape of a token: a JSON object in base64, and two dots."""
    return text.startswith("ey") and text.count(".") == 2


def issuer_of(token: str) -> str:
    """Return who a token says has signed it; nothing is verified. Raises 401 as `verify` does."""
    header, claims = _read(token)
    _check_header(header)
    return _text(claims, "iss", BAD_ISSUER)


def verify(token: str, keyring: Keyring, now_ms: int) -> Verified:
    """Check a token.

    Args:
        token: as it was sent.
        keyring: has the secrets of accounts and API keys.
        now_ms: milliseconds since the epoch.

    Raises:
        ApiError: 401 with a code from 20101 to 20107 (contract §11.1).
    """
    header, claims = _read(token)
    _check_header(header)
    issuer = _text(claims, "iss", BAD_ISSUER)
    is_access = issuer.startswith("SK")
    if (header.get("cty") == ACCESS_CONTENT_TYPE) is not is_access:
        raise _refused(BAD_HEADER)
    account_sid, secret = _signer(issuer, claims, keyring)
    _check_signature(token, secret)
    expires_ms = _check_times(claims, now_ms)
    try:
        grant = RoleGrant.of(claims) if is_access else PolicyGrant.of(claims)
    except (BadGrants, BadPolicies) as error:
        code, message = BAD_GRANTS
        raise refused_credentials(code, f"{message}: {error}") from None
    return Verified(Principal(account_sid, issuer, grant), expires_ms)


def _read(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return header and claims as they stand there."""
    parts = token.split(".")
    if len(token) > TOKEN_CHARS_MAX or len(parts) != 3 or not token.isascii():
        raise _refused(INVALID)
    try:
        header, claims = (orjson.loads(base64url_decode(part)) for part in parts[:2])
    except ValueError:
        raise _refused(INVALID) from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise _refused(INVALID)
    return header, claims


def _check_header(header: Mapping[str, Any]) -> None:
    kind = header.get("typ", "JWT")
    is_jwt = isinstance(kind, str) and kind.upper() == "JWT"
    if header.get("alg") != ALGORITHM or not is_jwt or "crit" in header or "b64" in header:
        raise _refused(BAD_HEADER)


def _signer(issuer: str, claims: Mapping[str, Any], keyring: Keyring) -> tuple[str, str]:
    """Return the account a token acts for and the secret it must be signed with."""
    if issuer.startswith("SK"):
        key = keyring.key(issuer)
        if key is None or key.account_sid != claims.get("sub"):
            raise _refused(BAD_ISSUER)
        return key.account_sid, key.secret
    token = keyring.token_of(issuer)
    if token is None or claims.get("account_sid") != issuer:
        raise _refused(BAD_ISSUER)
    return issuer, token


def _check_signature(token: str, secret: str) -> None:
    try:
        _jws.decode_complete(token, secret, algorithms=[ALGORITHM])
    except InvalidSignatureError:
        raise _refused(BAD_SIGNATURE) from None
    # What orjson takes and the standard library does not: nesting that is too deep for it.
    except (PyJWTError, RecursionError, ValueError):
        raise _refused(INVALID) from None


def _check_times(claims: Mapping[str, Any], now_ms: int) -> int:
    """Return when the token expires, in milliseconds since the epoch."""
    expires_s = _seconds(claims, "exp", EXPIRED)
    if expires_s is None or expires_s * 1000 <= now_ms:
        raise _refused(EXPIRED)
    for name in ("nbf", "iat"):
        begins_s = _seconds(claims, name, NOT_YET_VALID)
        if begins_s is not None and (begins_s - CLOCK_SKEW_S) * 1000 > now_ms:
            raise _refused(NOT_YET_VALID)
    return int(expires_s * 1000)


def _seconds(claims: Mapping[str, Any], name: str, otherwise: tuple[int, str]) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refused(otherwise)
    return value


def _text(claims: Mapping[str, Any], name: str, otherwise: tuple[int, str]) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise _refused(otherwise)
    return value


def _refused(why: tuple[int, str]) -> ApiError:
    return refused_credentials(*why)
