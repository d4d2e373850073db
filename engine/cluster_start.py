"""The parts that speak with other nodes, put together."""

from dataclasses import dataclass

from engine.clock import wall_clock_ms
from engine.cluster.forwarder import Forwarder
from engine.cluster.limits import ClusterLimits
from engine.cluster.peers import Peers
from engine.cluster.ports import Directory
from engine.cluster.proof import Proofs, shared_secret


@dataclass(slots=True, frozen=True)
class Cluster:
    """What a node with an internal listener has; without one there is none of it."""

    directory: Directory
    proofs: Proofs
    peers: Peers
    forwarder: Forwarder


def build_cluster(
    directory: Directory, node: str, limits: ClusterLimits, *, secret: str, credentials_key: bytes
) -> Cluster:
    """Put the parts together; nothing is started.

    Args:
        directory: which node owns which workspace.
        node: the name of this node among the owners.
        limits: times and sizes.
        secret: the setting; empty takes the key.
        credentials_key: the key that all nodes have.
    """
    proofs = Proofs(shared_secret(secret, credentials_key), node, wall_clock_ms)
    peers = Peers(proofs, limits)
    return Cluster(directory, proofs, peers, Forwarder(directory, peers, limits.forward_patience_s))
