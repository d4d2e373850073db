"""Deliveries of events over REST: what became of each, once more, and a stretch of time again."""

import subprocess
import sys
from typing import Any

import pytest
from twilio.rest.taskrouter.v1.workspace import WorkspaceInstance

from tests.support.daemon import DaemonProcess
from tests.wire.support import Http, Receiver, eventually

PROPERTIES = {
    "account_sid",
    "attempts",
    "date_event",
    "date_last_attempt",
    "date_next_attempt",
    "event_sid",
    "event_type",
    "last_error",
    "last_status",
    "resource_sid",
    "resource_type",
    "sequence",
    "sid",
    "status",
    "task_sid",
    "url",
    "worker_sid",
    "workspace_sid",
}


@pytest.fixture
def heard(workspace: WorkspaceInstance, receiver: Receiver) -> WorkspaceInstance:
    """The workspace, whose events go to the receiver."""
    return workspace.update(event_callback_url=f"{receiver.url}/events", events_filter="task.created")


def listed(http: Http, base: str, **query: Any) -> list[dict[str, Any]]:
    answer = http.get(f"{base}/Deliveries", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["deliveries"]
    return found


def delivered(http: Http, base: str, count: int) -> list[dict[str, Any]]:
    return eventually(
        f"{count} deliveries",
        lambda: found if len(found := listed(http, base, Status="delivered")) == count else None,
    )


def test_a_delivery_tells_what_became_of_its_event(
    http: Http, base: str, heard: WorkspaceInstance, receiver: Receiver
) -> None:
    task = heard.tasks.create(attributes="{}")
    [delivery] = delivered(http, base, 1)
    assert delivery.keys() == PROPERTIES
    assert (delivery["event_type"], delivery["task_sid"], delivery["attempts"]) == (
        "task.created",
        task.sid,
        1,
    )
    assert (delivery["status"], delivery["last_status"], delivery["last_error"]) == ("delivered", 200, None)
    assert delivery["sid"] == f"ED{delivery['event_sid'][2:]}"
    assert http.get(delivery["url"].split("/v1")[1]).json() == delivery
    [event] = heard.events.list(event_type="task.created")
    assert event.sid == delivery["event_sid"]


@pytest.mark.parametrize("name", ["Status", "EventType", "EventSid", "TaskSid", "ResourceSid"])
def test_deliveries_are_filtered(http: Http, base: str, heard: WorkspaceInstance, name: str) -> None:
    one, _ = heard.tasks.create(attributes="{}"), heard.tasks.create(attributes="{}")
    both = delivered(http, base, 2)
    own = next(item for item in both if item["task_sid"] == one.sid)
    key = {"Status": "status", "EventType": "event_type", "EventSid": "event_sid", "TaskSid": "task_sid"}
    found = listed(http, base, **{name: own[key.get(name, "resource_sid")]})
    assert found == ([own] if name in {"EventSid", "TaskSid", "ResourceSid"} else both)


def test_deliveries_are_paged_newest_first(http: Http, base: str, heard: WorkspaceInstance) -> None:
    tasks = [heard.tasks.create(attributes="{}").sid for _ in range(5)]
    delivered(http, base, 5)
    seen, path = [], f"{base}/Deliveries?PageSize=2"
    while path:
        page = http.get(path).json()
        seen += [item["task_sid"] for item in page["deliveries"]]
        path = (page["meta"]["next_page_url"] or "").partition("/v1")[2]
    assert seen == tasks[::-1]


def test_an_event_is_delivered_again(
    http: Http, base: str, heard: WorkspaceInstance, receiver: Receiver
) -> None:
    heard.tasks.create(attributes="{}")
    [delivery] = delivered(http, base, 1)
    answer = http.post(f"{base}/Deliveries/{delivery['sid']}/Redeliver")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    again = eventually(
        "a second attempt",
        lambda: next((item for item in delivered(http, base, 1) if item["attempts"] == 2), None),
    )
    assert again["event_sid"] == delivery["event_sid"]


def test_a_stretch_of_time_is_replayed(http: Http, base: str, heard: WorkspaceInstance) -> None:
    heard.tasks.create(attributes="{}")
    delivered(http, base, 1)
    answer = http.post(
        f"{base}/Deliveries/Replay", {"StartDate": "2020-01-01T00:00:00Z", "EventType": "activity.created"}
    )
    assert answer.status_code == 202
    count = answer.json()["deliveries"]
    assert count == len(heard.events.list(event_type="activity.created", minutes=60)) > 0
    delivered(http, base, 1 + count)


@pytest.mark.parametrize("query", ["Status=lost", "TaskSid=nonsense", "EventSid=x", "PageToken=PAxx"])
def test_a_wrong_filter_is_refused(http: Http, base: str, query: str) -> None:
    answer = http.get(f"{base}/Deliveries?{query}")
    assert answer.status_code == 400
    assert query.startswith("PageToken") or query.partition("=")[0] in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "StartDate"),
        ({"StartDate": "yesterday"}, "StartDate"),
        ({"StartDate": "2026-01-02T00:00:00Z", "EndDate": "2026-01-01T00:00:00Z"}, "EndDate"),
    ],
)
def test_a_stretch_that_is_none_is_refused(http: Http, base: str, body: dict[str, str], says: str) -> None:
    answer = http.post(f"{base}/Deliveries/Replay", body)
    assert answer.status_code == 400
    assert says in answer.json()["message"]


def test_a_delivery_that_is_not_there_is_404(http: Http, base: str) -> None:
    for method, path in (("GET", ""), ("POST", "/Redeliver")):
        assert http(method, f"{base}/Deliveries/ED{'0' * 32}{path}").status_code == 404


def test_the_command_line_lists_what_was_given_up_and_has_it_made_again(
    daemon: DaemonProcess, http: Http, base: str, workspace: WorkspaceInstance, receiver: Receiver
) -> None:
    gone = workspace.update(event_callback_url="http://127.0.0.1:1/", events_filter="task.created")
    task = gone.tasks.create(attributes="{}")
    failed = eventually(
        "a failed attempt", lambda: next((item for item in listed(http, base) if item["attempts"]), None)
    )
    lines = deliveries(daemon, "list", "--workspace", workspace.sid, "--status", "pending").splitlines()
    assert len(lines) == 1
    assert [failed["sid"], "pending", "task.created", task.sid] == [lines[0].split()[i] for i in (1, 2, 4, 5)]
    workspace.update(event_callback_url=f"{receiver.url}/events")
    told = deliveries(daemon, "redeliver", "--workspace", workspace.sid, failed["sid"])
    assert told == "1 deliveries are made again.\n"
    delivered(http, base, 1)
    nothing = deliveries(daemon, "redeliver", "--workspace", workspace.sid, "--dead")
    assert nothing == "0 deliveries are made again.\n"
    unknown = f"ED{'0' * 32}"
    assert unknown in deliveries(daemon, "redeliver", "--workspace", workspace.sid, unknown, code=1)
    deliveries(daemon, "redeliver", "--workspace", workspace.sid, code=2)


def deliveries(daemon: DaemonProcess, *arguments: str, code: int = 0) -> str:
    assert daemon.database_url is not None
    command = [
        sys.executable,
        "-m",
        "engine",
        "deliveries",
        *arguments,
        "--database-url",
        daemon.database_url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr
