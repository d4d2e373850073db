"""Who opens a socket or makes a call: an access token with a TaskRouter grant (SDK protocol §4).

The token is held against the same keyring, roles and clock as one that comes as Bearer to the REST API. A
capability token proves the account but names no worker's role: it is refused with 403.
"""

from dataclasses import dataclass
from typing import Any

import orjson
from jwt.utils import base64url_decode

from engine.api.access import Principal
from engine.api.auth import Authenticator
from engine.api.call import Api
from engine.api.problems import ACCESS_DENIED, ApiError
from engine.api.roles import RoleGrant


@dataclass(slots=True, frozen=True)
class Session:
    """What a token proves.

    `worker_sid` is empty when the token names no worker. `issued_ms` is the token's `iat`, else its `nbf`,
    else None; `expires_ms` its `exp`. Both are milliseconds since the epoch.
    """

    token: str
    principal: Principal
    workspace_sid: str
    worker_sid: str
    role: str
    issued_ms: int | None
    expires_ms: int

    @property
    def account_sid(self) -> str:
        """The account acted for."""
        return self.principal.account_sid


async def identify(authenticator: Authenticator, token: str) -> Session:
    """Return what a token proves.

    Raises:
        ApiError: 401 for a token that does not hold (any more), 403 for one without a TaskRouter grant or of
            an account that is not active.
    """
    principal = await authenticator.identify(f"Bearer {token}")
    grant = principal.grant
    if not isinstance(grant, RoleGrant):
        raise ApiError(403, ACCESS_DENIED, "An access token with a TaskRouter grant is needed")
    claims: dict[str, Any] = orjson.loads(base64url_decode(token.split(".")[1]))
    issued_s = claims.get("iat", claims.get("nbf"))
    return Session(
        token=token,
        principal=principal,
        workspace_sid=grant.workspace_sid,
        worker_sid=grant.worker_sid,
        role=grant.role,
        issued_ms=None if issued_s is None else int(issued_s * 1000),
        expires_ms=int(claims["exp"] * 1000),
    )


async def check_worker(api: Api, session: Session) -> None:
    """Refuse a session whose workspace or worker does not exist in its account.

    Raises:
        ApiError: 403; which of them is missing is not told.
        StoreUnavailable: when the database does not answer.
    """
    if session.worker_sid and await owns(api, session.account_sid, session.workspace_sid):
        worker = await api.reads.worker(session.workspace_sid, session.worker_sid)
        if worker is not None:
            return
    raise ApiError(403, ACCESS_DENIED, "The token names no worker of this account")


async def owns(api: Api, account_sid: str, workspace_sid: str) -> bool:
    """Tell whether a workspace exists in an account."""
    owner = api.service.account_of(workspace_sid)
    if owner is None:
        view = await api.reads.workspace(account_sid, workspace_sid)
        owner = view.account_sid if view else None
    return owner == account_sid
