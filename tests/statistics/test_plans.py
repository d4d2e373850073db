"""Statistics of a busy workspace are read by index: rollups by scope and time, events only at the ends."""

import itertools
import json
from typing import Any

import asyncpg
import pytest

from engine.clock import wall_clock_ms
from engine.routing.rollups import HOUR_MS, MINUTE_MS
from engine.routing.statistics_views import Scope
from engine.storage.pool import Database
from engine.storage.reads import Reads

HERE = "WS" + "1" * 32
QUEUE = "WQ" + "7" * 32
ROWS = 50_000
DAY_MS = 86_400_000
BIG = ("statistics_", "events")
END_MS = wall_clock_ms()
EVENTS_PER_MINUTE = ROWS // 1440

FILL = (
    f"""
    INSERT INTO statistics_counts
    SELECT '{HERE}', CASE n % 20 WHEN 0 THEN '{QUEUE}' ELSE 'WQ' || n % 20 END, {MINUTE_MS},
        $1::bigint / {MINUTE_MS} * {MINUTE_MS} - n / 20 * {MINUTE_MS}, 'TC', 1,1,1,1,1,1,1,1,1,1,1,1,1
    FROM generate_series(1, {ROWS}) AS n
    """,
    f"""
    INSERT INTO statistics_durations
    SELECT '{HERE}', CASE n % 20 WHEN 0 THEN '{QUEUE}' ELSE 'WQ' || n % 20 END, {MINUTE_MS},
        $1::bigint / {MINUTE_MS} * {MINUTE_MS} - n / 20 * {MINUTE_MS}, 'until_accepted', 'TC', n % 300, 1
    FROM generate_series(1, {ROWS}) AS n
    """,
    f"""
    INSERT INTO events (
        workspace_sid, sid, sequence, event_type, event_date_ms, description, resource_type, resource_sid,
        data, task_queue_sid, worker_sid
    )
    SELECT '{HERE}', 'EV' || n, n, 'reservation.created',
        $1::bigint - n * {DAY_MS // ROWS}, '', '', '', '{{}}',
        CASE n % 20 WHEN 0 THEN '{QUEUE}' ELSE 'WQ' || n % 20 END, 'WK' || n % 100
    FROM generate_series(1, {ROWS}) AS n
    """,
)


@pytest.fixture
async def filled(database: str) -> str:
    """DSN of a database with 50,000 rows in each table that statistics read."""
    connection = await asyncpg.connect(database)
    try:
        for statement in FILL:
            await connection.execute(statement, END_MS)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return database


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *itertools.chain.from_iterable(nodes(child) for child in plan.get("Plans", ()))]


async def scans(pools: Database, call: Any) -> list[dict[str, Any]]:
    """Return the scans of the big tables in the plans of everything that the call asks."""
    asked: list[tuple[str, tuple[Any, ...]]] = []

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        asked.append((query.query, tuple(query.args)))

    async with pools.reading() as connection:
        connection.add_query_logger(note)
    await call()
    found = []
    async with pools.reading() as connection:
        connection.remove_query_logger(note)
        for sql, args in asked:
            if args:
                text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
                found += nodes(json.loads(text)[0]["Plan"])
    return [node for node in found if str(node.get("Relation Name", "")).startswith(BIG)]


def rows_read(node: dict[str, Any]) -> float:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


@pytest.mark.parametrize("span_ms", [15 * MINUTE_MS, 2 * HOUR_MS, DAY_MS])
async def test_no_query_reads_more_than_its_window(filled: str, span_ms: int) -> None:
    async with await Database.open(filled, read_connections=1) as pools:
        reads = Reads(pools)

        async def ask() -> None:
            window = {"start_ms": END_MS - span_ms, "end_ms": END_MS}
            await reads.cumulative(HERE, Scope.QUEUE, [QUEUE], **window)
            await reads.activity_durations(HERE, None, **window)

        found = await scans(pools, ask)
        assert found
        for scan in found:
            relation = scan["Relation Name"]
            assert "Index" in scan["Node Type"] or rows_read(scan) == 0, scan
            limit = 2 * EVENTS_PER_MINUTE if relation.startswith("events") else 130
            assert rows_read(scan) <= limit, scan
