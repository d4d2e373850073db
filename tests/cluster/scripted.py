"""A peer that does what a test says, on a real socket, and a directory that says what a test says."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from engine.clock import wall_clock_ms
from engine.cluster.forwarder import Forwarder
from engine.cluster.limits import ClusterLimits
from engine.cluster.messages import Message
from engine.cluster.peers import Peers
from engine.cluster.ports import Peer
from engine.cluster.proof import Proofs

SECRET = b"known to all nodes"
WS = "WS" + "0" * 32


def answer(body: str = "{}", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


NOT_SERVING = answer("{}", "421 Misdirected Request", "X-Pointsman-Refused: not-serving")


@dataclass
class ScriptedPeer:
    """Answers each request with the next of `answers`; None cuts the connection, an event is waited for.

    The last answer is given again and again.
    """

    answers: list[bytes | asyncio.Event | None]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    address: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def start(self, port: int = 0) -> "ScriptedPeer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def cut(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.close()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while request := await _request(reader):
                self.requests.append(request)
                self.asked.set()
                given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(given, asyncio.Event):
                    await given.wait()
                    given = answer()
                if given is None:
                    return
                writer.write(given)
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = int(head.lower().rpartition(b"content-length:")[2].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


class SaidDirectory:
    """Says who owns the workspace as the test does."""

    def __init__(self) -> None:
        self.owner: Peer | None = None
        self.looks = 0
        self._changed = asyncio.Event()
        self.next: list[Peer | None] = []

    def owner_of(self, workspace_sid: str) -> Peer | None:
        return self.owner

    async def refresh(self) -> None:
        self.looks += 1
        if self.next:
            self.say(self.next.pop(0))

    async def changed(self) -> None:
        await self._changed.wait()

    def say(self, owner: Peer | None) -> None:
        self.owner = owner
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


@dataclass
class World:
    """A forwarder, its directory, and the peers it may find."""

    directory: SaidDirectory
    peers: Peers
    forwarder: Forwarder
    scripted: list[ScriptedPeer] = field(default_factory=list)

    async def peer(self, *answers: bytes | asyncio.Event | None, name: str = "other") -> ScriptedPeer:
        """Start a peer and say that it owns the workspace."""
        scripted = await ScriptedPeer(list(answers)).start()
        self.scripted.append(scripted)
        self.directory.say(Peer(name, scripted.address))
        return scripted

    async def send(self, *, repeatable: bool = False, patience_s: float = 5.0) -> bytes | None:
        """Have a request carried out; returns the body of the answer."""
        message = Message("POST", f"/v1/Workspaces/{WS}/Tasks", b"Host: x\r\n", b"A=1", repeatable, WS)
        found = await self.forwarder.carry_out(message, time.monotonic() + patience_s)
        return None if found is None else found.body


@asynccontextmanager
async def world(**limits: float) -> AsyncIterator[World]:
    directory = SaidDirectory()
    peers = Peers(Proofs(SECRET, "here", wall_clock_ms), ClusterLimits(**limits))
    forwarder = Forwarder(directory, peers, limits.get("forward_patience_s", 5.0))
    forwarder.start()
    made = World(directory, peers, forwarder)
    try:
        yield made
    finally:
        await forwarder.stop()
        for scripted in made.scripted:
            await scripted.stop()
