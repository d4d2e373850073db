"""The log read in the order it was written: any place in it is found, and no event is passed by."""

import random

import asyncpg
import pytest

from engine.storage.event_log import EventLog, Position
from engine.storage.pool import Database

HERE, THERE = "WS" + "a" * 32, "WS" + "b" * 32
DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000


async def write(dsn: str, workspace_sid: str, dates_ms: list[int], first: int = 1) -> None:
    rows = [
        (
            workspace_sid,
            f"EV{n:032x}",
            n,
            "task.created",
            date_ms,
            "",
            "task",
            "WT1",
            '{"task_attributes":"{\\"a\\":1}"}',
        )
        for n, date_ms in enumerate(dates_ms, first)
    ]
    connection = await asyncpg.connect(dsn)
    try:
        await connection.executemany(
            "INSERT INTO events (workspace_sid, sid, sequence, event_type, event_date_ms, description,"
            " resource_type, resource_sid, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            rows,
        )
    finally:
        await connection.close()


@pytest.mark.parametrize("seed", range(4))
async def test_every_place_is_found_by_its_sequence(database: str, pools: Database, seed: int) -> None:
    """Also where many events share a millisecond, and where days lie between two."""
    rng = random.Random(seed)
    first, date_ms, dates_ms = rng.randint(1, 50), NOW_MS - 20 * DAY_MS, []
    for _ in range(120):
        date_ms += rng.choice([0, 0, 0, 1, 2, 1_000, 3_600_000, 2 * DAY_MS if rng.random() < 0.1 else 7])
        dates_ms.append(date_ms)
    await write(database, HERE, dates_ms, first)
    await write(database, THERE, dates_ms[::2])
    log = EventLog(pools, clock=lambda: NOW_MS)
    for sequence in range(first + len(dates_ms)):
        found = await log.find(HERE, sequence)
        assert found is not None
        assert found.first_sequence == first
        wanted = max(sequence, first)
        assert found.before.sequence == wanted - 1
        following = await log.after(HERE, found.before, 3)
        assert [e.sequence for e in following] == list(range(wanted, min(wanted + 3, first + len(dates_ms))))
    last = await log.last(HERE)
    assert last == Position(first + len(dates_ms) - 1, dates_ms[-1])
    assert [e.sequence for e in await log.before(HERE, last, 5)] == list(
        range(last.sequence - 4, last.sequence + 1)
    )


async def test_an_empty_log_has_no_places(pools: Database) -> None:
    log = EventLog(pools)
    assert await log.find(HERE, 1) is None
    assert await log.last(HERE) == Position(0, 0)
    assert await log.after(HERE, Position(0, 0), 10) == []
    assert await log.positions([HERE]) == {}


async def test_old_events_do_not_tell_the_attributes_of_tasks(database: str, pools: Database) -> None:
    await write(database, HERE, [NOW_MS - 30 * DAY_MS - 1, NOW_MS - 30 * DAY_MS, NOW_MS])
    log = EventLog(pools, clock=lambda: NOW_MS)
    told = await log.after(HERE, Position(0, 0), 10)
    assert [event.data["task_attributes"] for event in told] == ["{}", '{"a":1}', '{"a":1}']
    assert await log.before(HERE, await log.last(HERE), 10) == told
