"""GET …/Tasks/{sid}/Explain: why a task waits and why its worker has it, over HTTP."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.wire.support import assert_problem, eventually

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UNKNOWN = "WT" + "0" * 32
KEYS = [
    "account_sid", "workspace_sid", "task_sid", "assignment_status", "reason", "summary", "date_evaluated",
    "priority", "assignment_count", "task_channel_sid", "task_channel_unique_name", "task_queue_sid",
    "task_queue_friendly_name", "routing_target", "route", "asks", "timers", "position", "reservations",
    "worker_count", "reasons", "reasons_left_out", "url", "links", "meta", "workers",
]  # fmt: skip


@pytest.fixture
def queue(http, base):
    """The SID of the template's queue, which takes workers of level 3 and higher."""
    queue = http.get(f"{base}/TaskQueues").json()["task_queues"][0]["sid"]
    assert http.post(f"{base}/TaskQueues/{queue}", {"TargetWorkers": "level >= 3"}).status_code == 200
    return queue


def activity(http, base, name):
    return http.get(f"{base}/Activities", params={"FriendlyName": name}).json()["activities"][0]["sid"]


def worker(http, base, name, level, activity_name="Available"):
    body = {
        "FriendlyName": name,
        "Attributes": f'{{"level": {level}}}',
        "ActivitySid": activity(http, base, activity_name),
    }
    return http.post(f"{base}/Workers", body).json()["sid"]


def explain(http, base, task, **query):
    response = http.get(f"{base}/Tasks/{task}/Explain", params=query)
    assert response.status_code == 200, response.text
    body = response.json()
    assert list(body) == KEYS
    assert DATE.fullmatch(body["date_evaluated"])
    return body


def test_a_waiting_task_tells_every_worker_s_first_reason(http, base, queue):
    low, away = worker(http, base, "low", 2), worker(http, base, "away", 3, "Offline")
    task = http.post(f"{base}/Tasks", {"Attributes": "{}", "Timeout": 600}).json()
    body = explain(http, base, task["sid"])
    assert (body["assignment_status"], body["worker_count"]) == ("pending", 2)
    assert body["summary"] == (
        "It waits: none of 2 workers can be offered it now. "
        "1: activity Offline is not available. 1: TargetWorkers: level >= 3 is false: level is 2."
    )
    assert {item["worker_sid"]: (item["reason"], item["explanation"]) for item in body["workers"]} == {
        low: ("target_workers", "TargetWorkers: level >= 3 is false: level is 2"),
        away: ("activity", "activity Offline is not available"),
    }
    route, asks = body["route"], body["asks"]
    assert (route["kind"], route["workflow_sid"]) == ("default_filter", task["workflow_sid"])
    assert route["is_current_configuration"] is True
    assert (asks["target_workers"], asks["worker"], asks["ignore_capacity"]) == ("level >= 3", None, False)
    timer = body["timers"][0]
    assert (timer["name"], timer["then"]) == ("ttl", "it is canceled: Task TTL Exceeded")
    assert 590 < timer["seconds_left"] <= 600
    assert DATE.fullmatch(timer["date"])
    assert body["position"] == {
        "tasks_before_among_alike": 0,
        "tasks_alike": 1,
        "tasks_before_in_queue": 0,
        "tasks_in_queue": 1,
    }
    assert body["url"] == f"{task['url']}/Explain"
    assert body["links"]["task_queue"] == f"{http.daemon.url}/v1{base}/TaskQueues/{queue}"
    assert body["workers"][0]["url"] == f"{http.daemon.url}/v1{base}/Workers/{low}"
    assert body["links"]["task"] == task["url"]


def test_an_offered_task_tells_whom_and_why(http, base, queue):
    ann = worker(http, base, "ann", 3)
    task = http.post(f"{base}/Tasks").json()["sid"]
    path = f"{base}/Tasks/{task}/Reservations"
    reservation = eventually("a reservation", lambda: http.get(path).json()["reservations"])[0]
    body = explain(http, base, task)
    assert (body["assignment_status"], body["assignment_count"]) == ("reserved", 1)
    offer = body["reservations"][0]
    assert (offer["sid"], offer["worker_sid"], offer["url"]) == (
        reservation["sid"],
        ann,
        reservation["url"].replace(f"/Workers/{ann}/", f"/Tasks/{task}/"),
    )
    assert 110 < offer["seconds_left"] <= 120
    assert offer["chosen_because"] == "it was the only worker that could be offered the task"
    assert (body["workers"], body["meta"]["next_page_url"]) == ([], None)
    http.post(f"{path}/{reservation['sid']}", {"ReservationStatus": "accepted"})
    assert explain(http, base, task)["summary"].startswith("Held by ann")


def test_a_finished_task_tells_status_and_reason(http, base, queue):
    task = http.post(f"{base}/Tasks").json()["sid"]
    http.post(f"{base}/Tasks/{task}", {"AssignmentStatus": "canceled", "Reason": "wrong number"})
    body = explain(http, base, task)
    assert (body["assignment_status"], body["reason"]) == ("canceled", "wrong number")
    assert body["summary"] == "Canceled: wrong number."
    assert (body["route"], body["position"], body["workers"], body["timers"]) == (None, None, [], [])


def test_the_workers_are_paged_like_any_list(http, base, queue):
    sids = [worker(http, base, f"w{number}", 1) for number in range(5)]
    task = http.post(f"{base}/Tasks").json()["sid"]
    first = explain(http, base, task, PageSize=2)
    url = first["meta"]["next_page_url"]
    assert parse_qs(urlsplit(url).query) == {"PageSize": ["2"], "Page": ["1"], "PageToken": [f"PA{sids[1]}"]}
    assert first["meta"]["key"] == "workers"
    second = http.session.get(url).json()
    third = http.session.get(second["meta"]["next_page_url"]).json()
    pages = [[item["worker_sid"] for item in page["workers"]] for page in (first, second, third)]
    assert pages == [sids[:2], sids[2:4], sids[4:]]
    assert third["meta"]["next_page_url"] is None
    back = http.session.get(third["meta"]["previous_page_url"]).json()
    assert [item["worker_sid"] for item in back["workers"]] == sids[2:4]
    assert [reason["worker_count"] for reason in third["reasons"]] == [5]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"PageSize": "ten"}, 20001),
        ({"Page": "1"}, 40153),
        ({"PageToken": "x"}, 21481),
        ({"PageToken": UNKNOWN}, 21481),
    ],
)
def test_a_bad_page_is_refused_as_elsewhere(http, base, query, code):
    task = http.post(f"{base}/Tasks").json()["sid"]
    assert_problem(http.get(f"{base}/Tasks/{task}/Explain", params=query), 400, code)


def test_a_task_that_does_not_exist_has_no_explanation(http, base):
    assert_problem(http.get(f"{base}/Tasks/{UNKNOWN}/Explain"), 404, 20404)
    task = http.post(f"{base}/Tasks").json()["sid"]
    http.delete(f"{base}/Tasks/{task}")
    assert_problem(http.get(f"{base}/Tasks/{task}/Explain"), 404, 20404)
    assert_problem(http.post(f"{base}/Tasks/{task}/Explain"), 405, 20004)
