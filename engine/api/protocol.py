"""Connections: what is not HTTP is refused with the same document as any other bad request.

The HTTP library would answer plain text, and log each with a traceback that quotes what was sent, credentials
included.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from engine.addresses import Address
from engine.api.every_answer import EVERY_ANSWER, new_request_id
from engine.api.express import Express
from engine.api.peers import REQUEST_ID
from engine.api.problems import INTERNAL, ApiError, bad_request, respond
from engine.api.shared_connection import SharedConnection
from engine.logs import get_logger

log = get_logger()


class Connection(SharedConnection):
    """One connection of a client."""

    __slots__ = ()

    internal = False
    """Whether it came over the internal listener."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        _message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read as a request, or what failed outside of the application.

        The connection is closed afterwards.

        Raises:
            ConnectionError: a part of an answer has been sent already.
        """
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("an answer was under way when the connection failed")
        response = respond(_failure(request, status, exc))
        response.headers.update(EVERY_ANSWER)
        response.headers[REQUEST_ID] = new_request_id()
        response.force_close()
        return response


def _keep_private(path: str) -> None:
    Path(path).chmod(0o600)


class PeerConnection(Connection):
    """One connection of another node."""

    __slots__ = ()

    internal = True


def _failure(request: web.BaseRequest, status: int, exc: BaseException | None) -> ApiError:
    if status >= 500:
        log.error("request.failed", method=request.method, path=request.path, exc_info=exc)
        return ApiError(500, INTERNAL, "An internal error occurred")
    log.debug("request.malformed", reason=type(exc).__name__)
    if isinstance(exc, LineTooLong):
        return bad_request("The request line or a header is too long")
    return bad_request("The request is not valid HTTP")


class Site(web.BaseSite):
    """Listens, and makes a connection of each one that is accepted.

    Args:
        runner: runs the application; it must be set up.
        address: where to listen; port 0 takes a free one, a unix socket's file is made anew.
        backlog: how many connections may wait to be accepted.
        reuse_port: whether other processes listen on the port as well.
        internal: whether other nodes come here, and nobody else.
        express: the short way of its connections; None leaves everything to the HTTP library.
        options: what aiohttp's RequestHandler takes.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        address: Address,
        *,
        backlog: int,
        internal: bool = False,
        express: Express | None = None,
        reuse_port: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(runner, backlog=backlog)
        self._address = address
        self._kind = PeerConnection if internal else Connection
        self._express = express
        self._reuse_port = reuse_port
        self._options = options

    @property
    def name(self) -> str:
        """Where it was asked to listen."""
        return f"http://{self._address}"

    @property
    def address(self) -> Address:
        """Where it listens, with the port that was taken."""
        if self._address.path:
            return self._address
        server = cast("asyncio.Server", self._server)
        return replace(self._address, port=server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Begin to listen."""
        await super().start()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None, "the runner is set up"

        def accept() -> Connection:
            return self._kind(server, self._express, loop=loop, **self._options)

        address = self._address
        if address.path:
            self._server = await loop.create_unix_server(accept, address.path, backlog=self._backlog)
            _keep_private(address.path)
        else:
            self._server = await loop.create_server(
                accept, address.host, address.port, backlog=self._backlog, reuse_port=self._reuse_port or None
            )
