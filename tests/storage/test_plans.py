"""At 50,000 rows, every list and the loader find their rows by an index and read about one page of them."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import pytest

from engine.clock import wall_clock_ms
from engine.routing.entities import ReservationStatus, TaskStatus
from engine.storage import load
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from engine.storage.pool import Database
from engine.storage.reads import PageRequest, Reads
from tests.storage.builders import ACCOUNT

ROWS = 50_000
PAGE = 50
BIG = ("tasks", "reservations", "events", "workers")
HERE = "WS" + "1" * 32
FINISHING = "WS" + "2" * 32
OPEN = 100

FILL = (
    f"""
    INSERT INTO workspaces VALUES ('{HERE}', '{ACCOUNT}', '', '', NULL, true, 'FIFO', NULL, NULL, 0, 0, 0, 0)
    """,
    f"""
    INSERT INTO activities SELECT '{HERE}', 'WA' || lpad(n::text, 32, '0'), 'a' || n, n % 2 = 0, 0, 0
    FROM generate_series(1, 10) AS n
    """,
    f"""
    INSERT INTO workers
    SELECT '{HERE}', 'WK' || lpad(n::text, 32, '0'), n, 'w' || n,
        'WA' || lpad((n % 10 + 1)::text, 32, '0'), '{{}}', 0, 0, 0, 0, NULL, 0
    FROM generate_series(1, {ROWS}) AS n
    """,
    f"""
    INSERT INTO tasks (
        workspace_sid, sid, sequence, status, attributes, addons, priority, timeout_s, task_channel_sid,
        workflow_sid, workflow_version, task_queue_sid, ignore_capacity, virtual_start_ms, date_created_ms,
        date_updated_ms, version, target_index, assignment_count
    )
    SELECT '{HERE}', 'WT' || lpad(n::text, 32, '0'), n,
        CASE WHEN n % 1000 = 0 THEN 'assigned' ELSE 'pending' END, '{{}}', '{{}}', n % 5, 0, 'TC',
        'WW' || lpad((n % 20)::text, 32, '0'), 1, 'WQ' || lpad((n % 100)::text, 32, '0'), false,
        n, n, n, 0, 0, 0
    FROM generate_series(1, {ROWS}) AS n
    """,
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
    f"""
    INSERT INTO reservations (
        workspace_sid, sid, sequence, task_sid, worker_sid, task_channel_sid, status, timeout_s, deadline_ms,
        date_created_ms, date_updated_ms, version
    )
    SELECT '{HERE}', 'WR' || lpad(n::text, 32, '0'), n, 'WT' || lpad(n::text, 32, '0'),
        'WK' || lpad((n % 100)::text, 32, '0'), 'TC',
        CASE WHEN n % 500 = 0 THEN 'accepted' ELSE 'rejected' END, 0, 0, 0, 0, 0
    FROM generate_series(1, {ROWS}) AS n
    """,
    f"""
    INSERT INTO events (
        workspace_sid, sid, sequence, event_type, event_date_ms, description, resource_type, resource_sid,
        data, task_sid, worker_sid, reservation_sid
    )
    SELECT '{HERE}', 'EV' || lpad(to_hex($1::bigint - {ROWS} + n), 12, '0') || lpad(n::text, 20, '0'), n,
        'type' || n % 3, $1::bigint - {ROWS} + n, '', '', '', '{{}}', 'WT' || lpad((n / 7)::text, 32, '0'),
        'WK' || lpad((n % 100)::text, 32, '0'), 'WR' || lpad((n / 5)::text, 32, '0')
    FROM generate_series(1, {ROWS}) AS n
    """,
)


def sid(prefix: str, number: int) -> str:
    return f"{prefix}{number:032d}"


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedPostgres) -> str:
    """DSN of a database that the tests here share: filling it is the slow part."""
    asyncio.run(fill(postgres))
    return postgres.dsn_of("filled")


async def fill(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn)
    try:
        await connection.execute("CREATE DATABASE filled")
    finally:
        await connection.close()
    await migrate(postgres.dsn_of("filled"))
    connection = await asyncpg.connect(postgres.dsn_of("filled"))
    try:
        for statement in FILL:
            await connection.execute(statement, *([wall_clock_ms()] if "$1" in statement else []))
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def lists(reads: Reads) -> dict[str, Callable[[PageRequest], Awaitable[Any]]]:
    now_ms = wall_clock_ms()
    window = {"start_ms": now_ms - 3_600_000, "end_ms": now_ms + 3_600_000}
    tasks: dict[str, dict[str, Any]] = {
        "all": {},
        "one status": {"statuses": [TaskStatus.ASSIGNED]},
        "an absent status": {"statuses": [TaskStatus.WRAPPING]},
        "two statuses": {"statuses": [TaskStatus.ASSIGNED, TaskStatus.PENDING]},
        "queue": {"task_queue_sid": sid("WQ", 7)},
        "workflow": {"workflow_sid": sid("WW", 7)},
        "priority": {"priority": 3},
        "an absent priority": {"priority": 77},
        "routing target": {"routing_target": sid("WK", 7)},
        "newest first": {"ordering": [("date_created", True)]},
        "by priority": {"ordering": [("priority", True)]},
        "by virtual start": {"ordering": [("virtual_start_time", False)]},
        "by virtual start, newest": {"ordering": [("virtual_start_time", True)]},
    }
    events: dict[str, dict[str, Any]] = {
        "all": {},
        "task": {"task_sid": sid("WT", 70)},
        "worker": {"worker_sid": sid("WK", 7)},
        "reservation": {"reservation_sid": sid("WR", 70)},
        "type": {"event_type": "type1"},
        "sid": {"sid": "EV" + "0" * 32},
    }
    found: dict[str, Callable[[PageRequest], Awaitable[Any]]] = {
        "workers": lambda page: reads.workers(HERE, page),
        "workers of an activity": lambda page: reads.workers(HERE, page, activity_sid=sid("WA", 3)),
        "workers by name": lambda page: reads.workers(HERE, page, friendly_name="w77"),
        "reservations of a task": lambda page: reads.task_reservations(HERE, sid("WT", 77), page),
        "reservations of a worker": lambda page: reads.worker_reservations(HERE, sid("WK", 7), page),
    }
    for name, filters in tasks.items():
        found[f"tasks: {name}"] = lambda page, filters=filters: reads.tasks(HERE, page, **filters)
    for name, filters in events.items():
        found[f"events: {name}"] = lambda page, f=filters: reads.events(HERE, page, **window, **f)
    return found


class Spy:
    """Keeps what a pool's connections are asked, so that the plans of just that can be looked at."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    def note(self, query: asyncpg.connection.LoggedQuery) -> None:
        self.asked.append((query.query, tuple(query.args)))


async def plans(pools: Database, call: Callable[[], Awaitable[Any]]) -> list[dict[str, Any]]:
    """Make the call, then run each of its statements again under EXPLAIN on a connection of the same pool."""
    spy = Spy()
    async with pools.reading() as connection:
        connection.add_query_logger(spy.note)
    await call()
    async with pools.reading() as connection:
        connection.remove_query_logger(spy.note)
        found = []
        for sql, args in spy.asked:
            if sql.lstrip().startswith(("SELECT", "--")):
                text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
                found.append(json.loads(text)[0]["Plan"])
    assert found
    return found


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *itertools.chain.from_iterable(nodes(child) for child in plan.get("Plans", ()))]


def rows_read(node: dict[str, Any]) -> float:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


def big_scans(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in nodes(plan) if str(node.get("Relation Name", "")).startswith(BIG)]


async def test_every_list_reads_a_page_by_an_index(filled: str) -> None:
    async with await Database.open(filled, read_connections=1) as pools:
        reads = Reads(pools)
        for name, listing in lists(reads).items():
            first = await listing(PageRequest(PAGE))
            for cursor in {None, first.next}:
                asking = partial(listing, PageRequest(PAGE, after=cursor))
                for scan in [scan for plan in await plans(pools, asking) for scan in big_scans(plan)]:
                    assert "Index" in scan["Node Type"], (name, scan)
                    assert rows_read(scan) <= 10 * PAGE, (name, scan)


@pytest.mark.parametrize(
    ("sql", "workspace_sid", "rows"),
    [(load._TASKS, FINISHING, OPEN), (load._RESERVATIONS, HERE, ROWS // 500)],
)
async def test_the_loader_reads_open_rows_by_an_index(
    filled: str, sql: str, workspace_sid: str, rows: int
) -> None:
    async with await Database.open(filled, read_connections=1) as pools, pools.reading() as connection:
        text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", workspace_sid)
        scans = big_scans(json.loads(text)[0]["Plan"])
        assert scans
        for scan in scans:
            assert "Index" in scan["Node Type"], scan
            assert rows_read(scan) <= 2 * rows, scan


async def test_an_event_is_fetched_from_its_day_only(filled: str) -> None:
    async with await Database.open(filled, read_connections=1) as pools:
        reads = Reads(pools)
        newest = (await reads.events(HERE, PageRequest(1), start_ms=0, end_ms=2**62)).items[0]
        looked_at = [
            scan
            for plan in await plans(pools, lambda: reads.event(HERE, newest.sid))
            for scan in big_scans(plan)
        ]
        assert 1 <= len(looked_at) <= 3
        assert all(rows_read(scan) <= 1 for scan in looked_at)


async def test_open_reservations_of_a_worker_are_counted_by_their_own_index(filled: str) -> None:
    statement = """
        INSERT INTO worker_channels VALUES ($1, $2, $3, $4, 1, true, 0, 0, NULL, 0)
    """
    async with await Database.open(filled, read_connections=1) as pools:
        async with pools.reading() as connection:
            await connection.execute(statement, HERE, sid("WC", 1), sid("WK", 0), "TC")
            await connection.execute(
                "INSERT INTO task_channels VALUES ($1, 'TC', 'voice', 'Voice', false, 0, 0)", HERE
            )
        reads = Reads(pools)
        channel = await reads.worker_channel(HERE, sid("WK", 0), "voice")
        assert channel is not None
        accepted = ROWS // 500
        assert (channel.assigned_tasks, channel.open_reservations) == (accepted, accepted)
        for plan in await plans(pools, lambda: reads.worker_channel(HERE, sid("WK", 0), "voice")):
            assert [scan["Index Name"] for scan in big_scans(plan)] == ["reservations_open"]


def test_the_open_statuses_are_those_of_the_index() -> None:
    closed = {"rejected", "timeout", "canceled", "rescinded", "completed"}
    assert {status.value for status in ReservationStatus} - closed == {"pending", "accepted", "wrapping"}
