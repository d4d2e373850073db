"""Cumulative statistics over a day of a million tasks, and what counting costs the core."""

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg

from engine.clock import wall_clock_ms
from engine.routing.entities import TaskStatus
from engine.routing.rollups import COUNTERS, HOUR_MS, MINUTE_MS
from engine.routing.statistics import STATUSES, Tally
from engine.routing.statistics_views import Scope
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from engine.storage.pool import Database
from engine.storage.reads import Reads
from tests.storage.builders import task

WORKSPACE = "WS" + "1" * 32
QUEUES = 20
WORKERS = 500
WAITS_S = 300
EVENTS_PER_TASK = 7
DAY_MS = 86_400_000

_COUNTS = f"""
    INSERT INTO statistics_counts
    SELECT '{WORKSPACE}', scope, span, start, 'TC' || repeat('1', 32), {{counters}}
    FROM unnest($1::text[], $2::bigint[]) AS scopes (scope, tasks_per_minute),
        LATERAL (
            SELECT {MINUTE_MS} AS span, $3::bigint + n * {MINUTE_MS} AS start, tasks_per_minute AS tasks
            FROM generate_series(0, 1439) AS n
            UNION ALL
            SELECT {HOUR_MS}, $3::bigint + n * {HOUR_MS}, tasks_per_minute * 60
            FROM generate_series(0, 23) AS n
        ) AS spans
""".format(counters=", ".join("tasks" for _ in COUNTERS))

_DURATIONS = f"""
    INSERT INTO statistics_durations
    SELECT '{WORKSPACE}', scope, span, start, measure, 'TC' || repeat('1', 32), seconds, 1 + tasks / {WAITS_S}
    FROM unnest($1::text[], $2::bigint[]) AS scopes (scope, tasks_per_minute),
        unnest(ARRAY['until_accepted', 'until_canceled', 'in_queue_until_accepted']) AS measures (measure),
        LATERAL (
            SELECT {MINUTE_MS} AS span, $3::bigint + n * {MINUTE_MS} AS start, tasks_per_minute AS tasks
            FROM generate_series(0, 1439) AS n
            UNION ALL
            SELECT {HOUR_MS}, $3::bigint + n * {HOUR_MS}, tasks_per_minute * 60
            FROM generate_series(0, 23) AS n
        ) AS spans,
        LATERAL (
            SELECT (n * 37) % {WAITS_S} AS seconds FROM generate_series(1, least(tasks, {WAITS_S})) AS n
        ) AS values
"""

_EVENTS = f"""
    INSERT INTO events (
        workspace_sid, sid, sequence, event_type, event_date_ms, description, resource_type, resource_sid,
        data, task_queue_sid, workflow_sid, task_channel_sid, worker_sid, task_sid
    )
    SELECT '{WORKSPACE}', 'EV' || lpad(n::text, 32, '0'), n,
        (ARRAY['task.created', 'task-queue.entered', 'reservation.created', 'reservation.accepted',
               'task.updated', 'reservation.completed', 'task.completed'])[1 + n % 7],
        $1::bigint + n * 120000 / $2::bigint, '', '', '',
        json_build_object('task_age', (n % {WAITS_S})::text, 'task_attributes', repeat('x', 600))::text,
        'WQ' || lpad((n % {QUEUES})::text, 32, '0'), 'WW' || repeat('1', 32), 'TC' || repeat('1', 32),
        'WK' || lpad((n % {WORKERS})::text, 32, '0'), 'WT' || lpad((n / 7)::text, 32, '0')
    FROM generate_series(1, $2::bigint) AS n
"""


def main() -> None:
    """Run the measurements and print them as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tasks", type=int, default=1_000_000)
    arguments.add_argument("--repetitions", type=int, default=9)
    options = arguments.parse_args()
    figures = asyncio.run(_measure(options.tasks, options.repetitions)) | _tally_cost()
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


async def _measure(tasks: int, repetitions: int) -> dict[str, Any]:
    directory = Path(tempfile.mkdtemp(prefix="pm-"))
    server = EmbeddedPostgres(directory)
    try:
        await server.start()
        await migrate(server.dsn)
        end_ms = wall_clock_ms()
        rows = await _fill(server.dsn, tasks, end_ms)
        async with await Database.open(server.dsn) as pools:
            return {"tasks_per_day": tasks, **rows, **await _queries(Reads(pools), end_ms, repetitions)}
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def _fill(dsn: str, tasks: int, end_ms: int) -> dict[str, int]:
    """Write the rollups of a day, and the events of its last two minutes and its first."""
    per_minute = tasks // 1440
    queues = [f"WQ{n:032d}" for n in range(QUEUES)]
    workers = [f"WK{n:032d}" for n in range(WORKERS)]
    scopes = {WORKSPACE: per_minute, "WW" + "1" * 32: per_minute}
    scopes |= dict.fromkeys(queues, per_minute // QUEUES)
    start_ms = (end_ms - DAY_MS) // HOUR_MS * HOUR_MS
    connection = await asyncpg.connect(dsn)
    try:
        counted = scopes | dict.fromkeys(workers, max(per_minute // WORKERS, 1))
        await connection.execute(_COUNTS, list(counted), list(counted.values()), start_ms, timeout=600)
        await connection.execute(_DURATIONS, list(scopes), list(scopes.values()), start_ms, timeout=600)
        for moment_ms in (end_ms - 2 * MINUTE_MS, end_ms - DAY_MS - MINUTE_MS):
            await connection.execute(_EVENTS, moment_ms, per_minute * 2 * EVENTS_PER_TASK)
        await connection.execute("VACUUM ANALYZE", timeout=600)
        return {
            "count_rows": await connection.fetchval("SELECT count(*) FROM statistics_counts"),
            "duration_rows": await connection.fetchval("SELECT count(*) FROM statistics_durations"),
            "event_rows": await connection.fetchval("SELECT count(*) FROM events"),
        }
    finally:
        await connection.close()


async def _queries(reads: Reads, end_ms: int, repetitions: int) -> dict[str, float]:
    queues = [f"WQ{n:032d}" for n in range(QUEUES)]

    def over(scope: Scope, sids: list[str], span_ms: int) -> Callable[[], Awaitable[Any]]:
        return lambda: reads.cumulative(WORKSPACE, scope, sids, start_ms=end_ms - span_ms, end_ms=end_ms)

    asked = {
        "workspace_day_ms": over(Scope.WORKSPACE, [WORKSPACE], DAY_MS),
        "workspace_quarter_hour_ms": over(Scope.WORKSPACE, [WORKSPACE], 15 * MINUTE_MS),
        "queue_day_ms": over(Scope.QUEUE, queues[:1], DAY_MS),
        "all_queues_day_ms": over(Scope.QUEUE, queues, DAY_MS),
        "all_workers_one_by_one_day_ms": over(Scope.WORKER, [f"WK{n:032d}" for n in range(WORKERS)], DAY_MS),
    }
    return {name: round(await _median_ms(query, repetitions), 1) for name, query in asked.items()}


async def _median_ms(query: Callable[[], Awaitable[Any]], repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        began_s = time.perf_counter()
        await query()
        times.append((time.perf_counter() - began_s) * 1000)
    return statistics.median(times)


def _tally_cost(count: int = 50_000) -> dict[str, float]:
    """Return the microseconds that each change of a task's status costs the counters."""
    place = {"task_channel_sid": "TC", "workflow_sid": "WW", "date_finished_ms": None}
    tasks = [
        task(status=TaskStatus.PENDING, sequence=n, task_queue_sid=f"WQ{n % QUEUES}", **place)
        for n in range(count)
    ]
    tally = Tally()
    path = (*STATUSES, TaskStatus.COMPLETED)
    costs = {}
    for status in path:
        for item in tasks:
            item.status = status
        began_s = time.perf_counter()
        for item in tasks:
            tally.note(item)
        costs[f"tally_{status}_us"] = round((time.perf_counter() - began_s) / count * 1e6, 2)
    return {**costs, "tally_mean_us": round(sum(costs.values()) / len(costs), 2)}


if __name__ == "__main__":
    main()
