"""`GET /v1/wschannels`: the upgrade, the first message, and the socket's life (SDK protocol §2)."""

import orjson
from aiohttp import web

from engine.api.call import Api
from engine.api.forms import Form, parse_urlencoded
from engine.api.peers import from_peer, not_serving
from engine.api.problems import bad_request
from engine.bridge import payloads
from engine.bridge.hub import Hub
from engine.bridge.payloads import Scope
from engine.bridge.presence import Presence
from engine.bridge.relay import Relays
from engine.bridge.socket import CLOSE_TIMEOUT_S, MESSAGE_BYTES_MAX, Socket
from engine.bridge.tokens import check_worker, identify
from engine.logs import get_logger
from engine.storage.reads import PageRequest

log = get_logger()

_QUERY_FIELDS_MAX = 20
_ACTIVITIES_MAX = 10_000


async def serve(
    request: web.Request, api: Api, hub: Hub, presence: Presence, relays: Relays | None
) -> web.StreamResponse:
    """Upgrade a request and serve its socket until it closes, here or at the owner of its workspace.

    Raises:
        ApiError: before the upgrade: 400 when it asks for none, 401 or 403 for a bad token, 429 or 503 for
            too many sockets; 421 to another node when the workspace is not served here.
    """
    query = parse_urlencoded(request.rel_url.raw_query_string.encode(), _QUERY_FIELDS_MAX)
    session = await identify(api.authenticator, _last(query, "token"))
    key = session.workspace_sid, session.worker_sid
    hub.check_room(key)
    await check_worker(api, session)
    if relays is not None and relays.needed(key[0]):
        if from_peer(request):
            raise not_serving()
        relayed = await relays.serve(request, key[0])
        if relayed is not None:
            return relayed
    everything = PageRequest(_ACTIVITIES_MAX)
    await hub.know_activities(key[0], lambda: api.reads.activities(key[0], everything))
    ws = web.WebSocketResponse(
        heartbeat=hub.limits.ping_s, timeout=CLOSE_TIMEOUT_S, compress=False, max_msg_size=MESSAGE_BYTES_MAX
    )
    if not ws.can_prepare(request):
        raise bad_request("Here is a websocket: the request asks for no upgrade")
    await ws.prepare(request)
    goes_offline = _ASKED.get(_last(query, "setWorkerOfflineIfDisconnected").lower())
    socket = Socket(ws, request.transport, session, goes_offline, api.clock(), hub.limits)
    hub.add(socket)
    try:
        scope = Scope(session.account_sid, key[0], socket.opened_ms)
        lifetime_ms = session.expires_ms - socket.opened_ms
        socket.put(_message("init", payloads.init(scope, key[1], lifetime_ms)))
        await presence.arrived(socket)
        if _last(query, "closeExistingSessions").lower() == "true":
            hub.replace_others(socket)
        log.info(
            "bridge.socket_opened",
            account_sid=session.account_sid,
            workspace_sid=key[0],
            worker_sid=key[1],
            client=_last(query, "clientVersion")[:_CLIENT_CHARS_MAX],
        )
        await socket.run()
    finally:
        hub.remove(socket)
    return ws


_ASKED = {"true": True, "false": False}
_CLIENT_CHARS_MAX = 32


def _message(event_type: str, payload: payloads.Payload) -> str:
    return orjson.dumps({"event_type": event_type, "payload": payload}).decode()


def _last(query: Form, name: str) -> str:
    return next(reversed(query.all(name)), "")
