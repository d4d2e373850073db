"""The application: the routes behind the middleware, and the probes."""

from aiohttp import web

from engine.api.auth import TokenOf
from engine.api.call import Api, ApiLimits
from engine.api.health import add_probes
from engine.api.middleware import GATE, Gate, edge
from engine.api.routes import add_routes
from engine.clock import Clock, wall_clock_ms
from engine.runtime.service import RoutingService
from engine.sids import SidFactory, time_ordered_sids
from engine.storage.reads import Reads


def build_app(
    *,
    service: RoutingService,
    reads: Reads,
    token_of: TokenOf,
    limits: ApiLimits | None = None,
    public_url: str = "",
    trust_forwarded: bool = False,
    mint: SidFactory | None = None,
    clock: Clock = wall_clock_ms,
) -> web.Application:
    """Make the HTTP application; `app[GATE].close()` begins the drain.

    Args:
        service: takes the commands.
        reads: answers from committed rows.
        token_of: the auth token of an account SID, None when there is no such account.
        limits: what one request may hold.
        public_url: base of the URLs in answers; empty takes scheme and host of each request.
        trust_forwarded: whether X-Forwarded-Proto and X-Forwarded-Host say what those are.
        mint: makes the SIDs of what clients create.
        clock: milliseconds since the epoch.
    """
    given = limits or ApiLimits()
    api = Api(
        service, reads, token_of, mint or time_ordered_sids(), clock, given, public_url, trust_forwarded
    )
    app = web.Application(middlewares=[edge], client_max_size=given.request_bytes_max)
    app[GATE] = Gate()
    add_probes(app, service)
    add_routes(app, api)
    return app
