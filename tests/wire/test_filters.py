"""Every filter of every list (contract §5)."""

import pytest

from tests.wire.support import assert_problem, eventually


@pytest.fixture
def sids(http, base):
    """A worker in each of two activities, two queues, three tasks; by short names."""
    activities = {a["friendly_name"]: a["sid"] for a in http.get(f"{base}/Activities").json()["activities"]}
    queues = {"all": http.get(f"{base}/TaskQueues").json()["task_queues"][0]["sid"]}
    body = {"FriendlyName": "French", "TargetWorkers": "languages HAS 'fr'"}
    queues["french"] = http.post(f"{base}/TaskQueues", body).json()["sid"]
    body = {"FriendlyName": "Nobody", "TargetWorkers": ""}
    queues["nobody"] = http.post(f"{base}/TaskQueues", body).json()["sid"]
    made = {**activities, **queues}
    made["workflow"] = http.get(f"{base}/Workflows").json()["workflows"][0]["sid"]
    for name, activity, attributes in (
        ("ann", "Unavailable", '{"languages": ["fr", "en"], "level": 3}'),
        ("bob", "Offline", '{"languages": ["en"], "level": 1}'),
    ):
        body = {"FriendlyName": name, "ActivitySid": activities[activity], "Attributes": attributes}
        made[name] = http.post(f"{base}/Workers", body).json()["sid"]
    for name, priority, attributes in (("low", 1, '{"a": 1}'), ("high", 5, '{"a": 2}')):
        body = {"Priority": priority, "Attributes": attributes}
        made[name] = http.post(f"{base}/Tasks", body).json()["sid"]
    body = {"RoutingTarget": made["ann"], "IgnoreCapacity": "False", "TaskChannel": "chat"}
    made["targeted"] = http.post(f"{base}/Tasks", body).json()["sid"]
    return made


def found(http, base, sids, path, query):
    """The short names of what a list holds, in order."""
    response = http.get(f"{base}/{path}", params=query)
    assert response.status_code == 200, response.text
    page = response.json()
    names = {sid: name for name, sid in sids.items()}
    return [names[item["sid"]] for item in page[page["meta"]["key"]]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["ann", "bob"]),
        ({"FriendlyName": "ann"}, ["ann"]),
        ({"FriendlyName": "an"}, []),
        ({"ActivityName": "Offline"}, ["bob"]),
        ({"Available": "True"}, []),
        ({"Available": "false"}, ["ann", "bob"]),
        ({"TargetWorkersExpression": "level > 2"}, ["ann"]),
        ({"TargetWorkersExpression": "friendly_name == 'bob' AND activity_name == 'Offline'"}, ["bob"]),
        ({"TaskQueueName": "French"}, ["ann"]),
        ({"TaskQueueName": "Nobody"}, []),
        ({"TaskQueueName": "Unheard of"}, []),
        ({"TaskQueueName": "French", "TargetWorkersExpression": "level == 1"}, []),
        ({"Ordering": "FriendlyName:desc"}, ["bob", "ann"]),
        ({"Ordering": "DateCreated:desc"}, ["bob", "ann"]),
    ],
)
def test_workers(http, base, sids, query, expected):
    assert found(http, base, sids, "Workers", query) == expected


def test_workers_by_sids(http, base, sids):
    assert found(http, base, sids, "Workers", {"ActivitySid": sids["Offline"]}) == ["bob"]
    assert found(http, base, sids, "Workers", {"TaskQueueSid": sids["french"]}) == ["ann"]
    assert found(http, base, sids, "Workers", {"TaskQueueSid": sids["nobody"]}) == []
    assert found(http, base, sids, "Workers", {"TaskQueueSid": "WQ" + "0" * 32}) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["all", "french", "nobody"]),
        ({"FriendlyName": "French"}, ["french"]),
        ({"EvaluateWorkerAttributes": '{"languages": ["fr"]}'}, ["all", "french"]),
        ({"EvaluateWorkerAttributes": "{}"}, ["all"]),
        ({"Ordering": "FriendlyName:asc"}, ["french", "nobody", "all"]),
    ],
)
def test_queues(http, base, sids, query, expected):
    assert found(http, base, sids, "TaskQueues", query) == expected


def test_queues_of_a_worker(http, base, sids):
    assert found(http, base, sids, "TaskQueues", {"WorkerSid": sids["ann"]}) == ["all", "french"]
    assert found(http, base, sids, "TaskQueues", {"WorkerSid": sids["bob"]}) == ["all"]
    assert found(http, base, sids, "TaskQueues", {"WorkerSid": "WK" + "0" * 32}) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["low", "high", "targeted"]),
        ({"Priority": 5}, ["high"]),
        ({"AssignmentStatus": "pending"}, ["low", "high", "targeted"]),
        ({"AssignmentStatus": ["reserved", "assigned"]}, []),
        ({"AssignmentStatus": "reserved, pending"}, ["low", "high", "targeted"]),
        ({"TaskQueueName": "Sample Queue"}, ["low", "high"]),
        ({"TaskQueueName": "French"}, []),
        ({"EvaluateTaskAttributes": "a == 2"}, ["high"]),
        ({"EvaluateTaskAttributes": "a == 2 OR a = 1"}, ["low", "high"]),
        ({"HasAddons": "true"}, []),
        ({"HasAddons": "false"}, ["low", "high", "targeted"]),
        ({"Ordering": "Priority:desc"}, ["high", "low", "targeted"]),
        ({"Ordering": "Priority:asc,DateCreated:desc"}, ["targeted", "low", "high"]),
        ({"Ordering": "VirtualStartTime:desc"}, ["targeted", "high", "low"]),
        ({"RoutingTarget": "WK" + "0" * 32}, []),
    ],
)
def test_tasks(http, base, sids, query, expected):
    assert found(http, base, sids, "Tasks", query) == expected


def test_tasks_by_sids(http, base, sids):
    assert found(http, base, sids, "Tasks", {"RoutingTarget": sids["ann"]}) == ["targeted"]
    assert found(http, base, sids, "Tasks", {"TaskQueueSid": sids["all"]}) == ["low", "high"]
    assert found(http, base, sids, "Tasks", {"WorkflowSid": "WW" + "0" * 32}) == []
    name = http.get(f"{base}/Workflows/{sids['workflow']}").json()["friendly_name"]
    by_sid = found(http, base, sids, "Tasks", {"WorkflowSid": sids["workflow"]})
    assert found(http, base, sids, "Tasks", {"WorkflowName": name}) == by_sid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", {"Available"}),
        ("Yes", {"Available"}),
        ("1", {"Available"}),
        ("no", {"Offline", "Unavailable"}),
        ("x", {"Offline", "Unavailable"}),
    ],
)
def test_activities_by_their_availability(http, base, text, expected):
    page = http.get(f"{base}/Activities", params={"Available": text}).json()
    assert {activity["friendly_name"] for activity in page["activities"]} == expected


def test_activities_and_workflows_by_name(http, base):
    page = http.get(f"{base}/Activities", params={"FriendlyName": "Offline"}).json()
    assert [activity["friendly_name"] for activity in page["activities"]] == ["Offline"]
    assert http.get(f"{base}/Workflows", params={"FriendlyName": "None such"}).json()["workflows"] == []


def test_reservations_by_status_and_worker(http, base, sids):
    http.post(f"{base}/Workers/{sids['bob']}", {"ActivitySid": sids["Available"]})
    task = f"{base}/Tasks/{sids['high']}/Reservations"
    sid = eventually("a reservation", lambda: http.get(task).json()["reservations"])[0]["sid"]
    for query, expected in (
        ({"ReservationStatus": "pending"}, [sid]),
        ({"ReservationStatus": "accepted"}, []),
        ({"WorkerSid": sids["bob"]}, [sid]),
        ({"WorkerSid": sids["ann"]}, []),
    ):
        assert [r["sid"] for r in http.get(task, params=query).json()["reservations"]] == expected
    worker = f"{base}/Workers/{sids['bob']}/Reservations"
    assert [
        r["sid"] for r in http.get(worker, params={"ReservationStatus": "pending"}).json()["reservations"]
    ] == [sid]
    assert http.get(worker, params={"ReservationStatus": "timeout"}).json()["reservations"] == []


def test_events_by_what_they_are_about(http, base, sids):
    def types(**query):
        page = http.get(f"{base}/Events", params=query).json()
        return {event["event_type"] for event in page["events"]}

    assert types(EventType="worker.created") == {"worker.created"}
    assert types(EventType="worker") == set()
    assert types(WorkerSid=sids["ann"]) >= {"worker.created"}
    assert types(TaskSid=sids["low"]) >= {"task.created"}
    assert "task.created" not in types(WorkerSid=sids["bob"])
    assert types(TaskQueueSid=sids["french"]) >= {"task-queue.created"}
    assert types(TaskChannel="chat", TaskSid=sids["targeted"]) >= {"task.created"}
    assert types(TaskChannel="voice", TaskSid=sids["targeted"]) == set()
    assert types(TaskChannel="unheard") == set()
    assert types(ReservationSid="WR" + "0" * 32) == set()
    event = http.get(f"{base}/Events").json()["events"][0]
    page = http.get(f"{base}/Events", params={"Sid": event["sid"]}).json()
    assert page["events"] == [event]


def test_events_by_their_time(http, base, sids):
    def count(**query):
        return len(http.get(f"{base}/Events", params={"PageSize": 1000, **query}).json()["events"])

    total = count()
    last = http.get(f"{base}/Events").json()["events"][0]["event_date"]
    assert total > 5
    assert count(Minutes=1) == total
    assert count(StartDate="2020-01-01") == total
    assert count(EndDate=last, Minutes=5) == total
    assert count(EndDate="2020-01-01T00:00:00Z") == 0
    assert count(StartDate="2020-01-01T00:00:00Z", EndDate="2020-01-02T00:00:00Z") == 0


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        ("Workers", "TargetWorkersExpression", "level >"),
        ("Workers", "ActivitySid", "Offline"),
        ("Workers", "TaskQueueSid", "WK" + "0" * 32),
        ("Workers", "Ordering", "Colour:asc"),
        ("TaskQueues", "EvaluateWorkerAttributes", "languages HAS 'fr'"),
        ("TaskQueues", "EvaluateWorkerAttributes", "[]"),
        ("TaskQueues", "WorkerSid", "ann"),
        ("TaskQueues", "Ordering", "FriendlyName:up"),
        ("Tasks", "Priority", "high"),
        ("Tasks", "AssignmentStatus", "waiting"),
        ("Tasks", "AssignmentStatus", "pending,waiting"),
        ("Tasks", "WorkflowSid", "WQ" + "0" * 32),
        ("Tasks", "EvaluateTaskAttributes", "a = = 1"),
        ("Tasks", "EvaluateTaskAttributes", "a && b"),
        ("Tasks", "EvaluateTaskAttributes", "(" * 2_000),
        ("Tasks", "HasAddons", "perhaps"),
        ("Tasks", "Ordering", "DateCreated:asc,VirtualStartTime:asc"),
        ("Tasks", "Ordering", "Priority:sideways"),
        ("Tasks", "Ordering", "Age:asc"),
        ("Tasks", "Ordering", "Priority:asc,Priority:desc"),
        ("Events", "Minutes", "0"),
        ("Events", "Minutes", "x"),
        ("Events", "StartDate", "yesterday"),
        ("Events", "TaskSid", "WK" + "0" * 32),
        ("Events", "Sid", "x"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(http, base, path, name, text):
    assert name in assert_problem(http.get(f"{base}/{path}", params={name: text}), 400, 20001)


def test_a_bad_expression_is_refused_with_its_column(http, base):
    response = http.get(f"{base}/Tasks", params={"EvaluateTaskAttributes": "a == 1 AND b ~ 2"})
    assert "column 14" in assert_problem(response, 400, 20001)
