"""The daily partitions of the event log and of the statistics: made ahead of time, dropped whole.

A partition is built as a table of its own and then attached: that asks for weaker locks than creating it in
place, so the running node goes on inserting. A day whose rows already went to the default partition (nobody
made its partition in time) stays there; the retention deletes those rows by date.
"""

import asyncpg

from engine.storage.pool import Connection
from engine.storage.queries import query

DAY_MS = 86_400_000

DAYS_AHEAD = 7
"""How many days after today have their partition, unless told otherwise."""

EVENTS = "events"
TABLES = {
    # partitioned tables, with the storage parameters of their partitions
    EVENTS: "",
    "event_deliveries": " WITH (fillfactor = 70)",
    "alerts": "",
    "statistics_counts": "",
    "statistics_durations": "",
}

_LOCK_KEY = 0x6576656E7473
_LOCK_TIMEOUT = "2s"

_LOCK = query("lock_partitions")
_LIST = query("list_partitions")
_TIMEOUT = query("set_local_lock_timeout")


async def ensure_partitions(connection: Connection, now_ms: int, days_ahead: int = DAYS_AHEAD) -> list[str]:
    """Make the missing partitions from yesterday to `days_ahead` days after the day of `now_ms`.

    Returns the names of the partitions made. A partition that cannot be attached now (its rows are in the
    default partition, or a lock was not to be had) is left out.
    """
    today = now_ms // DAY_MS
    made = []
    for table in TABLES:
        existing = set(await partitions(connection, table))
        missing = [day for day in range(today - 1, today + days_ahead + 1) if day not in existing]
        made += [partition_name(day, table) for day in missing if await _make(connection, table, day)]
    return made


async def drop_partitions(connection: Connection, before_ms: int) -> list[str]:
    """Drop the partitions all of whose rows are older than `before_ms`; returns their names.

    A partition that cannot be locked within two seconds is left for the next time.
    """
    last_day = before_ms // DAY_MS - 1
    dropped = []
    for table in TABLES:
        old = [day for day in await partitions(connection, table) if day <= last_day]
        dropped += [partition_name(day, table) for day in sorted(old) if await _drop(connection, table, day)]
    return dropped


async def partitions(connection: Connection, table: str = EVENTS) -> list[int]:
    """Return the days, counted from the epoch, that have a partition."""
    prefix = partition_name("", table)
    names = [row["name"] for row in await connection.fetch(_LIST, table)]
    return [int(name.removeprefix(prefix)) for name in names if name.startswith(prefix)]


def partition_name(day: int | str, table: str = EVENTS) -> str:
    """Name the partition of a day counted from the epoch."""
    return f"{table}_day_{day}"


async def _make(connection: Connection, table: str, day: int) -> bool:
    name = partition_name(day, table)
    try:
        async with connection.transaction():
            await _lock(connection)
            if day in await partitions(connection, table):
                return False
            await connection.execute(
                f"CREATE TABLE {name} (LIKE {table} INCLUDING CONSTRAINTS){TABLES[table]}"
            )
            await connection.execute(
                f"ALTER TABLE {table} ATTACH PARTITION {name} "
                f"FOR VALUES FROM ({day * DAY_MS}) TO ({(day + 1) * DAY_MS})"
            )
    except (asyncpg.CheckViolationError, asyncpg.LockNotAvailableError):
        return False
    return True


async def _drop(connection: Connection, table: str, day: int) -> bool:
    try:
        async with connection.transaction():
            await _lock(connection)
            await connection.execute(f"DROP TABLE IF EXISTS {partition_name(day, table)}")
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def _lock(connection: Connection) -> None:
    await connection.execute(_TIMEOUT, _LOCK_TIMEOUT)
    await connection.execute(_LOCK, _LOCK_KEY)
