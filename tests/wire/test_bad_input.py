"""What is wrong in a request is answered 4xx with the documented body, and changes nothing; never a 500."""

import socket

import pytest

from tests.wire.support import assert_problem, eventually

DEEP = '{"a": ' + "[" * 2_000 + "]" * 2_000 + "}"
LONG = '{"a": "' + "x" * 4_096 + '"}'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
NOBODY = "0" * 32
UNKNOWN_QUEUE = f'{{"task_routing": {{"default_filter": {{"queue": "WQ{NOBODY}"}}}}}}'
GOOD_CONFIGURATION = '{"task_routing": {"filters": []}}'


@pytest.fixture
def paths(http, base):
    """A path of every kind of resource, by its collection's name."""
    first = {}
    for name in ("Activities", "TaskQueues", "Workflows", "TaskChannels"):
        page = http.get(f"{base}/{name}").json()
        first[name] = f"{base}/{name}/{page[page['meta']['key']][0]['sid']}"
    body = {"FriendlyName": "Alice", "ActivitySid": _activity(http, base, "Available")}
    first["Workers"] = f"{base}/Workers/" + http.post(f"{base}/Workers", body).json()["sid"]
    first["Channels"] = f"{first['Workers']}/Channels/voice"
    first["Tasks"] = f"{base}/Tasks/" + http.post(f"{base}/Tasks").json()["sid"]
    reservations = f"{first['Tasks']}/Reservations"
    sid = eventually("a reservation", lambda: http.get(reservations).json()["reservations"])[0]["sid"]
    first["Reservations"] = f"{first['Tasks']}/Reservations/{sid}"
    first["Workspaces"] = base
    return first


def _activity(http, base, name):
    return http.get(f"{base}/Activities", params={"FriendlyName": name}).json()["activities"][0]["sid"]


def snapshot(http, base):
    """Everything in the workspace that a client can see, ages left out, and the number of events."""
    seen = {"workspace": http.get(base).json()}
    for name in ("Activities", "TaskQueues", "Workflows", "TaskChannels", "Workers", "Tasks"):
        page = http.get(f"{base}/{name}").json()
        seen[name] = [
            {key: value for key, value in item.items() if key != "age"} for item in page[page["meta"]["key"]]
        ]
    seen["events"] = len(http.get(f"{base}/Events", params={"PageSize": 1000}).json()["events"])
    return seen


CREATES = [
    ("Activities", {}, 20001),
    ("Activities", {"FriendlyName": ""}, 20002),
    ("Activities", {"FriendlyName": "   "}, 20002),
    ("Activities", {"FriendlyName": "x" * 65}, 20002),
    ("Activities", {"FriendlyName": "Offline"}, 20001),
    ("Activities", {"FriendlyName": "nul\0"}, 20001),
    ("TaskChannels", {"FriendlyName": "Fax"}, 20001),
    ("TaskChannels", {"UniqueName": "fax"}, 20001),
    ("TaskChannels", {"FriendlyName": "Fax", "UniqueName": "fax-line"}, 20001),
    ("TaskChannels", {"FriendlyName": "Fax", "UniqueName": "1fax"}, 20001),
    ("TaskChannels", {"FriendlyName": "Voice again", "UniqueName": "voice"}, 20001),
    ("TaskChannels", {"FriendlyName": "F", "UniqueName": "f", "ChannelOptimizedRouting": "maybe"}, 20001),
    ("TaskQueues", {}, 20001),
    ("TaskQueues", {"FriendlyName": "Q", "TargetWorkers": "skills HAS"}, 20001),
    ("TaskQueues", {"FriendlyName": "Q", "TargetWorkers": "a-b == 1"}, 20001),
    ("TaskQueues", {"FriendlyName": "Q", "TargetWorkers": "(" * 5_000}, 20001),
    ("TaskQueues", {"FriendlyName": "Q", "MaxReservedWorkers": "0"}, 20001),
    ("TaskQueues", {"FriendlyName": "Q", "MaxReservedWorkers": "51"}, 20001),
    ("TaskQueues", {"FriendlyName": "Q", "MaxReservedWorkers": "two"}, 20001),
    ("TaskQueues", {"FriendlyName": "Q", "TaskOrder": "RANDOM"}, 20001),
    ("TaskQueues", {"FriendlyName": "Q", "ReservationActivitySid": "busy"}, 20001),
    ("TaskQueues", {"FriendlyName": "Q", "AssignmentActivitySid": f"WA{NOBODY}"}, 20001),
    ("TaskQueues", {"FriendlyName": "Sample Queue"}, 20001),
    ("Workflows", {"FriendlyName": "W"}, 20001),
    ("Workflows", {"Configuration": GOOD_CONFIGURATION}, 20001),
    ("Workflows", {"FriendlyName": "W", "Configuration": ""}, 20001),
    ("Workflows", {"FriendlyName": "W", "Configuration": "{"}, 20001),
    ("Workflows", {"FriendlyName": "W", "Configuration": "[]"}, 20001),
    ("Workflows", {"FriendlyName": "W", "Configuration": DEEP}, 20001),
    ("Workflows", {"FriendlyName": "W", "Configuration": '{"task_routing": {"filters": 3}}'}, 20001),
    (
        "Workflows",
        {
            "FriendlyName": "W",
            "Configuration": UNKNOWN_QUEUE,
        },
        20001,
    ),
    ("Workflows", {"FriendlyName": "W", "Configuration": '{"a": "' + "x" * 1_038_570 + '"}'}, 20001),
    (
        "Workflows",
        {"FriendlyName": "W", "Configuration": GOOD_CONFIGURATION, "TaskReservationTimeout": "0"},
        20001,
    ),
    (
        "Workflows",
        {"FriendlyName": "W", "Configuration": GOOD_CONFIGURATION, "TaskReservationTimeout": "86401"},
        20001,
    ),
    (
        "Workflows",
        {"FriendlyName": "W", "Configuration": GOOD_CONFIGURATION, "AssignmentCallbackUrl": "ftp://x"},
        20001,
    ),
    ("Workers", {}, 20001),
    ("Workers", {"FriendlyName": "Alice"}, 20001),
    ("Workers", {"FriendlyName": "ALICE"}, 20001),
    ("Workers", {"FriendlyName": "B", "Attributes": "a"}, 20001),
    ("Workers", {"FriendlyName": "B", "Attributes": "[]"}, 20001),
    ("Workers", {"FriendlyName": "B", "Attributes": LONG}, 20001),
    ("Workers", {"FriendlyName": "B", "Attributes": DEEP}, 20001),
    ("Workers", {"FriendlyName": "B", "Attributes": '{"a": NaN}'}, 20001),
    ("Workers", {"FriendlyName": "B", "Attributes": '{"a": "\\ud800"}'}, 20001),
    ("Workers", {"FriendlyName": "B", "ActivitySid": "Available"}, 20001),
    ("Workers", {"FriendlyName": "B", "ActivitySid": f"WA{NOBODY}"}, 20001),
    ("Tasks", {"Attributes": "a"}, 20001),
    ("Tasks", {"Attributes": LONG}, 20001),
    ("Tasks", {"Attributes": DEEP}, 20001),
    ("Tasks", {"Timeout": "0"}, 20001),
    ("Tasks", {"Timeout": "1209601"}, 20001),
    ("Tasks", {"Timeout": "1h"}, 20001),
    ("Tasks", {"Priority": "-1"}, 20001),
    ("Tasks", {"Priority": "2147483648"}, 20001),
    ("Tasks", {"Priority": "9" * 40}, 20001),
    ("Tasks", {"Priority": "1.5"}, 20001),
    ("Tasks", {"TaskChannel": "telepathy"}, 20001),
    ("Tasks", {"TaskChannel": "x" * 5_000}, 20001),
    ("Tasks", {"WorkflowSid": "main"}, 20001),
    ("Tasks", {"WorkflowSid": f"WW{NOBODY}"}, 20001),
    ("Tasks", {"TaskQueueSid": f"WQ{NOBODY}"}, 20001),
    ("Tasks", {"RoutingTarget": "someone"}, 20001),
    ("Tasks", {"RoutingTarget": f"WA{NOBODY}"}, 20001),
    ("Tasks", {"RoutingTarget": f"WK{NOBODY}"}, 20001),
    ("Tasks", {"VirtualStartTime": "now"}, 20001),
    ("Tasks", {"VirtualStartTime": "2999-01-01T00:00:00Z"}, 20001),
    ("Tasks", {"VirtualStartTime": "1899-12-31T00:00:00Z"}, 20001),
]

UPDATES = [
    ("Workspaces", {"FriendlyName": ""}, 20002),
    ("Workspaces", {"DefaultActivitySid": f"WA{NOBODY}"}, 20001),
    ("Workspaces", {"TimeoutActivitySid": "Offline"}, 20001),
    ("Workspaces", {"MultiTaskEnabled": "perhaps"}, 20001),
    ("Workspaces", {"PrioritizeQueueOrder": "fifo?"}, 20001),
    ("Workspaces", {"EventCallbackUrl": "not a url"}, 20001),
    ("Workspaces", {"EventCallbackUrl": "file:///etc/passwd"}, 20001),
    ("Activities", {"FriendlyName": "x" * 65}, 20002),
    ("TaskQueues", {"TargetWorkers": "==="}, 20001),
    ("TaskQueues", {"MaxReservedWorkers": "100"}, 20001),
    ("Workflows", {"Configuration": ""}, 20001),
    ("Workflows", {"Configuration": "nothing"}, 20001),
    ("Workflows", {"TaskReservationTimeout": "soon"}, 20001),
    ("Workers", {"Attributes": ""}, 20001),
    ("Workers", {"Attributes": "null"}, 20001),
    ("Workers", {"ActivitySid": f"WA{NOBODY}"}, 20001),
    ("Workers", {"RejectPendingReservations": "perhaps"}, 20001),
    ("Channels", {"Capacity": "-1"}, 20001),
    ("Channels", {"Capacity": "many"}, 20001),
    ("Channels", {"Capacity": "99999999999"}, 20001),
    ("Channels", {"Available": "perhaps"}, 20001),
    ("Tasks", {"Attributes": ""}, 20001),
    ("Tasks", {"Attributes": "{"}, 20001),
    ("Tasks", {"Priority": "-1"}, 20001),
    ("Tasks", {"TaskChannel": "telepathy"}, 20001),
    ("Tasks", {"AssignmentStatus": "assigned"}, 20001),
    ("Tasks", {"AssignmentStatus": "pending"}, 20001),
    ("Tasks", {"AssignmentStatus": "onHold"}, 20001),
    ("Tasks", {"AssignmentStatus": "completed"}, 20001),
    ("Tasks", {"AssignmentStatus": "wrapping", "Reason": "r"}, 20001),
    ("Tasks", {"AssignmentStatus": "completed", "Attributes": "{}"}, 20001),
    ("Tasks", {"AssignmentStatus": "wrapping", "Attributes": "{}"}, 20001),
    ("Tasks", {"VirtualStartTime": "2999-01-01T00:00:00Z"}, 20001),
    ("Reservations", {"ReservationStatus": "pending"}, 20001),
    ("Reservations", {"ReservationStatus": "timeout"}, 20001),
    ("Reservations", {"ReservationStatus": "onHold"}, 20001),
    ("Reservations", {"ReservationStatus": "completed"}, 20001),
    ("Reservations", {"ReservationStatus": "wrapping"}, 20001),
    ("Reservations", {"ReservationStatus": "rejected", "WorkerActivitySid": "Offline"}, 20001),
    ("Reservations", {"ReservationStatus": "rejected", "WorkerActivitySid": f"WA{NOBODY}"}, 20001),
    ("Reservations", {"ReservationStatus": "accepted", "Instruction": "accept"}, 20001),
    ("Reservations", {"Instruction": "dance"}, 55555),
    ("Reservations", {"Instruction": "call", "CallFrom": "+1"}, 20001),
    ("Reservations", {"Instruction": "dequeue"}, 20001),
    ("Reservations", {"Instruction": "redirect"}, 20001),
    ("Reservations", {"Instruction": "conference"}, 20001),
    ("Reservations", {"Instruction": "supervise"}, 20001),
    ("Reservations", {"Instruction": "accept", "CallTimeout": "long"}, 20001),
]


@pytest.mark.parametrize(("name", "body", "code"), CREATES)
def test_a_create_with_a_bad_value_is_refused(http, base, name, body, code):
    if name == "Workers" and body.get("FriendlyName", "").lower() == "alice":
        http.post(f"{base}/Workers", {"FriendlyName": "Alice"})
    before = snapshot(http, base)
    assert_problem(http.post(f"{base}/{name}", body), 400, code)
    assert snapshot(http, base) == before


def test_no_update_with_a_bad_value_changes_anything(http, base, paths):
    before = snapshot(http, base)
    for name, body, code in UPDATES:
        response = http.post(paths[name], body)
        assert response.status_code == 400, (name, body, response.text)
        assert_problem(response, 400, code)
    assert snapshot(http, base) == before


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (b"FriendlyName=%ff", FORM),
        (b"FriendlyName=\xff\xfe", FORM),
        (b"FriendlyName=%00", FORM),
        (b"FriendlyName=a%zz", FORM),
        (b"=nothing", FORM),
        (b"&".join(b"A%d=1" % number for number in range(5_000)), FORM),
        (b"{", JSON),
        (b"[]", JSON),
        (b"FriendlyName=x", JSON),
        (b'{"FriendlyName": "\xff"}', JSON),
        (b'{"FriendlyName": "\\u0000"}', JSON),
        (b'{"FriendlyName": {"a": 1}, "Attributes": [[]]}', JSON),
        (b"[" * 100_000, JSON),
        (b'{"FriendlyName": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON),
        (b"--x\r\n\r\n--x--", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"<a/>", {"Content-Type": "text/xml"}),
    ],
)
def test_a_malformed_body_is_refused(http, base, raw, headers):
    before = snapshot(http, base)
    for path in (f"{base}/Workers", base):
        assert_problem(http.post(path, raw, headers=headers), 400, 20001)
    assert snapshot(http, base) == before


def test_a_body_without_a_content_type_is_a_form(http, base):
    response = http.post(f"{base}/Workers", b"FriendlyName=Plain", headers={"Content-Type": None})
    assert response.status_code == 201
    assert response.json()["friendly_name"] == "Plain"


def test_a_json_object_is_taken_wherever_a_form_is(http, base):
    body = {"FriendlyName": "Json", "Attributes": {"a": [1]}, "Unknown": None}
    response = http.post(f"{base}/Workers", json=body)
    assert response.status_code == 201
    assert response.json()["attributes"] == '{"a":[1]}'


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_body_is_refused_as_too_large(http, base, chunked):
    raw = b"FriendlyName=" + b"x" * 5_000_000
    response = http.post(base, iter([raw]) if chunked else raw, headers=FORM)
    assert_problem(response, 413, 20413)
    assert http.get(base).json()["friendly_name"] == "Support centre"


@pytest.mark.parametrize("path", ["Tasks?Priority=%ff", "Tasks?Priority=%00", "Events?=1"])
def test_a_malformed_query_is_refused(http, base, path):
    assert_problem(http.get(f"{base}/{path}"), 400, 20001)


@pytest.mark.parametrize(
    "path",
    [
        "Tasks/WT" + NOBODY,
        "Tasks/wt" + NOBODY,
        "Tasks/WT1",
        "Tasks/WT" + "g" * 32,
        "Tasks/WK" + NOBODY,
        "Tasks/..%2f..",
        "Tasks/%00",
        "Tasks/",
        "Workers/Statistics/Nothing",
        "Activities/WA" + NOBODY,
        "TaskQueues/WQ" + NOBODY,
        "Workflows/WW" + NOBODY,
        "TaskChannels/unheard",
        "TaskChannels/%00",
        "TaskChannels/%ff",
        "TaskChannels/" + "x" * 5_000,
        "Workers/WK" + NOBODY,
        "Workers/WK" + NOBODY + "/Channels",
        "Workers/WK" + NOBODY + "/Channels/voice",
        "Workers/WK" + NOBODY + "/Reservations",
        "Workers/WK" + NOBODY + "/Reservations/WR" + NOBODY,
        "Tasks/WT" + NOBODY + "/Reservations",
        "Tasks/WT" + NOBODY + "/Reservations/WR" + NOBODY,
        "Events/EV" + NOBODY,
        "Nothing",
        "",
    ],
)
def test_what_does_not_exist_is_not_found(http, base, path):
    message = assert_problem(http.get(f"{base}/{path}"), 404, 20404)
    assert message.startswith(f"The requested resource {base}")
    assert message.endswith("was not found")


def test_writes_to_what_does_not_exist_are_not_found(http, base):
    for path in (
        f"Activities/WA{NOBODY}",
        f"TaskQueues/WQ{NOBODY}",
        f"Workflows/WW{NOBODY}",
        f"Workers/WK{NOBODY}",
        f"Tasks/WT{NOBODY}",
        "TaskChannels/unheard",
    ):
        assert_problem(http.post(f"{base}/{path}", {"FriendlyName": "x"}), 404, 20404)
        assert_problem(http.delete(f"{base}/{path}"), 404, 20404)
    for path in (
        f"Workers/WK{NOBODY}/Channels/voice",
        f"Workers/WK{NOBODY}/Reservations/WR{NOBODY}",
        f"Tasks/WT{NOBODY}/Reservations/WR{NOBODY}",
    ):
        for body in ({}, {"ReservationStatus": "accepted", "Capacity": "2"}):
            assert_problem(http.post(f"{base}/{path}", body), 404, 20404)


def test_another_workspace_does_not_show_what_is_in_this_one(http, paths):
    other = http.post("/Workspaces", {"FriendlyName": "Other"}).json()["sid"]
    for name, path in paths.items():
        if name == "Workspaces":
            continue
        foreign = f"/Workspaces/{other}/" + path.split("/", 3)[3]
        if name == "Channels":
            foreign = foreign.replace("/voice", "/chat")
        message = assert_problem(http.get(foreign), 404, 20404)
        assert message == f"The requested resource {foreign} was not found"
        assert_problem(http.post(foreign, {"ReservationStatus": "accepted"}), 404, 20404)
    assert http.delete(f"/Workspaces/{other}").status_code == 204


def test_a_reservation_belongs_to_its_task_and_its_worker_only(http, base, paths):
    task = http.post(f"{base}/Tasks").json()["sid"]
    worker = http.post(f"{base}/Workers", {"FriendlyName": "Bob"}).json()["sid"]
    sid = paths["Reservations"].rsplit("/", 1)[1]
    for path in (f"{base}/Tasks/{task}/Reservations/{sid}", f"{base}/Workers/{worker}/Reservations/{sid}"):
        assert_problem(http.get(path), 404, 20404)
        assert_problem(http.post(path, {"ReservationStatus": "accepted"}), 404, 20404)
        assert_problem(http.post(path, {}), 404, 20404)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", ""), ("PATCH", "/Tasks"), ("DELETE", "/Tasks"), ("POST", "/Events"), ("DELETE", "/Workers")],
)
def test_a_wrong_method_is_not_allowed(http, base, method, path):
    response = http(method, base + path)
    assert_problem(response, 405, 20004)
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic \u00e9".encode(),
        "Basic bm9jb2xvbg==",
        "Basic Og==",
        "Bearer token",
        "Digest x",
    ],
)
def test_without_credentials_nothing_is_answered(http, base, authorization):
    http.session.auth = None
    headers = {} if authorization is None else {"Authorization": authorization}
    for response in (http.get(base, headers=headers), http.post(base, b"%", headers=headers)):
        assert assert_problem(response, 401, 20003) == "Authenticate"
        assert response.headers["WWW-Authenticate"].startswith("Basic ")


def test_wrong_credentials_are_refused(http, base):
    account, token = http.session.auth
    for auth in (
        (account, "wrong"),
        (account, ""),
        (account, token + "x"),
        ("AC" + NOBODY, token),
        ("x", token),
    ):
        assert_problem(http.get(base, auth=auth), 401, 20003)


def test_an_illegal_move_is_refused_with_the_reason(http, base, paths):
    message = assert_problem(http.post(paths["Tasks"], {"AssignmentStatus": "completed"}), 400, 20001)
    assert "is not currently assigned" in message
    assert http.post(paths["Reservations"], {"ReservationStatus": "accepted"}).status_code == 200
    message = assert_problem(http.post(paths["Tasks"], {"AssignmentStatus": "canceled"}), 400, 20001)
    assert "is not pending or reserved" in message
    assert_problem(http.post(paths["Reservations"], {"ReservationStatus": "rejected"}), 400, 20001)
    assert http.post(paths["Tasks"], {"AssignmentStatus": "completed"}).status_code == 200
    assert_problem(http.post(paths["Tasks"], {"AssignmentStatus": "wrapping"}), 400, 20001)


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /v1/Workspaces/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/Workspaces?FriendlyName=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/Workspaces?FriendlyName=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/Workspaces HTTP/1.1\r\nHost: x\r\nAuthorization: Basic \xff\xff\r\n\r\n",
        b"POST /v1/Workspaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"NONSENSE\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_are_answered_4xx(http, daemon, request_head):
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as connection:
        connection.sendall(request_head)
        status_line = connection.makefile("rb").readline()
    assert status_line.split()[1].startswith(b"4"), status_line
    assert daemon.status("/healthz") == 200
