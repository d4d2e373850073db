"""Old events do not tell the attributes of tasks: in answers at once, in the rows soon."""

from typing import Any

import asyncpg
import orjson
import pytest

from engine.routing.effects import Changes, Event, Kind
from engine.storage.partitions import DAY_MS
from engine.storage.pool import Database
from engine.storage.reads import PageRequest, Reads
from engine.storage.redaction import Redaction, redacted
from engine.storage.retention import Retention
from engine.storage.statistics_summing import StatisticsSumming
from engine.storage.store import PostgresStore
from tests.storage.builders import OWNER, changes, event, workspace

DAY = 5_000
CUT_MS = DAY * DAY_MS + 500
KEPT_MS = 30 * DAY_MS
TASK = "WT" + "1" * 32
WORKER = "WK" + "2" * 32
ATTRIBUTES = '{"name": "Ada \\u0000 \\"quoted\\""}'


def about_a_task(sequence: int, date_ms: int) -> Event:
    data = {"task_sid": TASK, "task_attributes": ATTRIBUTES, "task_age": "7", "worker_attributes": "{1}"}
    return event(sequence, event_date_ms=date_ms, data=data, task_sid=TASK, worker_sid=WORKER)


def about_a_worker(sequence: int, date_ms: int) -> Event:
    data = {"worker_sid": WORKER, "worker_name": "task_attributes"}
    return event(sequence, event_date_ms=date_ms, data=data, worker_sid=WORKER)


OLD = [
    # two days that have a partition, one that has none, and more than a batch of one moment
    *(about_a_task(n, 9 * DAY_MS) for n in (1, 2)),
    *(about_a_task(n, (DAY - 1) * DAY_MS + 7) for n in range(3, 9)),
    about_a_worker(9, DAY * DAY_MS),
    about_a_task(10, CUT_MS - 1),
]
YOUNG = [about_a_task(11, CUT_MS), about_a_task(12, CUT_MS + KEPT_MS)]


@pytest.fixture
async def log(store: PostgresStore, pools: Database) -> str:
    """A workspace with old and young events; returns its SID."""
    await Retention(pools).ensure_partitions(DAY * DAY_MS, 0)
    lease = await store.create_workspace(OWNER, 60.0, changes(workspace(), *OLD, *YOUNG))
    await StatisticsSumming(pools).workspaces()
    return lease.workspace_sid


@pytest.fixture
def redaction(pools: Database) -> Redaction:
    return Redaction(pools, batch_rows=4)


async def stored(pools: Database) -> dict[int, dict[str, str]]:
    async with pools.reading() as connection:
        rows = await connection.fetch("SELECT sequence, data FROM events ORDER BY sequence")
    return {row["sequence"]: orjson.loads(row["data"]) for row in rows}


def expected(old: dict[str, str]) -> dict[str, str]:
    return old | {"task_attributes": "{}"} if "task_attributes" in old else old


async def test_old_rows_lose_the_attributes_of_their_task_and_nothing_else(
    log: str, pools: Database, redaction: Redaction
) -> None:
    assert await redaction.redact(CUT_MS) == len(OLD) - 1
    found = await stored(pools)
    assert found == {
        **{item.sequence: expected(item.data) for item in OLD},
        **{item.sequence: item.data for item in YOUNG},
    }
    assert await redaction.redact(CUT_MS) == 0
    assert await redaction.redact(CUT_MS + 1) == 1


async def test_a_stop_loses_nothing_and_the_next_round_goes_on(
    log: str, pools: Database, database: str, redaction: Redaction
) -> None:
    connection = await asyncpg.connect(database)
    try:
        # The second day cannot be written to: the batches before it stay done.
        await connection.execute(
            f"ALTER TABLE events_day_{DAY} ADD CONSTRAINT held CHECK (data !~ '\"{{}}\"')"
        )
        with pytest.raises(asyncpg.CheckViolationError):
            await redaction.redact(CUT_MS)
        done = {n for n, data in (await stored(pools)).items() if data.get("task_attributes") == "{}"}
        assert done == set(range(1, 9))
        await connection.execute(f"ALTER TABLE events_day_{DAY} DROP CONSTRAINT held")
    finally:
        await connection.close()
    assert await Redaction(pools, batch_rows=4).redact(CUT_MS) == 1


async def test_neither_redaction_nor_a_commit_waits_for_the_other(
    log: str, store: PostgresStore, database: str, redaction: Redaction
) -> None:
    lease = await store.acquire(log, OWNER, 60.0)
    assert lease is not None
    connection = await asyncpg.connect(database)
    try:
        async with connection.transaction():
            # What a batch of another node holds.
            await connection.execute("SELECT FROM log_positions FOR UPDATE")
            await connection.execute("UPDATE events SET data = data WHERE sequence = 1")
            assert await redaction.redact(CUT_MS) == 0
            await store.commit(lease, Changes(events=[about_a_task(13, CUT_MS + KEPT_MS)]))
    finally:
        await connection.close()
    assert await redaction.redact(CUT_MS) == len(OLD) - 1


async def test_a_deleted_workspace_is_redacted_while_its_events_stay(
    log: str, pools: Database, store: PostgresStore, redaction: Redaction
) -> None:
    lease = await store.acquire(log, OWNER, 60.0)
    assert lease is not None
    await store.commit(lease, Changes(removed=[(Kind.WORKSPACE, log)]))
    await Retention(pools).purge_deleted_workspaces(2**60)
    assert await redaction.redact(CUT_MS) == len(OLD) - 1


@pytest.mark.parametrize("in_the_rows", [False, True])
async def test_answers_leave_the_attributes_out_at_once_and_every_filter_still_works(
    log: str, pools: Database, redaction: Redaction, in_the_rows: bool
) -> None:
    if in_the_rows:
        await redaction.redact(CUT_MS)
    reads = Reads(pools, clock=lambda: CUT_MS + KEPT_MS)
    for item in (*OLD, *YOUNG):
        found = await reads.event(log, item.sid)
        assert found is not None
        assert orjson.loads(found.data) == (expected(item.data) if item in OLD else item.data)

    async def listed(**filters: Any) -> list[int]:
        page = await reads.events(log, PageRequest(50), start_ms=0, end_ms=2**60, **filters)
        for view in page.items:
            told = orjson.loads(view.data).get("task_attributes")
            assert told in ({None, "{}"} if view.event_date_ms < CUT_MS else {ATTRIBUTES})
        return [view.sequence for view in page.items]

    everything = [*range(12, 0, -1)]
    assert await listed() == everything
    assert await listed(task_sid=TASK) == [n for n in everything if n != 9]
    assert await listed(worker_sid=WORKER) == everything
    assert await listed(event_type="task.created", sid=OLD[0].sid) == [1]
    assert await listed(task_sid="WT" + "9" * 32) == []


async def test_pages_go_on_across_the_moment_of_redaction(log: str, pools: Database) -> None:
    reads = Reads(pools, clock=lambda: CUT_MS + KEPT_MS)
    seen: list[int] = []
    cursor = None
    while True:
        page = await reads.events(log, PageRequest(5, after=cursor), start_ms=0, end_ms=2**60)
        seen += [view.sequence for view in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [*range(12, 0, -1)]


def test_only_the_attributes_of_tasks_are_redacted() -> None:
    assert redacted('{"worker_attributes":"{}"}') == '{"worker_attributes":"{}"}'
    assert redacted('{"worker_name":"\\"task_attributes\\""}') == '{"worker_name":"\\"task_attributes\\""}'
    assert redacted('{"task_attributes":"{\\"a\\":1}","b":"2"}') == '{"task_attributes":"{}","b":"2"}'
