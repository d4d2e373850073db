"""What expires goes, in batches, and nothing else does."""

import asyncpg
import pytest

from engine.routing.effects import Changes, Kind
from engine.storage.accounts import Accounts
from engine.storage.deliveries import DeliveryOutbox
from engine.storage.partitions import DAY_MS, TABLES
from engine.storage.pool import Database
from engine.storage.retention import Retention
from engine.storage.store import PostgresStore
from tests.storage.builders import (
    NOW_MS,
    OWNER,
    activity,
    changes,
    event,
    finished_task,
    made,
    one_of_each,
    reservation,
    task,
    transfer,
    worker,
    workflow,
    workspace,
)

KEEP_MS = 300_000


@pytest.fixture
def retention(pools: Database) -> Retention:
    return Retention(pools, batch_rows=2)


async def count(pools: Database, table: str) -> int:
    async with pools.reading() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


async def test_finished_tasks_go_after_their_time_with_their_reservations(
    store: PostgresStore, pools: Database, retention: Retention
) -> None:
    old = [finished_task(NOW_MS - KEEP_MS - 1) for _ in range(5)]
    fresh, waiting = finished_task(NOW_MS - KEEP_MS), task()
    offers = [reservation(job) for job in (*old, fresh, waiting)]
    handed = [transfer(job) for job in (*old, fresh, waiting)]
    lease = await made(store, *old, fresh, waiting, *offers, *handed)
    assert await retention.purge_finished(NOW_MS, KEEP_MS) == 5
    assert await retention.purge_finished(NOW_MS, KEEP_MS) == 0
    assert await count(pools, "tasks") == await count(pools, "reservations") == 2
    assert await count(pools, "transfers") == 2
    assert await store.finished_task(lease.workspace_sid, fresh.sid, 0) == fresh


async def test_deleted_tasks_go_at_once(pools: Database, retention: Retention) -> None:
    store = PostgresStore(pools, clock=lambda: NOW_MS)
    job = task()
    lease = await made(store, job, reservation(job), transfer(job))
    await store.commit(lease, Changes(removed=[(Kind.TASK, job.sid)]))
    assert await retention.purge_finished(NOW_MS, KEEP_MS) == 1
    assert await count(pools, "tasks") == await count(pools, "reservations") == 0
    assert await count(pools, "transfers") == 0


async def test_configurations_nobody_goes_by_go(
    store: PostgresStore, pools: Database, retention: Retention
) -> None:
    flow = workflow(configuration_version=3)
    old = task(workflow_sid=flow.sid, workflow_version=1)
    done = finished_task(NOW_MS, workflow_sid=flow.sid, workflow_version=2)
    batch = changes(workspace(), flow, old, done)
    batch.configurations.update({(flow.sid, 1): "1", (flow.sid, 2): "2"})
    lease = await store.create_workspace(OWNER, 60.0, batch)
    assert await retention.purge_configurations() == 1
    loaded = await store.load(lease.workspace_sid)
    assert loaded is not None
    assert set(loaded.configurations) == {(flow.sid, 1), (flow.sid, 3)}


async def test_days_of_old_events_are_dropped_whole(
    store: PostgresStore, pools: Database, retention: Retention
) -> None:
    day = 5000
    assert await retention.ensure_partitions(day * DAY_MS, 1) == [
        f"{table}_day_{n}" for table in TABLES for n in (4999, 5000, 5001)
    ]
    strays = [event(n, event_date_ms=n) for n in range(1, 6)]
    kept = [event(10 + n, event_date_ms=(4999 + n) * DAY_MS) for n in range(3)]
    await made(store, *strays, *kept)
    assert await count(pools, "events") == 8
    dropped = await retention.purge_events(day * DAY_MS + KEEP_MS + 1, KEEP_MS)
    assert dropped == [f"{table}_day_4999" for table in TABLES]
    assert await count(pools, "events") == 2


async def test_a_deleted_workspace_goes_with_everything_in_it(pools: Database, retention: Retention) -> None:
    store = PostgresStore(pools, clock=lambda: NOW_MS)
    kept = await made(store, task(), worker())
    more_than_a_batch = [activity() for _ in range(4)]
    lease = await store.create_workspace(OWNER, 60.0, changes(*one_of_each(), *more_than_a_batch, event(1)))
    await store.commit(lease, Changes(removed=[(Kind.WORKSPACE, lease.workspace_sid)]))
    assert await retention.purge_deleted_workspaces(NOW_MS - 1) == 0
    await DeliveryOutbox(pools).expire(lease.workspace_sid, NOW_MS * 2, 10)
    assert await retention.purge_deleted_workspaces(NOW_MS) == 1
    for table in (
        "workspaces", "workspace_leases", "activities", "task_channels", "task_queues", "workflows",
        "workflow_configurations", "workers", "worker_channels", "tasks", "reservations",
        "transfers", "assignment_callbacks",
    ):  # fmt: skip
        async with pools.reading() as connection:
            found = await connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE workspace_sid = $1", lease.workspace_sid
            )
        assert found == 0, table
    assert await store.load(kept.workspace_sid) is not None
    assert await count(pools, "tasks") == 1


async def test_accounts_are_kept_encrypted_and_can_be_given_another_token(pools: Database) -> None:
    accounts = Accounts(pools)
    one, two = "AC" + "1" * 32, "AC" + "2" * 32
    await accounts.put(two, b"\x00old")
    await accounts.put(one, b"other")
    await accounts.put(two, b"\x00new")
    assert sorted(await accounts.all()) == [(one, b"other"), (two, b"\x00new")]
    assert await accounts.get(two) == b"\x00new"
    assert await accounts.get("AC" + "3" * 32) is None


async def test_a_partition_in_use_is_left_for_the_next_time(
    pools: Database, retention: Retention, database: str
) -> None:
    await retention.ensure_partitions(3 * DAY_MS, 0)
    reader = await asyncpg.connect(database)
    try:
        async with reader.transaction():
            await reader.fetch("SELECT FROM events")
            dropped = await retention.purge_events(DAY_MS * 10, 0)
            assert not [name for name in dropped if name.startswith("events")]
        assert await retention.purge_events(DAY_MS * 10, 0) == ["events_day_2", "events_day_3"]
    finally:
        await reader.close()
