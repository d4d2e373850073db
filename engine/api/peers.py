"""Requests between nodes, seen from HTTP: which came from a peer, and how one is sent on and answered.

A peer's requests come over the internal listener, and each has a proof. Nowhere else is it looked at.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web
from multidict import CIMultiDict

from engine import metrics
from engine.api.problems import UNAVAILABLE, ApiError, respond
from engine.api.roots import root_of
from engine.cluster.forwarder import Forwarder
from engine.cluster.messages import PROOF, REFUSED, TIME, Answer, Message, Refusal
from engine.cluster.peers import LOOK_PATH
from engine.cluster.proof import NO_ID, Proofs, Verdict
from engine.cluster.sibling_metrics import METRICS_PATH
from engine.errors import NotServing
from engine.logs import get_logger

log = get_logger()

REQUEST_ID = "X-Request-Id"
IDEMPOTENCY_KEY = "Idempotency-Key"
PROOFS = web.AppKey("proofs", Proofs)
"""What the application checks peers with."""

_FROM_PEER = "from_peer"
_OF_ONE_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"}
    | {"trailer", "transfer-encoding", "upgrade", "content-length", "expect"}
)
NOT_SENT_ON = _OF_ONE_HOP | {"host", REQUEST_ID.lower(), PROOF.lower()}
_NOT_GIVEN_BACK = _OF_ONE_HOP | {"date", "server", REFUSED.lower(), TIME.lower()}
_REFUSALS = {Verdict.OLD: Refusal.OLD_PROOF, Verdict.FALSE: Refusal.FALSE_PROOF}

CarryOut = Callable[[], Awaitable[web.StreamResponse]]


def from_peer(request: web.Request) -> bool:
    """Tell whether another node has sent this request, with a proof that holds."""
    return _FROM_PEER in request


def check_peer(request: web.Request) -> web.Response | None:
    """Hold the proof of a request that came over the internal listener; None when it is true.

    Otherwise the answer is 421 and says what is wrong with it, and what time it is here.
    """
    proofs = request.app[PROOFS]
    verdict, request_id = proofs.check(request.headers.get(PROOF, ""), request.method, request.raw_path)
    if verdict is Verdict.TRUE:
        request[_FROM_PEER] = request_id
        return None
    if proofs.may_tell():
        log.warning("cluster.proof_refused", reason=verdict, method=request.method, remote=request.remote)
    refused = _misdirected("Here are other nodes of the cluster answered, by their proof", _REFUSALS[verdict])
    response = respond(refused)
    response.headers[TIME] = str(proofs.now_ms())
    return response


def request_id_of(request: web.Request) -> str | None:
    """Return the id that the node has given the request which its client has asked."""
    given: str = request.get(_FROM_PEER, NO_ID)
    return None if given == NO_ID else given


def not_serving() -> ApiError:
    """Return what a peer is told whose request is about a workspace that is not served here."""
    return _misdirected("This node does not serve the workspace", Refusal.NOT_SERVING)


def _misdirected(message: str, refusal: Refusal) -> ApiError:
    return ApiError(421, UNAVAILABLE, message, {REFUSED: refusal})


def add_peer_routes(app: web.Application, forwarder: Forwarder) -> None:
    """Serve what only other nodes ask for; to everybody else it is not there."""

    async def look(request: web.Request) -> web.Response:
        if not from_peer(request):
            raise web.HTTPNotFound
        await forwarder.directory.refresh()
        return web.Response(status=204)

    async def own_metrics(request: web.Request) -> web.Response:
        if not from_peer(request):
            raise web.HTTPNotFound
        return web.Response(body=metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})

    app.router.add_post(LOOK_PATH, look)
    app.router.add_get(METRICS_PATH, own_metrics)


async def at_owner(
    request: web.Request,
    forwarder: Forwarder,
    workspace_sid: str,
    carry_out: CarryOut,
    read_body: Callable[[], Awaitable[bytes]],
    *,
    repeatable: bool = False,
) -> web.StreamResponse:
    """Carry a request out here, if the workspace is served here, else have its owner do it.

    Args:
        request: of a client or a peer.
        forwarder: finds the owner.
        workspace_sid: an existing workspace.
        carry_out: does it here.
        read_body: returns the body, also when it has been read before.
        repeatable: whether it may be sent again in any case, as a GET and what has an idempotency key.

    Raises:
        ApiError: 421 to a peer when the workspace is not served here.
        Unavailable: there is no owner, or nobody knows what became of the request.
    """
    deadline_s = 0.0
    while True:
        if forwarder.serves(workspace_sid):
            try:
                return await carry_out()
            except NotServing:
                if deadline_s and forwarder.too_late(deadline_s):
                    raise
        if from_peer(request):
            raise not_serving()
        message = message_of(request, workspace_sid, await read_body())
        if repeatable:
            message = replace(message, repeatable=True)
        deadline_s = deadline_s or forwarder.deadline_s()
        answer = await forwarder.carry_out(message, deadline_s)
        if answer is not None:
            return response_of(answer)


def message_of(request: web.Request, workspace_sid: str, body: bytes, *, upgrade: bool = False) -> Message:
    """Return a client's request as it is sent to a peer: as it came, but for what belongs to one connection.

    `upgrade` leaves in what asks for a websocket.
    """
    listed = request.headers.get("Connection", "").lower().split(",")
    left_out = NOT_SENT_ON.union(name.strip() for name in listed)
    host = root_of(request, "", trust_forwarded=False).partition("://")[2]
    lines = [f"Host: {host}\r\n".encode()]
    for name, value in request.raw_headers:
        if name.decode("latin-1").lower() not in left_out:
            lines.append(b"%b: %b\r\n" % (name, value))
    if upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    return Message(
        request.method,
        request.raw_path,
        b"".join(lines),
        body,
        repeatable=request.method == "GET" or IDEMPOTENCY_KEY in request.headers,
        subject=workspace_sid,
        request_id=request[REQUEST_ID],
    )


def response_of(answer: Answer) -> web.Response:
    """Return a peer's answer as it is given to the client."""
    headers = CIMultiDict(
        (name, value) for name, value in answer.headers if name.lower() not in _NOT_GIVEN_BACK
    )
    return web.Response(status=answer.status, headers=headers, body=answer.body or None)
