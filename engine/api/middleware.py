"""What every request goes through: an id, the drain, errors as documents, headers, and the time it took."""

import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from engine.api.accounting import account, refusal_of
from engine.api.call import RATE_LIMIT_HEADERS
from engine.api.every_answer import EVERY_ANSWER, new_request_id
from engine.api.peers import REQUEST_ID, check_peer, from_peer, not_serving, request_id_of
from engine.api.problems import respond, unavailable

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """Open while the daemon takes requests; at the end of the drain closed, when only probes are answered."""

    __slots__ = ("_closed", "draining")

    def __init__(self) -> None:
        self._closed = False
        self.draining = False
        """Whether clients had better go elsewhere."""

    @property
    def closed(self) -> bool:
        """Whether requests are turned away."""
        return self._closed

    def drain(self) -> None:
        """Tell the probe of readiness that no more requests should come; those that do are answered."""
        self.draining = True

    def close(self) -> None:
        """Answer every further request 503 and let connections go."""
        self._closed = self.draining = True


GATE = web.AppKey("gate", Gate)


@web.middleware
async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request, whatever happens to it, and account for it."""
    started_s = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    if getattr(request.protocol, "internal", False) and (refusal := check_peer(request)) is not None:
        return refusal
    request_id = request_id_of(request) or new_request_id()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    request[REQUEST_ID] = request_id
    response = await _answer(request, handler)
    if response.prepared:
        return response  # a websocket or a stream: it is over, and its time is that of its client
    dress(request, response)
    _account(request, response.status, time.perf_counter() - started_s)
    return response


def dress(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer the headers that every answer has."""
    response.headers.update(EVERY_ANSWER)
    response.headers.update(request.get(RATE_LIMIT_HEADERS, {}))
    response.headers[REQUEST_ID] = request[REQUEST_ID]


def _account(request: web.Request, status: int, duration_s: float) -> None:
    resource = request.match_info.route.resource
    method, route = (request.method, resource.canonical) if resource else ("-", "-")
    account(method, route, status, duration_s)


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.app[GATE].closed and request.path not in PROBES:
        return respond(not_serving()) if from_peer(request) else _turned_away()
    if request.method == "OPTIONS" and isinstance(
        request.match_info.http_exception, web.HTTPMethodNotAllowed
    ):
        return web.Response(status=204)
    try:
        return await handler(request)
    except Exception as error:
        return respond(refusal_of(error, request.method, request.path))


def _turned_away() -> web.Response:
    response = respond(unavailable("The server is shutting down"))
    response.force_close()
    return response
