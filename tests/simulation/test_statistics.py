"""Cumulative statistics of the real store over a simulated history are those of a plain count of its events.

The history has everything in it that goes wrong: crashes, thefts, commits that executed and erred, clocks set
back. Minutes are added up while it goes on, at arbitrary moments, and questions are asked meanwhile.
"""

from random import Random

import pytest

from engine.ownership import Lease
from engine.routing.effects import Changes, Kind
from engine.routing.rows import WorkspaceRows
from engine.routing.statistics_views import Scope
from engine.storage.pool import Database
from engine.storage.reads import Reads
from engine.storage.statistics_figures import Cumulative
from engine.storage.statistics_summing import StatisticsSumming
from engine.storage.statistics_verify import StatisticsVerifier
from engine.storage.store import PostgresStore
from tests.simulation import simulation
from tests.simulation.recount import Recount, Told
from tests.simulation.test_store_conformance import Recording
from tests.statistics.history import sum_up

SEEDS = (2, 14)
ASKED_APART = 25
WAITS = ("until_accepted", "until_canceled", "in_queue_until_accepted")
THRESHOLDS = (0, 3, 60, 1_000)
LONG_AGO_MS = 0


@pytest.fixture(params=SEEDS)
def history(request: pytest.FixtureRequest) -> list[tuple[str, Changes, WorkspaceRows | None]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "MemoryStore", Recording)
        report = simulation.simulate(request.param, days=0.15)
    assert report.finding is None
    return Recording.last.batches


async def test_statistics_are_a_plain_count_all_through_a_history(
    history: list[tuple[str, Changes, WorkspaceRows | None]], pools: Database
) -> None:
    store, summing, random = PostgresStore(pools), StatisticsSumming(pools), Random(1)
    leases: dict[str, Lease] = {}
    recounts: dict[str, Recount] = {}
    last_ms = LONG_AGO_MS
    for number, (sid, changes, _) in enumerate(history):
        if sid not in leases:
            leases[sid] = await store.create_workspace("one", 1e6, changes)
            recounts[sid] = Recount(sid)
        else:
            await store.commit(leases[sid], changes)
        recounts[sid].take(changes.events)
        last_ms = max([last_ms, *(event.event_date_ms for event in changes.events)])
        if random.random() < 0.05:
            await sum_up(summing, random.randrange(1, 9))
        if number % ASKED_APART == 0 or number == len(history) - 1:
            ends = (last_ms, last_ms - random.randrange(10_000_000), last_ms - random.randrange(100_000))
            window = sorted(random.choices(ends, k=2))
            await compare(Reads(pools), recounts[sid], sid, (window[0], window[1]), random)
    assert await sum_up(summing) > 0
    for sid in leases:
        verifier = StatisticsVerifier(pools)
        assert [d async for d in verifier.differences(sid, start_ms=0, end_ms=last_ms)] == []
        await compare(Reads(pools), recounts[sid], sid, (LONG_AGO_MS, last_ms), random)


async def compare(
    reads: Reads, recount: Recount, workspace_sid: str, window: tuple[int, int], random: Random
) -> None:
    rows = Recording.last.workspaces[workspace_sid]
    sids = {
        Scope.WORKSPACE: [workspace_sid],
        Scope.QUEUE: list(rows.tables[Kind.TASK_QUEUE]),
        Scope.WORKFLOW: list(rows.tables[Kind.WORKFLOW]),
        Scope.WORKER: list(rows.tables[Kind.WORKER]),
    }
    channel = random.choice((None, *rows.tables[Kind.TASK_CHANNEL]))
    for scope, of in sids.items():
        found = await reads.cumulative(
            workspace_sid,
            scope,
            of,
            start_ms=window[0],
            end_ms=window[1],
            task_channel_sid=channel,
            thresholds=THRESHOLDS,
        )
        for sid in of:
            assert spelled_out(found[sid]) == plain(recount.past(scope, sid, window, channel)), (scope, sid)


def spelled_out(cumulative: Cumulative) -> list[object]:
    counters = {name: count for name, count in cumulative.counters.items() if count}
    waits = [cumulative.of(name) for name in WAITS]
    figures = [
        (wait.count, wait.total, wait.least, wait.most, [wait.at_most(t) for t in THRESHOLDS])
        for wait in waits
    ]
    return [counters, figures]


def plain(told: Told) -> list[object]:
    figures = []
    for name in WAITS:
        waits = told.waits.get(name, [])
        within = [sum(wait <= threshold for wait in waits) for threshold in THRESHOLDS]
        figures.append((len(waits), sum(waits), min(waits, default=0), max(waits, default=0), within))
    return [dict(told.counters), figures]
