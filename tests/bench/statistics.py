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
from engine.routing.rollups import HOUR_MS, MINUTE_MS
from engine.routing.statistics import STATUSES, Tally
from engine.routing.statistics_views import Scope
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from engine.storage.pool import Database
from engine.storage.reads import Reads
from engine.storage.statistics_summing import StatisticsSumming
from tests.storage.builders import task

WORKSPACE = "WS" + "1" * 32
QUEUES = 20
WORKERS = 500
WAITS_S = 300
EVENTS_PER_TASK = 7
DAY_MS = 86_400_000

_OWNER = f"""
    INSERT INTO workspaces VALUES ('{WORKSPACE}', '', '', '', NULL, true, 'FIFO', NULL, NULL, 0, 0, 1, 0)
"""

_EVENTS = f"""
    INSERT INTO events (
        workspace_sid, sid, sequence, event_type, event_date_ms, description, resource_type, resource_sid,
        data, task_queue_sid, workflow_sid, task_channel_sid, worker_sid, task_sid
    )
    SELECT '{WORKSPACE}', 'EV' || lpad(n::text, 32, '0'), n + $1::bigint,
        (ARRAY['task.created', 'task-queue.entered', 'reservation.created', 'reservation.accepted',
               'task.updated', 'reservation.completed', 'task.completed'])[1 + n % 7],
        $1::bigint + n * $3::bigint / $2::bigint, '', '', '',
        json_build_object(
            'task_attributes', repeat('x', 600), 'task_age', ((n * 37) % {WAITS_S})::text,
            'task_age_in_queue', ((n * 41) % {WAITS_S})::text
        )::text,
        'WQ' || lpad((n % {QUEUES})::text, 32, '0'), 'WW' || repeat('1', 32), 'TC' || repeat('1', 32),
        'WK' || lpad((n % {WORKERS})::text, 32, '0'), 'WT' || lpad((n / 7)::text, 32, '0')
    FROM generate_series(0, $2::bigint - 1) AS n
"""

_EARLIER = """
    INSERT INTO {table}
    SELECT (filled).*
    FROM (
        SELECT jsonb_populate_record(t, jsonb_build_object('start_ms', t.start_ms - n * $2::bigint)) AS filled
        FROM {table} AS t, generate_series(1, 23) AS n
        WHERE t.start_ms >= $1 AND t.start_ms < $1::bigint + $2::bigint
    ) AS rows
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
        async with await Database.open(server.dsn) as pools:
            rows = await _fill(server.dsn, StatisticsSumming(pools), tasks, end_ms)
            return {"tasks_per_day": tasks, **rows, **await _queries(Reads(pools), end_ms, repetitions)}
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def _fill(dsn: str, summing: StatisticsSumming, tasks: int, end_ms: int) -> dict[str, float]:
    """Write the events of the last whole hour and what follows, add them up, repeat the hour 23 times."""
    per_minute = tasks // 1440 * EVENTS_PER_TASK
    hour_ms = (end_ms // HOUR_MS - 1) * HOUR_MS
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_OWNER)
        span_ms = end_ms - hour_ms
        await connection.execute(_EVENTS, hour_ms, span_ms * per_minute // MINUTE_MS, span_ms, timeout=600)
        await connection.execute("VACUUM ANALYZE", timeout=600)
        events = await connection.fetchval("SELECT count(*) FROM events")
        took_s = await _sum_up(summing)
        for table in ("statistics_counts", "statistics_durations"):
            await connection.execute(_EARLIER.format(table=table), hour_ms, HOUR_MS, timeout=600)
        day_ago_ms = end_ms - DAY_MS - MINUTE_MS
        await connection.execute(_EVENTS, day_ago_ms, 2 * per_minute, 2 * MINUTE_MS)
        await connection.execute("VACUUM ANALYZE", timeout=600)
        return {
            "event_rows": events,
            "summing_us_per_task": round(took_s * 1e6 * EVENTS_PER_TASK / events, 1),
            "count_rows": await connection.fetchval("SELECT count(*) FROM statistics_counts"),
            "duration_rows": await connection.fetchval("SELECT count(*) FROM statistics_durations"),
        }
    finally:
        await connection.close()


async def _sum_up(summing: StatisticsSumming) -> float:
    began_s = time.perf_counter()
    (sid,) = await summing.workspaces()
    while not (await summing.advance(sid)).done:
        pass
    return time.perf_counter() - began_s


async def _queries(reads: Reads, end_ms: int, repetitions: int) -> dict[str, float]:
    queues = [f"WQ{n:032d}" for n in range(QUEUES)]

    def over(
        scope: Scope, sids: list[str], span_ms: int, thresholds: tuple[int, ...] = ()
    ) -> Callable[[], Awaitable[Any]]:
        window = {"start_ms": end_ms - span_ms, "end_ms": end_ms}
        return lambda: reads.cumulative(WORKSPACE, scope, sids, **window, thresholds=thresholds)

    asked = {
        "workspace_day_ms": over(Scope.WORKSPACE, [WORKSPACE], DAY_MS),
        "workspace_quarter_hour_ms": over(Scope.WORKSPACE, [WORKSPACE], 15 * MINUTE_MS),
        "queue_day_ms": over(Scope.QUEUE, queues[:1], DAY_MS),
        "all_queues_day_ms": over(Scope.QUEUE, queues, DAY_MS),
        "all_queues_split_day_ms": over(Scope.QUEUE, queues, DAY_MS, (10, 30, 60, 120)),
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
