"""The event bridge's routes on the HTTP application, and its parts put together."""

from aiohttp import web

from engine.api.call import Api
from engine.api.problems import respond, translate
from engine.bridge.call import Bridge
from engine.bridge.hub import Hub
from engine.bridge.presence import Presence
from engine.bridge.relay import Relays
from engine.bridge.rpc import Calls
from engine.bridge.websocket import serve
from engine.cluster.forwarder import Forwarder
from engine.storage.bridge_reads import BridgeReads

PATH = "/v1/wschannels"


def add_bridge(app: web.Application, api: Api, hub: Hub, presence: Presence, reads: BridgeReads) -> None:
    """Serve the event bridge at PATH.

    Args:
        app: the application; its sockets are closed when it shuts down.
        api: the parts that the REST API is made of.
        hub: the open sockets.
        presence: what happens when they are gone.
        reads: committed rows.
    """
    calls = Calls(Bridge(api, hub, reads))
    relays = _among_nodes(api.forwarder, hub, presence) if api.forwarder else None

    async def upgrade(request: web.Request) -> web.StreamResponse:
        return await serve(request, api, hub, presence, relays)

    async def call(request: web.Request) -> web.StreamResponse:
        try:
            return await calls.answer(request)
        except Exception as error:
            known = translate(error, request.path)
            if known is None:
                raise
            response = respond(known)
            # A browser would ask its user for a password.
            response.headers.popall("WWW-Authenticate", None)
            return response

    async def close_sockets(_: web.Application) -> None:
        hub.close_all()
        if relays is not None:
            relays.close_all()

    app.router.add_get(PATH, upgrade)
    app.router.add_post(PATH, call)
    app.on_shutdown.append(close_sockets)


def _among_nodes(forwarder: Forwarder, hub: Hub, presence: Presence) -> Relays:
    """Let the bridge follow its workspaces from node to node."""
    presence.elsewhere = forwarder.elsewhere
    hub.on_recovered = presence.recovered
    forwarder.on_news.append(lambda: hub.close_moved(forwarder.elsewhere))
    return Relays(forwarder, hub.limits.sockets_max)
