"""The configured limits of what goes from node to node."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class ClusterLimits:
    """Times and sizes; `engine.settings.ClusterSettings` explains each of them."""

    forward_patience_s: float = 3.0
    forward_timeout_s: float = 40.0
    forward_connect_timeout_s: float = 1.0
    forward_idle_s: float = 60.0
    connections_per_peer_max: int = 64
    forwards_waiting_max: int = 1_000
