"""Connections: what is not HTTP is refused with the same document as any other bad request.

The HTTP library would answer plain text, and log each with a traceback that quotes what was sent, credentials
included.
"""

import asyncio
import secrets
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from engine.api.middleware import EVERY_ANSWER, REQUEST_ID
from engine.api.problems import INTERNAL, ApiError, bad_request, respond
from engine.logs import get_logger

log = get_logger()


class Connection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = ()

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
        response.headers[REQUEST_ID] = f"RQ{secrets.token_hex(16)}"
        response.force_close()
        return response


def _failure(request: web.BaseRequest, status: int, exc: BaseException | None) -> ApiError:
    if status >= 500:
        log.error("request.failed", method=request.method, path=request.path, exc_info=exc)
        return ApiError(500, INTERNAL, "An internal error occurred")
    log.debug("request.malformed", reason=type(exc).__name__)
    if isinstance(exc, LineTooLong):
        return bad_request("The request line or a header is too long")
    return bad_request("The request is not valid HTTP")


class Site(web.BaseSite):
    """Listens, and makes a Connection of each connection.

    Args:
        runner: runs the application; it must be set up.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        backlog: how many connections may wait to be accepted.
        options: what aiohttp's RequestHandler takes.
    """

    def __init__(self, runner: web.AppRunner, host: str, port: int, *, backlog: int, **options: Any) -> None:
        super().__init__(runner, backlog=backlog)
        self._host = host
        self._port = port
        self._options = options

    @property
    def name(self) -> str:
        """Where it was asked to listen."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Begin to listen."""
        await super().start()
        loop = asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None, "the runner is set up"

        def accept() -> Connection:
            return Connection(server, loop=loop, **self._options)

        self._server = await loop.create_server(accept, self._host, self._port, backlog=self._backlog)
