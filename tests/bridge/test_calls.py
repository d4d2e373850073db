"""The calls: their envelope, who may make them, what they answer, how they are refused."""

import asyncio
import json
from typing import Any

import pytest

from tests.auth.support import now_s
from tests.bridge.support import Answer, Desk

TASK = {
    *("account_sid", "workspace_sid", "sid", "attributes", "addons", "assignment_status", "age", "priority"),
    *("reason", "routing_target", "timeout", "queue_sid", "queue_name", "workflow_sid", "workflow_name"),
    *("task_channel_sid", "task_channel_unique_name", "date_created", "date_updated", "virtual_start_time"),
    "version",
}
WORKER = {
    *("account_sid", "workspace_sid", "sid", "friendly_name", "attributes", "activity_sid", "activity_name"),
    *("available", "date_created", "date_updated", "date_status_changed", "version"),
}
ACTIVITY = {
    *("account_sid", "workspace_sid", "sid", "friendly_name", "available", "date_created", "date_updated"),
}
CHANNEL = {
    *("account_sid", "workspace_sid", "sid", "worker_sid", "task_channel_sid", "task_channel_unique_name"),
    *("configured_capacity", "available", "assigned_tasks", "available_capacity_percentage"),
    *("date_created", "date_updated", "last_reserved_time"),
}
FLAT = {
    *("account_sid", "workspace_sid", "sid", "worker_sid", "worker_name", "reservation_status"),
    *("reservation_timeout", "worker_previous_activity_sid", "task_sid", "task_channel_sid"),
    *("date_created", "date_updated", "version"),
}
QUEUE = {
    *("account_sid", "workspace_sid", "sid", "friendly_name", "target_workers", "max_reserved_workers"),
    *("task_order", "lifo_queue", "assignment_activity_sid", "assignment_activity_name"),
    *("reservation_activity_sid", "reservation_activity_name", "date_created", "date_updated"),
}
LIST = {
    *("contents", "after_sid", "before_sid", "page", "total", "start", "end", "nextPage", "lastPage", "meta"),
}


def assert_refused(answer: Answer, status: int, code: int | None = None) -> str:
    assert answer.status == status, answer.body
    assert list(answer.body) == ["code", "message", "more_info", "status"]
    assert code in {None, answer.body["code"]}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "WWW-Authenticate" not in answer.headers
    return str(answer.body["message"])


# The envelope


@pytest.mark.parametrize("content_type", ["text/plain;charset=UTF-8", "application/json", "nonsense"])
async def test_the_body_is_json_whatever_its_type_says(desk: Desk, content_type: str) -> None:
    envelope = {"url": desk.wk("alice"), "method": "GET", "params": {}, "token": desk.token("alice")}
    answer = await desk.post(json.dumps(envelope).encode(), Content_Type=content_type)
    assert answer.payload["sid"] == desk.workers["alice"]


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"[]", b"null", b"url=x&method=GET", b'{"url": "x"}', b"\xff\xfe", b"[" * 5_000),
        b'{"url": 1, "method": "GET", "params": {}, "token": "x"}',
        b'{"url": "x", "method": "GET", "params": [1], "token": "x"}',
        b'{"url": "x", "method": null, "params": {}, "token": "x"}',
    ],
)
async def test_a_malformed_body_is_400(desk: Desk, raw: bytes) -> None:
    assert_refused(await desk.post(raw), 400, 20001)


async def test_a_body_over_the_limit_is_413(desk: Desk) -> None:
    assert_refused(await desk.call("GET", "x" * 20_001), 413)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        *(("GET", ""), ("GET", "Workspaces"), ("DELETE", "{wk}"), ("PUT", "{wk}"), ("POST", "{ws}")),
        *(
            ("GET", "{wk}/Statistics"),
            ("GET", "{ws}/Workers/WKnone"),
            ("GET", "../{wk}"),
            ("GET", "{wk}?a=b"),
        ),
    ],
)
async def test_what_is_not_in_the_table_is_404(desk: Desk, method: str, url: str) -> None:
    url = url.format(wk=desk.wk("alice"), ws=desk.ws)
    assert_refused(await desk.call(method, url), 404, 20404)


async def test_a_parameter_that_cannot_be_a_field_is_400(desk: Desk) -> None:
    for params in ({"Attributes": 7}, {"ActivitySid": "x"}, {"Attributes": "[]"}, {"ActivitySid": {"a": 1}}):
        assert_refused(await desk.call("POST", desk.wk("alice"), params), 400)


async def test_a_preflight_allows_what_the_sdk_sends(desk: Desk) -> None:
    url = f"{desk.daemon.url}/v1/wschannels"
    asked = {
        "Origin": "https://desk.example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "apiversion,clientversion,content-type,if-match",
    }
    async with desk.session.options(url, headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        allowed = response.headers["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
        assert {"apiversion", "clientversion", "content-type", "if-match"} <= set(allowed)
        assert "POST" in response.headers["Access-Control-Allow-Methods"]


async def test_answers_allow_every_origin(desk: Desk) -> None:
    answer = await desk.call("GET", desk.wk("alice"))
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


# Tokens and roles


async def test_a_token_that_does_not_hold_is_401(desk: Desk) -> None:
    for token in ("", "x", "a.b.c", desk.token("alice", exp=now_s()), desk.token("alice")[:-3] + "AAA"):
        assert_refused(await desk.call("GET", desk.wk("alice"), token=token), 401)


async def test_a_worker_may_not_act_for_another(desk: Desk) -> None:
    _, reservation = await desk.offer("bob")
    bob = desk.wk("bob")
    for method, url in (
        ("POST", bob),
        ("GET", f"{bob}/WorkerChannels"),
        ("GET", f"{bob}/Reservations"),
        ("POST", f"{bob}/Reservations/{reservation}"),
    ):
        assert_refused(await desk.call(method, url, name="alice"), 403, 20006)


async def test_a_worker_may_not_touch_what_it_was_not_offered(desk: Desk) -> None:
    task, reservation = await desk.offer("bob")
    assert_refused(await desk.call("GET", f"{desk.ws}/Tasks/{task}"), 403)
    assert_refused(await desk.call("POST", f"{desk.ws}/Tasks/{task}", {"Attributes": {}}), 403)
    params = {"ReservationSid": reservation, "TaskSid": task, "To": desk.workers["alice"]}
    assert_refused(await desk.call("POST", f"{desk.wk('alice')}/Transfers", params), 403)
    assert_refused(await desk.call("POST", f"{desk.wk('bob')}/Transfers", params), 403)
    routed = {"RoutingTarget": desk.workers["bob"], "WorkflowSid": desk.workflow}
    assert_refused(await desk.call("POST", f"{desk.ws}/Tasks", routed), 403)


async def test_a_worker_is_told_when_a_task_is_over_or_not_there(desk: Desk) -> None:
    task, sid = await desk.offer()
    url, done = f"{desk.ws}/Tasks/{task}", {"AssignmentStatus": "completed", "Reason": "done"}
    await desk.call("POST", f"{desk.wk('alice')}/Reservations/{sid}", {"ReservationStatus": "accepted"})
    assert (await desk.call("POST", url, done)).payload["reason"] == "done"
    assert "completed" in assert_refused(await desk.call("POST", url, done), 400, 20001)
    assert_refused(await desk.call("POST", url, done, name="bob"), 403)
    assert (await desk.call("GET", url)).payload["assignment_status"] == "completed"
    for method in ("GET", "POST"):
        assert_refused(await desk.call(method, f"{desk.ws}/Tasks/WT{'0' * 32}"), 404, 20404)
    unknown = f"{desk.wk('alice')}/Reservations/WR{'0' * 32}"
    assert_refused(await desk.call("POST", unknown, {"ReservationStatus": "accepted"}), 404)
    assert_refused(await desk.call("GET", unknown), 404)


async def test_a_supervisor_changes_workers_without_their_version(desk: Desk) -> None:
    token = desk.token("bob", "supervisor")
    params = {"Attributes": {"by": "bob"}}
    answer = await desk.call("POST", desk.wk("alice"), params, token=token, If_Match="99")
    assert json.loads(answer.payload["attributes"]) == {"by": "bob"}


async def test_an_admin_without_a_worker_reads_the_workspace(desk: Desk) -> None:
    token = desk.token("nobody", "admin")
    workers = (await desk.call("GET", f"{desk.ws}/Workers", token=token)).payload["contents"]
    assert [each["friendly_name"] for each in workers] == ["alice", "bob"]


async def test_another_accounts_workspace_is_403(desk: Desk) -> None:
    elsewhere = "WS" + "0" * 32
    assert_refused(await desk.call("GET", f"Workspaces/{elsewhere}/Activities"), 403)


# What is read


async def test_the_four_initial_reads_have_every_key(desk: Desk) -> None:
    wk = desk.wk("alice")
    worker = (await desk.call("GET", wk)).payload
    assert set(worker) == WORKER
    assert worker["attributes"] == "{}"
    page = {"PageSize": 1000}
    activities = (await desk.call("GET", f"{desk.ws}/Activities", page)).payload
    assert set(activities) == LIST
    assert [set(each) for each in activities["contents"]] == [ACTIVITY] * 3
    assert worker["activity_sid"] in {each["sid"] for each in activities["contents"]}
    channels = (await desk.call("GET", f"{wk}/WorkerChannels", page)).payload["contents"]
    assert [set(each) for each in channels] == [CHANNEL] * 5
    open_ = {"Active": "true", "PageSize": 1000}
    empty = (await desk.call("GET", f"{wk}/Reservations", open_)).payload
    assert (empty["contents"], empty["after_sid"], empty["meta"]["list_key"]) == ([], None, "contents")
    task, sid = await desk.offer()
    (reservation,) = (await desk.call("GET", f"{wk}/Reservations", open_)).payload["contents"]
    assert set(reservation) == FLAT | {"task"}
    assert (reservation["sid"], reservation["reservation_timeout"]) == (sid, 120)
    assert set(reservation["task"]) == TASK
    assert (reservation["task"]["sid"], reservation["task"]["assignment_status"]) == (task, "reserved")
    assert (await desk.call("GET", f"{wk}/Reservations/{sid}")).payload["task"]["sid"] == task
    channels = (await desk.call("GET", f"{wk}/WorkerChannels", page)).payload["contents"]
    reserved_ms = channels[0]["last_reserved_time"]
    assert abs(reserved_ms - now_s() * 1000) < 60_000
    assert abs(reservation["date_created"] - now_s()) < 60


async def test_reservations_can_be_asked_for_by_status(desk: Desk) -> None:
    wk = desk.wk("alice")
    await desk.offer()
    for statuses, count in (("accepted,pending", 1), ("accepted", 0)):
        params = {"ReservationStatus": statuses}
        assert len((await desk.call("GET", f"{wk}/Reservations", params)).payload["contents"]) == count
    assert_refused(await desk.call("GET", f"{wk}/Reservations", {"ReservationStatus": "none"}), 400)


@pytest.mark.parametrize(
    "what", ["{ws}/Activities", "{wk}/WorkerChannels", "{ws}/Workers", "{ws}/TaskQueues"]
)
async def test_lists_are_walked_by_the_sid_of_the_last_item(desk: Desk, what: str) -> None:
    await desk.rest("POST", f"{desk.path}/TaskQueues", FriendlyName="Second")
    url = what.format(ws=desk.ws, wk=desk.wk("alice"))
    whole = (await desk.call("GET", url)).payload
    assert whole["after_sid"] is None
    found: list[str] = []
    after: dict[str, Any] = {}
    while True:
        page = (await desk.call("GET", url, {"PageSize": 1, **after})).payload
        found += [each["sid"] for each in page["contents"]]
        if page["after_sid"] is None:
            break
        assert page["after_sid"] == found[-1]
        after = {"AfterSid": page["after_sid"]}
    assert found == [each["sid"] for each in whole["contents"]]
    unknown = {"AfterSid": found[0][:2] + "0" * 32}
    assert_refused(await desk.call("GET", url, unknown), 400)
    assert_refused(await desk.call("GET", url, {"AfterSid": "nonsense"}), 400)


async def test_an_ordered_list_is_walked_by_its_token(desk: Desk) -> None:
    url = f"{desk.ws}/Workers"
    order = {"Ordering": "DateStatusChanged:desc", "PageSize": 1}
    first = (await desk.call("GET", url, order)).payload
    assert first["after_sid"] is None
    second = (await desk.call("GET", url, {**order, "NextToken": first["meta"]["next_token"]})).payload
    assert second["meta"]["next_token"] is None
    found = [each["friendly_name"] for each in (*first["contents"], *second["contents"])]
    assert sorted(found) == ["alice", "bob"]
    assert_refused(await desk.call("GET", url, {**order, "NextToken": "nonsense"}), 400)


async def test_queues_have_every_key(desk: Desk) -> None:
    (queue,) = (await desk.call("GET", f"{desk.ws}/TaskQueues")).payload["contents"]
    assert set(queue) == QUEUE
    assert (await desk.call("GET", f"{desk.ws}/TaskQueues/{desk.queue}")).payload == queue
    assert_refused(await desk.call("GET", f"{desk.ws}/TaskQueues/WQ{'0' * 32}"), 404)


# What is changed


async def test_answers_to_updates_of_reservations_are_flat(desk: Desk) -> None:
    _, sid = await desk.offer()
    for status in ("accepted", "wrapping", "completed"):
        params = {"ReservationStatus": status}
        payload = (await desk.call("POST", f"{desk.wk('alice')}/Reservations/{sid}", params)).payload
        assert set(payload) == FLAT
        assert payload["reservation_status"] == status


async def test_a_task_is_made_with_the_names_the_sdk_has_for_its_channel(desk: Desk) -> None:
    params = {
        "WorkflowSid": desk.workflow,
        "TaskQueueSid": desk.queue,
        "RoutingTarget": desk.workers["alice"],
        "Attributes": {"outbound_to": "+1555", "from": "+1556"},
        "TaskChannelUniqueName": "voice",
        "VirtualStartTime": "2024-01-02T03:04:05Z",
    }
    task = (await desk.call("POST", f"{desk.ws}/Tasks", params)).payload
    assert set(task) == TASK
    assert task["task_channel_unique_name"] == "voice"
    assert json.loads(task["attributes"]) == params["Attributes"]
    assert task["virtual_start_time"] == 1_704_164_645
    other = {**params, "WorkflowSid": "nonsense"}
    assert "WorkflowSid" in assert_refused(await desk.call("POST", f"{desk.ws}/Tasks", other), 400)


async def test_versions_are_compared_when_they_are_sent(desk: Desk) -> None:
    wk = desk.wk("alice")
    version = (await desk.call("GET", wk)).payload["version"]
    attributes = {"Attributes": {"n": 1}}
    changed = (await desk.call("POST", wk, attributes, If_Match=str(version))).payload
    assert changed["version"] == version + 1
    assert_refused(await desk.call("POST", wk, attributes, If_Match=str(version)), 412, 20412)
    assert_refused(await desk.call("POST", wk, attributes, If_Match="nonsense"), 412)
    task, sid = await desk.offer()
    accept = {"ReservationStatus": "accepted"}
    assert_refused(await desk.call("POST", f"{wk}/Reservations/{sid}", accept, If_Match="7"), 412)
    assert_refused(await desk.call("POST", f"{desk.ws}/Tasks/{task}", attributes, If_Match="77"), 412)


async def test_pending_offers_are_not_rejected_into_an_available_activity(desk: Desk) -> None:
    params = {"ActivitySid": desk.activities["Available"], "RejectPendingReservations": True}
    message = assert_refused(await desk.call("POST", desk.wk("alice"), params), 400)
    assert "Unable to reject pending reservations when updating to an Available activity state." in message


async def test_too_many_calls_of_one_worker_at_a_time_are_429(desk: Desk) -> None:
    token = desk.token("alice")
    calls = [desk.call("GET", f"{desk.ws}/Workers", token=token) for _ in range(400)]
    answers = await asyncio.gather(*calls)
    assert {answer.status for answer in answers} <= {200, 429}
    assert (await desk.call("GET", desk.wk("bob"), name="bob")).status == 200


# The conference of a task


@pytest.mark.parametrize(
    ("call", "params"),
    [
        ("CustomerParticipant", {"Hold": True, "HoldUrl": "https://example.org/hold"}),
        ("HoldWorkerParticipant", {"Hold": False}),
        ("KickWorkerParticipant", {}),
        ("WorkerParticipant", {"Mute": True}),
    ],
)
async def test_without_a_gateway_nobody_is_held_or_kicked(
    desk: Desk, call: str, params: dict[str, Any]
) -> None:
    task, sid = await desk.offer()
    wk = desk.wk("alice")
    params = {**params, "TaskSid": task, "ReservationSid": sid, "TargetWorkerSid": desk.workers["alice"]}
    assert "accepted" in assert_refused(await desk.call("POST", f"{wk}/{call}", params), 400)
    await desk.call("POST", f"{wk}/Reservations/{sid}", {"ReservationStatus": "accepted"})
    assert "No voice gateway" in assert_refused(await desk.call("POST", f"{wk}/{call}", params), 400)
    assert_refused(await desk.call("POST", f"{wk}/{call}", {**params, "Hold": 7, "Mute": 7}), 400)
