"""Every minute that is over is added up once, whatever goes wrong on the way."""

import asyncio

import asyncpg
import pytest

from engine.routing.effects import Changes, Kind
from engine.routing.rollups import HOUR_MS, MINUTE_MS
from engine.storage.pool import Database
from engine.storage.retention import Retention
from engine.storage.statistics_summing import StatisticsSumming
from engine.storage.statistics_verify import StatisticsVerifier
from engine.storage.store import PostgresStore
from tests.statistics.history import START_MS, WORKSPACE, RecordedWorld, sum_up


@pytest.fixture
def summing(pools: Database) -> StatisticsSumming:
    return StatisticsSumming(pools)


@pytest.fixture
async def world(store: PostgresStore) -> RecordedWorld:
    """A task every 20 minutes for five hours, and one after a day."""
    world = RecordedWorld()
    world.simple_workflow(world.queue())
    for _ in range(15):
        world.task()
        world.wait(1200)
    world.wait(86_400)
    world.task()
    await world.commit(store)
    return world


async def summed_until(pools: Database) -> int:
    async with pools.reading() as connection:
        return int(await connection.fetchval("SELECT summed_until_ms FROM log_positions"))


async def tasks_created(pools: Database, span_ms: int) -> int:
    async with pools.reading() as connection:
        sql = "SELECT sum(tasks_created) FROM statistics_counts WHERE scope_sid = $1 AND span_ms = $2"
        return int(await connection.fetchval(sql, WORKSPACE, span_ms) or 0)


async def verified(pools: Database, world: RecordedWorld) -> bool:
    differences = StatisticsVerifier(pools).differences(WORKSPACE, start_ms=0, end_ms=world.now_ms)
    return [item async for item in differences] == []


async def test_only_minutes_that_are_over_are_added_up(
    pools: Database, world: RecordedWorld, summing: StatisticsSumming
) -> None:
    await sum_up(summing)
    assert await summed_until(pools) == world.now_ms // MINUTE_MS * MINUTE_MS
    # The last task was made in a minute that may go on.
    assert await tasks_created(pools, MINUTE_MS) == await tasks_created(pools, HOUR_MS) == 15
    assert await verified(pools, world)


async def test_adding_up_again_adds_nothing(
    pools: Database, world: RecordedWorld, summing: StatisticsSumming
) -> None:
    assert await sum_up(summing) > 15
    assert await summing.workspaces() == []
    assert (await summing.advance(WORKSPACE)).passed_ms == 0
    assert await tasks_created(pools, MINUTE_MS) == 15


async def test_an_hour_is_there_only_when_all_its_minutes_are(
    pools: Database, world: RecordedWorld, summing: StatisticsSumming
) -> None:
    while not (await summing.workspaces() and (await summing.advance(WORKSPACE)).done):
        until_ms = await summed_until(pools)
        hours = (until_ms // HOUR_MS * HOUR_MS - START_MS + 1_200_000 - 1) // 1_200_000
        assert await tasks_created(pools, HOUR_MS) == min(max(hours, 0), 15)
        assert await verified(pools, world)


async def test_two_at_a_time_do_nothing_twice(
    pools: Database, world: RecordedWorld, summing: StatisticsSumming
) -> None:
    await asyncio.gather(*(sum_up(summing) for _ in range(3)))
    await sum_up(summing)
    assert await tasks_created(pools, MINUTE_MS) == 15
    assert await verified(pools, world)


async def test_what_fails_leaves_nothing_behind(
    pools: Database, database: str, world: RecordedWorld, summing: StatisticsSumming
) -> None:
    await summing.workspaces()
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("ALTER TABLE statistics_counts ADD CONSTRAINT none CHECK (false)")
        with pytest.raises(asyncpg.CheckViolationError):
            await summing.advance(WORKSPACE)
        assert await summed_until(pools) == 0
        await connection.execute("ALTER TABLE statistics_counts DROP CONSTRAINT none")
    finally:
        await connection.close()
    await sum_up(summing)
    assert await verified(pools, world)


async def test_rollups_can_be_made_anew_at_any_moment(
    pools: Database, world: RecordedWorld, summing: StatisticsSumming
) -> None:
    await sum_up(summing, steps=9)
    await summing.forget(WORKSPACE)
    assert await tasks_created(pools, MINUTE_MS) == await summed_until(pools) == 0
    await sum_up(summing)
    assert await tasks_created(pools, HOUR_MS) == 15
    assert await verified(pools, world)


async def test_a_deleted_workspace_is_not_added_up_and_leaves_no_position(
    pools: Database, store: PostgresStore, world: RecordedWorld, summing: StatisticsSumming
) -> None:
    lease = await store.acquire(WORKSPACE, "node-1", 60.0)
    assert lease is not None
    await store.commit(lease, Changes(removed=[(Kind.WORKSPACE, WORKSPACE)]))
    assert await summing.workspaces() == []
    retention = Retention(pools)
    await retention.purge_deleted_workspaces(2**60)
    assert (await summing.advance(WORKSPACE)).done
    await retention.purge_events(2**60, 0)
    async with pools.reading() as connection:
        assert await connection.fetchval("SELECT count(*) FROM log_positions") == 0
