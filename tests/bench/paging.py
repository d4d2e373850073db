"""A list of 200,000 tasks by pages: the first ten, the middle, the last; with every filter and order."""

import argparse
import asyncio
import base64
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from engine.api.filters import matching_task
from engine.expressions.expression import parse
from engine.routing.entities import TaskStatus
from engine.routing.views import TaskView
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.paging import Order, encode_cursor
from engine.storage.pool import Database
from engine.storage.reads import Page, PageRequest, Reads
from engine.storage.task_reads import task_order
from tests.support import many_rows
from tests.support.many_rows import HERE, sid

PAGE = 50
FIRST_PAGES = 10
RETENTION_S = 86_400.0

Listing = Callable[[PageRequest], Awaitable[Page[Any]]]

ORDERED = ("priority", "date_created", "virtual_start_time")
EXCLUSIVE = {"date_created", "virtual_start_time"}


def filters() -> dict[str, dict[str, Any]]:
    """Every filter and order by what a request says."""
    found: dict[str, dict[str, Any]] = {
        "(none)": {},
        "AssignmentStatus=pending": {"statuses": [TaskStatus.PENDING]},
        "AssignmentStatus=assigned": {"statuses": [TaskStatus.ASSIGNED]},
        "AssignmentStatus=pending,reserved,assigned": {
            "statuses": [TaskStatus.PENDING, TaskStatus.RESERVED, TaskStatus.ASSIGNED]
        },
        "TaskQueueSid": {"task_queue_sid": sid("WQ", 70)},
        "TaskQueueSid&AssignmentStatus=pending": {
            "task_queue_sid": sid("WQ", 70),
            "statuses": [TaskStatus.PENDING],
        },
        "TaskQueueName": {"task_queue_name": "q70"},
        "WorkflowSid": {"workflow_sid": sid("WW", 100)},
        "WorkflowName": {"workflow_name": "f100"},
        "Priority=0": {"priority": 0},
        "Priority=3": {"priority": 3},
        "RoutingTarget": {"routing_target": sid("WK", 9)},
        "HasAddons=true": {"has_addons": True},
        "HasAddons=false": {"has_addons": False},
        "EvaluateTaskAttributes, all match": {"predicate": matching_task(parse('language == "en"'))},
        "Ordering=Priority:desc&AssignmentStatus=pending": {
            "ordering": [("priority", True)],
            "statuses": [TaskStatus.PENDING],
        },
        "Ordering=Priority:asc&AssignmentStatus=assigned": {
            "ordering": [("priority", False)],
            "statuses": [TaskStatus.ASSIGNED],
        },
        "Ordering=Priority:asc&TaskQueueSid": {
            "ordering": [("priority", False)],
            "task_queue_sid": sid("WQ", 70),
        },
    }
    for names in itertools.chain(itertools.permutations(ORDERED, 1), itertools.permutations(ORDERED, 2)):
        for down in itertools.product((False, True), repeat=len(names)):
            # After the date of creation nothing can be equal.
            if not set(names) >= EXCLUSIVE and names[:-1] != ("date_created",):
                ordering = list(zip(names, down, strict=True))
                told = ",".join(f"{name}:{'desc' if way else 'asc'}" for name, way in ordering)
                found[f"Ordering={told}"] = {"ordering": ordering}
    return found


def main() -> None:
    """Fill a database, measure every list and print the figures as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tasks", type=int, default=200_000)
    arguments.add_argument("--repetitions", type=int, default=20)
    options = arguments.parse_args()
    figures = asyncio.run(measure(options.tasks, options.repetitions))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


async def measure(tasks: int, repetitions: int) -> dict[str, Any]:
    """Return the milliseconds of pages by list."""
    directory = Path(tempfile.mkdtemp(prefix="pm-"))
    server = EmbeddedPostgres(directory)
    try:
        await server.start()
        began_s = time.perf_counter()
        await many_rows.fill(server.dsn, tasks)
        filled_s = time.perf_counter() - began_s
        async with await Database.open(server.dsn, statement_timeout_s=60.0) as pools:
            reads = Reads(pools, finished_task_retention_s=RETENTION_S)
            view = await reads.task(HERE, sid("WT", tasks // 2 + 10))
            assert view is not None
            pages = {}
            for name, chosen in filters().items():
                places = _places(view, task_order(chosen.get("ordering", ())))
                pages[name] = await _pages(_listing(reads, chosen), places, repetitions)
                sys.stderr.write(f"{name}: {pages[name]}\n")
            nothing = matching_task(parse('language == "none"'))
            none = await _times_ms(_listing(reads, {"predicate": nothing}), PageRequest(PAGE), 1)
            return {
                "tasks": tasks,
                "page_size": PAGE,
                "filled_s": round(filled_s, 1),
                "ms": pages,
                "an_expression_that_no_task_holds_ms": round(none[0]),
            }
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _listing(reads: Reads, chosen: dict[str, Any]) -> Listing:
    return lambda page: reads.tasks(HERE, page, **chosen)


async def _pages(listing: Listing, places: tuple[str, str], repetitions: int) -> dict[str, Any]:
    """Return the median and the 99th percentile of pages by where they are; `places`: middle and end."""
    middle, end = places
    first: list[float] = []
    for _ in range(repetitions):
        request = PageRequest(PAGE)
        for _ in range(FIRST_PAGES):
            began_s = time.perf_counter()
            page = await listing(request)
            first.append((time.perf_counter() - began_s) * 1000)
            if page.next is None:
                break
            request = PageRequest(PAGE, after=page.next)
    return {
        "pages_1_to_10": _told(first),
        "middle": _told(await _times_ms(listing, PageRequest(PAGE, after=middle), repetitions)),
        "back_from_middle": _told(await _times_ms(listing, PageRequest(PAGE, before=middle), repetitions)),
        "last": _told(await _times_ms(listing, PageRequest(PAGE, before=end), repetitions)),
    }


def _places(of_the_middle: TaskView, order: Order[TaskView]) -> tuple[str, str]:
    """Return the cursors of a task from the middle, and of a place beyond the end."""
    middle = encode_cursor(of_the_middle, order)
    digit = "0" if order.keys[-1].descending else "f"
    if order.by_sid:
        return middle, f"WT{digit * 32}"
    values: list[Any] = [-(2**62) if key.descending else 2**62 for key in order.keys[:-1]]
    values.append(f"WT{digit * 32}")
    return middle, base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


async def _times_ms(listing: Listing, request: PageRequest, repetitions: int) -> list[float]:
    times = []
    for _ in range(repetitions):
        began_s = time.perf_counter()
        await listing(request)
        times.append((time.perf_counter() - began_s) * 1000)
    return times


def _told(times_ms: list[float]) -> dict[str, float]:
    ordered = sorted(times_ms)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
    }


if __name__ == "__main__":
    main()
