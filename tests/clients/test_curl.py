"""What people do with curl: JSON, NDJSON, headers, methods, preflights."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import DaemonProcess

JSON = "Content-Type: application/json"
NDJSON = "Content-Type: application/x-ndjson"


@dataclass
class Answer:
    """What curl -i printed."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Curl:
    """The curl binary, signed in, for paths below the workspace."""

    def __init__(self, daemon: DaemonProcess, base: str) -> None:
        self.login = f"{daemon.account_sid}:{daemon.auth_token}"
        self.base = f"{daemon.url}/v1{base}"

    def __call__(self, path: str, *options: str, login: bool = True) -> Answer:
        user = ["-u", self.login] if login else []
        command = ["curl", "-qsSi", "--max-time", "30", *user, *options, self.base + path]
        done = subprocess.run(command, check=True, capture_output=True, timeout=60)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(re.split(r":\s*", line, maxsplit=1) for line in lines)
        return Answer(
            int(first.split()[1]), {name.lower(): text for name, text in headers.items()}, body.decode()
        )


@pytest.fixture
def curl(daemon: DaemonProcess, base: str) -> Curl:
    if shutil.which("curl") is None:
        pytest.skip("curl is not tested: there is none on this machine")
    return Curl(daemon, base)


def test_data_urlencode_keeps_every_character(curl):
    attributes = '{"a": "1+1 = 2 & more; 100% Zoë 😀", "b": null}'
    made = curl("/Tasks", "--data-urlencode", f"Attributes={attributes}")
    assert made.status == 201
    assert made.json()["attributes"] == attributes
    assert made.headers["content-type"] == "application/json"


def test_data_urlencode_in_a_query(curl):
    made = curl("/Workers", "--data-urlencode", "FriendlyName=Zoë & Co").json()
    found = curl("/Workers", "-G", "--data-urlencode", "FriendlyName=Zoë & Co").json()
    assert [worker["sid"] for worker in found["workers"]] == [made["sid"]]
    assert "FriendlyName=Zo%C3%AB+%26+Co" in found["meta"]["url"]


def test_a_multipart_form_is_refused_and_says_what_to_send(curl):
    refused = curl("/Tasks", "-F", "Priority=5")
    assert (refused.status, refused.json()["code"]) == (400, 20001)
    assert "application/x-www-form-urlencoded" in refused.json()["message"]


def test_json_bodies_are_taken_wherever_a_form_is(curl):
    made = curl("/Tasks", "-H", JSON, "-d", '{"Attributes": {"language": "en"}, "Priority": 5}')
    assert made.status == 201
    task = made.json()
    assert (json.loads(task["attributes"]), task["priority"]) == ({"language": "en"}, 5)
    changed = curl(f"/Tasks/{task['sid']}", "-H", JSON, "-d", '{"Priority": 6, "Reason": null}')
    assert (changed.status, changed.json()["priority"]) == (200, 6)
    queue = curl("/TaskQueues", "-H", f"{JSON}; charset=utf-8", "-d", '{"FriendlyName": "Söles"}')
    assert (queue.status, queue.json()["friendly_name"]) == (201, "Söles")
    refused = curl("/Tasks", "-H", JSON, "-d", '{"Priority": ')
    assert (refused.status, refused.json()["code"]) == (400, 20001)


def test_bulk_takes_lines_from_a_file(curl, tmp_path: Path):
    lines = tmp_path / "tasks.ndjson"
    lines.write_text('{"Priority": 1}\n{"Priority": "high"}\n{"Attributes": "{\\"a\\": 1}"}\n')
    answer = curl("/Tasks/Bulk", "-H", NDJSON, "--data-binary", f"@{lines}")
    assert answer.status == 200
    assert [result["status"] for result in answer.json()["results"]] == [201, 400, 201]


def test_a_large_body_waits_for_100_continue(curl, tmp_path: Path):
    body = tmp_path / "tasks.json"
    body.write_text(
        json.dumps([{"Attributes": json.dumps({"n": n, "text": "x" * 900})} for n in range(1_500)])
    )
    assert body.stat().st_size > 1_048_576, "curl asks for 100 Continue above 1 MiB"
    answer = curl("/Tasks/Bulk", "-H", JSON, "-H", "Expect: 100-continue", "--data-binary", f"@{body}")
    status, text = (answer.status, answer.text)
    if status == 100:
        status, text = int(text.split()[1]), text.partition("\r\n\r\n")[2]
    assert status == 200
    assert json.loads(text)["created"] == 1_500


def test_an_idempotency_key_makes_one_task(curl):
    options = ("-H", "Idempotency-Key: order-4711", "-d", "Priority=5")
    first, second = curl("/Tasks", *options), curl("/Tasks", *options)
    assert (first.status, second.status) == (201, 201)
    assert first.json() == second.json()
    other = curl("/Tasks", "-H", "Idempotency-Key: order-4711", "-d", "Priority=6")
    assert (other.status, other.json()["code"]) == (409, 20409)


@pytest.mark.parametrize("notation", ["{}", '"{}"', 'W/"{}"', "*"])
def test_if_match_in_every_notation(curl, notation):
    made = curl("/Tasks", "-d", "Priority=5")
    assert made.headers["etag"] == "0"
    path = f"/Tasks/{made.json()['sid']}"
    version = curl(path).headers["etag"]
    assert curl(path, "-H", f"If-Match: {notation.format(version)}", "-d", "Priority=6").status == 200
    stale = curl(path, "-H", f"If-Match: {version}", "-d", "Priority=7")
    assert (stale.status, stale.json()["code"]) == (412, 20412)
    assert curl(path, "-X", "DELETE", "-H", "If-Match: *").status == 204


def test_a_delete_answers_204_and_nothing(curl):
    sid = curl("/Tasks", "-X", "POST").json()["sid"]
    gone = curl(f"/Tasks/{sid}", "-X", "DELETE")
    assert (gone.status, gone.text) == (204, "")
    assert "content-type" not in gone.headers
    assert curl(f"/Tasks/{sid}", "-X", "DELETE").status == 404


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "TRACE"])
def test_other_methods_are_refused_with_those_allowed(curl, method):
    head = ("-I",) if method == "HEAD" else ("-X", method)
    answer = curl("/Tasks", *head)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, POST"
    if method != "HEAD":
        assert answer.json()["code"] == 20004


def test_a_browser_may_ask_first_and_read_the_answer(curl):
    asked = curl(
        "/Tasks",
        *("-X", "OPTIONS", "-H", "Origin: https://desk.example.org"),
        *("-H", "Access-Control-Request-Method: POST"),
        *("-H", "Access-Control-Request-Headers: authorization, if-match, idempotency-key"),
        login=False,
    )
    assert (asked.status, asked.text) == (204, "")
    allowed = {name.strip().lower() for name in asked.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "if-match", "idempotency-key"} <= allowed
    assert asked.headers["access-control-allow-origin"] in {"*", "https://desk.example.org"}
    for answer in (curl("/Tasks", "-H", "Origin: https://desk.example.org"), curl("/Tasks", login=False)):
        assert answer.headers["access-control-allow-origin"] in {"*", "https://desk.example.org"}
        assert "ETag" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", ["/Tasks/", "/Tasks.json", "//Tasks", "/tasks", "/Tasks/%2e%2e/Tasks"])
def test_a_path_is_what_the_contract_says_and_nothing_like_it(curl, path):
    answer = curl(path, "--path-as-is")
    assert (answer.status, answer.json()["code"]) == (404, 20404)
