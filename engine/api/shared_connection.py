"""Connections that the short way and the HTTP library share.

A connection hands what arrives to the HTTP library, but for plain requests that the short way takes. As the
two must not answer at the same time, it keeps count of whose turn it is, for which it has to see where
requests end; from the first bytes on that are not plain, the connection is the library's for good.
"""

import asyncio
from enum import Enum, auto
from typing import Any

from aiohttp import web

from engine.api.express import Errand, Express
from engine.api.passage import Passage

READ_AHEAD_BYTES_MAX = 65_536
"""What may arrive behind a request on the short way before no more is read."""


class Turn(Enum):
    """Who has the word on a connection."""

    CLIENT = auto()
    """No request is under way, but perhaps the beginning of one for the short way has arrived."""
    EXPRESS = auto()
    """A request on the short way is."""
    LIBRARY = auto()
    """One plain request is with the HTTP library."""
    LIBRARY_ONLY = auto()
    """Everything goes to the HTTP library."""


class SharedConnection(web.RequestHandler):
    """A connection whose requests go the short way or to the HTTP library.

    Args:
        server: aiohttp's.
        express: the short way; None leaves everything to the library.
        loop: the event loop.
        options: what aiohttp's RequestHandler takes.
    """

    __slots__ = ("_arrived", "_errand", "_express", "_full", "_missing", "_turn")

    def __init__(
        self, server: web.Server, express: Express | None, *, loop: asyncio.AbstractEventLoop, **options: Any
    ) -> None:
        super().__init__(server, loop=loop, **options)
        self._express = express
        self._turn = Turn.LIBRARY_ONLY if express is None else Turn.CLIENT
        self._arrived = b""
        """What nobody was given yet."""
        self._full = False
        """Whether no more is read for now, because so much has arrived."""
        self._missing = 0
        """How much of its request the library is still to get."""
        self._errand: Errand | Passage | None = None
        """The request that is on the short way, or will be when all of it has arrived."""

    def data_received(self, data: bytes) -> None:
        """Take what arrived to whose turn it is."""
        if self._turn is Turn.LIBRARY_ONLY or not data:  # nothing is what the library tells itself to go on
            super().data_received(data)
        elif self._turn is Turn.LIBRARY:
            self._missing -= len(data)
            if self._missing < 0:
                self._turn = Turn.LIBRARY_ONLY
            super().data_received(data)
        else:
            self._arrived = self._arrived + data if self._arrived else data
            self._go_on()

    def resume_writing(self) -> None:
        """Go on with what arrived while the client did not read its answers."""
        super().resume_writing()
        self._go_on()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what has not been begun; what has is finished, and its answer dropped."""
        if self._turn is Turn.CLIENT and self._errand is not None:
            self._errand.cut_off()
            self._errand = None
        self._arrived = b""
        super().connection_lost(exc)

    async def shutdown(self, drain_s: float | None = 15.0) -> None:
        """Let what is under way be answered, for so many seconds, and close the connection."""
        while self._turn is Turn.EXPRESS and self._errand is not None:
            done, _ = await asyncio.wait([self._errand.future], timeout=drain_s)
            if not done:
                break
        await super().shutdown(drain_s)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer of the library's; then it is the client's turn again."""
        finished = await super().finish_response(request, resp, start_time)
        if self._turn is Turn.LIBRARY:
            self._turn = Turn.CLIENT if not self._missing and finished[0].keep_alive else Turn.LIBRARY_ONLY
        return finished

    def _go_on(self) -> None:
        """Take up what arrived, when it is its turn; read no more while there is too much of it."""
        if self._arrived and self._turn is Turn.CLIENT and not self.writing_paused:
            self._take()
        full = self._turn is not Turn.LIBRARY_ONLY and len(self._arrived) > READ_AHEAD_BYTES_MAX
        if full is not self._full and self.transport is not None:
            self._full = full
            self.transport.pause_reading() if full else self.transport.resume_reading()

    def _take(self) -> None:
        """Begin with the first request of what arrived."""
        assert self._express is not None
        data = self._arrived
        plain = self._express.heads.read(data)
        if plain is None:
            self._leave_to_library()
            return
        errand = self._errand = self._express.errand(plain)
        self._stay_open()
        if errand is not None and plain.missing:
            return
        if errand is not None and errand.start():
            self._turn = Turn.EXPRESS
            self._arrived = data[len(plain.data) :]
            errand.future.add_done_callback(self._settled)
            return
        self._errand = None
        if len(data) > len(plain.data):
            self._leave_to_library()
            return
        self._turn, self._arrived, self._missing = Turn.LIBRARY, b"", plain.missing
        super().data_received(data)

    def _leave_to_library(self) -> None:
        """Give the library what arrived, and all that will."""
        data, self._arrived = self._arrived, b""
        self._turn = Turn.LIBRARY_ONLY
        super().data_received(data)

    def _settled(self, future: asyncio.Future[Any]) -> None:
        """Answer the request on the short way."""
        errand = self._errand
        assert errand is not None
        if future.cancelled():
            self.force_close()
            return
        further = errand.further()
        if further is not None:
            further.add_done_callback(self._settled)
            return
        answer = errand.answer()
        self._errand, self._turn = None, Turn.CLIENT
        if self.transport is None:
            return
        if answer is None:
            self._arrived = errand.plain.data + self._arrived
            self._leave_to_library()
            return
        self.transport.write(answer)
        self._stay_open()
        self._go_on()

    def _stay_open(self) -> None:
        """Count the time of idleness anew: the library sees none of what goes on here."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    def _process_keepalive(self) -> None:
        if self._turn is Turn.EXPRESS:
            self._stay_open()
        super()._process_keepalive()
