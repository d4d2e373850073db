"""What one client of the event bridge may use, and when the bridge does what."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class BridgeLimits:
    """Bounds and times; `engine.settings.BridgeSettings` explains each of them."""

    heartbeat_s: float = 10.0
    event_delay_s: float = 0.1
    own_event_delay_s: float = 0.3
    ping_s: float = 30.0
    frames_pending_max: int = 512
    send_timeout_s: float = 20.0
    sockets_max: int = 20_000
    sockets_per_worker_max: int = 100
    call_bytes_max: int = 262_144
    calls_per_worker_max: int = 64
    token_grace_s: float = 5.0
    disconnect_grace_s: float = 10.0
    disconnect_activity: str = ""
