"""Signing in at the desk: a link becomes a sign-in, a sign-in gives access tokens while it holds.

A link works once and for a short time. Taking it and opening the sign-in are one statement, so that neither a
crash nor a second request at the same moment makes it work twice. The sign-in is a cookie that no script can
read; it is asked for a new token whenever the page needs one, also after the computer slept. Tokens are those
of the helper libraries, for the role worker, signed with an API key of the account that the link was made
with: to revoke that key ends every sign-in it stands for, at once.
"""

from dataclasses import dataclass

import jwt

from engine.api.jwt_auth import ACCESS_CONTENT_TYPE, ALGORITHM
from engine.api.problems import account_not_active, forbidden
from engine.clock import Clock
from engine.desk.proof import Proof
from engine.keyring import ApiKey, Keyring
from engine.storage.desk import DeskRows, DeskSession

LINK_REFUSED = (
    "This link does not work (any more): a link works once, and only for a short time. Ask for a new one."
)


@dataclass(slots=True, frozen=True)
class DeskLimits:
    """How long things hold; `engine.settings.DeskSettings` explains each of them."""

    token_s: float = 900.0
    session_s: float = 43_200.0


@dataclass(slots=True, frozen=True)
class SignedIn:
    """A token and whose it is. Lifetimes are milliseconds from now: clocks of browsers are not believed."""

    token: str
    token_lifetime_ms: int
    session_lifetime_ms: int
    session: DeskSession


class SignIn:
    """Opens, renews and closes sign-ins. Every method raises StoreUnavailable.

    Args:
        rows: links and sign-ins.
        keyring: has the API keys.
        limits: how long things hold.
        clock: milliseconds since the epoch.
    """

    def __init__(self, rows: DeskRows, keyring: Keyring, limits: DeskLimits, clock: Clock) -> None:
        self._rows = rows
        self._keyring = keyring
        self._limits = limits
        self._clock = clock

    async def open(self, link: str) -> tuple[Proof, SignedIn]:
        """Make a sign-in of a link; returns what proves it, and its first token.

        Raises:
            ApiError: 403 when the link was used, has expired, or never was; when its worker or key is gone;
                or when the account is suspended.
        """
        given, now_ms = Proof.read(link), self._clock()
        if given is None:
            raise forbidden(LINK_REFUSED)
        session = Proof.new(given.workspace_sid)
        expires_ms = now_ms + int(self._limits.session_s * 1000)
        if not await self._rows.open_session(
            given.workspace_sid, given.digest, session.digest, now_ms, expires_ms
        ):
            raise forbidden(LINK_REFUSED)
        signed_in = await self.renew(session.text)
        if signed_in is None:
            raise forbidden(LINK_REFUSED)
        return session, signed_in

    async def renew(self, session: str) -> SignedIn | None:
        """Return a new token for a sign-in, None when it does not hold (any more).

        Raises:
            ApiError: 403 when the account is suspended.
        """
        given = Proof.read(session)
        if given is None:
            return None
        now_ms = self._clock()
        found = await self._rows.session(given.workspace_sid, given.digest, now_ms)
        key = await self._key(found.key_sid) if found else None
        if found is None or key is None:
            return None
        account = self._keyring.account(key.account_sid)
        if account is None or not account.active:
            raise account_not_active(key.account_sid)
        expires_s = min(now_ms + int(self._limits.token_s * 1000), found.expires_ms) // 1000
        return SignedIn(
            token=_token(found, key, now_ms // 1000, expires_s),
            token_lifetime_ms=expires_s * 1000 - now_ms,
            session_lifetime_ms=found.expires_ms - now_ms,
            session=found,
        )

    async def close(self, session: str) -> None:
        """End a sign-in; tokens that it gave hold until they expire."""
        given = Proof.read(session)
        if given is not None:
            await self._rows.close_session(given.workspace_sid, given.digest)

    async def _key(self, key_sid: str) -> ApiKey | None:
        """Return the key; the command line may have made it a moment ago."""
        if self._keyring.key(key_sid) is None:
            await self._keyring.look_up()
        return self._keyring.key(key_sid)


def _token(session: DeskSession, key: ApiKey, now_s: int, expires_s: int) -> str:
    grant = {
        "workspace_sid": session.workspace_sid,
        "worker_sid": session.worker_sid,
        "role": "worker",
    }
    claims = {
        "jti": f"{key.sid}-{now_s}",
        "iss": key.sid,
        "sub": key.account_sid,
        "iat": now_s,
        "exp": expires_s,
        "grants": {"identity": session.worker_name, "task_router": grant},
    }
    return jwt.encode(claims, key.secret, ALGORITHM, headers={"cty": ACCESS_CONTENT_TYPE})
