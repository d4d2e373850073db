"""The fifteen statistics operations through the official client, and what they refuse (contract §6, §8)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client
from twilio.rest.taskrouter.v1.workspace import WorkspaceInstance

from tests.wire.support import Http, assert_problem, eventually

RESERVATIONS = {f"reservations_{end}" for end in (
    "created", "accepted", "rejected", "timed_out", "canceled", "rescinded",
)}  # fmt: skip
PAST = {"avg_task_acceptance_time", "start_time", "end_time", *RESERVATIONS}
WAITS = {"wait_duration_until_accepted", "wait_duration_until_canceled", "split_by_wait_time"}
WORKERS_PAST = {"start_time", "end_time", "activity_durations", *RESERVATIONS}
STATUSES = {"pending": 0, "reserved": 0, "assigned": 0, "wrapping": 0}
NONE_ABOVE = {"above": {"tasks_canceled": 0, "reservations_accepted": 0}}


class Centre:
    """A workspace with a queue, a workflow and a worker who is available."""

    def __init__(self, client: Client, workspace: WorkspaceInstance) -> None:
        self.api = client.taskrouter.v1.workspaces(workspace.sid)
        self.sid = workspace.sid
        self.activities = {item.friendly_name: item.sid for item in self.api.activities.list()}
        self.queue = self.api.task_queues.create(friendly_name="Billing", target_workers="team == 'b'")
        routing = {"task_routing": {"default_filter": {"queue": self.queue.sid}}}
        self.workflow = self.api.workflows.create(friendly_name="Calls", configuration=json.dumps(routing))
        self.worker = self.api.workers.create(
            friendly_name="ada", attributes='{"team": "b"}', activity_sid=self.activities["Available"]
        )
        self.waiting: list[Any] = []

    def task(self, **options: Any) -> Any:
        return self.api.tasks.create(workflow_sid=self.workflow.sid, **options)

    def accept(self, task: Any) -> None:
        reservation = self.offer(task)
        self.api.tasks(task.sid).reservations(reservation.sid).update(reservation_status="accepted")

    def offer(self, task: Any) -> Any:
        return eventually("an offer", self.api.tasks(task.sid).reservations.list)[0]


@pytest.fixture
def centre(client: Client, workspace: WorkspaceInstance) -> Centre:
    return Centre(client, workspace)


@pytest.fixture
def busy(centre: Centre) -> Centre:
    """One task was completed, one is assigned, one canceled, two of different priority wait."""
    done = centre.task()
    centre.accept(done)
    centre.api.tasks(done.sid).update(assignment_status="completed", reason="done")
    held = centre.task()
    centre.accept(held)
    gone = centre.task()
    centre.api.tasks(gone.sid).update(assignment_status="canceled", reason="gone")
    centre.waiting = [centre.task(), centre.task(priority=7)]
    return centre


def test_the_present_of_a_workspace_a_queue_and_a_workflow(busy: Centre) -> None:
    oldest = busy.waiting[0].sid
    now = busy.api.real_time_statistics().fetch()
    assert now.tasks_by_status == STATUSES | {"pending": 2, "assigned": 1}
    assert now.tasks_by_priority == {"0": 2, "7": 1}
    assert (now.total_tasks, now.total_workers) == (3, 1)
    assert now.longest_task_waiting_sid == oldest
    assert isinstance(now.longest_task_waiting_age, int)
    assert {item["friendly_name"]: item["workers"] for item in now.activity_statistics} == {
        "Offline": 0, "Available": 1, "Unavailable": 0,
    }  # fmt: skip
    queue = busy.api.task_queues(busy.queue.sid).real_time_statistics().fetch()
    assert queue.tasks_by_status == now.tasks_by_status
    assert queue.longest_relative_task_sid_in_queue == queue.longest_task_waiting_sid == oldest
    assert (queue.total_eligible_workers, queue.total_available_workers, queue.total_tasks) == (1, 1, 3)
    assert queue.url.endswith(f"/TaskQueues/{busy.queue.sid}/RealTimeStatistics")
    workflow = busy.api.workflows(busy.workflow.sid).real_time_statistics().fetch()
    assert (workflow.tasks_by_status, workflow.total_tasks) == (now.tasks_by_status, 3)
    assert workflow.tasks_by_priority == now.tasks_by_priority
    workers = busy.api.workers.real_time_statistics().fetch()
    assert (workers.total_workers, workers.activity_statistics) == (1, now.activity_statistics)


def test_what_happened_in_a_workspace_a_queue_and_a_workflow(busy: Centre) -> None:
    past = busy.api.cumulative_statistics().fetch(split_by_wait_time="5,300")
    counters = (past.tasks_created, past.tasks_completed, past.tasks_canceled, past.tasks_deleted)
    assert counters == (5, 1, 1, 0)
    assert (past.reservations_created, past.reservations_accepted) == (2, 2)
    assert (past.tasks_moved, past.tasks_timed_out_in_workflow) == (0, 0)
    assert past.split_by_wait_time == {
        "5": {**NONE_ABOVE, "below": {"tasks_canceled": 1, "reservations_accepted": 2}},
        "300": {**NONE_ABOVE, "below": {"tasks_canceled": 1, "reservations_accepted": 2}},
    }
    assert past.end_time - past.start_time == timedelta(minutes=15)
    assert past.avg_task_acceptance_time in {0, 1}
    assert set(past.wait_duration_until_accepted) == {"avg", "min", "max", "total"}
    queue = busy.api.task_queues(busy.queue.sid).cumulative_statistics().fetch()
    assert (queue.tasks_entered, queue.tasks_completed, queue.tasks_canceled) == (5, 1, 1)
    assert set(queue.wait_duration_in_queue_until_accepted) == {"avg", "min", "max", "total"}
    assert queue.split_by_wait_time == {}
    workflow = busy.api.workflows(busy.workflow.sid).cumulative_statistics().fetch()
    assert (workflow.tasks_entered, workflow.tasks_timed_out_in_workflow) == (5, 0)
    assert workflow.reservations_accepted == 2


def test_what_workers_did(busy: Centre) -> None:
    past = busy.api.workers.cumulative_statistics().fetch()
    assert (past.reservations_created, past.reservations_accepted) == (2, 2)
    assert [item["friendly_name"] for item in past.activity_durations] == [
        "Offline", "Available", "Unavailable",
    ]  # fmt: skip
    assert all(
        set(item) == {"sid", "friendly_name", "min", "max", "avg", "total"}
        for item in past.activity_durations
    )
    one = busy.api.workers(busy.worker.sid).statistics().fetch()
    assert set(one.cumulative) == WORKERS_PAST
    assert one.cumulative["reservations_accepted"] == 2
    assert one.worker_sid == busy.worker.sid


def test_combined_resources_have_the_documented_keys(busy: Centre) -> None:
    workspace = busy.api.statistics().fetch(split_by_wait_time="5")
    waiting = {"longest_task_waiting_age", "longest_task_waiting_sid", "tasks_by_status", "total_tasks"}
    assert set(workspace.realtime) == waiting | {"activity_statistics", "total_workers"}
    tasks = {"tasks_canceled", "tasks_deleted", "tasks_moved"}
    assert set(workspace.cumulative) == PAST | WAITS | tasks | {
        "tasks_created",
        "tasks_timed_out_in_workflow",
    }
    assert isinstance(workspace.cumulative["avg_task_acceptance_time"], float)
    assert set(workspace.cumulative["split_by_wait_time"]) == {"5"}
    queue = busy.api.task_queues(busy.queue.sid).statistics().fetch()
    now = {"activity_statistics", "total_eligible_workers", "total_available_workers"}
    assert set(queue.realtime) == waiting | now
    assert set(queue.cumulative) == PAST | WAITS | tasks | {"tasks_entered"}
    workflow = busy.api.workflows(busy.workflow.sid).statistics().fetch()
    assert set(workflow.realtime) == waiting
    assert set(workflow.cumulative) == PAST | WAITS | tasks | {"tasks_entered", "tasks_timed_out_in_workflow"}
    workers = busy.api.workers.statistics().fetch()
    assert set(workers.realtime) == {"activity_statistics", "total_workers"}
    assert set(workers.cumulative) == WORKERS_PAST


def test_queues_are_listed_with_their_figures(busy: Centre) -> None:
    listed = busy.api.task_queues.statistics.list(page_size=1)
    assert len(listed) == 2
    (billing,) = busy.api.task_queues.statistics.list(friendly_name="Billing")
    assert billing.task_queue_sid == busy.queue.sid
    assert billing.cumulative["tasks_entered"] == 5
    assert billing.realtime["total_tasks"] == 3


def test_many_queues_are_asked_for_at_once(busy: Centre, http: Http) -> None:
    unknown = "WQ" + "f" * 32
    body = {"queueSids": [busy.queue.sid, unknown]}
    api_body = type("Body", (), {"to_dict": lambda self: body})()
    bulk = busy.api.task_queues.bulk_real_time_statistics.create(body=api_body)
    assert bulk.task_queue_response_count == 2
    first, second = bulk.task_queue_data
    assert first["tasks_by_status"] == STATUSES | {"pending": 2, "assigned": 1}
    assert first["total_tasks"] == 3
    assert second["task_queue_sid"] == unknown
    assert (second["tasks_by_status"], second["tasks_by_priority"], second["total_tasks"]) == (
        STATUSES,
        {},
        0,
    )
    assert not any(item["workers"] for item in second["activity_statistics"])


def test_a_bulk_body_may_be_a_form_under_any_content_type(centre: Centre, http: Http) -> None:
    path = f"/Workspaces/{centre.sid}/TaskQueues/RealTimeStatistics"
    sid = centre.queue.sid
    for content_type in ("application/json", "application/x-www-form-urlencoded"):
        for body in (f"queueSids={sid}&queueSids={sid}", f"QueueSids={sid}&QueueSids={sid}"):
            answer = http.post(path, body, headers={"Content-Type": content_type})
            assert (answer.status_code, answer.json()["task_queue_response_count"]) == (200, 2)
    upper = http.post(path, json.dumps({"QueueSids": [sid]}), headers={"Content-Type": "application/json"})
    assert upper.json()["task_queue_data"][0]["task_queue_sid"] == sid


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[]", "{", '{"queueSids": []}', '{"queueSids": ["WQ1"]}', '{"queueSids": [["x"]]}', "other=1"],
)
def test_a_bad_bulk_body_is_refused(centre: Centre, http: Http, body: str) -> None:
    path = f"/Workspaces/{centre.sid}/TaskQueues/RealTimeStatistics"
    assert_problem(http.post(path, body, headers={"Content-Type": "application/json"}), 400, 20001)


def test_a_bulk_body_holds_at_most_fifty_queues(centre: Centre, http: Http) -> None:
    path = f"/Workspaces/{centre.sid}/TaskQueues/RealTimeStatistics"
    sids = [f"WQ{n:032x}" for n in range(51)]
    assert http.post(path, json.dumps({"queueSids": sids[:50]})).status_code == 200
    assert_problem(http.post(path, json.dumps({"queueSids": sids})), 400, 20001)


def test_figures_of_one_task_channel(busy: Centre) -> None:
    busy.task(task_channel="voice")
    queue = busy.api.task_queues(busy.queue.sid)
    assert queue.real_time_statistics().fetch(task_channel="voice").total_tasks in {0, 1}
    assert queue.real_time_statistics().fetch(task_channel="default").total_tasks == 3
    assert queue.cumulative_statistics().fetch(task_channel="voice").tasks_entered == 1
    assert queue.cumulative_statistics().fetch(task_channel="default").tasks_entered == 5
    voice = busy.api.task_channels("voice").fetch()
    assert busy.api.cumulative_statistics().fetch(task_channel=voice.sid).tasks_created == 1
    assert busy.api.cumulative_statistics().fetch(task_channel="TC" + "0" * 32).tasks_created == 0
    with pytest.raises(TwilioRestException) as refused:
        queue.statistics().fetch(task_channel="no-such-channel")
    assert (refused.value.status, refused.value.code) == (400, 20001)


def test_workers_are_chosen_by_name_and_by_queue(busy: Centre) -> None:
    busy.api.workers.create(friendly_name="grace", activity_sid=busy.activities["Available"])
    workers = busy.api.workers
    for chosen, count in (
        ({}, 2),
        ({"friendly_name": "ada"}, 1),
        ({"friendly_name": "nobody"}, 0),
        ({"task_queue_sid": busy.queue.sid}, 1),
        ({"task_queue_name": "Billing"}, 1),
        ({"task_queue_name": "Sample Queue"}, 2),
        ({"task_queue_sid": busy.queue.sid, "friendly_name": "grace"}, 0),
        ({"task_queue_sid": "WQ" + "0" * 32}, 0),
    ):
        assert workers.statistics().fetch(**chosen).realtime["total_workers"] == count, chosen
    assert workers.statistics().fetch(friendly_name="grace").cumulative["reservations_created"] == 0
    assert workers.statistics().fetch(friendly_name="ada").cumulative["reservations_created"] == 2


def test_a_window_is_given_by_its_ends(busy: Centre) -> None:
    now = datetime.now(UTC)
    fetch = busy.api.cumulative_statistics().fetch
    assert fetch(start_date=now - timedelta(hours=2)).tasks_created == 5
    assert fetch(start_date=now - timedelta(hours=2), end_date=now - timedelta(hours=1)).tasks_created == 0
    assert fetch(start_date=now - timedelta(days=29, hours=23), end_date=now).tasks_created == 5
    assert fetch(end_date=now + timedelta(days=1), minutes=2000).tasks_created == 5
    past = fetch(
        start_date=now.replace(microsecond=0) - timedelta(seconds=90), end_date=now.replace(microsecond=0)
    )
    assert past.end_time - past.start_time == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("StartDate=2020-01-01T00:00:00Z", 14241),
        ("Minutes=50000", 14241),
        ("Minutes=0", 20001),
        ("Minutes=x", 20001),
        ("StartDate=yesterday", 20001),
        ("SplitByWaitTime=5,x", 20001),
        ("SplitByWaitTime=5,,6", 20001),
        ("SplitByWaitTime=-1", 20001),
        ("TaskChannel=nothing", 20001),
    ],
)
def test_what_no_window_can_be_made_of_is_refused(centre: Centre, http: Http, query: str, code: int) -> None:
    base = f"/Workspaces/{centre.sid}"
    for path in ("Statistics", "CumulativeStatistics", "TaskQueues/Statistics"):
        assert_problem(http.get(f"{base}/{path}?{query}"), 400, code)


def test_an_end_before_the_start_is_refused(centre: Centre, http: Http) -> None:
    now = datetime.now(UTC)
    query = {"StartDate": now.isoformat(), "EndDate": (now - timedelta(hours=1)).isoformat()}
    assert_problem(http.get(f"/Workspaces/{centre.sid}/Statistics", params=query), 400, 20001)


@pytest.mark.parametrize(
    "path",
    [
        f"{place}/{sid}{'0' * 32}/{kind}"
        for place, sid in (("TaskQueues", "WQ"), ("Workflows", "WW"))
        for kind in ("Statistics", "RealTimeStatistics", "CumulativeStatistics")
    ]
    + [f"Workers/WK{'0' * 32}/Statistics"],
)
def test_statistics_of_what_does_not_exist_are_not_found(centre: Centre, http: Http, path: str) -> None:
    assert_problem(http.get(f"/Workspaces/{centre.sid}/{path}"), 404, 20404)
