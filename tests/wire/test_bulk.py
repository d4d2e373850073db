"""POST …/Tasks/Bulk: many tasks in one request, each with its result."""

import json

import pytest

from tests.wire.support import Http, assert_problem

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def path(base):
    return f"{base}/Tasks/Bulk"


def results(response):
    assert response.status_code == 200, response.text
    body = response.json()
    assert [result["index"] for result in body["results"]] == list(range(len(body["results"])))
    assert body["created"] == sum(result["status"] == 201 for result in body["results"])
    assert body["created"] + body["failed"] == len(body["results"])
    return body["results"]


def test_every_field_of_a_creation_is_taken_and_the_answer_is_that_of_a_creation(http, base, path):
    item = {"Attributes": {"a": {"b": 1}}, "Priority": 7, "Timeout": "60", "TaskChannel": "voice"}
    (bulk,) = results(http.post(path, json=[item]))
    single = http.post(f"{base}/Tasks", {**item, "Attributes": '{"a":{"b":1}}'}).json()
    task = bulk["task"]
    assert list(task) == list(single)
    for name in ("attributes", "priority", "timeout", "task_channel_unique_name", "assignment_status"):
        assert task[name] == single[name], name
    fetched = http.get(f"{base}/Tasks/{task['sid']}").json()
    assert (fetched["attributes"], fetched["priority"]) == ('{"a":{"b":1}}', 7)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'[{"Attributes": "{}"}, {"Priority": 1}]', {}),
        (b'{"tasks": [{"Attributes": {}}, {"Priority": 1}]}', {"Content-Type": "application/json"}),
        (b'{"Attributes": {}}\n\n{"Priority": 1}\r\n', NDJSON),
        (b'{"Attributes": {}}\n{"Priority": 1}', NDJSON),
    ],
)
def test_tasks_come_as_a_list_in_an_object_or_as_lines(http, base, path, body, headers):
    found = results(http.post(path, body, headers=headers))
    assert [result["status"] for result in found] == [201, 201]
    listed = [task["sid"] for task in http.get(f"{base}/Tasks").json()["tasks"]]
    assert listed == [result["task"]["sid"] for result in found]


@pytest.mark.parametrize("lines", [False, True])
def test_invalid_items_do_not_stop_valid_ones(http, base, path, lines):
    items = [
        {"Priority": "high"},
        {"Attributes": {"n": 1}},
        7,
        {"WorkflowSid": "WW" + "0" * 32},
        {"Attributes": "[]"},
        {"TaskChannel": "nope"},
        {"Attributes": '{"n": 2}'},
    ]
    body = "\n".join(map(json.dumps, items)) if lines else json.dumps(items)
    found = results(http.post(path, body, headers=NDJSON if lines else {"Content-Type": "application/json"}))
    assert [result["status"] for result in found] == [400, 201, 400, 400, 400, 400, 201]
    assert found[0]["error"]["message"].startswith("Priority")
    assert list(found[3]["error"]) == ["code", "message", "more_info", "status"]
    assert len(http.get(f"{base}/Tasks").json()["tasks"]) == 2


def test_a_line_that_is_not_json_fails_alone(http, path):
    found = results(http.post(path, b'{"Priority": 1}\n{oops\n{}', headers=NDJSON))
    assert [result["status"] for result in found] == [201, 400, 201]


@pytest.mark.parametrize("body", [b"", b"{}", b"7", b"[", b'{"tasks": 3}', b'{"tasks": {}}', b"\xff"])
def test_a_body_that_is_no_list_of_tasks_is_refused(http, path, body):
    assert_problem(http.post(path, body, headers={"Content-Type": "application/json"}), 400, 20001)


def test_another_content_type_is_refused(http, path):
    assert_problem(http.post(path, {"Attributes": "{}"}), 400, 20001)
    assert_problem(http.get(path), 405, 20004)


def test_no_tasks_are_no_results(http, path):
    assert results(http.post(path, json=[])) == []
    assert results(http.post(path, b"\n", headers=NDJSON)) == []


def test_thousands_are_created_in_order_and_one_more_than_the_limit_none(http, base, path):
    found = results(http.post(path, json=[{"Attributes": {"n": n}} for n in range(3_000)]))
    assert [json.loads(result["task"]["attributes"])["n"] for result in found] == list(range(3_000))
    assert_problem(http.post(path, json=[{}] * 10_001), 400, 20001)
    last = http.get(f"{base}/Tasks/{found[-1]['task']['sid']}")
    assert last.status_code == 200


def test_a_body_over_its_limit_is_refused(http, path):
    padding = b" " * 50_331_648
    assert_problem(http.post(path, b"[]" + padding, headers={"Content-Type": "application/json"}), 413, 20413)


def test_a_body_over_the_limit_of_other_requests_is_taken(http, path):
    item = {"Attributes": json.dumps({"text": "x" * 4_000})}
    assert len(results(http.post(path, json=[item] * 1_100))) == 1_100


def test_it_needs_credentials_and_a_workspace_of_ones_own(daemon, http, path):
    assert_problem(http.post(f"/Workspaces/WS{'0' * 32}/Tasks/Bulk", json=[{}]), 404, 20404)
    stranger = Http(daemon)
    stranger.session.auth = (daemon.account_sid, "wrong")
    assert_problem(stranger.post(path, json=[{}]), 401, 20003)
    stranger.session.close()
