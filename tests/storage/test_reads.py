"""What the API reads: names joined in, filters, what is visible."""

from collections.abc import Mapping
from typing import Any

import pytest

from engine.clock import wall_clock_ms
from engine.routing.effects import Changes, Kind
from engine.routing.entities import (
    ReservationStatus,
    TaskOrder,
    TaskStatus,
    TransferMode,
    TransferStatus,
    TransferType,
)
from engine.routing.views import (
    ActivityView,
    EventView,
    ReservationView,
    TaskChannelView,
    TaskQueueView,
    TaskView,
    TransferView,
    WorkerChannelView,
    WorkerView,
    WorkflowView,
    WorkspaceView,
)
from engine.storage.pool import Database
from engine.storage.reads import Page, PageRequest, Reads
from engine.storage.store import PostgresStore
from tests.storage.builders import (
    ACCOUNT,
    NOW_MS,
    activity,
    event,
    finished_task,
    made,
    reservation,
    task,
    task_channel,
    task_queue,
    transfer,
    worker,
    worker_channel,
    workflow,
)

ALL = PageRequest(100)


async def workspace_of(store: PostgresStore, *entities: Any, **fields: Any) -> str:
    return (await made(store, *entities, **fields)).workspace_sid


def sids(page: Page[Any]) -> list[str]:
    return [item.sid for item in page.items]


async def test_a_workspace_has_the_names_of_its_activities(store: PostgresStore, reads: Reads) -> None:
    idle, gone = activity(friendly_name="Idle"), activity(friendly_name="Gone")
    sid = await workspace_of(store, idle, gone, default_activity_sid=idle.sid, timeout_activity_sid=gone.sid)
    assert await reads.workspace(ACCOUNT, sid) == WorkspaceView(
        sid, ACCOUNT, "Support", "http://events.test/", "task.created", True, TaskOrder.LIFO,
        idle.sid, "Idle", gone.sid, "Gone", NOW_MS, NOW_MS + 1,
    )  # fmt: skip


async def test_an_account_sees_only_its_workspaces(store: PostgresStore, reads: Reads) -> None:
    other = "AC" + "b" * 32
    mine, named = await workspace_of(store), await workspace_of(store, friendly_name="Sales")
    theirs = await workspace_of(store, account_sid=other)
    assert sids(await reads.workspaces(ACCOUNT, ALL)) == [mine, named]
    assert sids(await reads.workspaces(ACCOUNT, ALL, friendly_name="Sales")) == [named]
    assert await reads.workspace(ACCOUNT, theirs) is None
    assert sids(await reads.workspaces(other, ALL)) == [theirs]


async def test_a_deleted_workspace_is_not_visible(store: PostgresStore, reads: Reads) -> None:
    lease = await made(store)
    await store.commit(lease, Changes(removed=[(Kind.WORKSPACE, lease.workspace_sid)]))
    assert await reads.workspace(ACCOUNT, lease.workspace_sid) is None
    assert sids(await reads.workspaces(ACCOUNT, ALL)) == []


async def test_activities_by_name_and_availability(store: PostgresStore, reads: Reads) -> None:
    idle, lunch = activity(friendly_name="Idle"), activity(friendly_name="Lunch", available=False)
    ws = await workspace_of(store, idle, lunch)
    assert await reads.activity(ws, idle.sid) == ActivityView(idle.sid, "Idle", True, NOW_MS, NOW_MS + 1)
    assert await reads.activity(ws, "WA" + "0" * 32) is None
    assert sids(await reads.activities(ws, ALL, friendly_name="Lunch")) == [lunch.sid]
    assert sids(await reads.activities(ws, ALL, available=True)) == [idle.sid]
    assert sids(await reads.activities(ws, ALL, available=False)) == [lunch.sid]
    assert sids(await reads.activities(ws, ALL, available=True, friendly_name="Lunch")) == []


async def test_a_task_channel_by_sid_or_unique_name(store: PostgresStore, reads: Reads) -> None:
    voice = task_channel()
    ws = await workspace_of(store, voice)
    view = TaskChannelView(voice.sid, "voice", "Voice", True, NOW_MS, NOW_MS + 1)
    assert await reads.task_channel(ws, voice.sid) == view
    assert await reads.task_channel(ws, "voice") == view
    assert await reads.task_channel(ws, "fax") is None
    assert (await reads.task_channels(ws, ALL)).items == [view]


async def test_a_queue_has_the_names_of_its_activities(store: PostgresStore, reads: Reads) -> None:
    idle = activity(friendly_name="Idle")
    queue = task_queue(friendly_name="Q", reservation_activity_sid=idle.sid)
    other = task_queue(assignment_activity_sid="WA" + "0" * 32)
    ws = await workspace_of(store, idle, queue, other)
    assert await reads.task_queue(ws, queue.sid) == TaskQueueView(
        queue.sid, "Q", "1==1", 3, TaskOrder.LIFO, idle.sid, "Idle", None, None, NOW_MS, NOW_MS + 1
    )
    assert sids(await reads.task_queues(ws, ALL, friendly_name="Q")) == [queue.sid]
    assert sids(await reads.task_queues(ws, ALL)) == [queue.sid, other.sid]


async def test_workflows_by_name(store: PostgresStore, reads: Reads) -> None:
    flow, other = workflow(friendly_name="F"), workflow()
    ws = await workspace_of(store, flow, other)
    assert await reads.workflow(ws, flow.sid) == WorkflowView(
        flow.sid, "F", '{"task_routing": {}}', "http://a.test/", "http://b.test/", 77, NOW_MS, NOW_MS + 1
    )
    assert sids(await reads.workflows(ws, ALL)) == [flow.sid, other.sid]
    assert sids(await reads.workflows(ws, ALL, friendly_name="F")) == [flow.sid]


async def test_worker_filters(store: PostgresStore, reads: Reads) -> None:
    idle, lunch = activity(friendly_name="Idle"), activity(friendly_name="Lunch", available=False)
    ana = worker(friendly_name="Ana", activity_sid=idle.sid)
    bob = worker(friendly_name="Bob", activity_sid=lunch.sid)
    ws = await workspace_of(store, idle, lunch, ana, bob)
    assert await reads.worker(ws, ana.sid) == WorkerView(
        ana.sid, "Ana", idle.sid, "Idle", True, '{"skills": ["é"]}', NOW_MS, NOW_MS + 1, NOW_MS + 2, 4
    )
    assert sids(await reads.workers(ws, ALL)) == [ana.sid, bob.sid]
    assert sids(await reads.workers(ws, ALL, activity_name="Lunch")) == [bob.sid]
    assert sids(await reads.workers(ws, ALL, activity_sid=idle.sid)) == [ana.sid]
    assert sids(await reads.workers(ws, ALL, available=False)) == [bob.sid]
    assert sids(await reads.workers(ws, ALL, friendly_name="Ana")) == [ana.sid]
    assert sids(await reads.workers(ws, ALL, predicate=lambda w: not w.available)) == [bob.sid]
    assert sids(await reads.workers(ws, ALL, activity_name="Idle", available=False)) == []


async def test_a_worker_channel_counts_its_open_reservations(store: PostgresStore, reads: Reads) -> None:
    voice, chat, ana = task_channel(), task_channel(unique_name="chat"), worker()
    seat = worker_channel(worker_sid=ana.sid, task_channel_sid=voice.sid)
    other = worker_channel(worker_sid=ana.sid, task_channel_sid=chat.sid)
    job = task(task_channel_sid=voice.sid)
    offers = [
        reservation(job, worker_sid=ana.sid, status=status)
        for status in (*ReservationStatus, ReservationStatus.ACCEPTED)
    ]
    ws = await workspace_of(store, voice, chat, ana, seat, other, job, *offers, reservation(job))
    view = WorkerChannelView(
        seat.sid, ana.sid, voice.sid, "voice", 5, False, 2, 4, NOW_MS, NOW_MS + 1, NOW_MS + 2
    )
    for name in (seat.sid, voice.sid, "voice"):
        assert await reads.worker_channel(ws, ana.sid, name) == view
    assert await reads.worker_channel(ws, "WK" + "0" * 32, seat.sid) is None
    listed = (await reads.worker_channels(ws, ana.sid, ALL)).items
    assert listed[0] == view
    assert [(c.sid, c.open_reservations) for c in listed] == [(seat.sid, 4), (other.sid, 0)]


async def test_a_task_has_the_names_of_what_it_refers_to(store: PostgresStore, reads: Reads) -> None:
    voice, queue, flow = task_channel(), task_queue(friendly_name="Q"), workflow(friendly_name="F")
    job = task(task_channel_sid=voice.sid, task_queue_sid=queue.sid, workflow_sid=flow.sid)
    ws = await workspace_of(store, voice, queue, flow, job)
    assert await reads.task(ws, job.sid) == TaskView(
        job.sid, TaskStatus.PENDING, job.attributes, "{}", 7, "why", 86_400, voice.sid, "voice",
        flow.sid, "F", queue.sid, "Q", None, True, NOW_MS - 5, NOW_MS + 2, NOW_MS, NOW_MS + 1, 6,
    )  # fmt: skip


async def test_a_task_outlives_its_queue_without_the_name(store: PostgresStore, reads: Reads) -> None:
    job = task()
    ws = await workspace_of(store, job)
    view = await reads.task(ws, job.sid)
    assert view is not None
    assert (view.task_queue_friendly_name, view.workflow_friendly_name) == (None, None)
    assert view.task_queue_sid == job.task_queue_sid


async def test_task_filters(store: PostgresStore, reads: Reads) -> None:
    queue, flow = task_queue(friendly_name="Q"), workflow(friendly_name="F")
    one = task(priority=1, task_queue_sid=queue.sid, status=TaskStatus.RESERVED)
    two = task(workflow_sid=flow.sid, addons='{"a": 1}')
    three = task(routing_target="WK" + "3" * 32, status=TaskStatus.ASSIGNED)
    ws = await workspace_of(store, queue, flow, one, two, three)

    async def found(**filters: Any) -> list[str]:
        return sids(await reads.tasks(ws, ALL, **filters))

    assert await found() == [one.sid, two.sid, three.sid]
    assert await found(priority=1) == [one.sid]
    assert await found(statuses=[TaskStatus.ASSIGNED]) == [three.sid]
    assert await found(statuses=[TaskStatus.ASSIGNED, TaskStatus.RESERVED]) == [one.sid, three.sid]
    assert await found(statuses=[TaskStatus.ASSIGNED, TaskStatus.ASSIGNED]) == [three.sid]
    assert await found(statuses=[TaskStatus.ASSIGNED], priority=1) == []
    assert await found(task_queue_sid=queue.sid) == [one.sid]
    assert await found(task_queue_name="Q") == [one.sid]
    assert await found(task_queue_name="none") == []
    assert await found(task_queue_name="Q", task_queue_sid="WQ" + "1" * 32) == []
    assert await found(task_queue_name="Q", task_queue_sid=queue.sid) == [one.sid]
    assert await found(workflow_sid=flow.sid) == [two.sid]
    assert await found(workflow_name="F") == [two.sid]
    assert await found(routing_target="WK" + "3" * 32) == [three.sid]
    assert await found(has_addons=True) == [two.sid]
    assert await found(has_addons=False) == [one.sid, three.sid]
    assert await found(predicate=lambda t: t.priority == 7) == [two.sid, three.sid]


async def test_a_finished_task_is_visible_for_its_time_and_its_reservations_with_it(
    store: PostgresStore, pools: Database
) -> None:
    done = finished_task(wall_clock_ms())
    offer = reservation(done, status=ReservationStatus.COMPLETED)
    handed = transfer(done)
    ws = await workspace_of(store, done, offer, handed)
    for reads, visible in (
        (Reads(pools, finished_task_retention_s=300), True),
        (Reads(pools, finished_task_retention_s=0), False),
    ):
        assert (await reads.task(ws, done.sid) is not None) == visible
        assert sids(await reads.tasks(ws, ALL)) == [done.sid] * visible
        assert sids(await reads.tasks(ws, ALL, statuses=[TaskStatus.COMPLETED])) == [done.sid] * visible
        assert (await reads.task_reservation(ws, done.sid, offer.sid) is not None) == visible
        assert sids(await reads.worker_reservations(ws, offer.worker_sid, ALL)) == [offer.sid] * visible
        assert sids(await reads.transfers(ws, done.sid, ALL)) == [handed.sid] * visible


async def test_a_deleted_task_and_its_reservations_are_not_visible(
    store: PostgresStore, reads: Reads
) -> None:
    job, voice, ana = task(), task_channel(), worker()
    job.task_channel_sid = voice.sid
    seat = worker_channel(worker_sid=ana.sid, task_channel_sid=voice.sid)
    offer = reservation(job, worker_sid=ana.sid, status=ReservationStatus.ACCEPTED)
    handed = transfer(job)
    lease = await made(store, job, voice, ana, seat, offer, handed)
    ws = lease.workspace_sid
    await store.commit(lease, Changes(removed=[(Kind.TASK, job.sid)]))
    assert await reads.task(ws, job.sid) is None
    assert sids(await reads.tasks(ws, ALL)) == []
    assert sids(await reads.tasks(ws, ALL, statuses=list(TaskStatus))) == []
    assert await reads.task_reservation(ws, job.sid, offer.sid) is None
    assert sids(await reads.worker_reservations(ws, ana.sid, ALL)) == []
    assert await reads.transfer(ws, job.sid, handed.sid) is None
    assert sids(await reads.transfers(ws, job.sid, ALL)) == []
    channel = await reads.worker_channel(ws, ana.sid, "voice")
    assert channel is not None
    assert (channel.assigned_tasks, channel.open_reservations) == (0, 0)


async def test_transfers_by_task_and_status(store: PostgresStore, reads: Reads) -> None:
    job, other = task(), task()
    failed, elsewhere = transfer(job), transfer(other)
    initiated = transfer(job, to_sid="WK" + "3" * 32, status=TransferStatus.INITIATED, failed_reason=None)
    ws = await workspace_of(store, job, other, failed, initiated, elsewhere)
    view = TransferView(
        failed.sid, job.sid, "WR" + "1" * 32, "WK" + "2" * 32, "WQ" + "1" * 32, "WW" + "1" * 32,
        "WQ" + "2" * 32, TransferMode.COLD, TransferStatus.FAILED, NOW_MS, NOW_MS + 1, "it was rejected",
        7, 3,
    )  # fmt: skip
    assert await reads.transfer(ws, job.sid, failed.sid) == view
    assert view.type is TransferType.QUEUE
    assert await reads.transfer(ws, other.sid, failed.sid) is None
    assert sids(await reads.transfers(ws, job.sid, ALL)) == [failed.sid, initiated.sid]
    open_ones = await reads.transfers(ws, job.sid, ALL, status=TransferStatus.INITIATED)
    assert sids(open_ones) == [initiated.sid]
    assert open_ones.items[0].type is TransferType.WORKER


async def test_reservations_by_task_and_by_worker(store: PostgresStore, reads: Reads) -> None:
    ana, job, other = worker(friendly_name="Ana"), task(), task()
    mine = reservation(job, worker_sid=ana.sid)
    lost = reservation(job, status=ReservationStatus.RESCINDED)
    elsewhere = reservation(other, worker_sid=ana.sid, status=ReservationStatus.ACCEPTED)
    ws = await workspace_of(store, ana, job, other, mine, lost, elsewhere)
    view = ReservationView(
        mine.sid, job.sid, ana.sid, "Ana", ReservationStatus.PENDING, NOW_MS, NOW_MS + 1, 2,
        "TT" + "1" * 32,
    )  # fmt: skip
    assert await reads.task_reservation(ws, job.sid, mine.sid) == view
    assert await reads.worker_reservation(ws, ana.sid, mine.sid) == view
    assert await reads.task_reservation(ws, other.sid, mine.sid) is None
    assert await reads.worker_reservation(ws, lost.worker_sid, mine.sid) is None
    assert sids(await reads.task_reservations(ws, job.sid, ALL)) == [mine.sid, lost.sid]
    assert sids(await reads.task_reservations(ws, job.sid, ALL, worker_sid=ana.sid)) == [mine.sid]
    rescinded = await reads.task_reservations(ws, job.sid, ALL, status=ReservationStatus.RESCINDED)
    assert sids(rescinded) == [lost.sid]
    assert sids(await reads.worker_reservations(ws, ana.sid, ALL)) == [mine.sid, elsewhere.sid]
    accepted = await reads.worker_reservations(ws, ana.sid, ALL, status=ReservationStatus.ACCEPTED)
    assert sids(accepted) == [elsewhere.sid]


async def test_an_event_is_found_by_sid_wherever_its_day_is(store: PostgresStore, reads: Reads) -> None:
    today, old = event(1, event_date_ms=wall_clock_ms()), event(2, event_date_ms=1000)
    ws = await workspace_of(store, today, old)
    found = await reads.event(ws, today.sid)
    assert found == EventView(
        today.sid, 1, "task.created", today.event_date_ms, "Task was created", "task", "WT" + "1" * 32,
        "workspace", "WS" + "1" * 32, found.data if found else "",
    )  # fmt: skip
    assert '"task_attributes":"{\\"a\\": \\"é\\"}"' in found.data
    assert await reads.event(ws, old.sid) is not None
    assert await reads.event(ws, "EV" + "0" * 32) is None
    assert await reads.event(ws, "nonsense") is None


EVENT_FILTERS = {
    "task_sid": "WT" + "7" * 32,
    "worker_sid": "WK" + "7" * 32,
    "reservation_sid": "WR" + "7" * 32,
    "task_queue_sid": "WQ" + "7" * 32,
    "workflow_sid": "WW" + "7" * 32,
    "task_channel_sid": "TC" + "7" * 32,
    "event_type": "task.canceled",
}


@pytest.mark.parametrize(("name", "value"), EVENT_FILTERS.items())
async def test_event_filters(store: PostgresStore, reads: Reads, name: str, value: str) -> None:
    chosen: Mapping[str, Any] = {name: value}
    wanted, other = event(1, **chosen), event(2)
    ws = await workspace_of(store, wanted, other)
    found = await reads.events(ws, ALL, start_ms=0, end_ms=NOW_MS * 2, **chosen)
    assert sids(found) == [wanted.sid]


async def test_events_between_two_moments_both_included(store: PostgresStore, reads: Reads) -> None:
    log = [event(n, event_date_ms=NOW_MS + n) for n in range(1, 6)]
    ws = await workspace_of(store, *log)
    found = await reads.events(ws, ALL, start_ms=NOW_MS + 2, end_ms=NOW_MS + 4)
    assert sids(found) == [log[3].sid, log[2].sid, log[1].sid]
    one = await reads.events(ws, ALL, start_ms=0, end_ms=NOW_MS * 2, sid=log[0].sid)
    assert sids(one) == [log[0].sid]


async def test_reads_keep_to_their_workspace(store: PostgresStore, reads: Reads) -> None:
    job, ana = task(), worker()
    await workspace_of(store, job, ana, event(1))
    elsewhere = await workspace_of(store)
    assert await reads.task(elsewhere, job.sid) is None
    assert await reads.worker(elsewhere, ana.sid) is None
    assert sids(await reads.tasks(elsewhere, ALL)) == []
    assert sids(await reads.events(elsewhere, ALL, start_ms=0, end_ms=NOW_MS * 2)) == []
