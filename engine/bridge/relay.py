"""Websockets of clients whose workspace another node owns: they end there, and pass through here."""

from typing import Any, cast

from aiohttp import WSCloseCode, web

from engine import metrics
from engine.api.peers import message_of, response_of
from engine.api.problems import bad_request, unavailable
from engine.cluster.forwarder import Forwarder
from engine.cluster.messages import Answer
from engine.cluster.tunnel import Tunnel, close_frame

_MOVED = close_frame(WSCloseCode.SERVICE_RESTART, b"The workspace was loaded again")
_STOPPING = close_frame(WSCloseCode.GOING_AWAY, b"Server is shutting down")
_UPGRADE = ("Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol")


class Relays:
    """All websockets that pass through this node.

    Args:
        forwarder: finds the owners, and tells when a workspace has got another one.
        sockets_max: more than so many are refused.
    """

    def __init__(self, forwarder: Forwarder, sockets_max: int) -> None:
        self._forwarder = forwarder
        self._sockets_max = sockets_max
        self._open: set[Tunnel] = set()
        forwarder.on_news.append(self._close_moved)

    def needed(self, workspace_sid: str) -> bool:
        """Tell whether a workspace is not served here."""
        return not self._forwarder.serves(workspace_sid)

    async def serve(self, request: web.Request, workspace_sid: str) -> web.StreamResponse | None:
        """Have the owner upgrade the request and pass its websocket through until it ends.

        Returns the answer of the owner when it refuses, and None when the workspace is served here by now.

        Raises:
            ApiError: 400 when no upgrade is asked for, 503 when there are too many.
            Unavailable: no node serves the workspace.
        """
        if not web.WebSocketResponse().can_prepare(request):
            raise bad_request("Here is a websocket: the request asks for no upgrade")
        if len(self._open) >= self._sockets_max:
            raise unavailable("There are too many open websockets")
        message = message_of(request, workspace_sid, b"", upgrade=True)
        opened = await self._forwarder.open(message, self._forwarder.deadline_s())
        if opened is None:
            return None
        peer, answer, connection = opened
        if answer.status != 101:
            return response_of(answer)
        try:
            response = await _upgraded(request, answer)
            transport = request.transport
            if transport is None:
                return response
            tunnel = Tunnel(transport, connection, workspace_sid, peer.name)
            await self._run(request, tunnel)
        finally:
            connection.close()
        return response

    async def _run(self, request: web.Request, tunnel: Tunnel) -> None:
        self._open.add(tunnel)
        metrics.RELAYED_SOCKETS.inc()
        try:
            tunnel.start(_MOVED)
            request.protocol.set_parser(cast("Any", tunnel))
            await tunnel.ended()
        finally:
            self._open.discard(tunnel)
            metrics.RELAYED_SOCKETS.dec()

    def close_all(self) -> None:
        """Close every websocket, because the server stops."""
        for tunnel in list(self._open):
            tunnel.end(_STOPPING)

    def _close_moved(self) -> None:
        for tunnel in list(self._open):
            if self._forwarder.has_moved(tunnel.subject, tunnel.peer):
                tunnel.end(_MOVED)


async def _upgraded(request: web.Request, answer: Answer) -> web.StreamResponse:
    headers = {name: value for name in _UPGRADE if (value := answer.header(name))}
    response = web.StreamResponse(status=101, headers=headers)
    response.force_close()
    await response.prepare(request)
    request.protocol.keep_alive(False)
    return response
