"""Idempotency-Key: a repeated request does nothing and gets the answer of the first."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wire.support import assert_problem, eventually

CONFIGURATION = '{"task_routing": {"filters": []}}'
CREATES = {
    "Activities": {"FriendlyName": "Lunch"},
    "TaskChannels": {"FriendlyName": "Fax", "UniqueName": "fax"},
    "TaskQueues": {"FriendlyName": "Fax", "TargetWorkers": "a == 1"},
    "Workflows": {"FriendlyName": "Fax", "Configuration": CONFIGURATION},
    "Workers": {"FriendlyName": "Ann"},
    "Tasks": {"Attributes": '{"a": 1}'},
}


@pytest.fixture
def key():
    return {"Idempotency-Key": f"key {uuid.uuid4()}"}


def same(first, again):
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("ETag") == first.headers.get("ETag")
    assert again.headers.get("X-Pointsman-Warnings") == first.headers.get("X-Pointsman-Warnings")
    assert again.headers["Content-Type"] == first.headers["Content-Type"]


@pytest.mark.parametrize("kind", CREATES)
def test_a_repeated_create_has_the_same_answer_and_makes_nothing(http, base, key, kind):
    path, body = f"{base}/{kind}", CREATES[kind]
    first = http.post(path, body, headers=key)
    assert first.status_code == 201, first.text
    count = len(http.get(path).content)
    same(first, http.post(path, body, headers=key))
    assert abs(len(http.get(path).content) - count) < 40
    assert_problem(http.post(path, {**body, "FriendlyName": "Else"}, headers=key), 409, 20409)


UPDATES = {
    "Activities": ({"FriendlyName": "Lunch"}, {"FriendlyName": "Tea"}),
    "TaskChannels": ({"FriendlyName": "Fax"}, {"FriendlyName": "Post"}),
    "TaskQueues": ({"TargetWorkers": "level HAS 2"}, {"TargetWorkers": "level == 2"}),
    "Workflows": ({"FriendlyName": "Fax"}, {"FriendlyName": "Post"}),
    "Workers": ({"Attributes": '{"level": 3}'}, {"Attributes": '{"level": 4}'}),
}


@pytest.mark.parametrize("kind", UPDATES)
def test_a_repeated_update_has_the_same_answer_and_changes_nothing(http, base, key, kind):
    http.post(f"{base}/Workers", {"FriendlyName": "Ann"})
    page = http.get(f"{base}/{kind}").json()
    path = f"{base}/{kind}/{page[page['meta']['key']][0]['sid']}"
    assert_updated_once(http, path, key, *UPDATES[kind])


def test_a_repeated_update_of_a_workspace_or_a_workers_channel_changes_nothing(http, base, key):
    worker = http.post(f"{base}/Workers", {"FriendlyName": "Ann"}).json()["sid"]
    channel = f"{base}/Workers/{worker}/Channels/voice"
    assert_updated_once(http, channel, key, {"Capacity": "3"}, {"Capacity": "4"})
    assert_updated_once(http, base, key, {"FriendlyName": "Once"}, {"FriendlyName": "Later"})


def assert_updated_once(http, path, key, body, later):
    first = http.post(path, body, headers=key)
    assert first.status_code == 200, first.text
    assert http.post(path, later).status_code == 200
    changed = http.get(path).json()
    same(first, http.post(path, body, headers=key))
    assert http.get(path).json() == changed
    assert_problem(http.post(path, later, headers=key), 409, 20409)


def test_a_repeated_workspace_is_made_once_per_account(http, key):
    body = {"FriendlyName": "Once"}
    first = http.post("/Workspaces", body, headers=key)
    assert first.status_code == 201
    same(first, http.post("/Workspaces", body, headers=key))
    assert_problem(http.post("/Workspaces", {"FriendlyName": "Twice"}, headers=key), 409, 20409)
    assert len(http.get("/Workspaces", params={"FriendlyName": "Once"}).json()["workspaces"]) == 1
    http.delete(f"/Workspaces/{first.json()['sid']}")


def test_without_a_key_or_with_another_one_a_request_is_a_new_one(http, base, key):
    path = f"{base}/Tasks"
    sids = {http.post(path, headers=headers).json()["sid"] for headers in ({}, {}, key, {**key, "X-A": "b"})}
    other = http.post(path, headers={"Idempotency-Key": "another"}).json()["sid"]
    assert len(sids | {other}) == 4


def test_a_key_is_good_for_one_path(http, base, key):
    assert http.post(f"{base}/Tasks", {"FriendlyName": "Ann"}, headers=key).status_code == 201
    assert http.post(f"{base}/Workers", {"FriendlyName": "Ann"}, headers=key).status_code == 201


def test_a_refused_request_leaves_its_key_free(http, base, key):
    path = f"{base}/Workers"
    assert_problem(http.post(path, {"FriendlyName": ""}, headers=key), 400, 20002)
    unknown = {"FriendlyName": "Ann", "ActivitySid": "WA" + "0" * 32}
    assert_problem(http.post(path, unknown, headers=key), 400, 20001)
    assert http.post(path, {"FriendlyName": "Ann"}, headers=key).status_code == 201


@pytest.mark.parametrize("text", ["", "x" * 256, "é".encode(), b"a\tb"])
def test_a_key_is_1_to_255_printable_characters(http, base, text):
    assert_problem(http.post(f"{base}/Tasks", headers={"Idempotency-Key": text}), 400, 20001)
    assert http.post(f"{base}/Tasks", headers={"Idempotency-Key": "~" * 255}).status_code == 201


def test_a_repeated_task_update_changes_nothing_and_does_not_trip_over_if_match(http, base, key):
    task = f"{base}/Tasks/" + http.post(f"{base}/Tasks").json()["sid"]
    headers = {**key, "If-Match": http.get(task).headers["ETag"]}
    body = {"AttributesMerge": '{"n": 1}'}
    first = http.post(task, body, headers=headers)
    assert first.status_code == 200
    http.post(task, {"Attributes": '{"n": 2}'})
    same(first, http.post(task, body, headers=headers))
    assert http.get(task).json()["attributes"] == '{"n": 2}'
    assert_problem(http.post(task, {"AttributesMerge": '{"n": 3}'}, headers=headers), 409, 20409)


def test_a_task_ended_with_a_key_is_ended_once(http, base, key):
    task = f"{base}/Tasks/" + http.post(f"{base}/Tasks").json()["sid"]
    body = {"AssignmentStatus": "canceled", "Reason": "gone"}
    first = http.post(task, body, headers=key)
    same(first, http.post(task, body, headers=key))
    assert_problem(http.post(task, body), 400, 20001)


@pytest.mark.parametrize("side", ["Tasks", "Workers"])
def test_a_repeated_reservation_update_has_the_same_answer(http, base, key, side):
    activities = http.get(f"{base}/Activities", params={"Available": "true"}).json()["activities"]
    worker = http.post(f"{base}/Workers", {"FriendlyName": "Ann", "ActivitySid": activities[0]["sid"]}).json()
    task = http.post(f"{base}/Tasks").json()
    path = f"{base}/{side}/{(task if side == 'Tasks' else worker)['sid']}/Reservations"
    (found,) = eventually("a reservation", lambda: http.get(path).json()["reservations"])
    path = f"{path}/{found['sid']}"
    first = http.post(path, {"ReservationStatus": "accepted"}, headers=key)
    assert first.json()["reservation_status"] == "accepted"
    same(first, http.post(path, {"ReservationStatus": "accepted"}, headers=key))
    assert_problem(http.post(path, {"ReservationStatus": "accepted"}), 400, 20001)
    assert_problem(http.post(path, {"ReservationStatus": "completed"}, headers=key), 409, 20409)


def test_concurrent_duplicates_share_one_answer(http, base, key):
    def send(_):
        return http.post(f"{base}/Tasks", {"Attributes": "{}"}, headers=key)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(send, range(24)))
    assert {response.status_code for response in found} == {201}
    assert len({response.content for response in found}) == 1
    assert len(http.get(f"{base}/Tasks").json()["tasks"]) == 1


def test_a_repeated_bulk_has_the_same_results(http, base, key):
    path = f"{base}/Tasks/Bulk"
    items = [{"Attributes": {"n": n}} for n in range(1_500)]
    items[3] = {"Priority": "high"}
    items[5] = {"TaskChannel": "nope"}
    body, headers = json.dumps(items), {**key, "Content-Type": "application/json"}
    first = http.post(path, body, headers=headers)
    assert first.json()["created"] == 1_498
    same(first, http.post(path, body, headers=headers))
    assert_problem(http.post(path, json.dumps(items[:-1]), headers=headers), 409, 20409)
    plain = http.post(path, body, headers={"Content-Type": "application/json"}).json()
    assert plain["results"][0]["task"]["sid"] != first.json()["results"][0]["task"]["sid"]


def test_a_repeated_create_tells_its_warnings_again(http, base, key):
    http.post(f"{base}/Workers", {"FriendlyName": "Ann", "Attributes": '{"level": 3}'})
    body = {"FriendlyName": "Odd", "TargetWorkers": "level HAS 2"}
    first = http.post(f"{base}/TaskQueues", body, headers=key)
    assert "X-Pointsman-Warnings" in first.headers
    same(first, http.post(f"{base}/TaskQueues", body, headers=key))
