"""What the daemon counts and times, for Prometheus.

Plain objects of one registry; labels are few and bounded (never a SID). Durations are in seconds, as
Prometheus wants them.
"""

from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from engine import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REGISTRY = CollectorRegistry()
for collector in (ProcessCollector, PlatformCollector, GCCollector):
    collector(registry=REGISTRY)

_FAST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_CALLBACK_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

INFO = Gauge("pointsman_info", "Always 1; the label tells the version", ["version"], registry=REGISTRY)
INFO.labels(__version__).set(1)

ALERTS = Counter("pointsman_alerts", "Problems reported as alerts", ["level"], registry=REGISTRY)
ALERTS_LOST = Counter("pointsman_alerts_lost", "Problems that no alert tells of", registry=REGISTRY)

INBOX_COMMANDS = Gauge("pointsman_inbox_commands", "Commands waiting in all inboxes", registry=REGISTRY)
INBOX_REFUSED = Counter("pointsman_inbox_refused", "Commands refused by a full inbox", registry=REGISTRY)
BATCH_COMMANDS = Histogram(
    "pointsman_batch_commands", "Commands per batch", buckets=_SIZES, registry=REGISTRY
)
COMMIT_SECONDS = Histogram(
    "pointsman_commit_seconds", "Time to make a batch durable", buckets=_FAST_S, registry=REGISTRY
)
COMMIT_FAILURES = Counter(
    "pointsman_commit_failures", "Batches that were not committed", ["reason"], registry=REGISTRY
)
"""reason: unavailable, fenced, error."""

WORKSPACES = Gauge("pointsman_workspaces", "Workspaces owned by this daemon", registry=REGISTRY)
WORKSPACES_HANDED_OVER = Counter(
    "pointsman_workspaces_handed_over", "Workspaces given to another node", registry=REGISTRY
)
WORKSPACES_TAKEN_OVER = Counter(
    "pointsman_workspaces_taken_over",
    "Workspaces got from a node that was gone",
    registry=REGISTRY,
)
NODES = Gauge("pointsman_nodes", "Living nodes as this one sees them, itself included", registry=REGISTRY)
LEASES_LOST = Counter("pointsman_leases_lost", "Workspaces whose lease was lost", registry=REGISTRY)
TASKS = Gauge("pointsman_tasks", "Open tasks by state", ["state"], registry=REGISTRY)
RESERVATIONS = Counter("pointsman_reservations", "Reservations by outcome", ["outcome"], registry=REGISTRY)
"""outcome: created, accepted, rejected, timeout, canceled, rescinded, wrapping, completed."""

CALLBACK_SECONDS = Histogram(
    "pointsman_callback_seconds", "Time a callback took", ["kind"], buckets=_CALLBACK_S, registry=REGISTRY
)
"""kind: assignment, event, voice."""
CALLBACKS = Counter("pointsman_callbacks", "Callbacks by outcome", ["kind", "outcome"], registry=REGISTRY)
"""outcome: delivered, failed; of events also dead: given up."""
CALLBACKS_PENDING = Gauge(
    "pointsman_callbacks_pending", "Callbacks waiting or under way", ["kind"], registry=REGISTRY
)

BRIDGE_SOCKETS = Gauge("pointsman_bridge_sockets", "Websockets open", registry=REGISTRY)
BRIDGE_SOCKETS_ENDED = Counter(
    "pointsman_bridge_sockets_ended", "Websockets that have ended", ["reason"], registry=REGISTRY
)
"""reason: gone, slow, flood, expired, revoked, replaced, stale, reloaded, moved, deleted, stopping."""
BRIDGE_FRAMES = Counter("pointsman_bridge_frames", "Frames sent to websockets", registry=REGISTRY)
BRIDGE_FRAMES_DROPPED = Counter(
    "pointsman_bridge_frames_dropped", "Frames that a websocket was not sent", ["reason"], registry=REGISTRY
)
"""reason: slow, known."""
BRIDGE_WORKERS_LEFT = Counter(
    "pointsman_bridge_workers_left", "Workers moved because they were gone", registry=REGISTRY
)

STREAM_READERS = Gauge("pointsman_stream_readers", "Event streams open", registry=REGISTRY)
STREAM_READERS_ENDED = Counter(
    "pointsman_stream_readers_ended", "Event streams that have ended", ["reason"], registry=REGISTRY
)
"""reason: gone, slow, deleted, expired, credentials, stopping, failed."""
STREAM_READERS_REFUSED = Counter(
    "pointsman_stream_readers_refused", "Event streams for which there was no room", registry=REGISTRY
)
STREAM_EVENTS = Counter("pointsman_stream_events", "Events sent over streams", registry=REGISTRY)

FORWARDED = Counter(
    "pointsman_forwarded_requests", "Requests sent on to other nodes", ["peer", "outcome"], registry=REGISTRY
)
"""outcome: answered, refused (it was not the owner), unsent, lost (unknown whether carried out). A peer that
was not asked for a while is left out."""
FORWARD_SECONDS = Histogram(
    "pointsman_forward_seconds",
    "Time from sending a request on to its answer",
    buckets=_FAST_S,
    registry=REGISTRY,
)
FORWARDS_UNDER_WAY = Gauge(
    "pointsman_forwards_under_way", "Requests sent on, waiting or not answered yet", registry=REGISTRY
)
RELAYED_SOCKETS = Gauge(
    "pointsman_relayed_sockets", "Websockets of clients relayed to other nodes", registry=REGISTRY
)

REQUEST_SECONDS = Histogram(
    "pointsman_request_seconds",
    "Time from request to answer",
    ["method", "route", "status"],
    buckets=_FAST_S,
    registry=REGISTRY,
)
REQUESTS_IN_SHORT = Counter(
    "pointsman_requests_in_short", "Requests that went the short way", registry=REGISTRY
)
EVENTS_REDACTED = Counter(
    "pointsman_events_redacted", "Old events whose task attributes were removed", registry=REGISTRY
)
STATISTICS_ROUND_SECONDS = Gauge(
    "pointsman_statistics_round_seconds", "Time the last adding up of the log took", registry=REGISTRY
)
DATABASE_UP = Gauge("pointsman_database_up", "1 while the database answers", registry=REGISTRY)


def count_tasks(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Move the gauge of open tasks from what a workspace had to what it has now, both by state."""
    for state in before.keys() | after.keys():
        change = after.get(state, 0) - before.get(state, 0)
        if change:
            TASKS.labels(state).inc(change)


def render() -> bytes:
    """Return all metrics in the text format, of type CONTENT_TYPE."""
    return generate_latest(REGISTRY)
