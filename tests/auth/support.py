"""Tokens as clients make them, and requests that carry them."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
import requests
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.support.daemon import DaemonProcess

HOSTED = "https://taskrouter.twilio.com/v1/Workspaces"
ACCESS_HEADER = {"typ": "JWT", "cty": "twilio-fpa;v=1"}


def client_of(daemon: DaemonProcess, user: str, secret: str, account_sid: str | None = None) -> Client:
    """The official client, unmodified but for the base URLs."""
    client = Client(user, secret, account_sid, http_client=TwilioHttpClient(pool_connections=True))
    client.taskrouter.base_url = client.api.base_url = daemon.url
    return client


def send(daemon: DaemonProcess, method: str, path: str, authorization: str | None, **more: Any) -> Any:
    """A request below /v1 with this Authorization header."""
    headers = {} if authorization is None else {"Authorization": authorization}
    url = daemon.url + (path if path.startswith("/2010") else f"/v1{path}")
    # A session of its own without netrc: requests must not bring credentials of its own.
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, headers=headers, timeout=30, **more)


def bearer(token: str) -> str:
    return f"Bearer {token}"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def now_s() -> int:
    return int(time.time())


def sign(
    claims: Mapping[str, Any], secret: str, header: Mapping[str, Any] | None = None, algorithm: str = "HS256"
) -> str:
    """A signed token, whatever the claims."""
    return jwt.encode(dict(claims), secret, algorithm, headers=dict(header or {"typ": "JWT"}))


def unsigned(claims: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """A token without a signature."""
    return "".join(f"{_encoded(json.dumps(part))}." for part in (header, claims))


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def policy(url: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"url": url, "method": method, "allow": True, "query_filter": {}, "post_filter": {}} | more


def capability(account_sid: str, *policies: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The claims of a capability token that holds for an hour."""
    return {
        "iss": account_sid,
        "account_sid": account_sid,
        "version": "v1",
        "exp": now_s() + 3_600,
        "policies": list(policies),
    } | more


def access(
    key_sid: str, account_sid: str, workspace_sid: str, role: str, worker_sid: str = "", **more: Any
) -> Any:
    """The claims of an access token that holds for an hour."""
    grant = {"workspace_sid": workspace_sid, "worker_sid": worker_sid, "role": role}
    return {
        "jti": f"{key_sid}-1",
        "iss": key_sid,
        "sub": account_sid,
        "exp": now_s() + 3_600,
        "grants": {"identity": "alice", "task_router": {name: text for name, text in grant.items() if text}},
    } | more
