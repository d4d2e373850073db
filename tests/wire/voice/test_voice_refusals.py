"""What is refused before the gateway hears of it."""

import pytest

from tests.wire.support import assert_problem
from tests.wire.voice.floor import (
    CALL,
    CALLING,
    NOBODY,
    REDIRECTING,
    Floor,
    everything,
    refusal,
)

MINIMAL = {"dequeue": {}, "conference": {}, "call": {"call_from": "+1", "call_url": "http://a.example/"}}
BAD = [
    ({"Instruction": "call", "CallUrl": "http://a.example/"}, "CallFrom"),
    ({"Instruction": "call", "CallFrom": "+1"}, "CallUrl"),
    ({**CALLING, "CallUrl": ""}, "CallUrl"),
    ({**CALLING, "CallUrl": "ftp://a.example/"}, "CallUrl"),
    ({**CALLING, "CallUrl": "nonsense"}, "CallUrl"),
    ({**CALLING, "CallTimeout": "0"}, "CallTimeout"),
    ({**CALLING, "CallTimeout": "1000"}, "CallTimeout"),
    ({**CALLING, "CallTimeout": "soon"}, "CallTimeout"),
    ({**CALLING, "CallAccept": "perhaps"}, "CallAccept"),
    ({**CALLING, "CallRecord": "sometimes"}, "CallRecord"),
    ({**CALLING, "CallStatusCallbackUrl": "/status"}, "CallStatusCallbackUrl"),
    ({**CALLING, "CallTo": "x" * 4_097}, "CallTo"),
    ({"Instruction": "redirect", "RedirectUrl": "http://a.example/"}, "RedirectCallSid"),
    ({"Instruction": "redirect", "RedirectCallSid": CALL}, "RedirectUrl"),
    ({**REDIRECTING, "RedirectCallSid": "CA1"}, "RedirectCallSid"),
    ({**REDIRECTING, "RedirectUrl": "http://"}, "RedirectUrl"),
    ({**REDIRECTING, "RedirectAccept": "2"}, "RedirectAccept"),
    ({"Instruction": "dequeue", "DequeuePostWorkActivitySid": "Offline"}, "DequeuePostWorkActivitySid"),
    ({"Instruction": "dequeue", "DequeuePostWorkActivitySid": f"WA{NOBODY}"}, "DequeuePostWorkActivitySid"),
    ({"Instruction": "dequeue", "DequeueRecord": "yes"}, "DequeueRecord"),
    ({"Instruction": "dequeue", "DequeueTimeout": "601"}, "DequeueTimeout"),
    ({"Instruction": "dequeue", "DequeueTimeout": "-1"}, "DequeueTimeout"),
    ({"Instruction": "dequeue", "DequeueStatusCallbackUrl": "x"}, "DequeueStatusCallbackUrl"),
    ({"Instruction": "dequeue", "DequeueStatusCallbackEvent": "exploded"}, "DequeueStatusCallbackEvent"),
    ({"Instruction": "conference", "Timeout": "1000"}, "Timeout"),
    ({"Instruction": "conference", "MaxParticipants": "1"}, "MaxParticipants"),
    ({"Instruction": "conference", "MaxParticipants": "251"}, "MaxParticipants"),
    ({"Instruction": "conference", "Beep": "loud"}, "Beep"),
    ({"Instruction": "conference", "Region": "moon"}, "Region"),
    ({"Instruction": "conference", "JitterBufferSize": "huge"}, "JitterBufferSize"),
    ({"Instruction": "conference", "WaitMethod": "PUT"}, "WaitMethod"),
    ({"Instruction": "conference", "WaitUrl": "x"}, "WaitUrl"),
    ({"Instruction": "conference", "StatusCallbackEvent": ["ringing", "exploded"]}, "StatusCallbackEvent"),
    (
        {"Instruction": "conference", "ConferenceStatusCallbackEvent": "explode"},
        "ConferenceStatusCallbackEvent",
    ),
    ({"Instruction": "conference", "ConferenceRecord": "maybe"}, "ConferenceRecord"),
    ({"Instruction": "conference", "ConferenceTrim": "hedge"}, "ConferenceTrim"),
    ({"Instruction": "conference", "RecordingChannels": "stereo"}, "RecordingChannels"),
    ({"Instruction": "conference", "PostWorkActivitySid": f"WA{NOBODY}"}, "PostWorkActivitySid"),
    ({"Instruction": "supervise", "SupervisorMode": "whisper"}, "Supervisor"),
    ({"Instruction": "supervise", "Supervisor": "client:sue", "SupervisorMode": "spy"}, "SupervisorMode"),
]


def test_a_bad_field_is_named_and_nothing_happens(floor, http, gateway):
    reservation = floor.reservation()
    before = floor.snapshot(reservation)
    for body, field in BAD:
        message = assert_problem(http.post(floor.path(reservation), body), 400, 20001)
        assert field in message, body
    assert floor.snapshot(reservation) == before
    assert gateway.orders == []


@pytest.mark.parametrize(
    ("name", "missing"), [("dequeue", "DequeueTo"), ("conference", "To"), ("call", "CallTo")]
)
def test_a_worker_without_a_contact_cannot_be_called(workspace, http, gateway, name, missing):
    reservation = Floor(workspace, http, attributes={"team": 1}).reservation()
    error = refusal(lambda: reservation.update(instruction=name, **MINIMAL[name]))
    assert (error.status, error.code) == (400, 20001)
    assert missing in error.msg
    assert reservation.fetch().reservation_status == "pending"
    assert gateway.orders == []


@pytest.mark.parametrize(
    ("name", "attributes", "missing"),
    [
        ("dequeue", {"call_sid": None}, "call_sid"),
        ("dequeue", {"called": "", "to": 5}, "DequeueFrom"),
        ("conference", {"call_sid": ""}, "outbound_to"),
        ("conference", {"called": None, "to": None}, "From"),
    ],
)
def test_a_task_that_is_no_call_cannot_be_connected(floor, gateway, name, attributes, missing):
    reservation = floor.reservation(**attributes)
    error = refusal(lambda: reservation.update(instruction=name))
    assert (error.status, error.code) == (400, 20001)
    assert missing in error.msg
    assert reservation.fetch().reservation_status == "pending"
    assert gateway.orders == []


def test_an_outbound_conference_needs_no_parked_call(floor, gateway):
    reservation = floor.reservation(call_sid=None, outbound_to="+15550009")
    assert reservation.update(instruction="conference").reservation_status == "accepted"


def test_a_supervisor_needs_a_telephone_and_the_task_a_number(floor, gateway):
    nobody = floor.workspace.workers.create(friendly_name="Sue")
    reservation = floor.reservation()
    reservation.update(reservation_status="accepted")
    for supervisor, missing in ((nobody.sid, "contact_uri"), (f"WK{NOBODY}", "no Worker")):
        error = refusal(lambda sid=supervisor: reservation.update(instruction="supervise", supervisor=sid))
        assert (error.status, error.code) == (400, 20001)
        assert missing in error.msg
    floor.worker.worker_channels("default").update(capacity=2)
    other = floor.reservation(**{"from": None})
    other.update(reservation_status="accepted")
    error = refusal(lambda: other.update(instruction="supervise", supervisor="client:sue"))
    assert "no from" in error.msg
    assert gateway.orders == []


def test_supervise_is_not_for_the_workers_side(floor, http, gateway):
    reservation = floor.reservation()
    path = f"/Workspaces/{floor.workspace.sid}/Workers/{floor.worker.sid}/Reservations/{reservation.sid}"
    body = {"Instruction": "supervise", "Supervisor": "client:sue"}
    assert "task only" in assert_problem(http.post(path, body), 400, 20001)


@pytest.mark.parametrize("status", ["accepted", "rejected", "completed", "wrapping"])
def test_a_reservation_that_is_not_pending_takes_no_instruction(floor, gateway, status):
    reservation = floor.reservation()
    for step in {"accepted": ("accepted",), "rejected": ("rejected",)}.get(status, ("accepted", status)):
        reservation.update(reservation_status=step)
    for name in ("call", "dequeue", "redirect", "conference"):
        error = refusal(lambda name=name: reservation.update(instruction=name, **everything(floor)[name]))
        assert (error.status, error.code) == (400, 20001)
        words = f"Unable to execute {name.capitalize()} instruction. Reservation {reservation.sid} is not "
        assert f"{words}currently in a Pending state." in error.msg
    assert gateway.orders == []


def test_if_match_and_route_are_looked_at_before_the_gateway(floor, http, gateway):
    reservation = floor.reservation()
    body = {"Instruction": "dequeue"}
    stale = http.post(floor.path(reservation), body, headers={"If-Match": "7"})
    assert_problem(stale, 412, 20412)
    base = f"/Workspaces/{floor.workspace.sid}"
    elsewhere = f"{base}/Tasks/{floor.task().sid}/Reservations/{reservation.sid}"
    assert_problem(http.post(elsewhere, body), 404, 20404)
    unknown = f"{base}/Tasks/{reservation.task_sid}/Reservations/WR{NOBODY}"
    assert_problem(http.post(unknown, body), 404, 20404)
    assert gateway.orders == []
    fresh = http.post(floor.path(reservation), body, headers={"If-Match": "0"})
    assert (fresh.status_code, fresh.headers["ETag"]) == (200, "1")
