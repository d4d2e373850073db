"""One authenticated request within its account and workspace, and what handlers do with it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from aiohttp import web

from engine.api.access import Asked, Principal
from engine.api.auth import Authenticator
from engine.api.forms import (
    Form,
    parse_urlencoded,
    read_body,
    read_form,
    read_large_body,
    read_tolerant_form,
)
from engine.api.idempotency import fingerprint, key_of, pack, unpack
from engine.api.limits import ApiLimits
from engine.api.operations import NOTHING, Operation, Route
from engine.api.peers import at_owner, from_peer
from engine.api.problems import ApiError, access_denied, not_found, precondition_failed
from engine.api.rate_limit import Headers, RateLimiter
from engine.api.representations import Place
from engine.api.roots import root_of
from engine.api.turns import Turns
from engine.clock import Clock
from engine.cluster.forwarder import Forwarder
from engine.errors import NotServing
from engine.keyring import Keyring
from engine.routing.commands import Command
from engine.runtime.once import Once, Outcome
from engine.runtime.ports import VoiceGateway
from engine.runtime.service import RoutingService
from engine.sids import SidFactory
from engine.storage.reads import Reads
from engine.storage.redelivery import Redelivery
from engine.stream.hub import StreamHub

V = TypeVar("V")

EXPLANATIONS_WAITING_MAX = 8
"""So many requests to explain a task may wait per workspace: each looks at all of its workers."""

COUNTS_WAITING_MAX = 64
"""So many requests for present figures may wait per workspace: each counts the workers of its scope."""


@dataclass(slots=True, frozen=True)
class Api:
    """What every handler reaches: commands go to `service`, questions to `reads`.

    `public_url` is the base of the URLs in answers; empty takes scheme and host of each request, from the
    X-Forwarded headers when `trust_forwarded`. `redelivery` has events delivered again. `voice`
    carries out voice instructions. `streams` are the open event streams. `forwarder` reaches the owners of
    workspaces that are not served here; without one there are no other nodes. `explaining` and `counting`
    are the turns of explanations and of present figures, by workspace.
    """

    service: RoutingService
    reads: Reads
    keyring: Keyring
    authenticator: Authenticator
    rate_limiter: RateLimiter
    mint: SidFactory
    clock: Clock
    limits: ApiLimits
    public_url: str
    trust_forwarded: bool
    redelivery: Redelivery
    voice: VoiceGateway | None = None
    streams: StreamHub | None = None
    forwarder: Forwarder | None = None
    explaining: Turns = field(default_factory=lambda: Turns(EXPLANATIONS_WAITING_MAX))
    counting: Turns = field(default_factory=lambda: Turns(COUNTS_WAITING_MAX))


@dataclass(slots=True, frozen=True)
class Call:
    """A request of `principal`, whose workspace (if the path names one) belongs to its account."""

    request: web.Request
    api: Api
    principal: Principal
    operation: Operation

    @property
    def account_sid(self) -> str:
        """The account acted for."""
        return self.principal.account_sid

    @property
    def reads(self) -> Reads:
        """The committed rows."""
        return self.api.reads

    @property
    def workspace_sid(self) -> str:
        """The workspace that the path names."""
        return self.request.match_info["WS"]

    def path(self, name: str) -> str:
        """Return a segment of the path by its placeholder."""
        return self.request.match_info[name]

    def mint(self, prefix: str) -> str:
        """Return a new SID."""
        return self.api.mint(prefix)

    def query(self) -> Form:
        """Return the query parameters. Raises 400 when they are malformed."""
        raw = self.request.rel_url.raw_query_string
        return parse_urlencoded(raw.encode("utf-8", "surrogateescape"), self.api.limits.request_fields_max)

    def filters(self, query: Form) -> dict[str, Any]:
        """Return the operation's fields of the query, by argument. Raises 400."""
        return self.operation.query.read(query, self.api)

    async def fields(self) -> dict[str, Any]:
        """Return the operation's fields of the body, by argument. Raises 400, and what `form` raises."""
        return (self.operation.body or NOTHING).read(await self.form(), self.api)

    async def form(self) -> Form:
        """Return the fields of the body. Raises 400 when it is malformed, 413 when it is too large."""
        limits = self.api.limits
        return await read_form(self.request, limits.request_bytes_max, limits.request_fields_max)

    async def body(self) -> bytes:
        """Return the whole body. Raises 413 when it is too large, 400 when it is compressed."""
        if self.operation.bodies is not None:
            return await read_large_body(self.request, self.api.limits.bulk_bytes_max)
        return await read_body(self.request, self.api.limits.request_bytes_max)

    async def tolerant_form(self) -> Form:
        """Return the fields of a body that may be JSON or a form, whatever its content type says."""
        limits = self.api.limits
        return await read_tolerant_form(self.request, limits.request_bytes_max, limits.request_fields_max)

    def place(self, workspace_sid: str | None = None) -> Place:
        """Return where and when an answer is rendered."""
        root = root_of(self.request, self.api.public_url, self.api.trust_forwarded)
        sid = workspace_sid or self.request.match_info.get("WS", "")
        return Place(root, self.account_sid, sid, self.api.clock())

    def if_match(self) -> int | None:
        """Return the version that If-Match names; None without one and for `*`.

        A bare number, a quoted one and a weak one mean the same (contract §2).

        Raises:
            ApiError: 412, code 20412, for anything else.
        """
        text = self.request.headers.get("If-Match", "").strip()
        if text in {"", "*"}:
            return None
        digits = text.removeprefix("W/")
        if len(digits) > 2 and digits[0] == digits[-1] == '"':
            digits = digits[1:-1]
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
            raise precondition_failed(f"If-Match {text} is not a version of this resource")
        return int(digits)

    def missing(self) -> Exception:
        """Return the 404 of this path."""
        return not_found(self.request.path)

    def found(self, view: V | None) -> V:
        """Return `view`. Raises 404 when there is none."""
        if view is None:
            raise self.missing()
        return view

    async def submit(self, command: Command, expected: type[V]) -> V:
        """Hand a command to the workspace and return its view, once it is durable."""
        view = await self.api.service.submit(self.account_sid, self.workspace_sid, command)
        assert isinstance(view, expected)
        return view

    async def answer(
        self, command: Command, expected: type[V], respond: Callable[[V], web.Response]
    ) -> web.Response:
        """Hand a command to the workspace and answer what `respond` makes of its view, once it is durable.

        A request that was sent before with the same Idempotency-Key and body gets the answer it had then.
        """
        once = await self._once_for(expected, respond)
        if once is None:
            return respond(await self.submit(command, expected))
        service = self.api.service
        return unpack(await service.submit_once(self.account_sid, self.workspace_sid, command, once))

    async def answer_worked(
        self,
        work: Callable[[], AbstractAsyncContextManager[Command]],
        expected: type[V],
        respond: Callable[[V], web.Response],
    ) -> web.Response:
        """As `answer`, for a command that has to be worked for; `work` ends when it is durable or refused."""
        once = await self._once_for(expected, respond)
        if once is None:
            async with work() as command:
                return respond(await self.submit(command, expected))
        service = self.api.service
        return unpack(await service.submit_worked_once(self.account_sid, self.workspace_sid, work, once))

    async def _once_for(self, expected: type[V], respond: Callable[[V], web.Response]) -> Once | None:
        """Return the Idempotency-Key of this request, if it has one, with what is answered to it."""
        key = key_of(self.request)
        if key is None:
            return None

        def responded(view: Any) -> web.Response:
            assert isinstance(view, expected)
            return respond(view)

        return self.once(key, fingerprint(await self.request.read()), responded)

    def once(self, key: str, print_: bytes, respond: Callable[[Any], web.Response]) -> Once:
        """Return the key of a request with one view; the account's when the path has no workspace."""

        def render(outcomes: Sequence[Outcome]) -> bytes | None:
            (outcome,) = outcomes
            return None if outcome.error else pack(respond(outcome.result))

        scope_sid = self.request.match_info.get("WS", self.account_sid)
        return Once(scope_sid, self.request.path, key, print_, render)

    async def submit_all(self, commands: Sequence[Command]) -> list[Any]:
        """Hand commands to the workspace next to each other; returns a view or an exception for each."""
        return await self.api.service.submit_all(self.account_sid, self.workspace_sid, commands)

    async def carry_out(self, command: Command) -> None:
        """Hand a command that has no answer to the workspace; returns once it is durable."""
        await self.api.service.submit(self.account_sid, self.workspace_sid, command)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


RATE_LIMIT_HEADERS = "rate_limit_headers"
"""Where a request keeps the headers that tell of the rate limits it was counted by."""


def guarded(api: Api, route: Route) -> Handler:
    """Make a handler that lets only the account itself, or whom it lets, at its workspaces.

    What the owner of the workspace has to carry out goes to it.

    Raises (when handling): 401 or 403 without the right credentials, 429 over a rate limit, 403 when a token
    does not cover the call, 404 for another account's workspace.
    """
    authenticator, limiter = api.authenticator, api.rate_limiter
    template, operation = route.path, route.operation
    forwarder = api.forwarder if route.for_owner else None

    async def handle(request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization")
        principal = authenticator.recall(authorization) or await authenticator.identify(authorization)
        call = Call(request, api, principal, operation)
        if limiter.enabled and not from_peer(request):
            headers: Headers = {}
            request[RATE_LIMIT_HEADERS] = headers
            limiter.admit(principal, _asked(call, template), headers)
        if principal.grant is None:
            await _admit(call, forwarder)
        else:
            await _admit_token(call, template, forwarder)
        named = {LOGGED[name]: sid for name, sid in request.match_info.items() if name in LOGGED}
        structlog.contextvars.bind_contextvars(account_sid=principal.account_sid, **named)
        if forwarder is None:
            return await operation.endpoint(call)
        return await _at_owner(call, forwarder)

    return handle


async def _at_owner(call: Call, forwarder: Forwarder) -> web.StreamResponse:
    """Have the owner of the workspace answer; a workspace deleted meanwhile has none."""
    try:
        return await at_owner(
            call.request,
            forwarder,
            call.workspace_sid,
            lambda: call.operation.endpoint(call),
            call.body,
        )
    except NotServing:
        if await call.reads.workspace(call.account_sid, call.workspace_sid) is None:
            raise call.missing() from None
        raise


LOGGED = {"WS": "workspace_sid", "WT": "task_sid", "WK": "worker_sid", "WR": "reservation_sid"}
"""Placeholders of paths to the names they have in the log."""


async def _admit(call: Call, forwarder: Forwarder | None) -> None:
    """Refuse the workspaces of other accounts; what is forwarded is looked at by the owner again."""
    request = call.request
    if not all(segment.isprintable() for segment in request.match_info.values()):
        raise not_found(request.path)
    workspace_sid = request.match_info.get("WS")
    if workspace_sid is None:
        return
    owner = call.api.service.account_of(workspace_sid) or (forwarder and forwarder.account_of(workspace_sid))
    if owner is None:
        view = await call.reads.workspace(call.account_sid, workspace_sid)
        owner = view.account_sid if view else None
        if owner and forwarder:
            forwarder.note_account(workspace_sid, owner)
    if owner != call.account_sid:
        raise not_found(request.path)


async def _admit_token(call: Call, template: str, forwarder: Forwarder | None) -> None:
    """Refuse what the token does not cover; to a token other accounts' workspaces are just that."""
    grant, denied = call.principal.grant, access_denied(call.request.method, call.request.path)
    try:
        await _admit(call, forwarder)
    except ApiError:
        raise denied from None
    if grant is None or not await grant.permits(_asked(call, template), call.reads):
        raise denied


def _asked(call: Call, template: str) -> Asked:
    request = call.request
    return Asked(
        request.method, template, request.rel_url.raw_path, request.match_info, call.query(), call.form
    )
