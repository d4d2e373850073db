"""X-Pointsman-Warnings: what the linter finds, beside an answer that is otherwise as without it."""

import json
from typing import Any

import pytest
import requests
from twilio.rest.taskrouter.v1.workspace import WorkspaceInstance

from tests.wire.support import Http

HEADER = "X-Pointsman-Warnings"


def warnings(response: requests.Response) -> list[str]:
    assert response.ok, response.text
    found = json.loads(response.headers[HEADER])
    assert isinstance(found, list)
    assert all(isinstance(text, str) for text in found)
    return found


def routing(queue: str, *expressions: str, **target: Any) -> str:
    targets = [{"queue": queue, **target}]
    filters = [{"expression": expression, "targets": targets} for expression in expressions]
    return json.dumps({"task_routing": {"filters": filters}})


@pytest.fixture
def queue(workspace: WorkspaceInstance) -> str:
    (queue,) = workspace.task_queues.list()
    return str(queue.sid)


def test_a_saved_queue_is_warned_of_against_the_workers_of_the_workspace(http: Http, base: str) -> None:
    http.post(f"{base}/Workers", {"FriendlyName": "Ann", "Attributes": '{"level": 3}'})
    made = http.post(
        f"{base}/TaskQueues", {"FriendlyName": "A", "TargetWorkers": "level > '2' AND skil == 1"}
    )
    assert made.status_code == 201
    assert [text.partition(": ")[2].partition(":")[0] for text in warnings(made)] == ["column 1", "column 17"]
    path = f"{base}/TaskQueues/{made.json()['sid']}"
    assert warnings(http.post(path, {"TargetWorkers": "level HAS 2"}))[0].startswith(
        "TargetWorkers: column 1: HAS"
    )
    for fields in ({"TargetWorkers": "level > 2"}, {"FriendlyName": "B"}):
        assert HEADER not in http.post(path, fields).headers
    assert HEADER not in http.get(path).headers


def test_a_saved_workflow_is_warned_of_and_its_body_is_as_without(http: Http, base: str, queue: str) -> None:
    bad, good = routing(queue, "task.kind == 'x'"), routing(queue, "kind == 'x'")
    fields = {"FriendlyName": "W", "Configuration": bad}
    made = http.post(f"{base}/Workflows", fields)
    assert made.status_code == 201
    assert warnings(made) == [
        "filters[0].expression: column 1: names stand without prefix in a filter; write kind"
    ]
    path = f"{base}/Workflows/{made.json()['sid']}"
    assert http.get(path).json() == made.json()
    assert made.json()["configuration"] == bad
    assert HEADER not in http.post(path, {"Configuration": good}).headers
    assert len(warnings(http.post(path, {"Configuration": bad, "ReEvaluateTasks": "true"}))) == 1


def test_many_warnings_in_any_script_stay_a_short_header_of_ascii(http: Http, base: str, queue: str) -> None:
    text = routing(queue, *(f"'日本語 {n}' == 'é'" for n in range(150)), **{"日本\r\n語" * 99: 1})
    response = http.post(f"{base}/Workflows", {"FriendlyName": "W", "Configuration": text})
    value = response.headers[HEADER]
    assert value.isascii()
    assert value.isprintable()
    assert len(value) <= 4_096
    *told, last = warnings(response)
    assert "'日本語 0' == 'é' never holds" in " ".join(told) or "日本" in told[0]
    assert last == f"and {100 - len(told)} more"


def test_browsers_may_read_the_header(http: Http, base: str) -> None:
    assert HEADER in http.get(base).headers["Access-Control-Expose-Headers"]


def test_an_expression_that_is_wrong_is_refused_without_warnings(http: Http, base: str, queue: str) -> None:
    text = routing(queue, "task.kind == 'x'", "a-b == 1")
    response = http.post(f"{base}/Workflows", {"FriendlyName": "W", "Configuration": text})
    assert response.status_code == 400
    assert "filters[1].expression: column 2" in response.json()["message"]
    assert HEADER not in response.headers
