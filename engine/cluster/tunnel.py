"""A client's websocket whose other end is at another node: bytes as they come, in both directions.

Nothing is taken apart but the lengths of the frames to the client, so that a close frame can be put where one
may stand. A client or a node that does not take what it is sent is cut off: nothing piles up here.
"""

import asyncio

from engine.cluster.connection import Connection

TO_CLIENT_BYTES_MAX = 1_048_576
TO_OWNER_BYTES_MAX = 65_536
_CLOSE = 0x8
_EXTENDED = {126: 2, 127: 8}


class Frames:
    """Follows the frames of a server in a stream of bytes."""

    __slots__ = ("_head", "_left", "closing")

    def __init__(self) -> None:
        self.closing = False
        """Whether a close frame has begun."""
        self._head = bytearray()
        self._left = 0

    @property
    def between(self) -> bool:
        """Whether the next byte begins a frame."""
        return not self._head and not self._left

    def feed(self, data: bytes) -> None:
        """Take in the next bytes."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            self._head.append(data[at])
            at += 1
            self._read_head()

    def _read_head(self) -> None:
        if len(self._head) < 2:
            return
        short = self._head[1] & 0x7F
        extended = _EXTENDED.get(short, 0)
        if len(self._head) < 2 + extended:
            return
        self._left = int.from_bytes(self._head[2:], "big") if extended else short
        self.closing = self.closing or self._head[0] & 0x0F == _CLOSE
        self._head.clear()


class Tunnel:
    """Joins a client's transport with a connection to another node.

    aiohttp feeds it what the client sends, as it would a parser of websocket frames.

    Args:
        client: the transport to the client, behind its answered upgrade.
        owner: the connection to the other node, behind its answer.
        subject: the workspace.
        peer: the name of the other node.
    """

    def __init__(self, client: asyncio.Transport, owner: Connection, subject: str, peer: str) -> None:
        self.subject = subject
        self.peer = peer
        self._client = client
        self._owner = owner
        self._frames = Frames()
        self._lost = b""
        self._to_owner: asyncio.Transport | None = None
        self._done = asyncio.get_running_loop().create_future()

    def start(self, lost: bytes) -> None:
        """Begin to relay; `lost` is the close frame that the client gets when the owner goes without one."""
        self._lost = lost
        self._to_owner = self._owner.switch(self._from_owner, self._owner_gone)

    async def ended(self) -> None:
        """Return when either side is gone."""
        await self._done

    def end(self, close_frame: bytes) -> None:
        """Close the websocket towards the client, and leave the owner."""
        if self._done.done():
            return
        if self._frames.between and not self._frames.closing and not self._client.is_closing():
            self._client.write(close_frame)
        self._finish()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take in what the client sends."""
        assert self._to_owner is not None
        if not self._done.done():
            self._to_owner.write(data)
            if self._to_owner.get_write_buffer_size() > TO_OWNER_BYTES_MAX:
                self._abort()
        return False, b""

    def feed_eof(self) -> None:
        """The client is gone."""
        self._finish()

    def _from_owner(self, data: bytes) -> None:
        if self._done.done() or self._client.is_closing():
            return
        self._frames.feed(data)
        self._client.write(data)
        if self._client.get_write_buffer_size() > TO_CLIENT_BYTES_MAX:
            self._abort()

    def _owner_gone(self) -> None:
        self.end(self._lost)

    def _abort(self) -> None:
        self._client.abort()
        self._finish()

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)


def close_frame(code: int, reason: bytes) -> bytes:
    """Return the frame with which a server closes a websocket; the reason may have 123 bytes."""
    payload = code.to_bytes(2, "big") + reason
    assert len(payload) <= 125
    return bytes((0x80 | _CLOSE, len(payload))) + payload
