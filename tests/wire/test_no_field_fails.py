"""Every parameter of every operation meets values that nobody planned for: never a 5xx, always a document."""

import re

import pytest

from tests.wire.support import FACTS, eventually

NASTY = [
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "9" * 40,
    "true",
    "null",
    "[]",
    '{"a": "\\u0000", "\\ud83d\\ude00": 1e308, "b": -9223372036854775809}',
    '{"task_routing": {"filters": [null], "default_filter": []}}',
    '{"task_routing": {"filters": [{"expression": 1, "targets": [{"queue": {"$ne": 1}}]}]}}',
    "'; DROP TABLE tasks; --",
    "a == 'b' AND (",
    "\u202e\u0007\ufffe\U0001f600",
    "%s%n{0}${jndi:x}",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "http://[::1",
    "http://user:pw@127.0.0.1:99999/",
    "x" * 70_000,
    "WT" + "0" * 32,
    "WA" + "F" * 32,
]
IF_MATCH = ["", "*", '"', "W/", "9" * 40, "0, 1", "a" * 4_000]


@pytest.fixture
def sids(http, base):
    """Values for the placeholders of paths."""
    activities = http.get(f"{base}/Activities").json()["activities"]
    available = next(a["sid"] for a in activities if a["available"])
    body = {"FriendlyName": "Alice", "ActivitySid": available}
    worker = http.post(f"{base}/Workers", body).json()["sid"]
    task = http.post(f"{base}/Tasks").json()["sid"]
    reservations = f"{base}/Tasks/{task}/Reservations"
    reservation = eventually("a reservation", lambda: http.get(reservations).json()["reservations"])[0]["sid"]
    return {
        "WorkspaceSid": base.rsplit("/", 1)[1],
        "WorkerSid": worker,
        "TaskSid": task,
        "TaskQueueSid": http.get(f"{base}/TaskQueues").json()["task_queues"][0]["sid"],
        "WorkflowSid": http.get(f"{base}/Workflows").json()["workflows"][0]["sid"],
        "Workspaces": base.rsplit("/", 1)[1],
        "Activities": activities[0]["sid"],
        "Events": http.get(f"{base}/Events").json()["events"][0]["sid"],
        "Tasks": task,
        "Workers": worker,
        "Reservations": reservation,
        "TaskChannels": "voice",
        "Channels": "voice",
        "TaskQueues": http.get(f"{base}/TaskQueues").json()["task_queues"][0]["sid"],
        "Workflows": http.get(f"{base}/Workflows").json()["workflows"][0]["sid"],
    }


def path_of(operation, sids):
    collection = re.findall(r"/(\w+)/\{Sid\}", operation["path"])
    filled = dict(sids, Sid=sids[collection[0]] if collection else "")
    return operation["path"].removeprefix("/v1").format(**filled)


def assert_answered(response, what):
    assert response.status_code < 500, (what, response.text)
    assert response.json() is not None


@pytest.mark.parametrize("operation", [o for o in FACTS["operations"] if "body" in o], ids=lambda o: o["id"])
def test_no_body_field_makes_an_operation_fail(http, base, sids, operation):
    needed = {"FriendlyName": "Nasty", "UniqueName": "nasty", "Configuration": '{"task_routing": {}}'}
    needed = {name: text for name, text in needed.items() if name in operation.get("required", [])}
    path = path_of(operation, sids)
    for name in operation["body"]:
        for text in NASTY:
            if (name, text) == ("FriendlyName", "true") and path == "/Workspaces":
                continue
            response = http.post(path, {**needed, name: text})
            assert_answered(response, (operation["id"], name, text))
            if path == "/Workspaces" and response.status_code == 201:
                http.delete(f"/Workspaces/{response.json()['sid']}")


@pytest.mark.parametrize("operation", [o for o in FACTS["operations"] if "query" in o], ids=lambda o: o["id"])
def test_no_query_parameter_makes_a_list_fail(http, base, sids, operation):
    path = path_of(operation, sids)
    for name in operation["query"]:
        for text in NASTY:
            if len(text) < 10_000:
                assert_answered(http.get(path, params={name: text}), (operation["id"], name, text))


@pytest.mark.parametrize(
    "operation", [o for o in FACTS["operations"] if "header" in o], ids=lambda o: o["id"]
)
def test_no_if_match_makes_an_operation_fail(http, base, sids, operation):
    if operation["method"] == "DELETE":
        sids = {**sids, "Tasks": "WT" + "0" * 32, "Workers": "WK" + "0" * 32}
    for text in IF_MATCH:
        response = http(operation["method"], path_of(operation, sids), headers={"If-Match": text})
        assert_answered(response, (operation["id"], text))


def test_what_was_planted_can_be_read_back(http, base):
    text = '{"a": "\\u0000", "b": "\\ud83d\\ude00", "c": -9223372036854775809}'
    for name, body in (("Tasks", {}), ("Workers", {"FriendlyName": "\U0001f600\u202e"})):
        created = http.post(f"{base}/{name}", {**body, "Attributes": text})
        assert created.status_code == 201, created.text
        assert http.get(f"{base}/{name}/{created.json()['sid']}").json()["attributes"] == text
    assert http.get(f"{base}/Events").status_code == 200
