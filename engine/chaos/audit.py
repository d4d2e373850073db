"""Compares what was acknowledged with the rows and the log: the queries are those of `sql/chaos/audit.sql`.

It can be asked while the load goes on: the promises are copied first, then the database is read in one
snapshot, which must hold them all.
"""

from dataclasses import dataclass, field
from functools import cache

import asyncpg

from engine.chaos.promises import Promises
from engine.storage.pool import Database
from engine.storage.queries import parse_queries
from engine.storage.resources import sql_directory
from engine.storage.statistics_verify import StatisticsVerifier

SHOWN_MAX = 3
FAR_MS = 2**52
"""Later than any event, however far its clock was ahead."""


@dataclass(slots=True)
class Findings:
    """What an audit found; nothing but `acknowledged` may be more than 0."""

    acknowledged: int = 0
    """Requests that were answered 2xx before it."""
    lost: int = 0
    """Acknowledged creations, acceptances and completions that are not there."""
    twice: int = 0
    """Tasks that were assigned twice, and orders that became two tasks."""
    breaches: int = 0
    """Reservations beyond the capacity of their worker."""
    problems: list[str] = field(default_factory=list)
    """Each of these in words, and what else does not hold."""


@cache
def _queries() -> dict[str, str]:
    return dict(parse_queries(sql_directory() / "chaos" / "audit.sql"))


async def audit(dsn: str, workspace_sid: str, promises: Promises) -> Findings:
    """Return what does not hold at this moment. Raises what asyncpg raises."""
    told = promises.snapshot()
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _audit(connection, workspace_sid, told)
    finally:
        await connection.close()


async def _audit(connection: asyncpg.Connection, workspace_sid: str, told: Promises) -> Findings:
    found = Findings(told.acknowledged)

    async def count(name: str, what: str, *promised: list[str]) -> int:
        rows = await connection.fetch(_queries()[name], workspace_sid, *promised)
        if rows:
            some = ", ".join(row["sid"] for row in rows[:SHOWN_MAX])
            found.problems.append(f"{len(rows)} {what}: {some}")
        return len(rows)

    found.lost += await count("lost_tasks", "acknowledged tasks are missing", list(told.created))
    found.lost += await count("lost_completions", "completions were lost", list(told.completed))
    found.lost += await count("lost_acceptances", "acceptances were lost", list(told.accepted))
    found.twice += await count("assigned_twice", "tasks were assigned twice")
    found.twice += await count("made_twice", "orders became two tasks")
    found.breaches += await count("capacity_breaches", "reservations went beyond the capacity")
    found.breaches += await count("overloaded_channels", "worker channels hold too much")
    found.problems += _of_log(await connection.fetchrow(_queries()["log_numbers"], workspace_sid))
    return found


def _of_log(log: asyncpg.Record | None) -> list[str]:
    assert log is not None
    gapless = log["first"] == 1 and log["numbers"] == log["entries"] == log["last"] == log["counter"]
    checks = (
        (gapless, f"the event log has a gap, or an entry twice: {dict(log)}"),
        (
            log["back_in_time"] == 0,
            f"{log['back_in_time']} events are dated before the one that precedes them",
        ),
    )
    return [text for holds, text in checks if not holds]


async def open_tasks(dsn: str, workspace_sid: str) -> int:
    """Return how many tasks are not finished."""
    connection = await asyncpg.connect(dsn)
    try:
        return len(await connection.fetch(_queries()["open_tasks"], workspace_sid))
    finally:
        await connection.close()


async def wrong_statistics(dsn: str, workspace_sid: str) -> list[str]:
    """Count the statistics again from the log; returns what differs. Raises StoreUnavailable."""
    async with await Database.open(dsn, commit_connections=1, read_connections=1) as database:
        differences = StatisticsVerifier(database).differences(workspace_sid, start_ms=0, end_ms=FAR_MS)
        found = [f"{each.table} {each.key}" async for each in differences]
    if not found:
        return []
    return [f"{len(found)} statistics are not what the log says: {'; '.join(found[:SHOWN_MAX])}"]
