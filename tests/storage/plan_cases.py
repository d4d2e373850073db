"""Every read of the API, with each filter and order, and what it may cost at `ROWS` rows a table."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.routing.deliveries import DeliveryStatus
from engine.routing.entities import ReservationStatus, TaskStatus
from engine.routing.rollups import HOUR_MS, MINUTE_MS
from engine.routing.statistics_views import Scope
from engine.storage.bridge_reads import BridgeReads
from engine.storage.event_log import EventLog, Position
from engine.storage.partitions import DAY_MS
from engine.storage.reads import PageRequest, Reads
from engine.storage.store import PostgresStore
from tests.support import many_rows
from tests.support.many_rows import ACCOUNT, HERE, QUEUES, sid
from tests.support.plans import Plan, rows_read

ROWS = 50_000
PAGE = 50
WORKERS = ROWS // 3


@dataclass(slots=True, frozen=True)
class Bounds:
    """What a statement may cost: rows of a scan, rows into a sort, blocks in all; `whole` needs no index."""

    rows: int = 10 * PAGE
    sorted: int = 2 * PAGE
    blocks: int = 40 * PAGE
    whole: bool = False

    def assert_held_by(self, plan: Plan, name: str) -> None:
        for scan in plan.scans():
            assert self.whole or "Index" in scan["Node Type"] or rows_read(scan) == 0, (name, scan)
            assert rows_read(scan) <= self.rows, (name, scan)
        assert plan.sorted_rows() <= self.sorted, (name, plan.root)
        assert plan.blocks <= self.blocks, (name, plan.blocks, plan.root)


PAGE_SIZED = Bounds()
MERGED = Bounds(sorted=len(TaskStatus) * (PAGE + 1))
"""One walk per status, merged."""
ALL_WORKERS = Bounds(rows=ROWS, sorted=WORKERS + 1, blocks=2 * ROWS, whole=True)
"""No index has the order of a change; a workspace has at most 15,000 workers (contract §10)."""
ALL_QUEUES = Bounds(rows=ROWS // 10, sorted=ROWS // 10, blocks=ROWS)
"""Nor is there one for queues, at most 5,000."""
SPARSE = Bounds(rows=4 * PAGE * QUEUES, blocks=4 * PAGE * QUEUES)
"""A queue's share of the log: the walk passes by the others' events."""
JOINED = Bounds(rows=ROWS // 5, sorted=ROWS // 50, blocks=ROWS // 5, whole=True)
"""A worker's events, and the deliveries beyond the cursor."""
SOME = Bounds(rows=ROWS // 100, sorted=ROWS // 100, blocks=ROWS // 10)
"""So few rows have what is asked for that they are picked and sorted."""
WITHIN_TIES = Bounds(rows=ROWS // 10, sorted=ROWS // 10, blocks=ROWS // 5)
"""Rows that share the first key are walked by the index of the second one, past those that do not."""
CHUNKED = Bounds(rows=1_100, blocks=12_000)
"""Rows are read 500 at a time when an expression decides."""

Listing = Callable[[PageRequest], Awaitable[Any]]

TASK_LISTS: dict[str, tuple[dict[str, Any], Bounds]] = {
    "all": ({}, PAGE_SIZED),
    "one status": ({"statuses": [TaskStatus.ASSIGNED]}, PAGE_SIZED),
    "finished": ({"statuses": [TaskStatus.COMPLETED]}, PAGE_SIZED),
    "two statuses": ({"statuses": [TaskStatus.ASSIGNED, TaskStatus.PENDING]}, MERGED),
    "all statuses": ({"statuses": list(TaskStatus)}, MERGED),
    "queue": ({"task_queue_sid": sid("WQ", 70)}, MERGED),
    "queue and status": (
        {"task_queue_sid": sid("WQ", 70), "statuses": [TaskStatus.PENDING]},
        PAGE_SIZED,
    ),
    "queue by name": ({"task_queue_name": "q70"}, MERGED),
    "an unknown queue": ({"task_queue_sid": sid("WQ", 7)}, PAGE_SIZED),
    "workflow": ({"workflow_sid": sid("WW", 100)}, MERGED),
    "workflow by name": ({"workflow_name": "f100"}, MERGED),
    "priority": ({"priority": 3}, PAGE_SIZED),
    "an absent priority": ({"priority": 77}, PAGE_SIZED),
    "routing target": ({"routing_target": sid("WK", 9)}, PAGE_SIZED),
    "add-ons": ({"has_addons": True}, PAGE_SIZED),
    "no add-ons": ({"has_addons": False}, PAGE_SIZED),
    "expression": (
        {"predicate": lambda view: view.priority == 0},
        CHUNKED,
    ),
    "newest first": ({"ordering": [("date_created", True)]}, PAGE_SIZED),
    "by priority, a status": (
        {"ordering": [("priority", True)], "statuses": [TaskStatus.PENDING]},
        PAGE_SIZED,
    ),
    "by priority, a rare status": (
        {"ordering": [("priority", True)], "statuses": [TaskStatus.ASSIGNED]},
        SOME,
    ),
    "by priority, a queue": ({"ordering": [("priority", False)], "task_queue_sid": sid("WQ", 70)}, SOME),
} | {
    "by " + ", ".join(f"{name} {'desc' if down else 'asc'}" for name, down in ordering): (
        {"ordering": ordering},
        WITHIN_TIES if len(names) > 1 and names[1] != "date_created" else PAGE_SIZED,
    )
    for names in (
        ("priority",),
        ("virtual_start_time",),
        ("priority", "date_created"),
        ("priority", "virtual_start_time"),
        ("virtual_start_time", "priority"),
    )
    for directions in range(2 ** len(names))
    for ordering in [[(name, bool(directions >> i & 1)) for i, name in enumerate(names)]]
}

EVENT_LISTS: dict[str, tuple[dict[str, Any], Bounds]] = {
    "all": ({}, PAGE_SIZED),
    "task": ({"task_sid": sid("WT", 70)}, PAGE_SIZED),
    "worker": ({"worker_sid": sid("WK", 21)}, PAGE_SIZED),
    "reservation": ({"reservation_sid": sid("WR", 70)}, PAGE_SIZED),
    "type": ({"event_type": "task.created"}, PAGE_SIZED),
    "task channel": ({"task_channel_sid": "TC"}, PAGE_SIZED),
    "workflow": ({"workflow_sid": sid("WW", 100)}, SPARSE),
    "queue": ({"task_queue_sid": sid("WQ", 70)}, SPARSE),
    "sid": ({"sid": sid("EV", 0)}, PAGE_SIZED),
}


DELIVERY_LISTS: dict[str, tuple[dict[str, Any], Bounds]] = {
    "all": ({}, PAGE_SIZED),
    "delivered": ({"status": DeliveryStatus.DELIVERED}, PAGE_SIZED),
    "pending": ({"status": DeliveryStatus.PENDING}, PAGE_SIZED),
    "dead": ({"status": DeliveryStatus.DEAD}, PAGE_SIZED),
    "type": ({"event_type": "task.created"}, PAGE_SIZED),
    "task": ({"task_sid": sid("WT", 70)}, PAGE_SIZED),
    "worker": ({"worker_sid": sid("WK", 21)}, JOINED),
    "event": ({"event_sid": sid("EV", 0)}, PAGE_SIZED),
}


def lists(reads: Reads, now_ms: int) -> dict[str, tuple[Listing, Bounds]]:
    """Every list, with every filter and order."""
    window = {"start_ms": now_ms - DAY_MS, "end_ms": now_ms}
    found: dict[str, tuple[Listing, Bounds]] = {
        "workspaces": (lambda page: reads.workspaces(ACCOUNT, page), PAGE_SIZED),
        "workspaces by name": (
            lambda page: reads.workspaces(ACCOUNT, page, friendly_name="w10"),
            Bounds(rows=ROWS // 10, blocks=ROWS // 5),
        ),
        "activities": (lambda page: reads.activities(HERE, page), PAGE_SIZED),
        "available activities": (lambda page: reads.activities(HERE, page, available=True), PAGE_SIZED),
        "activities by name": (lambda page: reads.activities(HERE, page, friendly_name="a500"), PAGE_SIZED),
        "task channels": (lambda page: reads.task_channels(HERE, page), PAGE_SIZED),
        "task queues": (lambda page: reads.task_queues(HERE, page), PAGE_SIZED),
        "task queues by name": (lambda page: reads.task_queues(HERE, page, friendly_name="q70"), PAGE_SIZED),
        "task queues of a worker": (
            lambda page: reads.task_queues(HERE, page, predicate=lambda view: True),
            CHUNKED,
        ),
        "workflows": (lambda page: reads.workflows(HERE, page), PAGE_SIZED),
        "workflows by name": (lambda page: reads.workflows(HERE, page, friendly_name="f100"), PAGE_SIZED),
        "workers": (lambda page: reads.workers(HERE, page), PAGE_SIZED),
        "workers of an activity": (
            lambda page: reads.workers(HERE, page, activity_sid=sid("WA", 1500)),
            PAGE_SIZED,
        ),
        "available workers": (lambda page: reads.workers(HERE, page, available=True), PAGE_SIZED),
        "workers by name": (lambda page: reads.workers(HERE, page, friendly_name="k300"), PAGE_SIZED),
        "workers by the name of an activity": (
            lambda page: reads.workers(HERE, page, activity_name="a1500"),
            ALL_WORKERS,
        ),
        "workers by expression": (
            lambda page: reads.workers(HERE, page, predicate=lambda view: True),
            CHUNKED,
        ),
        "worker channels": (lambda page: reads.worker_channels(HERE, sid("WK", 3), page), PAGE_SIZED),
        "reservations of a task": (
            lambda page: reads.task_reservations(HERE, sid("WT", 77), page),
            PAGE_SIZED,
        ),
        "reservations of a worker": (
            lambda page: reads.worker_reservations(HERE, sid("WK", 21), page),
            PAGE_SIZED,
        ),
        "accepted reservations of a worker": (
            lambda page: reads.worker_reservations(
                HERE, sid("WK", 21), page, status=ReservationStatus.ACCEPTED
            ),
            PAGE_SIZED,
        ),
        "transfers of a task": (lambda page: reads.transfers(HERE, sid("WT", 77), page), PAGE_SIZED),
        "alerts": (lambda page: reads.alerts(HERE, page, **window), PAGE_SIZED),
        "alerts about a task": (
            lambda page: reads.alerts(HERE, page, **window, task_sid=sid("WT", 77)),
            PAGE_SIZED,
        ),
        "keys": (lambda page: reads.api_keys(ACCOUNT, page), PAGE_SIZED),
    }
    for name, (filters, bounds) in TASK_LISTS.items():
        found[f"tasks: {name}"] = (lambda page, f=filters: reads.tasks(HERE, page, **f), bounds)
    for name, (filters, bounds) in EVENT_LISTS.items():
        found[f"events: {name}"] = (lambda page, f=filters: reads.events(HERE, page, **window, **f), bounds)
    for name, (filters, bounds) in DELIVERY_LISTS.items():
        found[f"deliveries: {name}"] = (lambda page, f=filters: reads.deliveries(HERE, page, **f), bounds)
    for key in ("date_created", "date_updated", "date_status_changed", "friendly_name"):
        for down in (False, True):
            order = [(key, down)]
            bounds = PAGE_SIZED if key == "date_created" else ALL_WORKERS
            found[f"workers by {key} {down}"] = (
                lambda page, o=order: reads.workers(HERE, page, ordering=o),
                bounds,
            )
            if key != "date_status_changed":
                bounds = PAGE_SIZED if key == "date_created" else ALL_QUEUES
                found[f"task queues by {key} {down}"] = (
                    lambda page, o=order: reads.task_queues(HERE, page, ordering=o),
                    bounds,
                )
    return found


def stretches(log: EventLog, now_ms: int) -> dict[str, tuple[Callable[[], Awaitable[Any]], Bounds]]:
    """Every read of those who follow the log."""
    middle = Position(ROWS // 2, many_rows.event_ms(ROWS // 2, now_ms, ROWS))
    return {
        "positions": (lambda: log.positions([HERE]), PAGE_SIZED),
        "last event": (lambda: log.last(HERE), PAGE_SIZED),
        "events after": (lambda: log.after(HERE, middle, PAGE), PAGE_SIZED),
        "events before": (lambda: log.before(HERE, middle, PAGE), PAGE_SIZED),
        "a sequence": (lambda: log.find(HERE, ROWS // 3), PAGE_SIZED),
    }


def fetches(
    reads: Reads, bridge: BridgeReads, store: PostgresStore, now_ms: int
) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Every fetch of one thing."""
    newest = many_rows.event_sid(ROWS - 7, now_ms, ROWS)
    return {
        "workspace": lambda: reads.workspace(ACCOUNT, sid("WS", 10)),
        "activity": lambda: reads.activity(HERE, sid("WA", 500)),
        "task channel": lambda: reads.task_channel(HERE, sid("TC", 2500)),
        "task channel by name": lambda: reads.task_channel(HERE, "c2500"),
        "task queue": lambda: reads.task_queue(HERE, sid("WQ", 10)),
        "workflow": lambda: reads.workflow(HERE, sid("WW", 50)),
        "worker": lambda: reads.worker(HERE, sid("WK", 3)),
        "worker channel": lambda: reads.worker_channel(HERE, sid("WK", 3), sid("WC", 15)),
        "worker channel by name": lambda: reads.worker_channel(HERE, sid("WK", 3), "c2500"),
        "task": lambda: reads.task(HERE, sid("WT", 7)),
        "reservation of a task": lambda: reads.task_reservation(HERE, sid("WT", 7), sid("WR", 7)),
        "reservation of a worker": lambda: reads.worker_reservation(HERE, sid("WK", 21), sid("WR", 7)),
        "event": lambda: reads.event(HERE, newest),
        "delivery": lambda: reads.delivery(HERE, f"ED{newest[2:]}"),
        "alert": lambda: reads.alert(HERE, sid("NO", 1000)),
        "offers": lambda: bridge.offers(HERE, sid("WK", 21), [ReservationStatus.REJECTED], size=PAGE),
        "offer": lambda: bridge.offer(HERE, sid("WR", 7)),
        "key": lambda: reads.api_key(ACCOUNT, sid("SK", 500)),
        "finished task": lambda: store.finished_task(HERE, sid("WT", 3), 0),
        "any reservation": lambda: store.reservation(HERE, sid("WR", 3)),
        "any transfer": lambda: store.transfer(HERE, sid("TT", 3)),
        "transfer": lambda: reads.transfer(HERE, sid("WT", 77), sid("TT", 77)),
        "kept answer": lambda: store.kept_answers(HERE, "/v1/7", "70", 0),
    }


def statistics(reads: Reads, now_ms: int) -> dict[str, tuple[Callable[[], Awaitable[Any]], Bounds]]:
    """Every statistic, over windows that need minutes, hours and the events at both ends."""
    found: dict[str, tuple[Callable[[], Awaitable[Any]], Bounds]] = {}
    asked = {
        Scope.WORKSPACE: HERE,
        Scope.QUEUE: sid("WQ", 70),
        Scope.WORKFLOW: sid("WW", 100),
        Scope.WORKER: sid("WK", 21),
    }
    # Two ends of less than a minute each, and what the log holds of one.
    bounds = Bounds(rows=4 * ROWS // 1440 + 5 * PAGE, sorted=ROWS // 10, blocks=6_000)
    for span_ms in (15 * MINUTE_MS, 2 * HOUR_MS, DAY_MS):
        window = {"start_ms": now_ms - span_ms, "end_ms": now_ms}
        for scope, of in asked.items():
            call = partial(reads.cumulative, HERE, scope, [of], thresholds=(10, 60), **window)
            found[f"{scope} over {span_ms} ms"] = (call, bounds)
        of_one = partial(reads.activity_durations, HERE, [sid("WK", 21)], **window)
        found[f"activities of a worker over {span_ms} ms"] = (of_one, bounds)
        everybody = partial(reads.activity_durations, HERE, None, **window)
        found[f"activities of all over {span_ms} ms"] = (everybody, ALL_WORKERS)
    return found
