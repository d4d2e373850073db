"""What the gateway is told, and what its answer does: the official client, a real daemon, a real gateway."""

import json
import time

import pytest

from tests.support.voice import ACCEPTED
from tests.wire.voice.floor import CALL, CONTACT, everything, refusal


def test_the_order_tells_of_task_worker_and_reservation_and_is_signed(daemon, floor, gateway):
    reservation = floor.reservation()
    reservation.update(instruction="dequeue")
    (order,) = gateway.orders
    gateway.assert_signed(order, daemon.auth_token)
    assert order.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    task = floor.workspace.tasks(reservation.task_sid).fetch()
    told = order.fields
    expected = {
        "InstructionId": f"{reservation.sid}:dequeue",
        "Instruction": "dequeue",
        "AccountSid": daemon.account_sid,
        "WorkspaceSid": floor.workspace.sid,
        "WorkspaceName": floor.workspace.friendly_name,
        "WorkflowSid": task.workflow_sid,
        "TaskQueueSid": task.task_queue_sid,
        "TaskSid": task.sid,
        "TaskPriority": "0",
        "TaskAssignmentStatus": "reserved",
        "TaskChannelUniqueName": "default",
        "TaskChannelSid": task.task_channel_sid,
        "WorkerSid": floor.worker.sid,
        "WorkerName": "Alice",
        "WorkerAttributes": floor.worker.attributes,
        "WorkerActivitySid": floor.activities["Available"],
        "WorkerActivityName": "Available",
        "ReservationSid": reservation.sid,
        "ReservationStatus": "pending",
        "ReservationVersion": "0",
    }
    assert {name: told[name] for name in expected} == expected
    assert json.loads(told["TaskAttributes"])["call_sid"] == CALL
    assert 0 < int(told["ReservationTimeLeft"]) <= 120
    assert abs(int(told["Timestamp"]) - time.time()) < 60


def on_the_wire(fields):
    def text(value):
        return str(value).lower() if isinstance(value, bool) else str(value)

    def name(snake):
        return "".join(part.capitalize() for part in snake.strip("_").split("_"))

    return {
        name(key): [text(each) for each in value] if isinstance(value, list) else text(value)
        for key, value in fields.items()
    }


@pytest.mark.parametrize("side", ["task", "worker"])
@pytest.mark.parametrize("name", ["dequeue", "call", "redirect", "conference"])
def test_every_field_of_an_instruction_arrives(daemon, floor, gateway, name, side):
    fields = everything(floor)[name]
    reservation = floor.reservation()
    addressed = reservation if side == "task" else floor.worker.reservations(reservation.sid)
    after = addressed.update(instruction=name, **fields)
    assert after.reservation_status == "accepted"
    (order,) = gateway.orders
    gateway.assert_signed(order, daemon.auth_token)
    expected = on_the_wire(fields)
    assert {field: order.fields.get(field) for field in expected} == expected


@pytest.mark.parametrize(
    ("name", "given", "filled_in"),
    [
        (
            "dequeue",
            {},
            {
                "DequeueTo": CONTACT,
                "DequeueFrom": "+15550003",
                "DequeueTimeout": "60",
                "DequeueRecord": "do-not-record",
            },
        ),
        (
            "call",
            {"call_from": "+1", "call_url": "http://a.example/"},
            {"CallTo": CONTACT, "CallTimeout": "60", "CallAccept": "false", "CallRecord": "do-not-record"},
        ),
        (
            "redirect",
            {"redirect_call_sid": CALL, "redirect_url": "http://a.example/"},
            {"RedirectAccept": "false"},
        ),
        (
            "conference",
            {},
            {
                "To": CONTACT,
                "From": "+15550003",
                "Timeout": "60",
                "Record": "false",
                "Muted": "false",
                "EarlyMedia": "true",
                "Beep": "true",
                "StartConferenceOnEnter": "true",
                "WaitMethod": "POST",
                "MaxParticipants": "250",
                "StatusCallbackMethod": "POST",
                "ConferenceStatusCallbackMethod": "POST",
                "ConferenceRecord": "false",
                "ConferenceTrim": "trim-silence",
                "RecordingChannels": "mono",
                "RecordingStatusCallbackMethod": "POST",
                "ConferenceRecordingStatusCallbackMethod": "POST",
            },
        ),
    ],
)
def test_what_was_not_sent_has_the_documented_default(floor, gateway, name, given, filled_in):
    floor.reservation().update(instruction=name, **given)
    (order,) = gateway.orders
    assert {field: order.fields.get(field) for field in filled_in} == filled_in
    assert not [value for field, value in order.fields.items() if value == "" and field in filled_in]


def test_supervise_names_the_supervisor_once_the_reservation_is_accepted(daemon, floor, gateway):
    reservation = floor.reservation()
    supervisor = floor.workspace.workers.create(
        friendly_name="Sue", attributes=json.dumps({"contact_uri": "client:sue"})
    )
    early = refusal(lambda: reservation.update(instruction="supervise", supervisor=supervisor.sid))
    assert early.status == 400
    assert "not currently in an Accepted state" in early.msg
    reservation.update(reservation_status="accepted")
    before = floor.snapshot(reservation)
    after = reservation.update(instruction="supervise", supervisor=supervisor.sid, supervisor_mode="whisper")
    assert after.reservation_status == "accepted"
    (order,) = gateway.orders
    gateway.assert_signed(order, daemon.auth_token)
    told = {name: order.fields[name] for name in ("Supervisor", "SupervisorMode", "To", "From")}
    assert told == {
        "Supervisor": supervisor.sid,
        "SupervisorMode": "whisper",
        "To": "client:sue",
        "From": "+15550001",
    }
    assert order.fields["InstructionId"] == f"{reservation.sid}:supervise:{supervisor.sid}"
    assert floor.snapshot(reservation) == before
    reservation.update(instruction="supervise", supervisor="sip:boss@phones.example")
    assert gateway.orders[1].fields["To"] == "sip:boss@phones.example"
    assert gateway.orders[1].fields["SupervisorMode"] == "monitor"


# What follows


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("dequeue", {}, "accepted"),
        ("conference", {}, "accepted"),
        ("call", {"call_from": "+1", "call_url": "http://a.example/"}, "pending"),
        ("call", {"call_from": "+1", "call_url": "http://a.example/", "call_accept": True}, "accepted"),
        ("redirect", {"redirect_call_sid": CALL, "redirect_url": "http://a.example/"}, "pending"),
        (
            "redirect",
            {"redirect_call_sid": CALL, "redirect_url": "http://a.example/", "redirect_accept": True},
            "accepted",
        ),
    ],
)
def test_only_an_instruction_that_accepts_assigns_the_task(floor, gateway, name, fields, status):
    gateway.answer = lambda _: ACCEPTED | {"conference_sid": "CF" + "d" * 32}
    reservation = floor.reservation()
    after = reservation.update(instruction=name, **fields)
    assert after.reservation_status == status == reservation.fetch().reservation_status
    task = floor.workspace.tasks(reservation.task_sid).fetch()
    assert task.assignment_status == {"accepted": "assigned", "pending": "reserved"}[status]
    noted = json.loads(task.attributes)
    assert noted.get("worker_call_sid") == (None if name == "redirect" else ACCEPTED["call_sid"])
    participants = {"worker": ACCEPTED["call_sid"], "customer": CALL}
    conference = {"sid": "CF" + "d" * 32, "participants": participants}
    assert noted.get("conference") == (conference if name == "conference" else None)
    assert noted["from"] == "+15550001"


def test_an_answer_without_sids_leaves_the_attributes_alone(floor, gateway):
    gateway.answer = lambda _: {"status": "accepted"}
    reservation = floor.reservation()
    before = floor.attributes(reservation)
    assert reservation.update(instruction="dequeue").reservation_status == "accepted"
    assert floor.attributes(reservation) == before


def test_attributes_without_room_for_the_sids_stay_and_the_reservation_is_accepted(floor, gateway, daemon):
    reservation = floor.reservation()
    full = json.dumps({"call_sid": CALL, "called": "+1", "filler": ""})
    full = full.replace('""', f'"{"x" * (4_096 - len(full))}"')
    floor.workspace.tasks(reservation.task_sid).update(attributes=full)
    before = floor.attributes(reservation)
    assert reservation.update(instruction="dequeue").reservation_status == "accepted"
    assert floor.attributes(reservation) == before
    warned = [
        line for line in daemon.events("routing.warning") if line.get("task_sid") == reservation.task_sid
    ]
    assert [line["code"] for line in warned] == [20413]


@pytest.mark.parametrize(
    ("name", "code"), [("dequeue", 40133), ("conference", 40145), ("call", 40113), ("redirect", 40122)]
)
def test_media_that_could_not_be_set_up_cancel_the_reservation_and_the_task_is_routed_on(
    floor, gateway, name, code
):
    gateway.answer = lambda _: {"status": "failed", "reason": "the line is busy"}
    reservation = floor.reservation()
    error = refusal(lambda: reservation.update(instruction=name, **everything(floor)[name]))
    assert (error.status, error.code) == (400, code)
    assert "the line is busy" in error.msg
    assert f"{reservation.sid} is canceled" in error.msg
    assert reservation.fetch().reservation_status == "canceled"
    again = floor.reservation(floor.workspace.tasks(reservation.task_sid).fetch())
    assert again.sid != reservation.sid


def test_a_call_that_failed_leaves_a_reservation_that_it_would_not_have_accepted(floor, gateway):
    gateway.answer = lambda _: {"status": "failed"}
    reservation = floor.reservation()
    fields = {"call_from": "+1", "call_url": "http://a.example/"}
    error = refusal(lambda: reservation.update(instruction="call", **fields))
    assert (error.status, error.code) == (400, 40113)
    assert "no reason given" in error.msg
    assert reservation.fetch().reservation_status == "pending"
    gateway.answer = lambda _: ACCEPTED
    assert reservation.update(instruction="dequeue").reservation_status == "accepted"


def test_who_supervises_in_vain_hears_why(floor, gateway):
    reservation = floor.reservation()
    reservation.update(reservation_status="accepted")
    gateway.answer = lambda _: {"status": "failed", "reason": "nobody there"}
    error = refusal(lambda: reservation.update(instruction="supervise", supervisor="client:sue"))
    assert (error.status, error.code) == (400, 20001)
    assert "nobody there" in error.msg
    assert reservation.fetch().reservation_status == "accepted"
