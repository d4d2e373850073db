"""The parts that speak with other nodes, put together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.clock import wall_clock_ms
from engine.cluster.forwarder import Forwarder
from engine.cluster.limits import ClusterLimits
from engine.cluster.node import ClusterNode
from engine.cluster.peers import LookHints, Peers
from engine.cluster.proof import Proofs, shared_secret
from engine.cluster.sibling_metrics import SiblingMetrics
from engine.process_link import Place
from engine.settings import Settings
from engine.storage.cluster import ClusterRows


@dataclass(slots=True, frozen=True)
class Cluster:
    """This node among the others; `proofs` and `forwarder` are None without an internal listener."""

    member: ClusterNode
    proofs: Proofs | None = None
    forwarder: Forwarder | None = None
    metrics_text: Callable[[], Awaitable[bytes]] | None = None
    """Tells the metrics of all processes of this host, when there are several."""


def build_cluster(
    settings: Settings,
    limits: ClusterLimits,
    rows: ClusterRows,
    name: str,
    credentials_key: bytes,
    *,
    place: Place | None = None,
) -> Cluster:
    """Put the parts together; nothing is started.

    Args:
        settings: the whole tree.
        limits: times and sizes of what is sent to other nodes.
        rows: the rows that nodes know each other by.
        name: this node's name among the owners.
        credentials_key: the key that all nodes have.
        place: which of several processes of a host this is.
    """
    given = settings.cluster
    address = given.advertise or given.listen
    proofs = Proofs(shared_secret(given.secret, credentials_key), name, wall_clock_ms)
    peers = Peers(proofs, limits)
    member = ClusterNode(
        rows,
        name=name,
        address="" if address.endswith(":0") else address,
        clustered=bool(given.listen),
        balances=given.balance,
        interval_s=given.poll_interval_s,
        hints=LookHints(peers),
    )
    if not given.listen:
        return Cluster(member)
    forwarder = Forwarder(member.view, peers, limits.forward_patience_s)
    if place is None:
        return Cluster(member, proofs, forwarder)
    metrics = SiblingMetrics(peers, place.number, place.siblings())
    return Cluster(member, proofs, forwarder, metrics.text)
