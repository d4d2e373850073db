"""The short way of requests that are one command of an account to its own workspace.

Theory of operation
-------------------
Nine of ten requests of a busy client create a task, change one, or accept a reservation: plain HTTP, signed
by somebody who was seen before, without a condition or a key, at a workspace that is served here.
Such a request needs no task of the event loop and no objects of the HTTP library. Its command is read, queued
and, when the batch is durable, answered from the callback of its future; that takes a third of the CPU.

The short way is chosen before anything is done, so that whatever it does not know (tokens, keys, other
accounts' workspaces) takes the long way through `guarded` untouched. What another node has to do passes to
it (passage.py) and is an errand there. Once chosen, it does what `edge` and `guarded` do, in their order, and
its answers, log lines and figures are the same. When the workspace turned out not to be served any more,
nothing was done either, and the long way has the request after all.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from engine import metrics
from engine.api.access import Asked, Principal
from engine.api.accounting import account, refusal_of
from engine.api.call import LOGGED, Api
from engine.api.every_answer import new_request_id, spell
from engine.api.forms import EMPTY, Form, parse_body
from engine.api.heads import Heads, PeerHeads, Plain
from engine.api.middleware import Gate
from engine.api.operations import Direct, Route
from engine.api.passage import Passage
from engine.api.problems import ApiError, problem
from engine.api.rate_limit import Headers
from engine.api.representations import Place
from engine.cluster.proof import Proofs
from engine.errors import NotServing
from engine.routing.commands import Command
from engine.routing.errors import NotFound

_PLACEHOLDER = re.compile(r"\{([A-Z]{2})\}")
_SID_CHARS = 34

BODY_BYTES_MAX = 65_536
"""Larger bodies go the long way, which need not hold them until they are whole."""


@dataclass(slots=True, frozen=True)
class _Line:
    """One route of the short way: `pattern` matches its paths."""

    route: Route
    direct: Direct
    pattern: re.Pattern[str]


class Express:
    """Takes requests for the short way.

    Args:
        api: what handlers reach.
        gate: while it is closed nothing is taken.
        routes: of these, those whose operation is direct are taken.
        line_bytes_max: the longest header line.
        proofs: checks the requests of other nodes; None when it is clients that come.
    """

    def __init__(
        self,
        api: Api,
        gate: Gate,
        routes: Iterable[Route],
        line_bytes_max: int,
        proofs: Proofs | None = None,
    ) -> None:
        self.heads = (
            Heads(line_bytes_max, api.trust_forwarded)
            if proofs is None
            else PeerHeads(proofs, line_bytes_max, api.trust_forwarded)
        )
        """Tells plain requests."""
        # What other nodes have sent on goes no further.
        self._forwarder = api.forwarder if proofs is None else None
        self._api = api
        self._gate = gate
        self._body_bytes_max = min(BODY_BYTES_MAX, api.limits.request_bytes_max)
        self._lines: dict[tuple[str, int], list[_Line]] = {}
        for route in routes:
            if route.operation.direct is not None:
                length = len(_PLACEHOLDER.sub("_" * _SID_CHARS, route.path))
                line = _Line(route, route.operation.direct, _pattern(route.path))
                self._lines.setdefault((route.method, length), []).append(line)

    def errand(self, plain: Plain) -> "Errand | Passage | None":
        """Return the errand that a request is, or None when it is not one for the short way."""
        headers = plain.headers
        if not headers.simple or headers.length > self._body_bytes_max or self._gate.closed:
            return None
        for line in self._lines.get((plain.method, len(plain.target)), ()):
            match = line.pattern.fullmatch(plain.target)
            if match is not None:
                break
        else:
            return None
        names = match.groupdict()
        principal = self._api.authenticator.recall(headers.authorization)
        if principal is None or principal.grant is not None:
            return None
        service, workspace_sid = self._api.service, names["WS"]
        if not service.serves(workspace_sid):
            return self._passage(plain, line.route, workspace_sid, principal)
        if service.account_of(workspace_sid) != principal.account_sid:
            return None
        return Errand(self._api, line, plain, names, principal)

    def _passage(
        self, plain: Plain, route: Route, workspace_sid: str, principal: Principal
    ) -> Passage | None:
        forwarder = self._forwarder
        if forwarder is None or self._api.rate_limiter.enabled:
            return None
        owner = self._api.service.account_of(workspace_sid) or forwarder.account_of(workspace_sid)
        if owner != principal.account_sid:
            return None
        return Passage(forwarder, plain, route, workspace_sid, principal.account_sid)


class Errand:
    """One request on the short way."""

    __slots__ = (
        "_api",
        "_began_s",
        "_command",
        "_context",
        "_limits",
        "_line",
        "_names",
        "_principal",
        "_searched",
        "future",
        "plain",
    )

    def __init__(
        self, api: Api, line: _Line, plain: Plain, names: dict[str, str], principal: Principal
    ) -> None:
        self._began_s = time.perf_counter()
        self._api = api
        self._line = line
        self._names = names
        self.plain = plain
        """The request."""
        self._principal = principal
        self._limits: Headers = {}
        self._context: dict[str, str] = {"request_id": plain.request_id or new_request_id()}
        self._command: Command | None = None
        self._searched = False
        self.future: asyncio.Future[Any]
        """Done when there is something to answer, unless there is something `further` to wait for."""

    def start(self) -> bool:
        """Queue the command that the body asks for; False when it asks for something else.

        To be called when the whole request is there.
        """
        api, plain = self._api, self.plain
        form = EMPTY
        try:
            form = parse_body(plain.body, plain.headers.content_type, api.limits.request_fields_max)
            self._command = self._line.direct.command(api, self._names, form)
        except Exception as error:
            self.future = _failed(self._admit(form) or error)
        else:
            if self._command is None:
                return False
            self.future = self._queue(self._command, form)
        metrics.REQUESTS_IN_SHORT.inc()
        return True

    def further(self) -> asyncio.Future[Any] | None:
        """Return what has to be waited for before there is an answer: a look at what is finished."""
        error = self.future.exception()
        if self._searched or self._command is None or not isinstance(error, NotFound):
            return None
        self._searched = True
        search = self._api.service.among_finished(
            self._principal.account_sid, self._names["WS"], self._command, error
        )
        context = Context()
        context.run(structlog.contextvars.bind_contextvars, **self._context)
        self.future = asyncio.get_running_loop().create_task(search, context=context)
        return self.future

    def answer(self) -> bytes | None:
        """Return the answer as it is sent, or None when nothing was done because it is not served here."""
        try:
            status, headers, document = self._shown(self.future.result())
        except NotServing:
            return None
        except Exception as error:
            refusal = refusal_of(error, self._line.route.method, self.plain.target, self._context)
            status, headers, document = refusal.status, refusal.headers, problem(refusal)
        del self.future  # an error in it refers back to here
        self._account(status)
        return spell(status, headers, self._limits, self._context["request_id"], orjson.dumps(document))

    def cut_off(self) -> None:
        """Account for a request whose client went before its end."""
        self._account(400)

    def _account(self, status: int) -> None:
        duration_s = time.perf_counter() - self._began_s
        account(self._line.route.method, self._line.route.path, status, duration_s, self._context)

    def _admit(self, form: Form) -> Exception | None:
        """Count the request and tell the log whose it is; returns its refusal when there were too many."""
        api, route, context = self._api, self._line.route, self._context
        if api.rate_limiter.enabled and not self.plain.request_id:
            asked = Asked(route.method, route.path, self.plain.target, self._names, EMPTY, _reading(form))
            try:
                api.rate_limiter.admit(self._principal, asked, self._limits)
            except ApiError as refusal:
                return refusal
        context["account_sid"] = self._principal.account_sid
        for name, sid in self._names.items():
            context[LOGGED[name]] = sid
        return None

    def _queue(self, command: Command, form: Form) -> asyncio.Future[Any]:
        refusal = self._admit(form)
        if refusal is not None:
            return _failed(refusal)
        try:
            return self._api.service.begin(
                self._principal.account_sid, self._names["WS"], command, self._context
            )
        except Exception as error:
            return _failed(error)

    def _shown(self, view: Any) -> tuple[int, Mapping[str, str], Mapping[str, object]]:
        direct, api = self._line.direct, self._api
        assert isinstance(view, direct.view)
        root = api.public_url.rstrip("/") or self.plain.headers.root
        place = Place(root, self._principal.account_sid, self._names["WS"], api.clock())
        headers = {"ETag": str(view.version)}
        return self._line.route.operation.status, headers, direct.rendering(place, view)


def _failed(error: Exception) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future


def _reading(form: Form) -> Callable[[], Awaitable[Form]]:
    async def read() -> Form:
        return form

    return read


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_PLACEHOLDER.sub(r"(?P<\1>\1[0-9a-fA-F]{32})", path))
