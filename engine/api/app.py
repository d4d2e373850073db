"""The application: the routes behind the middleware, and the probes."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from engine.api.auth import Authenticator
from engine.api.call import Api
from engine.api.docs import DOCUMENTATION, Documentation
from engine.api.express import Express
from engine.api.health import METRICS, SERVICE, own_metrics
from engine.api.limits import ApiLimits
from engine.api.middleware import GATE, Gate, edge
from engine.api.peers import PROOFS, add_peer_routes
from engine.api.rate_limit import RateLimiter, RateLimits
from engine.api.routes import ACCOUNT_ROUTES, OPEN_ROUTES, ROUTES, add_routes
from engine.clock import Clock, wall_clock_ms
from engine.cluster.forwarder import Forwarder
from engine.cluster.proof import Proofs
from engine.keyring import Keyring
from engine.runtime.ports import VoiceGateway
from engine.runtime.service import RoutingService
from engine.sids import SidFactory, time_ordered_sids
from engine.storage.reads import Reads
from engine.storage.redelivery import Redelivery
from engine.stream.hub import StreamHub

API = web.AppKey("api", Api)


def build_app(
    *,
    service: RoutingService,
    reads: Reads,
    keyring: Keyring,
    redelivery: Redelivery,
    limits: ApiLimits | None = None,
    rate_limits: RateLimits | None = None,
    public_url: str = "",
    trust_forwarded: bool = False,
    voice: VoiceGateway | None = None,
    streams: StreamHub | None = None,
    forwarder: Forwarder | None = None,
    proofs: Proofs | None = None,
    metrics_text: Callable[[], Awaitable[bytes]] | None = None,
    mint: SidFactory | None = None,
    clock: Clock = wall_clock_ms,
) -> web.Application:
    """Make the HTTP application; `app[GATE].close()` begins the drain, `app[API]` is what handlers reach.

    Args:
        service: takes the commands.
        reads: answers from committed rows.
        keyring: the accounts and API keys.
        redelivery: has events delivered again.
        limits: what one request may hold.
        rate_limits: how many requests there may be; by default any number.
        public_url: base of the URLs in answers; empty takes scheme and host of each request.
        trust_forwarded: whether X-Forwarded-Proto and X-Forwarded-Host say what those are.
        voice: carries out voice instructions; None refuses them.
        streams: the event streams, which end when the application shuts down; None refuses them.
        forwarder: reaches the nodes that own other workspaces; None when there are no other nodes.
        proofs: knows requests of other nodes; without it none is.
        metrics_text: makes the text of the metrics; by default this process's own.
        mint: makes the SIDs of what clients create.
        clock: milliseconds since the epoch.
    """
    given = limits or ApiLimits()
    api = Api(
        service=service,
        reads=reads,
        keyring=keyring,
        authenticator=Authenticator(keyring, clock),
        rate_limiter=RateLimiter(rate_limits or RateLimits()),
        mint=mint or time_ordered_sids(),
        clock=clock,
        limits=given,
        public_url=public_url,
        trust_forwarded=trust_forwarded,
        redelivery=redelivery,
        voice=voice,
        streams=streams,
        forwarder=forwarder,
    )
    app = web.Application(middlewares=[edge], client_max_size=given.request_bytes_max)
    app[GATE], app[API], app[SERVICE] = Gate(), api, service
    app[DOCUMENTATION] = Documentation((*ROUTES, *ACCOUNT_ROUTES), OPEN_ROUTES, api)
    app[METRICS] = metrics_text or own_metrics
    if proofs is not None:
        app[PROOFS] = proofs
    add_routes(app, api)
    if forwarder is not None:
        add_peer_routes(app, forwarder)
    if streams is not None:
        app.on_shutdown.append(_ending(streams))
    return app


def express_of(app: web.Application, line_bytes_max: int, *, internal: bool = False) -> Express:
    """Make the short way to an application's operations; the HTTP library takes lines of `line_bytes_max`.

    An `internal` one is that of other nodes.
    """
    return Express(app[API], app[GATE], ROUTES, line_bytes_max, app[PROOFS] if internal else None)


def _ending(streams: StreamHub) -> Callable[[web.Application], Awaitable[None]]:
    async def end_streams(_: web.Application) -> None:
        streams.end_all()

    return end_streams
