"""Every figure of behaviour §10, exactly, on a scripted day: the real core, the real store."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus
from engine.routing.rollups import IN_QUEUE, UNTIL_ACCEPTED, UNTIL_CANCELED
from engine.routing.statistics_views import Scope
from engine.storage.pool import Database
from engine.storage.reads import Reads
from engine.storage.statistics_figures import Cumulative, Waits
from engine.storage.statistics_summing import StatisticsSumming
from engine.storage.store import PostgresStore
from tests.statistics.history import WORKSPACE, RecordedWorld, sum_up


class Day(RecordedWorld):
    """Two queues, the second after 60 s; a worker for each, offline."""

    def __init__(self, summing: StatisticsSumming | None = None) -> None:
        super().__init__()
        self.summing = summing
        self.first = self.queue("first", "level == 1")
        self.second = self.queue("second", "level == 2")
        self.flow = self.steps({"queue": self.first, "timeout": 60}, {"queue": self.second, "timeout": 600})
        self.ada = self.worker("ada", "Offline", level=1)
        self.grace = self.worker("grace", "Offline", level=2)
        self.began_ms = self.now_ms

    async def commit(self, store: PostgresStore) -> None:
        await super().commit(store)
        if self.summing is not None:
            await sum_up(self.summing)


async def past(reads: Reads, day: Day, scope: Scope, sid: str, **options: int) -> Cumulative:
    window = {"start_ms": day.began_ms, "end_ms": day.now_ms} | options
    return (await reads.cumulative(WORKSPACE, scope, [sid], **window))[sid]


def waited(waits: Waits) -> tuple[int, int]:
    return waits.count, waits.total


def told(cumulative: Cumulative) -> dict[str, int]:
    return {name: count for name, count in cumulative.counters.items() if count}


@pytest.fixture(params=["read from the events", "added up"])
def day(request: pytest.FixtureRequest, pools: Database) -> Day:
    return Day(StatisticsSumming(pools) if request.param == "added up" else None)


async def test_an_accepted_and_completed_task(day: Day, store: PostgresStore, reads: Reads) -> None:
    task = day.task()
    day.wait(20)
    day.activity(day.ada, "Available")
    day.wait(5.4)
    day.accept(task)
    day.wait(30)
    day.complete(task)
    await day.commit(store)
    expected = {"tasks_completed": 1, "reservations_created": 1, "reservations_accepted": 1}
    workspace = await past(reads, day, Scope.WORKSPACE, WORKSPACE)
    assert told(workspace) == {"tasks_created": 1, **expected}
    assert told(await past(reads, day, Scope.QUEUE, day.first)) == {"tasks_entered": 1, **expected}
    assert told(await past(reads, day, Scope.WORKFLOW, day.flow)) == {"tasks_entered": 1, **expected}
    assert told(await past(reads, day, Scope.QUEUE, day.second)) == {}
    worker = await past(reads, day, Scope.WORKER, day.ada)
    assert told(worker) == {"reservations_created": 1, "reservations_accepted": 1}
    wait = workspace.of(UNTIL_ACCEPTED)
    assert (wait.average, wait.least, wait.most, wait.total) == (25.0, 25, 25, 25)
    assert not workspace.of(UNTIL_CANCELED).count


async def test_waits_count_from_creation_and_in_the_queue_from_entry(
    day: Day, store: PostgresStore, reads: Reads
) -> None:
    task = day.task()
    day.wait(75)
    day.activity(day.grace, "Available")
    day.wait(10)
    day.accept(task)
    await day.commit(store)
    queue = await past(reads, day, Scope.QUEUE, day.second)
    assert waited(queue.of(UNTIL_ACCEPTED)) == (1, 85)
    assert waited(queue.of(IN_QUEUE)) == (1, 10)
    assert not (await past(reads, day, Scope.QUEUE, day.first)).of(UNTIL_ACCEPTED).count


async def test_moved_and_timed_out_in_the_workflow(day: Day, store: PostgresStore, reads: Reads) -> None:
    day.task()
    day.wait(61)
    day.wait(600)
    await day.commit(store)
    ends = {"tasks_canceled": 1}
    assert told(await past(reads, day, Scope.QUEUE, day.first)) == {"tasks_entered": 1, "tasks_moved": 1}
    assert told(await past(reads, day, Scope.QUEUE, day.second)) == {"tasks_entered": 1, **ends}
    workflow = await past(reads, day, Scope.WORKFLOW, day.flow)
    both = {"tasks_moved": 1, "tasks_timed_out_in_workflow": 1, **ends}
    assert told(workflow) == {"tasks_entered": 1, **both}
    assert told(await past(reads, day, Scope.WORKSPACE, WORKSPACE)) == {"tasks_created": 1, **both}
    assert waited(workflow.of(UNTIL_CANCELED)) == (1, 661)


async def test_every_end_of_a_reservation(day: Day, store: PostgresStore, reads: Reads) -> None:
    day.do(c.UpdateTaskQueue(day.first, max_reserved_workers=2))
    other = day.worker("bob", "Available", level=1)
    day.activity(day.ada, "Available")
    shared = day.task()
    day.accept(shared)
    day.complete(shared)
    day.activity(other, "Offline")
    refused = day.task()
    day.reject(refused)
    day.cancel(refused)
    canceled = day.task()
    day.cancel(canceled)
    late = day.task()
    day.timeout(late)
    await day.commit(store)
    assert told(await past(reads, day, Scope.QUEUE, day.first)) | {"tasks_moved": 0} == {
        "tasks_entered": 4, "tasks_canceled": 2, "tasks_completed": 1, "tasks_moved": 0,
        "reservations_created": 5, "reservations_accepted": 1, "reservations_rescinded": 1,
        "reservations_rejected": 1, "reservations_canceled": 1, "reservations_timed_out": 1,
    }  # fmt: skip


async def test_deleted_tasks(day: Day, store: PostgresStore, reads: Reads) -> None:
    task = day.task()
    day.do(c.DeleteTask(task))
    await day.commit(store)
    assert told(await past(reads, day, Scope.WORKSPACE, WORKSPACE)) == {
        "tasks_created": 1,
        "tasks_deleted": 1,
    }


async def test_only_what_lies_in_the_window_and_on_the_channel(
    day: Day, store: PostgresStore, reads: Reads
) -> None:
    moments = []
    for gap_s in (0.001, 59.0, 0.999, 3600.0, 7300.5, 61.25):
        day.wait(gap_s)
        moments.append(day.now_ms)
        day.task(task_channel="voice")
        day.task()
    await day.commit(store)
    voice = day.channel_sid("voice")
    for first, start_ms in enumerate(moments):
        for last, end_ms in enumerate(moments[first:], first):
            window = {"start_ms": start_ms, "end_ms": end_ms}
            found = await past(reads, day, Scope.WORKSPACE, WORKSPACE, **window)
            assert found.counters["tasks_created"] == 2 * (last - first + 1)
            empty = {"start_ms": start_ms + 1, "end_ms": end_ms - 1}
            if first < last:
                found = await past(reads, day, Scope.WORKSPACE, WORKSPACE, **empty)
                assert found.counters["tasks_created"] == 2 * (last - first - 1)
            one = await reads.cumulative(
                WORKSPACE, Scope.WORKSPACE, [WORKSPACE], task_channel_sid=voice, **window
            )
            assert one[WORKSPACE].counters["tasks_created"] == last - first + 1


async def test_time_in_activities_is_cut_at_the_ends_of_the_window(
    day: Day, store: PostgresStore, reads: Reads
) -> None:
    day.wait(100)
    day.activity(day.ada, "Available")
    day.wait(200)
    day.activity(day.ada, "Offline")
    day.wait(50)
    await day.commit(store)
    spent = await activities(reads, day, [day.ada], day.began_ms, day.now_ms)
    assert spent == {"Offline": {100: 1, 50: 1}, "Available": {200: 1}, "Unavailable": {}}
    spent = await activities(reads, day, [day.ada], day.began_ms + 150_000, day.now_ms - 20_000)
    assert spent == {"Offline": {30: 1}, "Available": {150: 1}, "Unavailable": {}}
    spent = await activities(reads, day, [day.ada], day.began_ms + 110_000, day.began_ms + 170_000)
    assert spent == {"Offline": {}, "Available": {60: 1}, "Unavailable": {}}
    spent = await activities(reads, day, None, day.began_ms, day.now_ms)
    assert spent == {"Offline": {100: 1, 50: 1, 350: 1}, "Available": {200: 1}, "Unavailable": {}}


async def test_a_deleted_worker_keeps_its_past(day: Day, store: PostgresStore, reads: Reads) -> None:
    day.wait(30)
    day.activity(day.ada, "Available")
    day.wait(40)
    day.do(c.DeleteWorker(day.ada))
    day.wait(40)
    await day.commit(store)
    spent = await activities(reads, day, None, day.began_ms + 35_000, day.now_ms)
    assert spent == {"Offline": {75: 1}, "Available": {35: 1}, "Unavailable": {}}


async def activities(
    reads: Reads, day: Day, workers: list[str] | None, start_ms: int, end_ms: int
) -> dict[str, dict[int, int]]:
    found = await reads.activity_durations(WORKSPACE, workers, start_ms=start_ms, end_ms=end_ms)
    return {name: durations.times for _, name, durations in found}


def test_waiting_is_pending_only(day: Day) -> None:
    older, newer = day.task(), day.task()
    (now,) = day.do(c.ReadRealTime(Scope.QUEUE, (day.first,)))
    assert now.tasks.longest.task_sid == older
    day.activity(day.ada, "Available")
    (now,) = day.do(c.ReadRealTime(Scope.QUEUE, (day.first,)))
    assert now.tasks.by_status == {"pending": 1, "reserved": 1, "assigned": 0, "wrapping": 0}
    assert now.tasks.longest.task_sid == newer
    assert (now.workers, now.available_workers) == (1, 1)
    day.move(day.offers(older)[0], ReservationStatus.REJECTED, activity_sid=day.activities["Offline"])
    (now,) = day.do(c.ReadRealTime(Scope.QUEUE, (day.first,)))
    assert now.tasks.longest.task_sid == older
    assert (now.workers, now.available_workers) == (1, 0)


def test_a_question_in_the_middle_of_a_batch_sees_what_came_before_it(day: Day) -> None:
    sid = day.new_sid("WT")
    day.core.handle(c.CreateTask(sid), day.now_ms)
    (now,) = day.core.handle(c.ReadRealTime(Scope.WORKSPACE), day.now_ms)
    assert now.tasks.total == 1
    day.core.handle(c.DeleteTask(sid), day.now_ms)
    (now,) = day.core.handle(c.ReadRealTime(Scope.WORKSPACE), day.now_ms)
    assert now.tasks.total == 0
    day.do()
