"""What following the log may cost, and when."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class StreamLimits:
    """Bounds and times; `engine.settings.StreamSettings` explains each of them."""

    readers_max: int = 10_000
    readers_per_account_max: int = 5_000
    ring_events_max: int = 1_000
    ring_bytes_max: int = 67_108_864
    send_buffer_bytes_max: int = 32_768
    send_timeout_s: float = 20.0
    heartbeat_s: float = 15.0
    poll_interval_s: float = 0.5
