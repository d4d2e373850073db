"""Cursor paging: forth, back, around deletions, with filters, and refusals."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.wire.support import assert_problem

COUNT = 25
FORGED = base64.urlsafe_b64encode(b'["\\u0000","WK' + b"0" * 32 + b'"]').decode().rstrip("=")
"""A cursor as an ordered list makes them, with a name that no worker can have."""


@pytest.fixture
def workers(http, base):
    """The SIDs of COUNT workers, oldest first."""
    return [
        http.post(f"{base}/Workers", {"FriendlyName": f"Worker {number:02}"}).json()["sid"]
        for number in range(COUNT)
    ]


def sids(page):
    return [item["sid"] for item in page["workers"]]


def follow(http, page, name="next_page_url"):
    """Follow a page URL verbatim, as the clients do."""
    response = http.session.get(page["meta"][name])
    assert response.status_code == 200, response.text
    return response.json()


def test_the_client_streams_over_all_pages(workspace, workers):
    assert [worker.sid for worker in workspace.workers.stream(page_size=10)] == workers
    assert [worker.sid for worker in workspace.workers.list(limit=12, page_size=5)] == workers[:12]
    assert len(workspace.workers.list(limit=5_000)) == COUNT


def test_pages_lead_forth_and_back(http, base, workers):
    first = http.get(f"{base}/Workers", params={"PageSize": 10}).json()
    assert first["meta"]["previous_page_url"] is None
    assert (first["meta"]["page"], first["meta"]["page_size"]) == (0, 10)
    second = follow(http, first)
    third = follow(http, second)
    assert [sids(page) for page in (first, second, third)] == [workers[:10], workers[10:20], workers[20:]]
    assert third["meta"]["next_page_url"] is None
    assert [page["meta"]["page"] for page in (second, third)] == [1, 2]
    back = follow(http, third, "previous_page_url")
    assert sids(back) == workers[10:20]
    assert back["meta"]["page"] == 1
    start = follow(http, back, "previous_page_url")
    assert sids(start) == workers[:10]
    assert start["meta"]["previous_page_url"] is None
    assert sids(follow(http, third, "first_page_url")) == workers[:10]
    assert follow(http, second, "url") == second


def test_page_urls_are_absolute_and_carry_filters_and_token(http, base, workers):
    query = {"PageSize": 10, "Available": "False", "ActivityName": "Offline"}
    meta = http.get(f"{base}/Workers", params=query).json()["meta"]
    url = urlsplit(meta["next_page_url"])
    assert f"{url.scheme}://{url.netloc}" == http.daemon.url
    assert url.path == f"/v1{base}/Workers"
    assert parse_qs(url.query) == {
        "PageSize": ["10"],
        "Available": ["False"],
        "ActivityName": ["Offline"],
        "Page": ["1"],
        "PageToken": [f"PA{workers[9]}"],
    }
    assert "PageToken" not in meta["first_page_url"]
    assert "PageToken" not in meta["url"]


def test_deletions_between_pages_skip_nothing(http, base, workers):
    first = http.get(f"{base}/Workers", params={"PageSize": 10}).json()
    for sid in workers[5:12]:
        assert http.delete(f"{base}/Workers/{sid}").status_code == 204
    second = follow(http, first)
    assert sids(second) == workers[12:22]
    assert sids(follow(http, second, "previous_page_url")) == workers[:5]


@pytest.mark.parametrize(
    ("asked", "answered"), [("5000", 1000), ("0", 1), ("-3", 1), ("9" * 18, 1000), ("", 50)]
)
def test_the_page_size_is_clamped(http, base, asked, answered):
    meta = http.get(f"{base}/Workers", params={"PageSize": asked}).json()["meta"]
    assert meta["page_size"] == answered


def test_an_exact_last_page_has_no_next(http, base, workers):
    page = http.get(f"{base}/Workers", params={"PageSize": COUNT}).json()
    assert sids(page) == workers
    assert page["meta"]["next_page_url"] is None


def test_page_0_is_tolerated_and_any_other_needs_its_token(http, base):
    assert http.get(f"{base}/Workers", params={"Page": 0}).status_code == 200
    assert_problem(http.get(f"{base}/Workers", params={"Page": 1}), 400, 40153)


@pytest.mark.parametrize("name", ["PageSize", "Page"])
@pytest.mark.parametrize("text", ["ten", "1.5", "1e3", "0x10"])
def test_a_page_number_is_a_number(http, base, name, text):
    assert_problem(http.get(f"{base}/Workers", params={name: text}), 400, 20001)


@pytest.mark.parametrize(
    "token",
    ["x", "PA", "PAWK1", "PXWK" + "0" * 32, "PAWT" + "0" * 32, "PA'; drop", "PA" + "x" * 600, "PA\u00e9"],
)
def test_a_token_of_no_page_is_refused(http, base, token):
    assert_problem(http.get(f"{base}/Workers", params={"PageToken": token}), 400, 21481)


@pytest.mark.parametrize(
    "path", ["Tasks?Ordering=Priority:desc&", "Workers?Ordering=FriendlyName:asc&", "Events?"]
)
@pytest.mark.parametrize("token", ["x", "PA", "PAzzz", "PAWK" + "0" * 32, "PBx.y.z", f"PA{FORGED}"])
def test_a_token_of_no_page_of_an_ordered_list_is_refused(http, base, path, token):
    assert_problem(http.get(f"{base}/{path}PageToken={token}"), 400, 21481)


def test_an_ordered_list_pages_too(http, base, workers):
    page = http.get(f"{base}/Workers", params={"PageSize": 10, "Ordering": "FriendlyName:desc"}).json()
    seen = sids(page)
    while page["meta"]["next_page_url"]:
        page = follow(http, page)
        seen += sids(page)
    assert seen == workers[::-1]
    assert sids(follow(http, page, "previous_page_url")) == seen[10:20]


def test_tasks_page_in_every_order(http, base):
    tasks = [http.post(f"{base}/Tasks", {"Priority": number % 3}).json()["sid"] for number in range(9)]
    expected = sorted(tasks, key=lambda sid: (-(tasks.index(sid) % 3), tasks.index(sid)))
    page = http.get(
        f"{base}/Tasks", params={"PageSize": 4, "Ordering": "Priority:desc,DateCreated:asc"}
    ).json()
    seen = [task["sid"] for task in page["tasks"]]
    while page["meta"]["next_page_url"]:
        page = follow(http, page)
        seen += [task["sid"] for task in page["tasks"]]
    assert seen == expected


def test_events_come_newest_first_and_page_back_in_time(http, base):
    page = http.get(f"{base}/Events", params={"PageSize": 4}).json()
    seen = [event["event_date_ms"] for event in page["events"]]
    total = len(http.get(f"{base}/Events", params={"PageSize": 1000}).json()["events"])
    while page["meta"]["next_page_url"]:
        page = follow(http, page)
        seen += [event["event_date_ms"] for event in page["events"]]
    assert len(seen) == total > 4
    assert seen == sorted(seen, reverse=True)
