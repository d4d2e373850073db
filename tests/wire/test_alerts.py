"""Alerts over REST: what went wrong while talking to an application (contract §11.2)."""

import json
from typing import Any

import pytest
from twilio.rest.taskrouter.v1.workspace import WorkspaceInstance

from tests.wire.support import Http, Receiver, eventually

NOBODY = "http://127.0.0.1:9/"
PROPERTIES = {
    "account_sid",
    "alert_text",
    "date_generated",
    "error_code",
    "event_sid",
    "log_level",
    "more_info",
    "occurrences",
    "request_url",
    "reservation_sid",
    "sid",
    "task_sid",
    "url",
    "worker_sid",
    "workflow_sid",
    "workspace_sid",
}


def listed(http: Http, base: str, **query: Any) -> list[dict[str, Any]]:
    answer = http.get(f"{base}/Alerts", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["alerts"]
    return found


def alerts(http: Http, base: str, count: int) -> list[dict[str, Any]]:
    return eventually(f"{count} alerts", lambda: found if len(found := listed(http, base)) >= count else None)


def offer(workspace: WorkspaceInstance, url: str, fallback_url: str = "") -> str:
    """Offer a task to a worker, with the callback going to the URL; returns the task's SID."""
    [workflow] = workspace.workflows.list()
    workflow.update(assignment_callback_url=url, fallback_assignment_callback_url=fallback_url)
    [idle] = [each for each in workspace.activities.list() if each.available]
    workspace.workers.create(friendly_name="Alice", activity_sid=idle.sid)
    return str(workspace.tasks.create(attributes="{}").sid)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"to": "+15550100"}, ("40005", "warning")),
        ({"instruction": "dance"}, ("55555", "error")),
        ({"instruction": "dequeue"}, ("55555", "error")),
        ({"instruction": "reject", "activity_sid": "Break"}, ("40100", "error")),
    ],
)
def test_an_answer_that_asks_for_nothing_possible_is_an_alert(
    http: Http,
    workspace: WorkspaceInstance,
    receiver: Receiver,
    answer: dict[str, str],
    told: tuple[str, str],
) -> None:
    base = f"/Workspaces/{workspace.sid}"
    receiver.answer = lambda _: answer
    task = offer(workspace, f"{receiver.url}/assignment?token=hush")
    [alert, *_] = reversed(alerts(http, base, 1))
    call = receiver.calls[0].form
    assert alert.keys() == PROPERTIES
    assert (alert["error_code"], alert["log_level"], alert["occurrences"]) == (*told, 1)
    assert (alert["task_sid"], alert["reservation_sid"]) == (task, call["ReservationSid"])
    assert (alert["worker_sid"], alert["workflow_sid"]) == (call["WorkerSid"], call["WorkflowSid"])
    assert alert["request_url"] == f"{receiver.url}/assignment"
    assert alert["more_info"].endswith(told[0])
    assert "hush" not in str(alert)
    assert http.get(alert["url"].split("/v1")[1]).json() == alert


def test_a_callback_that_reaches_nobody_is_an_alert_for_each_url(
    http: Http, base: str, workspace: WorkspaceInstance
) -> None:
    task = offer(workspace, NOBODY, f"{NOBODY}fallback")
    fallback, primary = alerts(http, base, 2)[-2:]
    assert {primary["error_code"], fallback["error_code"]} == {"11205"}
    assert "fallback URL is called" in primary["alert_text"]
    assert "reservation is canceled" in fallback["alert_text"]
    assert fallback["request_url"].endswith("/fallback")
    assert {alert["task_sid"] for alert in (primary, fallback)} == {task}


def test_what_routing_warns_of_is_an_alert(http: Http, base: str, workspace: WorkspaceInstance) -> None:
    """A known worker that is not there, and a worker's attribute that is no number to sort by."""
    [queue] = workspace.task_queues.list()
    target = {"queue": queue.sid, "known_worker_sid": "task.agent", "timeout": 5}
    sorting = {"queue": queue.sid, "order_by": "worker.rank DESC"}
    [idle] = [each for each in workspace.activities.list() if each.available]
    for name in ("Alice", "Bob"):
        workspace.workers.create(friendly_name=name, activity_sid=idle.sid, attributes='{"rank": "first"}')
    filters = [{"expression": "1 == 1", "targets": [target, sorting]}]
    workflow = workspace.workflows.create(
        friendly_name="known", configuration=json.dumps({"task_routing": {"filters": filters}})
    )
    agent = json.dumps({"agent": f"WK{'f' * 32}"})
    task = workspace.tasks.create(workflow_sid=workflow.sid, attributes=agent)

    def warned() -> dict[str, dict[str, Any]]:
        found = {alert["error_code"]: alert for alert in listed(http, base, TaskSid=task.sid)}
        return found if found.keys() >= {"40155", "20001"} else {}

    for alert in eventually("both warnings", warned).values():
        assert (alert["log_level"], alert["workflow_sid"]) == ("warning", workflow.sid)
        assert (alert["request_url"], alert["reservation_sid"]) == (None, None)


def test_alerts_are_filtered(http: Http, base: str, workspace: WorkspaceInstance, receiver: Receiver) -> None:
    receiver.answer = lambda _: {"instruction": "dance"}
    offer(workspace, receiver.url)
    alert = alerts(http, base, 1)[-1]
    filters = {
        "ErrorCode": "error_code",
        "LogLevel": "log_level",
        "TaskSid": "task_sid",
        "WorkerSid": "worker_sid",
        "ReservationSid": "reservation_sid",
        "WorkflowSid": "workflow_sid",
    }
    for name, key in filters.items():
        assert alert in listed(http, base, **{name: alert[key]}), name
    others = {"ErrorCode": "40005", "LogLevel": "warning"} | {
        name: value[:2] + "0" * 32
        for name, value in ((name, alert[key]) for name, key in filters.items())
        if name.endswith("Sid")
    }
    for name, value in others.items():
        assert listed(http, base, **{name: value}) == [], name
    assert alert in listed(http, base, Minutes=5)
    assert alert in listed(http, base, StartDate=alert["date_generated"])
    assert listed(http, base, StartDate="2020-01-01", EndDate="2020-01-02") == []


@pytest.mark.parametrize(
    "query",
    ["LogLevel=debug", "ErrorCode=x", "ErrorCode=0", "Minutes=0", "TaskSid=WT1", "StartDate=then",
     "StartDate=2020-01-02&EndDate=2020-01-01", "PageToken=NO" + "0" * 32],
)  # fmt: skip
def test_a_bad_filter_is_refused(http: Http, base: str, query: str) -> None:
    assert http.get(f"{base}/Alerts?{query}").status_code == 400


def test_an_unknown_alert_is_not_found(http: Http, base: str) -> None:
    assert http.get(f"{base}/Alerts/NO{'0' * 32}").status_code == 404
    assert http.get("/Workspaces/WS" + "0" * 32 + "/Alerts").status_code == 404


def test_pages_of_alerts_follow_each_other(
    http: Http, base: str, workspace: WorkspaceInstance, receiver: Receiver
) -> None:
    offer(workspace, NOBODY, NOBODY)
    older = {alert["sid"] for alert in alerts(http, base, 2)[-2:]}
    first = http.get(f"{base}/Alerts?PageSize=1").json()
    second = http.get(first["meta"]["next_page_url"].split("/v1")[1]).json()
    assert first["alerts"][0]["sid"] > second["alerts"][0]["sid"]
    assert older <= {alert["sid"] for alert in listed(http, base)}
