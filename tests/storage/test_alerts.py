"""Alerts are thinned out before they are written, and add up to what happened."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from engine import alert_writer
from engine.alert_writer import KEPT_MAX, AlertWriter
from engine.alerts import Alert, AlertLevel, Problem, level_of
from engine.clock import wall_clock_ms
from engine.errors import StoreUnavailable
from engine.routing.effects import Changes, RoutingWarning
from engine.sids import time_ordered_sids
from engine.storage.alerts import Alerts
from engine.storage.paging import BadCursor, PageRequest
from engine.storage.partitions import DAY_MS
from engine.storage.pool import Database
from engine.storage.reads import Reads
from engine.storage.retention import Retention
from tests.callbacks.receiver import a_workspace

WORKSPACE = "WS" + "1" * 32
PROBLEM = Problem(
    WORKSPACE,
    11200,
    "status 500",
    url="http://hooks.test/",
    task_sid="WT1",
    worker_sid="WK1",
    reservation_sid="WR1",
    workflow_sid="WW1",
    event_sid="EV1",
)


class Watched(Alerts):
    """Lets a test wait for what was written."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.written = 0
        self.changed = asyncio.Condition()

    async def write(self, alerts: Sequence[Alert]) -> None:
        await super().write(alerts)
        async with self.changed:
            self.written += len(alerts)
            self.changed.notify_all()

    async def has(self, count: int) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.written >= count)


@asynccontextmanager
async def writing(pools: Database, store: object = None) -> AsyncIterator[AlertWriter]:
    writer = AlertWriter(store or Alerts(pools), time_ordered_sids(), wall_clock_ms)
    try:
        yield writer
    finally:
        await writer.stop()


async def kept(pools: Database, workspace_sid: str = WORKSPACE, **filters: object) -> list[Alert]:
    ever = {"start_ms": 0, "end_ms": 2**53}
    return (await Reads(pools).alerts(workspace_sid, PageRequest(1000), **ever, **filters)).items


async def test_a_problem_is_kept_with_everything_that_is_known_of_it(pools: Database) -> None:
    async with writing(pools) as writer:
        writer.report(PROBLEM)
    [alert] = await kept(pools)
    assert (alert.code, alert.level, alert.text, alert.url) == (
        11200,
        AlertLevel.ERROR,
        "status 500",
        "http://hooks.test/",
    )
    sids = (alert.task_sid, alert.worker_sid, alert.reservation_sid, alert.workflow_sid, alert.event_sid)
    assert sids == ("WT1", "WK1", "WR1", "WW1", "EV1")
    assert (alert.sid[:2], alert.occurrences) == ("NO", 1)
    assert abs(alert.date_ms - wall_clock_ms()) < 60_000
    assert await Reads(pools).alert(WORKSPACE, alert.sid) == alert
    assert await Reads(pools).alert("WS" + "2" * 32, alert.sid) is None


async def test_a_problem_is_written_without_being_asked_for(pools: Database) -> None:
    async with writing(pools, store := Watched(pools)) as writer:
        writer.report(PROBLEM)
        await store.has(1)
        assert len(await kept(pools)) == 1


async def test_a_flood_is_a_few_alerts_that_add_up(pools: Database) -> None:
    other = replace(PROBLEM, workspace_sid="WS" + "2" * 32)
    async with writing(pools) as writer:
        for number in range(5_000):
            writer.report(replace(PROBLEM, task_sid=f"WT{number}"))
        for _ in range(3_000):
            writer.report(replace(PROBLEM, code=40005))
        writer.report(other)
    assert len(await kept(pools, code=11200)) == KEPT_MAX + 1
    assert sum(alert.occurrences for alert in await kept(pools, code=11200)) == 5_000
    newest, first = await kept(pools, code=40005)
    assert (first.occurrences, newest.occurrences) == (1, 2_999)
    assert len(await kept(pools, other.workspace_sid)) == 1


async def test_what_is_counted_is_kept_when_its_minute_is_over(
    pools: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_writer, "WINDOW_S", 0.05)
    monkeypatch.setattr(alert_writer, "_PAUSE_S", 0.01)

    async with writing(pools, store := Watched(pools)) as writer:
        writer.report(PROBLEM)
        writer.report(PROBLEM)
        await store.has(2)
        assert len(await kept(pools)) == 2


async def test_alerts_outlive_a_database_that_is_away_within_bounds(
    pools: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of too many the newest are kept; one written before the answer was lost is there once."""
    monkeypatch.setattr(alert_writer, "_WAITING_MAX", 30)
    monkeypatch.setattr(alert_writer, "_LINGER_S", 0.01)
    monkeypatch.setattr(alert_writer, "_PAUSE_S", 0.01)

    class Shaky(Watched):
        calls = 0

        async def write(self, alerts: Sequence[Alert]) -> None:
            self.calls += 1
            if self.calls == 2:
                await Alerts.write(self, alerts)
            if self.calls < 4:
                raise StoreUnavailable("away")
            await super().write(alerts)

    async with writing(pools, store := Shaky(pools)) as writer:
        for number in range(45):
            writer.report(replace(PROBLEM, task_sid=f"WT{number}"))
        await store.has(30)
    assert [alert.task_sid for alert in await kept(pools)] == [f"WT{number}" for number in range(44, 14, -1)]


async def test_warnings_of_routing_are_kept_with_their_batch(pools: Database) -> None:
    warning = RoutingWarning(40152, "known worker: not in the queue", "WT1", None, "WW1")
    async with writing(pools) as writer:
        writer.committed(a_workspace(), Changes(warnings=[warning]))
    [alert] = await kept(pools, a_workspace().sid)
    assert (alert.code, alert.level, alert.text) == (40152, AlertLevel.WARNING, warning.message)
    assert (alert.task_sid, alert.worker_sid, alert.workflow_sid) == ("WT1", None, "WW1")


@pytest.mark.parametrize(
    ("code", "level"),
    [(40000, "error"), (40001, "warning"), (40005, "warning"), (55555, "error"), (11205, "error")],
)
def test_the_dictionary_says_what_is_only_a_warning(code: int, level: str) -> None:
    assert level_of(code).value == level


async def test_pages_of_alerts_neither_skip_nor_repeat(pools: Database) -> None:
    async with writing(pools) as writer:
        for number in range(7):
            writer.report(replace(PROBLEM, task_sid=f"WT{number}"))
    reads, ever, seen, after = Reads(pools), {"start_ms": 0, "end_ms": 2**53}, [], None
    while True:
        page = await reads.alerts(WORKSPACE, PageRequest(3, after=after), **ever)
        seen += [alert.task_sid for alert in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [f"WT{number}" for number in range(6, -1, -1)]
    with pytest.raises(BadCursor):
        await reads.alerts(WORKSPACE, PageRequest(3, after="NO" + "0" * 32), **ever)


async def test_old_alerts_go_with_their_day(pools: Database) -> None:
    old = Alert("NO" + "1" * 32, WORKSPACE, 5 * DAY_MS, 11200, AlertLevel.ERROR, "", *(None,) * 6, 1)
    await Alerts(pools).write([old, replace(old, sid="NO" + "2" * 32, date_ms=wall_clock_ms())])
    await Retention(pools).purge_events(wall_clock_ms(), 30 * DAY_MS)
    assert [alert.sid for alert in await kept(pools)] == ["NO" + "2" * 32]
