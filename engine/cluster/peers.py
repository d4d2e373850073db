"""What this node sends to others: one client per node, made when it is needed and dropped when it is not."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial

from engine import metrics
from engine.cluster.connection import Connection
from engine.cluster.limits import ClusterLimits
from engine.cluster.messages import PROOF, REFUSED, TIME, Answer, Message, NoAnswer, NotSent, Refusal
from engine.cluster.peer_client import PeerClient
from engine.cluster.ports import Peer
from engine.cluster.proof import Proofs
from engine.logs import get_logger

log = get_logger()

SWEEP_S = 0.5
HINT_S = 1.0
"""How long a hint may wait to be sent."""
LOOK_PATH = "/cluster/look"
"""Where the internal listener takes the hint to look at the rows."""
_OUTCOMES = ("answered", "refused", "unsent", "lost")


class Peers:
    """Sends requests, with their proof, to the internal listeners of other nodes.

    Args:
        proofs: makes the proofs.
        limits: connections and times.
        moved: tells whether a workspace (first) has certainly another owner than the node of that name.
    """

    def __init__(
        self, proofs: Proofs, limits: ClusterLimits, moved: Callable[[str, str], bool] = lambda *_: False
    ) -> None:
        self.moved = moved
        self._proofs = proofs
        self._limits = limits
        self._clients: dict[str, PeerClient] = {}
        self._unreached: set[str] = set()
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after the connections."""
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="cluster-peers")

    async def stop(self) -> None:
        """Close every connection."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        await asyncio.sleep(0)  # transports close in the next round of the loop

    async def ask(self, peer: Peer, message: Message, deadline_s: float) -> Answer:
        """Send a request to a node and return its answer, which may be a refusal to take it in.

        Raises:
            NotSent: nothing was sent: it cannot be reached or is too busy until the deadline.
            NoAnswer: what became of the request is unknown.
        """
        client = self._client(peer)
        began_s = time.perf_counter()
        metrics.FORWARDS_UNDER_WAY.inc()
        try:
            answer = await self._send(client, message, deadline_s)
            if self._noted_time(peer, client, answer):
                answer = await self._send(client, message, deadline_s)
        except NotSent as error:
            self._note_unreached(peer, str(error))
            _count(peer, "unsent")
            raise
        except NoAnswer:
            _count(peer, "lost")
            raise
        finally:
            metrics.FORWARDS_UNDER_WAY.dec()
        self._note_reached(peer)
        _count(peer, "refused" if answer.header(REFUSED) else "answered")
        metrics.FORWARD_SECONDS.observe(time.perf_counter() - began_s)
        return answer

    def pass_on(self, peer: Peer, message: Message) -> asyncio.Future[Answer] | None:
        """Send a small request whose answer is only passed on, if that can be done at once; else None.

        The message's head is all that comes behind the proof: the empty line and the body, too.
        """
        client = self._client(peer)
        began_s = time.perf_counter()
        answer = client.pass_on(self._proved(client, message) + message.head, message.subject)
        if answer is None:
            return None
        metrics.FORWARDS_UNDER_WAY.inc()
        answer.add_done_callback(partial(_note_passed, peer, began_s))
        return answer

    async def _send(self, client: PeerClient, message: Message, deadline_s: float) -> Answer:
        return await client.send(self._signed(client, message), message.body, message.subject, deadline_s)

    async def open(self, peer: Peer, message: Message) -> tuple[Answer, Connection]:
        """Ask a node for an upgrade; when the answer is 101 the connection is the caller's.

        Raises as `ask`.
        """
        client = self._client(peer)
        try:
            answer, connection = await client.open(self._signed(client, message))
            if self._noted_time(peer, client, answer):
                answer, connection = await client.open(self._signed(client, message))
        except NotSent as error:
            self._note_unreached(peer, str(error))
            raise
        except TimeoutError:
            raise NoAnswer("it did not answer in time") from None
        return answer, connection

    def _client(self, peer: Peer) -> PeerClient:
        """Return the client of a node at its present address."""
        client = self._clients.get(peer.name)
        if client is None or client.place != peer.address:
            if client is not None:
                client.close()
            client = self._clients[peer.name] = PeerClient(peer.address, self._limits)
        return client

    def _signed(self, client: PeerClient, message: Message) -> bytes:
        length = f"Content-Length: {len(message.body)}\r\n\r\n"
        return self._proved(client, message) + message.head + length.encode()

    def _proved(self, client: PeerClient, message: Message) -> bytes:
        """Return the first line and the one with the proof, which differ from request to request."""
        proof = self._proofs.make(message.method, message.target, message.request_id, client.ahead_ms)
        lines = f"{message.method} {message.target} HTTP/1.1\r\n{PROOF}: {proof}\r\n"
        return lines.encode("utf-8", "surrogateescape")

    def _noted_time(self, peer: Peer, client: PeerClient, answer: Answer) -> bool:
        """Take the other node's time when it found the proof too old; tells whether it did."""
        if answer.status != 421 or answer.header(REFUSED) != Refusal.OLD_PROOF:
            return False
        with contextlib.suppress(ValueError):
            client.ahead_ms = int(answer.header(TIME)) - self._proofs.now_ms()
            log.warning("cluster.clocks_differ", peer=peer.name, ahead_ms=client.ahead_ms)
            return True
        return False

    def _note_unreached(self, peer: Peer, reason: str) -> None:
        if peer.name not in self._unreached:
            self._unreached.add(peer.name)
            log.warning("cluster.peer_unreached", peer=peer.name, address=peer.address, error=reason)

    def _note_reached(self, peer: Peer) -> None:
        if peer.name in self._unreached:
            self._unreached.discard(peer.name)
            log.info("cluster.peer_reached", peer=peer.name, address=peer.address)

    def _has_moved(self, name: str, subject: str) -> bool:
        return bool(subject) and self.moved(subject, name)

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                self.sweep(time.monotonic())
            except Exception:
                log.exception("cluster.sweep_failed")

    def sweep(self, now_s: float) -> None:
        """Look after all connections once."""
        for name, client in list(self._clients.items()):
            client.sweep(now_s, partial(self._has_moved, name))
            if client.quiet and now_s - client.used_s > 2 * self._limits.forward_idle_s:
                del self._clients[name]
                self._unreached.discard(name)
                for outcome in _OUTCOMES:
                    with contextlib.suppress(KeyError):
                        metrics.FORWARDED.remove(name, outcome)


class LookHints:
    """Tells other nodes to look at the rows now.

    Args:
        peers: reaches them.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def look(self, peer: Peer) -> None:
        """Tell one node; best effort."""
        message = Message("POST", LOOK_PATH, b"Host: node\r\n", repeatable=True)
        with contextlib.suppress(NotSent, NoAnswer):
            await self._peers.ask(peer, message, time.monotonic() + HINT_S)


def _count(peer: Peer, outcome: str) -> None:
    metrics.FORWARDED.labels(peer.name, outcome).inc()


def _note_passed(peer: Peer, began_s: float, answer: asyncio.Future[Answer]) -> None:
    metrics.FORWARDS_UNDER_WAY.dec()
    if answer.cancelled() or answer.exception() is not None:
        _count(peer, "lost")
        return
    _count(peer, "refused" if answer.result().header(REFUSED) else "answered")
    metrics.FORWARD_SECONDS.observe(time.perf_counter() - began_s)
