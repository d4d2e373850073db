"""The limits of everything that leaves the house, as plain values."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class VoiceGatewayLimits:
    """Where voice instructions go, and what bounds them."""

    url: str = ""
    """Receives the instructions; empty is no gateway."""
    timeout_s: float = 15.0
    """How long an instruction may take, from the wait for a free slot to the last byte of the answer."""
    concurrent_max: int = 200
    """Most instructions under way."""
    response_bytes_max: int = 65_536
    """Largest answer that is read."""
    allow_private: bool = True
    """Whether the gateway may have a private or loopback address."""


@dataclass(slots=True, frozen=True)
class CallbackLimits:
    """What bounds callbacks in time, number and size. The dispatcher takes one of these."""

    assignment_timeout_s: float = 5.0
    """How long one attempt of an assignment callback may take (behaviour §8)."""
    event_timeout_s: float = 15.0
    """How long an event callback may take (behaviour §9)."""
    concurrent_max: int = 500
    """Most assignment callbacks under way."""
    concurrent_per_host_max: int = 200
    """Most assignment callbacks under way to one host and port."""
    event_concurrent_max: int = 200
    """Most event callbacks under way."""
    event_concurrent_per_host_max: int = 50
    """Most event callbacks under way to one host and port."""
    response_bytes_max: int = 65_536
    """Largest answer that is read."""
    assignment_pending_max: int = 100_000
    """Most waiting assignment callbacks held as they are; those beyond it are held compressed."""
    event_pending_max: int = 10_000
    """Most event callbacks held in memory, waiting or under way; the others wait in the database."""
    event_pending_per_workspace_max: int = 2_000
    """The same for one workspace."""
    event_retry_first_s: float = 1.0
    """Longest first pause after a failed event callback; the pauses double."""
    event_retry_max_s: float = 300.0
    """Longest pause between two attempts of an event callback."""
    event_retry_age_s: float = 86_400.0
    """How old an event may be when its last attempt fails; then it is given up."""
    event_hold_s: float = 3_600.0
    """How old an event may be, refused by a receiver that is there, before later ones overtake it."""
    event_circuit_failures: int = 5
    """How many event callbacks fail in a row before their receiver is taken to be down."""
    event_circuit_window: int = 10
    """How many event callbacks are held in memory for a receiver that is down."""
    event_circuit_pause_max_s: float = 30.0
    """Longest pause between two tries whether a receiver is there again."""
    event_poll_interval_s: float = 5.0
    """How often the database is asked for event callbacks to be made again."""
    outcomes_pending_max: int = 10_000
    """Most answers waiting to be taken in by their workspace; beyond it no callback is started."""
    outcome_retry_s: float = 600.0
    """How long an answer is offered to a workspace that cannot take it; then the outbox has to repeat it."""
    backoff_first_s: float = 0.05
    """The longest first pause between two offers of an answer."""
    backoff_max_s: float = 5.0
    """The longest pause between two offers of an answer."""
    keepalive_s: float = 4.0
    """How long an idle connection is kept: less than the 5 s after which common receivers close theirs."""
    allow_private: bool = True
    """Whether private and loopback addresses may be called."""
    resolver_threads: int = 16
    """Most host names looked up at a time."""
