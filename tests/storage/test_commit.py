"""A batch is written whole, under its owner's epoch, or not at all."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from engine.errors import Fenced, StoreUnavailable
from engine.ownership import Lease
from engine.routing.effects import Changes, KeptAnswer, Kind
from engine.routing.entities import ReservationStatus, TaskStatus, TransferMode, TransferStatus
from engine.storage.store import PostgresStore
from tests.storage.builders import (
    NOW_MS,
    OWNER,
    callback,
    changes,
    event,
    finished_task,
    made,
    one_of_each,
    reservation,
    task,
    transfer,
    worker,
    worker_channel,
    workflow,
    workspace,
)


async def test_every_kind_is_read_back_as_it_was_written(store: PostgresStore) -> None:
    one = one_of_each()
    lease = await store.create_workspace(OWNER, 60.0, changes(*one))
    loaded = await store.load(one.workspace.sid)

    assert lease == Lease(one.workspace.sid, OWNER, 1)
    assert loaded is not None
    assert loaded.workspace == one.workspace
    assert loaded.activities == [one.activity]
    assert loaded.task_channels == [one.task_channel]
    assert loaded.task_queues == [one.task_queue]
    assert loaded.workflows == [one.workflow]
    assert loaded.workers == [one.worker]
    assert loaded.worker_channels == [one.worker_channel]
    assert loaded.tasks == [one.task]
    assert loaded.reservations == [one.reservation]
    assert loaded.transfers == [one.transfer]
    assert loaded.callbacks == [one.callback]
    assert loaded.configurations == {(one.workflow.sid, 1): one.workflow.configuration}
    assert isinstance(loaded.tasks[0].status, TaskStatus)
    assert isinstance(loaded.reservations[0].status, ReservationStatus)
    assert isinstance(loaded.transfers[0].mode, TransferMode)
    assert isinstance(loaded.transfers[0].status, TransferStatus)


async def test_a_later_batch_replaces_what_changed(store: PostgresStore) -> None:
    here, job, who = workspace(), task(), worker()
    offer = reservation(job)
    lease = await store.create_workspace(OWNER, 60.0, changes(here, job, who, offer))
    here.sequence, here.event_sequence, here.friendly_name = 12, 34, "Sales"
    job.status, job.priority, job.task_queue_sid, job.reason = TaskStatus.ASSIGNED, 0, None, None
    job.entry_filter_index, job.filter_index, job.step_deadline_ms = None, -1, None
    offer.status, offer.version = ReservationStatus.ACCEPTED, 3
    who.activity_sid, who.attributes, who.version = "WA" + "3" * 32, "{}", 5
    await store.commit(lease, changes(here, job, who, offer))
    loaded = await store.load(here.sid)

    assert loaded is not None
    assert (loaded.workspace, loaded.tasks, loaded.workers) == (here, [job], [who])
    assert loaded.reservations == [offer]


async def test_finished_tasks_and_ended_reservations_are_not_live(store: PostgresStore) -> None:
    done, waiting = finished_task(NOW_MS), task()
    rejected = reservation(waiting, status=ReservationStatus.REJECTED)
    failed = transfer(waiting)
    lease = await made(store, done, waiting, rejected, transfer(done), failed)
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert loaded.tasks == [waiting]
    assert loaded.reservations == []
    assert loaded.transfers == [failed]
    assert await store.finished_task(lease.workspace_sid, done.sid, NOW_MS - 1) == done
    assert await store.finished_task(lease.workspace_sid, done.sid, NOW_MS) is None
    assert await store.finished_task(lease.workspace_sid, waiting.sid, 0) is None
    assert await store.reservation(lease.workspace_sid, rejected.sid) == rejected
    assert await store.transfer(lease.workspace_sid, failed.sid) == failed


async def test_a_later_batch_gives_a_transfer_its_outcome(store: PostgresStore) -> None:
    job = task()
    handed = transfer(job, status=TransferStatus.INITIATED, failed_reason=None)
    lease = await made(store, job, handed)
    handed.status, handed.failed_reason = TransferStatus.FAILED, "it was rejected"
    handed.version, handed.date_updated_ms = 4, NOW_MS + 9
    await store.commit(lease, changes(handed))
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert loaded.transfers == [handed]


async def test_a_commit_under_an_older_epoch_is_fenced_and_writes_nothing(store: PostgresStore) -> None:
    lease = await made(store)
    taken = await store.acquire(lease.workspace_sid, OWNER, 60.0)
    assert taken is not None
    assert taken.epoch == 2
    with pytest.raises(Fenced):
        await store.commit(lease, changes(task(), event(1)))
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert loaded.tasks == []
    await store.commit(taken, changes(task()))


async def test_a_commit_to_an_unknown_workspace_is_fenced(store: PostgresStore) -> None:
    with pytest.raises(Fenced):
        await store.commit(Lease("WS" + "0" * 32, OWNER, 1), changes(task()))


async def test_a_takeover_waits_for_the_commit_under_way(store: PostgresStore, database: str) -> None:
    lease = await made(store)
    other = await asyncpg.connect(database)
    try:
        async with other.transaction():
            await other.execute(
                "SELECT FROM workspace_leases WHERE workspace_sid = $1 FOR UPDATE", lease.workspace_sid
            )
            takeover = asyncio.create_task(store.acquire(lease.workspace_sid, OWNER, 60.0))
            await waits_for_a_lock(other)
            assert not takeover.done()
        taken = await takeover
    finally:
        await other.close()
    assert taken is not None
    assert taken.epoch == 2


@pytest.mark.parametrize("taken_over", [True, False], ids=["taken over", "renewed"])
async def test_a_commit_waits_for_who_holds_the_lease_row_and_goes_by_what_it_leaves(
    store: PostgresStore, database: str, *, taken_over: bool
) -> None:
    lease = await made(store)
    other = await asyncpg.connect(database)
    try:
        async with other.transaction():
            await other.execute(
                "UPDATE workspace_leases SET epoch = epoch + $2, expires_at = now() WHERE workspace_sid = $1",
                lease.workspace_sid,
                int(taken_over),
            )
            commit = asyncio.create_task(store.commit(lease, changes(task(), event(1))))
            await waits_for_a_lock(other)
            assert not commit.done()
        [outcome] = await asyncio.gather(commit, return_exceptions=True)
    finally:
        await other.close()
    loaded = await store.load(lease.workspace_sid)

    assert isinstance(outcome, Fenced) == taken_over
    assert loaded is not None
    assert len(loaded.tasks) == int(not taken_over)
    assert await column(database, "SELECT count(*) FROM events") == [int(not taken_over)]


async def test_nothing_of_a_fenced_batch_is_written_whatever_is_in_it(
    store: PostgresStore, database: str
) -> None:
    there = callback(reservation(task()))
    lease = await made(store, there)
    await store.acquire(lease.workspace_sid, OWNER, 60.0)
    one = one_of_each()
    batch = changes(*one[1:], event(1))
    batch.workspace = workspace(sid=lease.workspace_sid, friendly_name="Of a stale owner")
    batch.callbacks_settled.append(there.reservation_sid)
    batch.kept_answers.append(KeptAnswer(lease.workspace_sid, "/Tasks", "key", 0, b"f", b"a", NOW_MS))
    batch.removed.append((Kind.WORKSPACE, lease.workspace_sid))
    before = await contents(database)
    for stale in (batch, replace(batch, removed=[], kept_answers=[])):
        with pytest.raises(Fenced):
            await store.commit(lease, stale)
        assert await contents(database) == before


async def contents(dsn: str) -> list[object]:
    """All rows of all tables that hold any, as one document per table."""
    tables = (
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )
    names = sorted(str(name) for name in await column(dsn, tables))
    return [row for name in names for row in await column(dsn, f"SELECT json_agg(t) FROM {name} AS t")]


async def waits_for_a_lock(connection: asyncpg.Connection) -> None:
    """Return as soon as some session of this database waits for a lock."""
    async with asyncio.timeout(10):
        while True:
            if await connection.fetchval(WAITING):
                return
            await asyncio.sleep(0)


WAITING = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def test_an_impossible_row_undoes_the_whole_batch(store: PostgresStore) -> None:
    lease = await made(store)
    with pytest.raises(asyncpg.CheckViolationError):
        await store.commit(lease, changes(task(), task(status=TaskStatus.COMPLETED)))
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert loaded.tasks == []


async def test_the_log_keeps_the_gapless_sequence(store: PostgresStore, database: str) -> None:
    lease = await made(store, event(1), event(2))
    await store.commit(lease, changes(event(3)))
    with pytest.raises(Fenced):
        await store.commit(Lease(lease.workspace_sid, OWNER, 7), changes(event(4)))
    await store.commit(lease, changes(event(4), event(5)))
    assert await column(database, "SELECT sequence FROM events ORDER BY sequence") == [1, 2, 3, 4, 5]


async def column(dsn: str, sql: str) -> list[object]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def test_a_settled_callback_leaves_the_outbox(store: PostgresStore) -> None:
    job = task()
    first, second = reservation(job), reservation(job)
    lease = await made(store, job, first, second, callback(first), callback(second))
    await store.commit(lease, Changes(callbacks_settled=[first.sid]))
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert loaded.callbacks == [callback(second)]


async def test_a_callback_made_and_settled_in_one_batch_leaves_nothing(store: PostgresStore) -> None:
    job = task()
    offer = reservation(job)
    lease = await made(store)
    batch = changes(job, offer, callback(offer))
    batch.callbacks_settled.append(offer.sid)
    await store.commit(lease, batch)
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert loaded.callbacks == []


async def test_a_removed_task_takes_reservations_and_callbacks_out_of_sight(store: PostgresStore) -> None:
    job = task()
    offer = reservation(job)
    lease = await made(store, job, offer, callback(offer))
    job.status = TaskStatus.RESERVED
    batch = changes(job)
    batch.removed.append((Kind.TASK, job.sid))
    await store.commit(lease, batch)
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert (loaded.tasks, loaded.reservations, loaded.callbacks) == ([], [], [])
    assert await store.reservation(lease.workspace_sid, offer.sid) is None


async def test_removed_entities_are_gone(store: PostgresStore) -> None:
    one = one_of_each()
    by_worker = worker_channel(worker_sid=one.worker.sid)
    by_channel = worker_channel(task_channel_sid=one.task_channel.sid)
    kept = worker_channel()
    removed = {
        Kind.ACTIVITY: one.activity,
        Kind.TASK_CHANNEL: one.task_channel,
        Kind.TASK_QUEUE: one.task_queue,
        Kind.WORKFLOW: one.workflow,
        Kind.WORKER: one.worker,
    }
    lease = await made(store, *removed.values(), by_worker, by_channel, kept)
    await store.commit(lease, Changes(removed=[(kind, entity.sid) for kind, entity in removed.items()]))
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert (loaded.activities, loaded.task_channels, loaded.task_queues) == ([], [], [])
    assert (loaded.workflows, loaded.workers) == ([], [])
    assert loaded.worker_channels == [kept]


async def test_a_removed_workspace_is_not_loaded_nor_leased_again(store: PostgresStore) -> None:
    lease = await made(store, task())
    await store.commit(lease, Changes(removed=[(Kind.WORKSPACE, lease.workspace_sid)]))
    assert await store.load(lease.workspace_sid) is None
    assert await store.workspace_sids() == []
    assert await store.acquire(lease.workspace_sid, OWNER, 60.0) is None


async def test_configurations_that_open_tasks_go_by_are_loaded(store: PostgresStore) -> None:
    flow = workflow(configuration="v1")
    old = task(workflow_sid=flow.sid, workflow_version=1)
    lease = await made(store, flow, old)
    for version in (2, 3):
        flow.configuration, flow.configuration_version = f"v{version}", version
        await store.commit(lease, changes(flow))
    flow.friendly_name = "Renamed"
    await store.commit(lease, changes(flow))
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert loaded.configurations == {(flow.sid, 1): "v1", (flow.sid, 3): "v3"}


async def test_every_configuration_saved_in_one_batch_is_kept(store: PostgresStore) -> None:
    flow = workflow(configuration="v3", configuration_version=3)
    between = task(workflow_sid=flow.sid, workflow_version=2)
    batch = changes(flow, between)
    batch.configurations[flow.sid, 2] = "v2"
    lease = await made(store)
    await store.commit(lease, batch)
    loaded = await store.load(lease.workspace_sid)

    assert loaded is not None
    assert loaded.configurations == {(flow.sid, 2): "v2", (flow.sid, 3): "v3"}


async def test_a_load_sees_one_moment(store: PostgresStore) -> None:
    """Each batch adds a task and a reservation; no load may find one without the other."""
    lease = await made(store)

    async def write() -> None:
        for _ in range(20):
            job = task()
            await store.commit(lease, changes(job, reservation(job)))

    writing = asyncio.create_task(write())
    while not writing.done():
        loaded = await store.load(lease.workspace_sid)
        assert loaded is not None
        assert {offer.task_sid for offer in loaded.reservations} == {job.sid for job in loaded.tasks}
    await writing


async def test_the_same_sid_in_two_workspaces_is_two_entities(store: PostgresStore) -> None:
    job = task()
    one, two = await made(store, job), await made(store, job)
    job.priority = 99
    await store.commit(one, changes(job))
    first, second = await store.load(one.workspace_sid), await store.load(two.workspace_sid)
    assert first is not None
    assert second is not None
    assert (first.tasks[0].priority, second.tasks[0].priority) == (99, 7)


async def test_a_workspace_is_not_made_twice(store: PostgresStore) -> None:
    here = workspace()
    await store.create_workspace(OWNER, 60.0, changes(here))
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.create_workspace(OWNER, 60.0, changes(here))


async def test_a_commit_to_a_closed_connection_says_unavailable(store: PostgresStore, database: str) -> None:
    lease = await made(store)
    killer = await asyncpg.connect(database)
    try:
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await killer.close()
    async with asyncio.timeout(10):
        while True:
            try:
                await store.commit(lease, changes(task()))
                break
            except StoreUnavailable:
                continue
