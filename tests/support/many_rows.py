"""A database with many rows in every table that lists, fetches and statistics read.

`HERE` is a busy workspace: `rows` tasks, events and reservations, and as many of everything else as the
limits of contract §10 allow. Other workspaces and accounts make the tables of the rest as large.
"""

import asyncio
from dataclasses import dataclass

import asyncpg
import orjson

from engine.clock import wall_clock_ms
from engine.routing.rollups import COUNTERS, HOUR_MS, MINUTE_MS
from engine.storage.migrate import migrate
from engine.storage.partitions import DAY_MS, ensure_partitions

ACCOUNT = "AC" + "0" * 31 + "1"
PRIORITIES = 5
QUEUES = 100
WORKFLOWS = 20
MEASURES = ("until_accepted", "until_canceled", "in_queue_until_accepted")
EVENT_TYPES = ("task.created", "reservation.created", "reservation.accepted")
EVENT_DATA = orjson.dumps(
    {
        "task_age": "7",
        "worker_previous_activity_sid": "WA",
        "worker_time_in_previous_activity_ms": "7",
    }
).decode()
STATUS_ONE_IN = 100
"""One task in so many is assigned, another one reserved, wrapping, completed, canceled, deleted."""
TIED = 10
"""All but one task in so many share a priority."""


def sid(prefix: str, number: int) -> str:
    """The SID of a row by its number."""
    return f"{prefix}{number:032d}"


def event_sid(number: int, now_ms: int, rows: int) -> str:
    """The SID of an event by its number: its first digits tell when it was made, as those of real ones do."""
    return f"EV{event_ms(number, now_ms, rows):012x}{number:020d}"


def event_ms(number: int, now_ms: int, rows: int) -> int:
    """When an event was: they are spread over the day before `now_ms`, the last one now."""
    return now_ms - (rows - number) * (DAY_MS // rows)


HERE = sid("WS", 1)


def _sid(prefix: str, number: str) -> str:
    return f"'{prefix}' || lpad(({number})::text, 32, '0')"


# One row in `share` rows of a table is in HERE; the others are in as many other workspaces as it takes.
def _spread(share: int) -> str:
    return _sid("WS", f"1 + n % {share}")


_EVENT_MS = f"$2::bigint - ($1::bigint - n) * ({DAY_MS} / $1::bigint)"
_SERIES = "FROM generate_series(1, $1::bigint) AS n CROSS JOIN (SELECT $2::bigint) AS moment (now_ms)"
_QUEUE = _sid("WQ", f"10 * (1 + n % {QUEUES})")
_WORKER = _sid("WK", "3 * (n % 100)")
_SCOPE = f"CASE n % 3 WHEN 0 THEN '{HERE}' WHEN 1 THEN {_QUEUE} ELSE {_WORKER} END"
_SPAN = f"CASE n % 10 WHEN 0 THEN {HOUR_MS} ELSE {MINUTE_MS} END"
_START = f"($2::bigint - n / 30 * {MINUTE_MS}) / ({_SPAN}) * ({_SPAN})"

FILLED: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        (
            "workspaces",
            f"""
            SELECT {_sid("WS", "n")}, {_sid("AC", "1 + n % 10")}, 'w' || n, '', NULL, true, 'FIFO',
                {_sid("WA", "1")}, {_sid("WA", "1")}, 0, 0, 0, 0, NULL
            {_SERIES}
            """,
        ),
        ("activities", f"SELECT {_spread(500)}, {_sid('WA', 'n')}, 'a' || n, n % 2 = 0, 0, 0 {_SERIES}"),
        (
            "task_channels",
            f"SELECT {_spread(2500)}, {_sid('TC', 'n')}, 'c' || n, 'C' || n, false, 0, 0 {_SERIES}",
        ),
        (
            "task_queues",
            f"""
            SELECT {_spread(10)}, {_sid("WQ", "n")}, 'q' || n, '1==1', 1, 'FIFO',
                {_sid("WA", "500")}, NULL, 0, 0
            {_SERIES}
            """,
        ),
        (
            "workflows",
            f"SELECT {_spread(50)}, {_sid('WW', 'n')}, 'f' || n, '{{}}', 1, '', '', 120, 0, 0 {_SERIES}",
        ),
        (
            "workers",
            f"""
            SELECT {_spread(3)}, {_sid("WK", "n")}, n, 'k' || n, {_sid("WA", "500 * (1 + n % 100)")}, '{{}}',
                0, 0, 0, 0, NULL, 0
            {_SERIES}
            """,
        ),
        (
            "worker_channels",
            f"""
            SELECT '{HERE}', {_sid("WC", "n")}, {_sid("WK", "n / 5")}, {_sid("TC", "2500 * (1 + n % 5)")},
                1, true, 0, 0, NULL, 0
            {_SERIES}
            """,
        ),
        (
            "api_keys",
            f"SELECT {_sid('SK', 'n')}, {_sid('AC', '1 + n % 500')}, '', '', 0, 0 {_SERIES}",
        ),
        (
            "idempotency_keys",
            f"SELECT '{HERE}', '/v1/' || n / 10, n::text, 0, '', '', $2 {_SERIES}",
        ),
    ),
    (
        (
            """
            tasks (
                workspace_sid, sid, sequence, status, date_finished_ms, date_deleted_ms, attributes, addons,
                priority, timeout_s, task_channel_sid, workflow_sid, workflow_version, task_queue_sid,
                routing_target, ignore_capacity, virtual_start_ms, date_created_ms, date_updated_ms, version,
                target_index, assignment_count
            )
            """,
            f"""
            SELECT '{HERE}', {_sid("WT", "n")}, n,
                CASE n % {STATUS_ONE_IN} WHEN 0 THEN 'assigned' WHEN 1 THEN 'reserved' WHEN 2 THEN 'wrapping'
                    WHEN 3 THEN 'completed' WHEN 4 THEN 'canceled' ELSE 'pending' END,
                CASE WHEN n % {STATUS_ONE_IN} IN (3, 4) THEN $2::bigint END,
                CASE WHEN n % {STATUS_ONE_IN} = 5 THEN $2::bigint END,
                '{{"skill": "billing", "language": "en", "number": ' || n || '}}',
                CASE WHEN n % 1000 = 7 THEN '{{"a": 1}}' ELSE '{{}}' END,
                CASE WHEN n % {TIED} = 0 THEN 1 + n / {TIED} % ({PRIORITIES} - 1) ELSE 0 END, 86400,
                {_sid("TC", "2500")}, {_sid("WW", f"50 * (1 + n % {WORKFLOWS})")}, 1,
                {_QUEUE},
                CASE WHEN n % 1000 = 9 THEN {_sid("WK", "n % 50")} END, false,
                $2 - $1 + n / 1000 * 1000, $2 - $1 + n, $2, 0, 0, 0
            {_SERIES}
            """,
        ),
        (
            """
            reservations (
                workspace_sid, sid, sequence, task_sid, worker_sid, task_channel_sid, status, timeout_s,
                deadline_ms, date_created_ms, date_updated_ms, version
            )
            """,
            f"""
            SELECT '{HERE}', {_sid("WR", "n")}, n, {_sid("WT", "n")}, {_WORKER},
                {_sid("TC", "2500 * (1 + n % 5)")},
                CASE WHEN n % 500 = 0 THEN 'accepted' ELSE 'rejected' END, 0, 0, 0, 0, 0
            {_SERIES}
            """,
        ),
        (
            """
            transfers (
                workspace_sid, sid, sequence, task_sid, initiating_reservation_sid, initiating_worker_sid,
                to_sid, mode, status, date_created_ms, date_updated_ms, version
            )
            """,
            f"""
            SELECT '{HERE}', {_sid("TT", "n")}, n, {_sid("WT", "n")}, {_sid("WR", "n")}, {_WORKER},
                {_WORKER}, 'WARM', 'failed', 0, 0, 1
            {_SERIES}
            """,
        ),
        (
            "log_positions",
            f"SELECT {_sid('WS', 'n')}, 0, $2::bigint / {MINUTE_MS} * {MINUTE_MS}, 0, 0 {_SERIES}",
        ),
        (
            "statistics_counts",
            f"""
            SELECT DISTINCT ON (1, 2, 3, 4, 5) '{HERE}', {_SCOPE}, {_SPAN}, {_START},
                'TC'{", 1" * len(COUNTERS)}
            {_SERIES}
            """,
        ),
        (
            "statistics_durations",
            f"""
            SELECT DISTINCT ON (1, 2, 3, 4, 5, 6) '{HERE}', {_SCOPE}, {_SPAN}, {_START},
                CASE n % 4 WHEN 0 THEN {_sid("WA", "500 * (1 + n % 100)")}
                    ELSE (ARRAY{list(MEASURES)})[n % 4] END,
                'TC', 1, n % 300, n % 300, n % 300, ARRAY[n % 300], ARRAY[1]
            {_SERIES}
            """,
        ),
    ),
    (
        (
            """
            events (
                workspace_sid, sid, sequence, event_type, event_date_ms, description, resource_type,
                resource_sid, data, task_sid, worker_sid, reservation_sid, task_queue_sid, workflow_sid,
                task_channel_sid
            )
            """,
            f"""
            SELECT '{HERE}', 'EV' || lpad(to_hex({_EVENT_MS}), 12, '0') || lpad(n::text, 20, '0'), n,
                CASE WHEN n % 1000 = 0 THEN 'worker.activity.update'
                    ELSE (ARRAY{list(EVENT_TYPES)})[1 + n % {len(EVENT_TYPES)}] END,
                {_EVENT_MS}, '', '', '', '{EVENT_DATA}',
                {_sid("WT", "n / 7")}, {_WORKER}, {_sid("WR", "n / 5")},
                {_QUEUE}, {_sid("WW", f"50 * (1 + n % {WORKFLOWS})")}, 'TC'
            {_SERIES}
            """,
        ),
        (
            "alerts",
            f"""
            SELECT '{HERE}', {_EVENT_MS}, {_sid("NO", "n")}, 11200, 'error', '', NULL,
                {_sid("WT", "n / 7")}, NULL, NULL, NULL, NULL, 1
            {_SERIES}
            """,
        ),
        (
            "event_deliveries",
            f"""
            SELECT '{HERE}', n, {_EVENT_MS},
                CASE n % 1000 WHEN 0 THEN 'dead' WHEN 1 THEN 'pending' ELSE 'delivered' END,
                1, 0, 0, 0, 200, NULL
            {_SERIES}
            """,
        ),
    ),
)
"""What is filled one after the other, next to other such groups."""


async def fill(dsn: str, rows: int) -> int:
    """Migrate a database and fill it; returns the moment that its rows take for now."""
    await migrate(dsn)
    now_ms = wall_clock_ms()
    connection = await asyncpg.connect(dsn)
    try:
        await ensure_partitions(connection, now_ms)
        indexes = await _take_indexes_away(connection)
        await asyncio.gather(*(_insert(dsn, group, rows, now_ms) for group in FILLED))
        await asyncio.gather(*(_execute(dsn, indexes[part::2]) for part in range(2)))
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return now_ms


async def _insert(dsn: str, group: tuple[tuple[str, str], ...], rows: int, now_ms: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        # Foreign keys are checked row by row; these rows are known to be right, or do not matter.
        await connection.execute("SET session_replication_role = replica; SET jit = off")
        for table, query in group:
            await connection.execute(f"INSERT INTO {table} {query}", rows, now_ms, timeout=600)
    finally:
        await connection.close()


async def _take_indexes_away(connection: asyncpg.Connection) -> list[str]:
    """Drop the secondary indexes and return the statements that bring them back: sorting is quicker."""
    found = await connection.fetch(
        """
        SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisprimary AND NOT c.relispartition
        ORDER BY c.oid
        """
    )
    for row in found:
        await connection.execute(f"DROP INDEX {row['name']}")
    return [row["definition"].replace(" ON ONLY ", " ON ") for row in found]


async def _execute(dsn: str, statements: list[str]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement, timeout=600)
    finally:
        await connection.close()


@dataclass(slots=True, frozen=True)
class Filled:
    """A filled database."""

    dsn: str
    rows: int
    now_ms: int
