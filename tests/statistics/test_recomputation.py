"""Statistics equal what the log says, on random histories, for any window."""

import random
from typing import Any

import pytest

from engine.routing import commands as c
from engine.routing.core import WorkspaceCore
from engine.routing.entities import ReservationStatus, TaskStatus
from engine.routing.errors import RoutingError
from engine.routing.rollups import IN_QUEUE, UNTIL_ACCEPTED, UNTIL_CANCELED
from engine.routing.statistics_views import Scope
from engine.storage.pool import Database
from engine.storage.reads import Reads
from engine.storage.statistics_figures import Waits
from engine.storage.statistics_summing import StatisticsSumming
from engine.storage.statistics_verify import StatisticsVerifier
from engine.storage.store import PostgresStore
from tests.statistics.history import WORKSPACE, RecordedWorld, counted, sum_up, time_spent

MEASURES = (IN_QUEUE, UNTIL_ACCEPTED, UNTIL_CANCELED)
STEPS = 150
WINDOWS = 12


class Traffic(RecordedWorld):
    """Does random things at random moments."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        super().__init__(multi_task_enabled=self.random.random() < 0.7)
        self.queues = [self.queue(f"q{n}", f"level >= {n}", max_reserved_workers=n + 1) for n in range(3)]
        self.flow = self.steps(
            {"queue": self.queues[2], "timeout": 40}, {"queue": self.queues[0], "priority": 3, "timeout": 500}
        )
        if not self.state.workspace.multi_task_enabled:
            self.do(c.UpdateTaskQueue(self.queues[0], assignment_activity_sid=self.activities["Unavailable"]))
        self.people = [self.worker(f"w{n}", "Available", level=n) for n in range(4)]
        self.began_ms = self.now_ms

    def run(self) -> None:
        actions = (
            [self.arrive] * 3
            + [self.answer] * 5
            + [self.end, self.shift, self.shift, self.replace, self.change]
        )
        for _ in range(STEPS):
            self.wait(self.random.choice((0, 0.3, 1.7, 20, 20, 75, 75, 900)))
            self.try_(self.random.choice(actions))

    def try_(self, action: Any) -> None:
        try:
            action()
        except RoutingError:
            return

    def arrive(self) -> None:
        route = self.random.choice(
            ({}, {}, {"task_queue_sid": self.queues[1]}, {"routing_target": self.people[0]})
        )
        self.task(workflow_sid=self.flow, task_channel=self.random.choice(("default", "voice")), **route)

    def answer(self) -> None:
        offers = [offer for task in self.state.tasks for offer in self.offers(task)]
        if offers:
            how = self.random.choice((ReservationStatus.ACCEPTED,) * 3 + tuple(ReservationStatus))
            self.move(self.random.choice(offers), how)

    def end(self) -> None:
        if self.state.tasks:
            sid = self.random.choice(list(self.state.tasks))
            ways = (c.DeleteTask(sid), *(c.UpdateTask(sid, assignment_status=s) for s in TaskStatus))
            self.do(self.random.choice(ways))

    def shift(self) -> None:
        self.activity(self.random.choice(self.people), self.random.choice(list(self.activities)))

    def replace(self) -> None:
        leaver = self.random.choice(self.people)
        self.do(c.DeleteWorker(leaver))
        self.people.remove(leaver)
        self.people.append(self.worker(f"w{self.now_ms}", "Available", level=self.random.randrange(4)))

    def change(self) -> None:
        if self.state.tasks:
            sid = self.random.choice(list(self.state.tasks))
            self.do(c.UpdateTask(sid, priority=self.random.randrange(5), task_channel="voice"))

    def moment(self) -> int:
        return self.random.choice(
            (self.began_ms, self.now_ms, self.random.randint(self.began_ms, self.now_ms))
        )


@pytest.fixture(params=range(3))
def traffic(request: pytest.FixtureRequest) -> Traffic:
    history = Traffic(request.param)
    history.run()
    return history


async def test_statistics_are_what_the_log_says(
    traffic: Traffic, store: PostgresStore, reads: Reads, pools: Database
) -> None:
    await traffic.commit(store)
    log, summing = traffic.log, StatisticsSumming(pools)
    assert {event.event_type for event in log} >= {"task.canceled", "reservation.accepted", "worker.deleted"}
    workers = {event.worker_sid for event in log if event.worker_sid}
    scopes = {
        Scope.WORKSPACE: [WORKSPACE],
        Scope.QUEUE: traffic.queues,
        Scope.WORKFLOW: [traffic.flow],
        Scope.WORKER: sorted(workers),
    }
    for _ in range(WINDOWS):
        start_ms, end_ms = sorted((traffic.moment(), traffic.moment()))
        channel = traffic.random.choice((None, traffic.channel_sid("voice")))
        thresholds = traffic.random.choice(((), (20,), (300, 0, 76, 20)))
        await sum_up(summing, traffic.random.randrange(6))
        for scope, sids in scopes.items():
            found = await reads.cumulative(
                WORKSPACE,
                scope,
                sids,
                start_ms=start_ms,
                end_ms=end_ms,
                task_channel_sid=channel,
                thresholds=thresholds,
            )
            for sid in sids:
                counters, waits = counted(log, scope, sid, (start_ms, end_ms), channel)
                told = {name: count for name, count in found[sid].counters.items() if count}
                assert told == counters, (scope, sid)
                for measure in MEASURES:
                    compare_waits(found[sid].of(measure), waits.get(measure, []), thresholds)
        await compare_activities(traffic, reads, start_ms, end_ms, None)
        await compare_activities(traffic, reads, start_ms, end_ms, traffic.people[:2])
    verifier = StatisticsVerifier(pools)
    await sum_up(summing)
    found_wrong = [d async for d in verifier.differences(WORKSPACE, start_ms=0, end_ms=traffic.now_ms)]
    assert found_wrong == []


def compare_waits(found: Waits, expected: list[int], thresholds: tuple[int, ...]) -> None:
    assert (found.count, found.total) == (len(expected), sum(expected))
    assert (found.least, found.most) == (min(expected, default=0), max(expected, default=0))
    for threshold in thresholds:
        assert found.at_most(threshold) == sum(wait <= threshold for wait in expected)


async def compare_activities(
    traffic: Traffic, reads: Reads, start_ms: int, end_ms: int, people: list[str] | None
) -> None:
    found = await reads.activity_durations(WORKSPACE, people, start_ms=start_ms, end_ms=end_ms)
    told = {
        sid: sorted(s for s, times in durations.times.items() for _ in range(times))
        for sid, _, durations in found
        if durations.times
    }
    expected = time_spent(traffic.log, start_ms, end_ms, None if people is None else set(people))
    assert told == expected, (start_ms, end_ms, people)


async def test_counters_survive_a_restart(traffic: Traffic, store: PostgresStore) -> None:
    await traffic.commit(store)
    rows = await store.load(WORKSPACE)
    assert rows is not None
    loaded = WorkspaceCore.load(rows, new_sid=traffic.new_sid, now_ms=traffic.now_ms).board.tally
    kept = traffic.core.board.tally
    for scope in ("", *traffic.queues, traffic.flow):
        for channel in (None, traffic.channel_sid("default"), traffic.channel_sid("voice")):
            assert loaded.figures(scope, channel) == kept.figures(scope, channel)
