"""At 50,000 rows every read finds its rows by an index, sorts no more than a page and reads about a page."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import pytest

from engine.routing.entities import ReservationStatus
from engine.routing.rollups import HOUR_MS
from engine.storage.bridge_reads import BridgeReads
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.event_log import EventLog
from engine.storage.pool import Database
from engine.storage.queries import parse_queries, query
from engine.storage.reads import PageRequest, Reads
from engine.storage.resources import sql_directory
from engine.storage.statistics_verify import StatisticsVerifier
from engine.storage.store import PostgresStore
from tests.storage.plan_cases import (
    PAGE,
    PAGE_SIZED,
    ROWS,
    Bounds,
    Listing,
    fetches,
    lists,
    statistics,
    stretches,
)
from tests.support import many_rows
from tests.support.many_rows import HERE, Filled, sid
from tests.support.plans import explained, plans_of, rows_read

FAR = 5_000
OPEN = 100
FINISHING = sid("WS", 2)

# A workspace with few open tasks and offers among many that are over.
FINISHED = (
    f"""
    INSERT INTO tasks (
        workspace_sid, sid, sequence, status, date_finished_ms, attributes, addons, priority, timeout_s,
        task_channel_sid, workflow_version, ignore_capacity, virtual_start_ms, date_created_ms,
        date_updated_ms, version, target_index, assignment_count
    )
    SELECT '{FINISHING}', 'WT' || lpad(n::text, 32, '0'), n,
        CASE WHEN n > {OPEN} THEN 'canceled' ELSE 'pending' END, CASE WHEN n > {OPEN} THEN 1 END,
        '{{}}', '{{}}', 0, 0, 'TC', 1, false, n, n, n, 0, 0, 0
    FROM generate_series(1, 5000) AS n
    """,
    "ANALYZE tasks",
)


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedPostgres) -> Filled:
    """A database that the tests here share: filling it is the slow part."""
    return asyncio.run(fill(postgres))


async def fill(postgres: EmbeddedPostgres) -> Filled:
    await execute(postgres.dsn, "CREATE DATABASE many_rows")
    dsn = postgres.dsn_of("many_rows")
    now_ms = await many_rows.fill(dsn, ROWS)
    await execute(dsn, *FINISHED)
    return Filled(dsn, ROWS, now_ms)


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def reads_of(pools: Database) -> Reads:
    """Reads that see the finished tasks, however long filling took."""
    return Reads(pools, finished_task_retention_s=86_400.0)


WITHOUT_A_BOUND = {
    "all_accounts": "read once, at the start",
    "all_api_keys": "read at the start and when another node changed a key",
    "all_nodes": "a few rows",
    "all_leases": "read at intervals, all of them, for no request",
    "workspace_sids": "read at intervals, to find workspaces that nobody serves",
    "statistics_durations_of_span": "the comparison with the log reads whole hours, for no request",
    "statistics_counts_of_span": "as above",
    "statistics_events": "as above",
    "load_activities": "the loader reads a workspace as a whole",
    "load_task_channels": "as above",
    "load_task_queues": "as above",
    "load_workflows": "as above",
    "load_workers": "as above",
    "load_worker_channels": "as above",
    "load_configurations": "as above",
    "load_callbacks": "as above",
    "pending_deliveries": "read to send them, for no request",
    "first_pending_deliveries": "as above",
    "deserted_workspaces": "read once, at the start",
    "presence_of_node": "read at the start",
    "load_transfers": "as above, and of the few tasks that were transferred",
    "desk_workers": "read by a command, for no request",
    "desk_keys_of_account": "read by a command, for no request",
}
"""Reads whose plan is no matter, and why."""

ELSEWHERE = {
    "load_workspace": "a fetch by the whole key",
    "get_account": "a fetch by the whole key",
    "get_desk_session": "a fetch by the whole key",
    "load_last_event": "test_the_loader_asks_no_event_but_the_last",
    "load_tasks": "test_the_loader_reads_open_rows_by_an_index",
    "load_reservations": "test_the_loader_reads_open_rows_by_an_index",
}

_READS = re.compile(r"(SELECT|WITH)\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(INSERT|UPDATE)\b")
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_NOT_FOR_ANSWERS = {"schema", "retention", "commit", "leases", "summing", "redaction"}
"""Files of queries for work that no request waits for."""


async def assert_pages_held(pools: Database, name: str, listing: Listing, bounds: Bounds) -> set[str]:
    """Look at the plans of the first page and of those around a near and a far place; returns the queries."""
    names: set[str] = set()
    for request in [
        PageRequest(PAGE),
        *await requests_beyond(listing, 1),
        *await requests_beyond(listing, FAR),
    ]:
        for plan in await plans_of(pools, partial(listing, request)):
            bounds.assert_held_by(plan, name)
            names |= plan.names
    return names


async def requests_beyond(listing: Listing, rows: int) -> list[PageRequest]:
    """The pages after and before a place so many rows from the beginning; none in a shorter list."""
    place = (await listing(PageRequest(rows))).next
    return [PageRequest(PAGE, after=place), PageRequest(PAGE, before=place)] if place else []


async def test_every_read_finds_a_page_by_an_index(filled: Filled) -> None:
    """Every list, fetch and statistic; and every query that reads is one of those, or excused by name."""
    async with await Database.open(filled.dsn, read_connections=1) as pools:
        reads, store = reads_of(pools), PostgresStore(pools)
        seen: set[str] = set()
        for name, (listing, bounds) in lists(reads, filled.now_ms).items():
            seen |= await assert_pages_held(pools, name, listing, bounds)
        for name, fetch in fetches(reads, BridgeReads(pools), store, filled.now_ms).items():
            assert await fetch(), name
            seen |= await assert_held(pools, name, fetch, PAGE_SIZED)
        for name, (call, bounds) in stretches(EventLog(pools), filled.now_ms).items():
            assert await call(), name
            seen |= await assert_held(pools, name, call, bounds)
        for name, (call, bounds) in statistics(reads, filled.now_ms).items():
            seen |= await assert_held(pools, name, call, bounds)
        seen |= await assert_held(pools, "verify", partial(hours_to_verify, pools, filled), PAGE_SIZED)
    excused = WITHOUT_A_BOUND.keys() | ELSEWHERE.keys()
    assert reading_queries() - seen == excused
    assert not seen & excused


async def hours_to_verify(pools: Database, filled: Filled) -> int | None:
    return await StatisticsVerifier(pools).next_ms(HERE, filled.now_ms - HOUR_MS)


async def assert_held(
    pools: Database, name: str, call: Callable[[], Awaitable[Any]], bounds: Bounds
) -> set[str]:
    names: set[str] = set()
    for plan in await plans_of(pools, call):
        bounds.assert_held_by(plan, name)
        names |= plan.names
    return names


def reading_queries() -> set[str]:
    """The names of all queries that only read, but for those that serve no answer."""
    paths = sorted((sql_directory() / "queries").glob("*.sql"))
    found = [pair for path in paths if path.stem not in _NOT_FOR_ANSWERS for pair in parse_queries(path)]
    return {name for name, text in found if _READS.match(_COMMENT.sub("", text)) and not _WRITES.search(text)}


@pytest.mark.parametrize("name", ["load_tasks", "load_reservations"])
async def test_the_loader_reads_open_rows_by_an_index(filled: Filled, name: str) -> None:
    workspace_sid, rows = {"load_tasks": (FINISHING, OPEN), "load_reservations": (HERE, ROWS // 500)}[name]
    async with await Database.open(filled.dsn, read_connections=1) as pools, pools.reading() as connection:
        plan = await explained(connection, query(name), workspace_sid)
    Bounds(rows=2 * rows, sorted=2 * rows).assert_held_by(plan, name)


async def test_the_loader_asks_no_event_but_the_last(filled: Filled) -> None:
    async with await Database.open(filled.dsn, read_connections=1) as pools, pools.reading() as connection:
        plan = await explained(connection, query("load_last_event"), HERE)
    Bounds(rows=1, sorted=0, blocks=PAGE).assert_held_by(plan, "load_last_event")


async def test_an_event_is_fetched_from_its_day_only(filled: Filled) -> None:
    async with await Database.open(filled.dsn, read_connections=1) as pools:
        reads = reads_of(pools)
        newest = many_rows.event_sid(ROWS - 7, filled.now_ms, ROWS)
        plans = await plans_of(pools, lambda: reads.event(HERE, newest))
    scans = [scan for plan in plans for scan in plan.scans()]
    assert 1 <= len(scans) <= 3
    assert all(rows_read(scan) <= 1 for scan in scans)


async def test_open_reservations_of_a_worker_are_counted_by_their_own_index(filled: Filled) -> None:
    async with await Database.open(filled.dsn, read_connections=1) as pools:
        reads = reads_of(pools)
        call = partial(reads.worker_channel, HERE, sid("WK", 3), "c2500")
        channel = await call()
        assert channel is not None
        (plan,) = await plans_of(pools, call)
    assert "reservations_open" in {node.get("Index Name") for node in plan.nodes()}


def test_the_open_statuses_are_those_of_the_index() -> None:
    closed = {"rejected", "timeout", "canceled", "rescinded", "completed"}
    assert {status.value for status in ReservationStatus} - closed == {"pending", "accepted", "wrapping"}
