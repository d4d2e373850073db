"""The metrics of all processes of this host, asked of each over its internal listener."""

import asyncio
import time
from collections.abc import Mapping

from engine import metrics
from engine.cluster.messages import Message, NoAnswer, NotSent
from engine.cluster.peers import Peers
from engine.cluster.ports import Peer
from engine.merged_metrics import merged

METRICS_PATH = "/cluster/metrics"
"""Where the internal listener tells the metrics of its own process."""
ANSWER_S = 1.0
"""How long a process may take to be connected to."""


class SiblingMetrics:
    """Puts the metrics of the processes together; one that does not answer is left out.

    Args:
        peers: the connections.
        number: which of the processes this is.
        siblings: the addresses of the others by number.
    """

    def __init__(self, peers: Peers, number: int, siblings: Mapping[int, str]) -> None:
        self._peers = peers
        self._number = number
        self._siblings = {each: Peer(f"process-{each}", address) for each, address in siblings.items()}

    async def text(self) -> bytes:
        """Return the metrics of all, in the text format of Prometheus."""
        told = await asyncio.gather(*(self._of(peer) for peer in self._siblings.values()))
        texts = {number: text for number, text in zip(self._siblings, told, strict=True) if text}
        return merged({**texts, self._number: metrics.render()})

    async def _of(self, peer: Peer) -> bytes | None:
        message = Message("GET", METRICS_PATH, b"Host: node\r\n", repeatable=True)
        try:
            answer = await self._peers.ask(peer, message, time.monotonic() + ANSWER_S)
        except (NotSent, NoAnswer):
            return None
        return answer.body if answer.status == 200 else None
