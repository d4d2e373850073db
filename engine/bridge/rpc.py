"""`POST /v1/wschannels`: a call of the SDK, its envelope taken off, and the answer put into one (§3).

The body is JSON whatever its content type says, because the SDK names it a form. The token is in the body.
Errors have the documents and statuses of the REST API.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from aiohttp import web

from engine.api import fields
from engine.api.forms import form_of, read_large_body
from engine.api.peers import at_owner
from engine.api.problems import bad_request, not_found, precondition_failed, too_many_requests
from engine.bridge.admission import admit
from engine.bridge.call import Bridge, SdkCall
from engine.bridge.calls import find
from engine.bridge.delays import WorkerKey
from engine.bridge.tokens import Session, identify, owns

_VERSION_DIGITS_MAX = 18


@dataclass(slots=True, frozen=True)
class Envelope:
    """What a body holds: a relative path, a method, parameters, and the token."""

    path: str
    method: str
    params: dict[str, Any]
    token: str


class Calls:
    """Answers calls.

    Args:
        bridge: what the handlers reach.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._under_way: Counter[WorkerKey | str] = Counter()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Carry out a call and answer 200 with its payload.

        The owner of the workspace does it, also when it only reads: it knows what the client has been told.

        Raises:
            ApiError: 400 for a malformed body, 401 or 403 for the token, 404 for another call than those of
                the table or what is not there, 412 for another version, 413 for a large body, 429; 421 to
                another node when the workspace is not served here.
        """
        limits, api = self._bridge.hub.limits, self._bridge.api
        envelope = read_envelope(await read_large_body(request, limits.call_bytes_max))
        session = await identify(api.authenticator, envelope.token)
        key = (session.workspace_sid, session.worker_sid or session.principal.signed_by)
        structlog.contextvars.bind_contextvars(
            account_sid=session.account_sid,
            workspace_sid=session.workspace_sid,
            worker_sid=session.worker_sid,
        )
        if self._under_way[key] >= limits.calls_per_worker_max:
            raise too_many_requests(f"{limits.calls_per_worker_max} calls of a worker at a time", 1)
        self._under_way[key] += 1
        try:
            if api.forwarder is None or not await owns(api, session.account_sid, session.workspace_sid):
                return await self._answer_here(request, envelope, session)
            return await at_owner(
                request,
                api.forwarder,
                session.workspace_sid,
                lambda: self._answer_here(request, envelope, session),
                lambda: read_large_body(request, limits.call_bytes_max),
                repeatable=envelope.method == "GET",
            )
        finally:
            self._under_way[key] -= 1
            if not self._under_way[key]:
                del self._under_way[key]

    async def _answer_here(
        self, request: web.Request, envelope: Envelope, session: Session
    ) -> web.StreamResponse:
        payload = await self._carry_out(request, envelope, session)
        return web.Response(body=orjson.dumps({"payload": payload}), content_type="application/json")

    async def _carry_out(self, request: web.Request, envelope: Envelope, session: Session) -> Any:
        path = f"/{envelope.path}"
        found = find(envelope.method, envelope.path)
        if found is None:
            raise not_found(path)
        route, names = found
        form = form_of(envelope.params, self._bridge.api.limits.request_fields_max)
        named = {prefix: form.required(name, fields.sid(prefix)) for prefix, name in route.named_in.items()}
        names = {**names, **named}
        await admit(self._bridge.api, session, route, path=path, names=names, form=form)
        self._bridge.hub.seen((session.workspace_sid, session.worker_sid), session.expires_ms)
        call = SdkCall(self._bridge, session, path, names, form, _if_match(request))
        with self._bridge.hub.calling(call.caller):
            return await route.handler(call)


def read_envelope(raw: bytes) -> Envelope:
    """Take a body apart. Raises 400 when it is not a JSON object with a url, a method and a token."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"The request body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise bad_request("The request body is not a JSON object")
    for name in ("url", "method", "token"):
        if not isinstance(document.get(name), str):
            raise bad_request(f"{name} must be text")
    params = document.get("params") or {}
    if not isinstance(params, dict):
        raise bad_request("params must be an object")
    return Envelope(document["url"].strip("/"), document["method"].upper(), params, document["token"])


def _if_match(request: web.Request) -> int | None:
    """Return the version of If-Match: a bare number. Raises 412 for anything else."""
    text = request.headers.get("If-Match", "").strip()
    if text in {"", "*"}:
        return None
    digits = text.strip('"')
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _VERSION_DIGITS_MAX):
        raise precondition_failed(f"If-Match {text} is not a version of this resource")
    return int(digits)
