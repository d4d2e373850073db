"""ETag and If-Match on tasks, workers and reservations (contract §2)."""

import pytest

from tests.wire.support import assert_problem, eventually


@pytest.fixture
def worker(http, base):
    activities = http.get(f"{base}/Activities", params={"Available": "true"}).json()["activities"]
    body = {"FriendlyName": "Alice", "ActivitySid": activities[0]["sid"]}
    return f"{base}/Workers/" + http.post(f"{base}/Workers", body).json()["sid"]


@pytest.fixture
def task(http, base):
    return f"{base}/Tasks/" + http.post(f"{base}/Tasks").json()["sid"]


def test_a_version_begins_at_0_and_counts_changes(http, base):
    created = http.post(f"{base}/Tasks")
    assert created.headers["ETag"] == "0"
    path = f"{base}/Tasks/{created.json()['sid']}"
    before = int(http.get(path).headers["ETag"])
    changed = http.post(path, {"Attributes": '{"a": 1}'})
    assert int(changed.headers["ETag"]) == before + 1
    assert http.get(path).headers["ETag"] == changed.headers["ETag"]


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"'])
def test_the_present_version_matches_in_every_notation(http, task, worker, form):
    for path in (task, worker):
        version = http.get(path).headers["ETag"]
        response = http.post(path, {"Attributes": "{}"}, headers={"If-Match": form.format(version)})
        assert response.status_code == 200, response.text


def test_an_asterisk_matches_what_exists(http, base, task):
    assert http.post(task, {"Priority": 3}, headers={"If-Match": "*"}).status_code == 200
    missing = f"{base}/Tasks/WT{'0' * 32}"
    assert_problem(http.post(missing, {"Priority": 3}, headers={"If-Match": "*"}), 404, 20404)


@pytest.mark.parametrize(
    "text", ["99", '"99"', "abc", '"', "1.0", "-1", '"0", "1"', "W/", "0x0", "é".encode()]
)
def test_another_version_or_none_at_all_changes_nothing(http, task, worker, text):
    for path in (task, worker):
        before = http.get(path)
        response = http.post(path, {"Attributes": '{"changed": true}'}, headers={"If-Match": text})
        assert_problem(response, 412, 20412)
        assert_problem(http.delete(path, headers={"If-Match": text}), 412, 20412)
        after = http.get(path)
        assert after.json()["attributes"] == before.json()["attributes"]
        assert after.headers["ETag"] == before.headers["ETag"]


def test_a_delete_with_the_present_version_goes_through(http, task, worker):
    version = http.get(task).headers["ETag"]
    assert http.delete(task, headers={"If-Match": version}).status_code == 204
    version = eventually("the worker is free", lambda: http.get(worker).headers["ETag"])
    assert http.delete(worker, headers={"If-Match": version}).status_code == 204


def test_reservations_have_versions_on_both_sides(http, worker, task):
    page = eventually("a reservation", lambda: http.get(f"{task}/Reservations").json()["reservations"])
    sid = page[0]["sid"]
    paths = [f"{task}/Reservations/{sid}", f"{worker}/Reservations/{sid}"]
    versions = {http.get(path).headers["ETag"] for path in paths}
    assert len(versions) == 1
    version = versions.pop()
    for path in paths:
        assert_problem(
            http.post(path, {"ReservationStatus": "accepted"}, headers={"If-Match": "77"}), 412, 20412
        )
        assert_problem(http.post(path, {}, headers={"If-Match": "77"}), 412, 20412)
        assert http.post(path, {}, headers={"If-Match": version}).headers["ETag"] == version
    accepted = http.post(paths[1], {"ReservationStatus": "accepted"}, headers={"If-Match": version})
    assert accepted.status_code == 200
    assert int(accepted.headers["ETag"]) > int(version)


def test_the_official_client_sends_the_version_and_learns_it(workspace):
    worker = workspace.workers.create(friendly_name="Bob")
    answer = workspace.workers(worker.sid).fetch_with_http_info()
    version = answer.headers["ETag"]
    worker.update(attributes="{}", if_match=version)
    with pytest.raises(Exception, match="412"):
        worker.update(attributes="{}", if_match=version)


def test_lists_that_the_contract_tags_change_their_tag_with_their_content(http, base, task):
    first = http.get(f"{base}/Tasks").headers["ETag"]
    http.post(task, {"Priority": 9})
    assert http.get(f"{base}/Tasks").headers["ETag"] != first
