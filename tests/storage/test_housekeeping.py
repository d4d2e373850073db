"""The daemon's rounds: statistics are added up and old events redacted without anybody asking."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine import metrics
from engine.housekeeping import DAY_MS, Housekeeping
from engine.routing.rollups import MINUTE_MS
from engine.settings import Settings
from engine.storage.pool import Database
from engine.storage.redaction import Redaction
from engine.storage.retention import Retention
from engine.storage.statistics_summing import StatisticsSumming, Step
from engine.storage.store import PostgresStore
from tests.statistics.history import RecordedWorld

TIMEOUT_S = 10.0


class WatchedSumming(StatisticsSumming):
    """Tells when a workspace is done."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.done = asyncio.Event()

    async def advance(self, workspace_sid: str) -> Step:
        step = await super().advance(workspace_sid)
        if step.done:
            self.done.set()
        return step


@pytest.fixture
def summing(pools: Database) -> WatchedSumming:
    return WatchedSumming(pools)


@pytest.fixture
async def world(store: PostgresStore) -> RecordedWorld:
    """A task each on two days, 40 days apart."""
    world = RecordedWorld()
    world.simple_workflow(world.queue())
    world.task(attributes={"name": "Ada"})
    world.wait(40 * 86_400)
    world.task(attributes={"name": "Bob"})
    await world.commit(store)
    return world


@pytest.fixture
async def housekeeping(pools: Database, world: RecordedWorld, summing: WatchedSumming) -> AsyncIterator[Any]:
    made: list[Housekeeping] = []

    def make(**retention: int) -> Housekeeping:
        settings = Settings.load(None, {("retention", key): value for key, value in retention.items()})
        parts = (Retention(pools), Redaction(pools), summing)
        made.append(Housekeeping(*parts, settings, lambda: world.now_ms))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


async def fetch(pools: Database, sql: str) -> Any:
    async with pools.reading() as connection:
        return await connection.fetchval(sql)


async def attributes(pools: Database) -> list[str]:
    sql = """
        SELECT array_agg(data::json ->> 'task_attributes' ORDER BY sequence)
        FROM events
        WHERE event_type = 'task.created'
    """
    found: list[str] = await fetch(pools, sql)
    return found


async def test_the_log_is_added_up_from_the_start(
    pools: Database, world: RecordedWorld, housekeeping: Any, summing: WatchedSumming
) -> None:
    housekeeping(events_days=90).start()
    await asyncio.wait_for(summing.done.wait(), TIMEOUT_S)
    until_ms = await fetch(pools, "SELECT summed_until_ms FROM log_positions")
    assert until_ms == world.now_ms // MINUTE_MS * MINUTE_MS
    sql = "SELECT sum(tasks_created) FROM statistics_counts WHERE scope_sid LIKE 'WS%' AND span_ms = 60000"
    assert await fetch(pools, sql) == 1


async def test_old_events_are_redacted_when_they_are_kept_longer_than_attributes(
    pools: Database, world: RecordedWorld, housekeeping: Any
) -> None:
    before = metrics.EVENTS_REDACTED._value.get()
    await housekeeping(events_days=90, task_attributes_days=30).clean()
    assert await attributes(pools) == ["{}", '{"name": "Bob"}']
    assert metrics.EVENTS_REDACTED._value.get() - before > 1


async def test_events_are_not_written_again_only_to_be_dropped(
    pools: Database, world: RecordedWorld, housekeeping: Any
) -> None:
    await housekeeping(events_days=60, task_attributes_days=60).clean()
    assert await attributes(pools) == ['{"name": "Ada"}', '{"name": "Bob"}']
    world.now_ms += 21 * DAY_MS
    await housekeeping(events_days=60, task_attributes_days=60).clean()
    assert await attributes(pools) == ['{"name": "Bob"}']
