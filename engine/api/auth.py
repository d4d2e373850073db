"""Who sends a request: Basic with an account or an API key, a JWT as Bearer or as Basic password.

| user | password |
|---|---|
| account SID | its auth token |
| API key SID | its secret |
| anything | a JWT; when the user is a SID, the token must be signed by it |

What was proved once is remembered by the header's text, until anything in the keyring changes or the token
expires; so a revoked key is refused by the very next request. Secrets are compared in constant time, also
when there is nobody to compare with.
"""

import base64
import binascii
import hmac
from collections import OrderedDict
from dataclasses import dataclass

from engine.api.access import Principal
from engine.api.jwt_auth import BAD_ISSUER, issuer_of, looks_like_jwt, verify
from engine.api.problems import account_not_active, not_authenticated, refused_credentials
from engine.clock import Clock
from engine.keyring import Keyring
from engine.sids import is_sid

REMEMBERED_MAX = 4_096
"""Most headers whose proof is remembered."""

_SIGNERS = frozenset({"AC", "SK"})
_NEVER_MS = 2**63
_NOBODY = b"compared with when there is no such account or key"


@dataclass(slots=True, frozen=True)
class _Proof:
    principal: Principal
    generation: int
    expires_ms: int


class Authenticator:
    """Turns an `Authorization` header into a principal.

    Args:
        keyring: has the secrets.
        clock: milliseconds since the epoch.
    """

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        self._keyring = keyring
        self._clock = clock
        self._proofs: OrderedDict[str, _Proof] = OrderedDict()

    def recall(self, authorization: str | None) -> Principal | None:
        """Return whom this header proved to be and still proves; None when that has to be found out."""
        proof = self._proofs.get(authorization or "")
        if proof is None or proof.generation != self._keyring.generation or proof.expires_ms <= self._clock():
            return None
        return proof.principal

    async def identify(self, authorization: str | None) -> Principal:
        """Return whom a header proves to be.

        Raises:
            ApiError: 401/20003 for the wrong secret or no credentials, 401/20101 to 20107 for a token that
                does not hold, 403/20005 when the account is not active.
        """
        known = self.recall(authorization)
        if known is not None:
            return known
        user, password, token = _credentials(authorization)
        proof = self._by_secret(user, password)
        if proof is None:
            await self._learn(user, token)
            proof = self._by_secret(user, password) or self._by_token(user, token)
        return self._accept(authorization, proof)

    def confirm(self, authorization: str | None) -> Principal:
        """Return whom a header that was proved before proves to be now, by what is known here.

        Raises:
            ApiError: as `identify`.
        """
        known = self.recall(authorization)
        if known is not None:
            return known
        user, password, token = _credentials(authorization)
        return self._accept(authorization, self._by_secret(user, password) or self._by_token(user, token))

    def _accept(self, authorization: str | None, proof: _Proof) -> Principal:
        account = self._keyring.account(proof.principal.account_sid)
        if account is None or not account.active:
            raise account_not_active(proof.principal.account_sid)
        self._remember(authorization or "", proof)
        return proof.principal

    async def _learn(self, user: str, token: str) -> None:
        """Look whether others changed what a refused header names: its secret, or a token's signer."""
        signer = issuer_of(token) if token else user
        if signer[:2] not in _SIGNERS or not is_sid(signer, signer[:2]):
            return
        if token and (self._keyring.token_of(signer) or self._keyring.key(signer)):
            return
        await self._keyring.look_up()

    def _by_secret(self, user: str, password: str) -> _Proof | None:
        """Hold a password against the secret of the account or key; None when it is another."""
        key = self._keyring.key(user)
        secret = key.secret if key else self._keyring.token_of(user)
        expected = secret.encode() if secret else _NOBODY
        matches = hmac.compare_digest(password.encode("latin-1", "replace"), expected)
        if not secret or not matches:
            return None
        principal = Principal(key.account_sid if key else user, user)
        return _Proof(principal, self._keyring.generation, _NEVER_MS)

    def _by_token(self, user: str, token: str) -> _Proof:
        if not token:
            raise not_authenticated()
        verified = verify(token, self._keyring, self._clock())
        if user[:2] in _SIGNERS and is_sid(user, user[:2]) and user != verified.principal.signed_by:
            raise refused_credentials(*BAD_ISSUER)
        return _Proof(verified.principal, self._keyring.generation, verified.expires_ms)

    def _remember(self, authorization: str, proof: _Proof) -> None:
        self._proofs[authorization] = proof
        self._proofs.move_to_end(authorization)
        while len(self._proofs) > REMEMBERED_MAX:
            self._proofs.popitem(last=False)


def _credentials(authorization: str | None) -> tuple[str, str, str]:
    """Return user, password and, when one was sent, the token."""
    scheme, _, rest = (authorization or "").partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest.count(".") == 2:
        return "", "", rest
    if scheme.lower() != "basic":
        raise not_authenticated()
    try:
        user, separator, password = base64.b64decode(rest, validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError):
        raise not_authenticated() from None
    if not separator:
        raise not_authenticated()
    return user, password, password if looks_like_jwt(password) else ""
