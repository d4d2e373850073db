"""Every operation of the contract: method, path, status, exact properties, list key, ETag.

`contract_facts.json` holds the facts: operations with their parameters, models with their properties.
"""

import re

from tests.wire.golden import assert_golden
from tests.wire.support import FACTS, eventually

MODELS = FACTS["models"]
OPERATIONS = {operation["id"]: operation for operation in FACTS["operations"]}
META = ["page", "page_size", "first_page_url", "previous_page_url", "url", "next_page_url", "key"]
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SID_NAMES = {"WorkspaceSid", "TaskSid", "WorkerSid", "TaskQueueSid", "WorkflowSid", "Sid"}
CONFIGURATION = '{"task_routing": {"filters": [], "default_filter": {"queue": "%s"}}}'

LINKS = {
    "workspace": {
        "activities", "statistics", "real_time_statistics", "cumulative_statistics", "task_queues", "tasks",
        "workers", "workflows", "task_channels", "events",
    },
    "workspace.activity": {"workspace"},
    "workspace.task": {"task_queue", "workflow", "workspace", "reservations"},
    "workspace.task.task_reservation": {"task", "worker", "workspace"},
    "workspace.worker.worker_reservation": {"task", "worker", "workspace"},
    "workspace.task_channel": {"workspace"},
    "workspace.task_queue": {
        "assignment_activity", "reservation_activity", "workspace", "statistics", "real_time_statistics",
        "cumulative_statistics", "list_statistics", "bulk_real_time_statistics",
    },
    "workspace.worker": {
        "channels", "worker_channels", "activity", "workspace", "statistics", "real_time_statistics",
        "cumulative_statistics", "worker_statistics", "reservations",
    },
    "workspace.workflow": {"statistics", "real_time_statistics", "cumulative_statistics"},
}  # fmt: skip


class Contract:
    """Calls operations by their id and compares the answers with the facts."""

    def __init__(self, http):
        self.http = http
        self.called = set()
        self.documents = {}

    def call(self, operation_id, *sids, data=None, query=None):
        operation = OPERATIONS[operation_id]
        self.called.add(operation_id)
        given = iter(sids)
        path = re.sub(r"\{\w+\}", lambda _: next(given), operation["path"]).removeprefix("/v1")
        response = self.http(operation["method"], path, data=data, params=query)
        assert response.status_code == operation["status"], (operation_id, response.text)
        if operation.get("etag"):
            assert response.headers["ETag"], operation_id
        if operation["status"] == 204:
            assert response.content == b""
            return None
        assert response.headers["Content-Type"] == "application/json"
        body = response.json()
        if "list_key" in operation:
            return self._page(operation, body)
        self._resource(operation["model"], body)
        if operation["method"] != "GET":
            assert body["url"].startswith(self.http.daemon.url)
        return body

    def _page(self, operation, body):
        assert list(body) == ["meta", operation["list_key"]]
        assert list(body["meta"]) == META
        assert body["meta"]["key"] == operation["list_key"]
        for item in body[operation["list_key"]]:
            self._resource(operation["model"], item)
        return body[operation["list_key"]]

    def _resource(self, model, body):
        if "statistics" in model:
            assert sorted(body) == sorted(MODELS[model])
        else:
            assert list(body) == list(MODELS[model])
        self.documents.setdefault(model, body)
        assert set(body.get("links", {})) == LINKS.get(model, set())
        for name, value in body.items():
            if MODELS[model][name] == "date-time?" and value is not None:
                assert DATE.fullmatch(value), (model, name, value)


def test_every_operation_answers_as_the_contract_says(http):
    contract = Contract(http)
    call = contract.call
    ws = call("CreateWorkspace", data={"FriendlyName": "Contract", "Template": "FIFO"})["sid"]
    assert call("FetchWorkspace", ws)["sid"] == ws
    assert any(item["sid"] == ws for item in call("ListWorkspace", query={"PageSize": 1000}))
    assert call("UpdateWorkspace", ws, data={"FriendlyName": "Renamed"})["friendly_name"] == "Renamed"

    activities = {item["friendly_name"]: item["sid"] for item in call("ListActivity", ws)}
    assert set(activities) == {"Offline", "Available", "Unavailable"}
    pause = call("CreateActivity", ws, data={"FriendlyName": "Break", "Available": "false"})["sid"]
    assert call("FetchActivity", ws, pause)["available"] is False
    assert call("UpdateActivity", ws, pause, data={"FriendlyName": "Lunch"})["friendly_name"] == "Lunch"
    call("DeleteActivity", ws, pause)

    names = [item["unique_name"] for item in call("ListTaskChannel", ws)]
    assert sorted(names) == ["chat", "default", "sms", "video", "voice"]
    fax = call("CreateTaskChannel", ws, data={"FriendlyName": "Fax", "UniqueName": "fax"})["sid"]
    assert call("FetchTaskChannel", ws, fax)["unique_name"] == "fax"
    assert call("FetchTaskChannel", ws, "fax")["sid"] == fax
    changed = call("UpdateTaskChannel", ws, "fax", data={"ChannelOptimizedRouting": "true"})
    assert changed["channel_optimized_routing"] is True
    call("DeleteTaskChannel", ws, fax)

    queue = call("CreateTaskQueue", ws, data={"FriendlyName": "Sales", "TargetWorkers": "1==1"})["sid"]
    assert call("FetchTaskQueue", ws, queue)["target_workers"] == "1==1"
    assert call("UpdateTaskQueue", ws, queue, data={"MaxReservedWorkers": "2"})["max_reserved_workers"] == 2
    assert len(call("ListTaskQueue", ws)) == 2

    body = {"FriendlyName": "Main", "Configuration": CONFIGURATION % queue}
    workflow = call("CreateWorkflow", ws, data=body)["sid"]
    assert call("FetchWorkflow", ws, workflow)["document_content_type"] == "application/json"
    changed = call("UpdateWorkflow", ws, workflow, data={"TaskReservationTimeout": "60"})
    assert changed["task_reservation_timeout"] == 60
    assert len(call("ListWorkflow", ws)) == 2

    available = activities["Available"]
    worker = call("CreateWorker", ws, data={"FriendlyName": "Alice", "ActivitySid": available})["sid"]
    assert call("FetchWorker", ws, worker)["available"] is True
    changed = call("UpdateWorker", ws, worker, data={"Attributes": '{"skill":"tea"}'})
    assert changed["attributes"] == '{"skill":"tea"}'
    assert len(call("ListWorker", ws)) == 1
    channels = call("ListWorkerChannel", ws, worker)
    assert len(channels) == 5
    assert call("FetchWorkerChannel", ws, worker, channels[0]["sid"])["configured_capacity"] == 1
    changed = call("UpdateWorkerChannel", ws, worker, "default", data={"Capacity": "3"})
    assert changed["configured_capacity"] == 3

    task = call("CreateTask", ws, data={"WorkflowSid": workflow, "Attributes": '{"a": 1}'})["sid"]
    assert call("FetchTask", ws, task)["attributes"] == '{"a": 1}'
    assert len(call("ListTask", ws)) == 1
    reservation = eventually("a reservation", lambda: call("ListTaskReservation", ws, task))[0]["sid"]
    assert call("FetchTaskReservation", ws, task, reservation)["reservation_status"] == "pending"
    assert call("ListWorkerReservation", ws, worker)[0]["sid"] == reservation
    assert call("FetchWorkerReservation", ws, worker, reservation)["task_sid"] == task
    accepted = {"ReservationStatus": "accepted"}
    changed = call("UpdateTaskReservation", ws, task, reservation, data=accepted)
    assert changed["reservation_status"] == "accepted"
    wrapping = {"ReservationStatus": "wrapping"}
    changed = call("UpdateWorkerReservation", ws, worker, reservation, data=wrapping)
    assert changed["reservation_status"] == "wrapping"
    changed = call("UpdateTask", ws, task, data={"AssignmentStatus": "completed", "Reason": "done"})
    assert (changed["assignment_status"], changed["reason"]) == ("completed", "done")

    for name in ("", "RealTime", "Cumulative"):
        call(f"FetchWorkspace{name}Statistics", ws)
        call(f"FetchTaskQueue{name}Statistics", ws, queue)
        call(f"FetchWorkflow{name}Statistics", ws, workflow)
    call("FetchWorkerStatistics", ws)
    call("FetchWorkersRealTimeStatistics", ws)
    call("FetchWorkersCumulativeStatistics", ws)
    call("FetchWorkerInstanceStatistics", ws, worker)
    assert len(call("ListTaskQueuesStatistics", ws, query={"FriendlyName": "Sales"})) == 1
    call("CreateTaskQueueBulkRealTimeStatistics", ws, data={"QueueSids": queue})

    event = call("ListEvent", ws, query={"EventType": "reservation.accepted"})[0]
    assert call("FetchEvent", ws, event["sid"]) == event
    assert event["resource_sid"] == reservation
    assert all(isinstance(value, str) for value in event["event_data"].values())
    assert isinstance(event["event_date_ms"], int)

    call("DeleteTask", ws, task)
    call("DeleteWorker", ws, worker)
    call("DeleteWorkflow", ws, workflow)
    call("DeleteTaskQueue", ws, queue)
    call("DeleteWorkspace", ws)
    assert contract.called == set(OPERATIONS)
    assert_golden(contract.documents)


def test_a_deleted_workspace_takes_everything_with_it(http):
    ws = http.post("/Workspaces", {"FriendlyName": "Short-lived", "Template": "FIFO"}).json()["sid"]
    queue = http.get(f"/Workspaces/{ws}/TaskQueues").json()["task_queues"][0]["sid"]
    assert http.delete(f"/Workspaces/{ws}").status_code == 204
    for path in ("", "/TaskQueues", f"/TaskQueues/{queue}", "/Tasks"):
        assert http.get(f"/Workspaces/{ws}{path}").status_code == 404
    assert http.post(f"/Workspaces/{ws}/Tasks").status_code == 404


def test_an_update_without_a_body_answers_the_resource(http, base):
    paths = [base]
    for name in ("Activities", "TaskQueues", "Workflows", "TaskChannels"):
        page = http.get(f"{base}/{name}").json()
        paths.append(f"{base}/{name}/{page[page['meta']['key']][0]['sid']}")
    worker = http.post(f"{base}/Workers", {"FriendlyName": "Bob"}).json()["sid"]
    task = http.post(f"{base}/Tasks").json()["sid"]
    paths += [f"{base}/Workers/{worker}", f"{base}/Workers/{worker}/Channels/voice", f"{base}/Tasks/{task}"]
    for path in paths:
        before = http.get(path).json()
        response = http.post(path)
        assert response.status_code == 200, path
        after = response.json()
        for body in (before, after):
            body.pop("date_updated"), body.pop("age", None)
        assert after == before


def test_every_field_of_the_contract_is_accepted(http, base):
    """Unknown names are ignored, known ones read: none of the spec's names may break a call."""
    worker = http.post(f"{base}/Workers", {"FriendlyName": "Carol"}).json()["sid"]
    response = http.post(
        f"{base}/Workers/{worker}", {"OperatingUnitSid": "OU1", "Unheard": "of", "FriendlyName": "Caro"}
    )
    assert response.json()["friendly_name"] == "Caro"


def test_urls_name_the_host_that_the_client_used(http, base):
    body = http.get(base, headers={"Host": "router.example.org:8443"}).json()
    assert body["url"] == f"http://router.example.org:8443/v1{base}"
    assert body["links"]["tasks"] == f"http://router.example.org:8443/v1{base}/Tasks"


def test_every_answer_tells_its_limits_and_may_be_read_by_browsers(http, base):
    for response in (http.get(base), http.get(f"{base}/Nothing"), http.get(base, auth=("AC", "x"))):
        assert {"X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Config"} <= set(
            response.headers
        )
        for name in ("Origin", "Methods", "Headers", "Credentials"):
            assert response.headers[f"Access-Control-Allow-{name}"]
        assert "ETag" in response.headers["Access-Control-Expose-Headers"]


def test_a_preflight_needs_no_credentials(http, base):
    response = http("OPTIONS", f"{base}/Tasks", auth=("AC", "x"))
    assert response.status_code == 204
    assert "POST" in response.headers["Access-Control-Allow-Methods"]


def test_probes_need_no_credentials(daemon):
    assert daemon.status("/healthz") == 200
    assert daemon.status("/readyz") == 200
    assert daemon.status("/metrics") == 200
