"""Voice instructions in the answers of assignment callbacks; alerts tell of those that cannot be followed."""

import json
import signal

import pytest

from tests.support.voice import ACCEPTED, responding
from tests.wire.support import Http, eventually, official_client
from tests.wire.voice.floor import CALL, CONTACT, Floor

HOOK = "https://hooks.example/status"


class Asked(Floor):
    """A floor whose workers are asked by the assignment callback; it answers `answer`."""

    def __init__(self, workspace, http, daemon, receiver):
        super().__init__(workspace, http)
        self.daemon, self.answer = daemon, {}
        receiver.answer = lambda _: self.answer
        workspace.workflows.list()[0].update(assignment_callback_url=receiver.url)

    def alerts(self, task):
        return [line for line in self.daemon.events("callback.alert") if line["task_sid"] == task.sid]

    def alert(self, task):
        """The only alert, once there is one."""
        (alert,) = eventually("an alert", lambda: self.alerts(task))
        return alert


@pytest.fixture
def asked(workspace, http, daemon, receiver):
    return Asked(workspace, http, daemon, receiver)


def becomes(task, status):
    """Return the task's reservation once it has this status."""
    return eventually(
        f"a reservation that is {status}",
        lambda: next(iter(task.reservations.list(reservation_status=status)), None),
    )


def test_a_dequeue_is_followed_with_all_its_fields(asked, gateway):
    activity = asked.activities["Offline"]
    asked.answer = {
        "instruction": "dequeue",
        "to": "client:alice",
        "from": "+15550100",
        "post_work_activity_sid": activity,
        "record": "record-from-answer",
        "timeout": 30,
        "status_callback_url": HOOK,
        "status_callback_events": "initiated ringing, answered",
    }
    task = asked.task()
    reservation = becomes(task, "accepted")
    (order,) = gateway.orders
    gateway.assert_signed(order, asked.daemon.auth_token)
    expected = {
        "InstructionId": f"{reservation.sid}:dequeue",
        "DequeueTo": "client:alice",
        "DequeueFrom": "+15550100",
        "DequeuePostWorkActivitySid": activity,
        "DequeueRecord": "record-from-answer",
        "DequeueTimeout": "30",
        "DequeueStatusCallbackUrl": HOOK,
        "DequeueStatusCallbackEvent": ["initiated", "ringing", "answered"],
    }
    assert {name: order.fields[name] for name in expected} == expected
    assert asked.attributes(reservation)["worker_call_sid"] == ACCEPTED["call_sid"]
    assert asked.alerts(task) == []


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        ({"instruction": "call", "from": "+1", "url": HOOK}, "pending", {"CallTo": CONTACT}),
        (
            {"instruction": "call", "from": "+1", "url": HOOK, "accept": True},
            "accepted",
            {"CallAccept": "true"},
        ),
        ({"instruction": "redirect", "call_sid": CALL, "url": HOOK}, "pending", {"RedirectUrl": HOOK}),
        (
            {"instruction": "redirect", "call_sid": CALL, "url": HOOK, "accept": "true"},
            "accepted",
            {"RedirectCallSid": CALL},
        ),
        (
            {
                "instruction": "conference",
                "beep": False,
                "end_conference_on_exit": True,
                "max_participants": 5,
                "status_callback_event": ["ringing", "answered"],
                "conference_status_callback_event": "join",
                "room_name": "ignored",
            },
            "accepted",
            {
                "To": CONTACT,
                "Beep": "false",
                "EndConferenceOnExit": "true",
                "MaxParticipants": "5",
                "StatusCallbackEvent": ["ringing", "answered"],
                "ConferenceStatusCallbackEvent": "join",
            },
        ),
    ],
    ids=["call", "call that accepts", "redirect", "redirect that accepts", "conference"],
)
def test_an_instruction_accepts_when_it_says_so(asked, gateway, answer, status, told):
    asked.answer = answer
    task = asked.task()
    (order,) = gateway.has(1)
    assert {name: order.fields.get(name) for name in told} == told
    becomes(task, status)
    assert asked.alerts(task) == []


BAD = [
    ({"instruction": "dequeue", "post_work_activity_sid": "Offline"}, 40130),
    ({"instruction": "dequeue", "post_work_activity_sid": "WA" + "0" * 32}, 40130),
    ({"instruction": "dequeue", "to": {"number": 1}}, 40131),
    ({"instruction": "dequeue", "from": "x" * 5_000}, 40132),
    ({"instruction": "dequeue", "status_callback_events": ["exploded"]}, 40134),
    ({"instruction": "dequeue", "status_callback_url": "x"}, 40157),
    ({"instruction": "dequeue", "timeout": 1000}, 55555),
    ({"instruction": "call", "from": "+1"}, 40112),
    ({"instruction": "call", "from": "+1", "url": "x"}, 40112),
    ({"instruction": "call", "url": HOOK}, 40111),
    ({"instruction": "call", "from": "+1", "url": HOOK, "to": [{}]}, 40110),
    ({"instruction": "call", "from": "+1", "url": HOOK, "status_callback_url": "x"}, 40158),
    ({"instruction": "redirect", "call_sid": CALL}, 40120),
    ({"instruction": "redirect", "call_sid": "CA1", "url": HOOK}, 40121),
    ({"instruction": "conference", "post_work_activity_sid": "x"}, 40139),
    ({"instruction": "conference", "status_callback": "x"}, 40159),
    ({"instruction": "supervise", "supervisor": "client:sue"}, 55555),
]


@pytest.mark.parametrize(("answer", "code"), BAD)
def test_what_cannot_be_followed_alerts_and_leaves_the_reservation_pending(asked, gateway, answer, code):
    asked.answer = answer
    task = asked.task()
    alert = asked.alert(task)
    assert alert["code"] == code
    assert becomes(task, "pending").sid == alert["reservation_sid"]
    assert gateway.orders == []


@pytest.mark.parametrize(
    ("name", "attributes", "code"),
    [
        ("dequeue", {"call_sid": None}, 40140),
        ("conference", {"call_sid": None}, 40142),
        ("dequeue", {"called": None, "to": None}, 40132),
        ("conference", {"called": None, "to": None}, 40138),
    ],
)
def test_what_the_task_lacks_has_its_alert(asked, gateway, name, attributes, code):
    asked.answer = {"instruction": name}
    task = asked.task(**attributes)
    alert = asked.alert(task)
    assert alert["code"] == code
    becomes(task, "pending")
    assert gateway.orders == []


def test_media_that_could_not_be_set_up_cancel_the_reservation(asked, gateway):
    asked.answer = {"instruction": "dequeue"}
    gateway.answer = lambda _: {"status": "failed", "reason": "the line is busy"}
    task = asked.task()
    becomes(task, "canceled")
    gateway.answer = lambda _: ACCEPTED
    becomes(task, "accepted")
    alert = asked.alerts(task)[0]
    assert (alert["code"], "the line is busy" in alert["reason"]) == (40133, True)
    assert len({order.fields["InstructionId"] for order in gateway.orders}) == len(gateway.orders) >= 2


def test_a_gateway_that_fails_alerts_and_leaves_the_reservation_pending(asked, gateway):
    asked.answer = {"instruction": "conference"}
    gateway.answer = lambda _: responding("", 500)
    task = asked.task()
    alert = asked.alert(task)
    assert alert["code"] == 40145
    assert "11200" in alert["reason"]
    reservation = becomes(task, "pending")
    gateway.answer = lambda _: ACCEPTED
    assert reservation.update(instruction="conference").reservation_status == "accepted"


def test_an_answer_after_the_reservation_is_over_names_the_call_that_was_made(asked, gateway):
    asked.answer = {"instruction": "dequeue"}

    def reject_meanwhile(order):
        gateway.answer = lambda _: {"status": "failed"}
        reservations = asked.workspace.tasks(order.fields["TaskSid"]).reservations
        reservations(order.fields["ReservationSid"]).update(reservation_status="rejected")
        return ACCEPTED

    gateway.answer = reject_meanwhile
    task = asked.task()
    alert = eventually("an alert", lambda: [a for a in asked.alerts(task) if a["code"] == 40135])[0]
    assert ACCEPTED["call_sid"] in alert["reason"]


def test_after_a_crash_the_instruction_is_given_again_with_its_id(start_daemon, database, receiver, gateway):
    process = start_daemon(database_url=database, settings={"POINTSMAN_VOICE_GATEWAY_URL": gateway.url})
    client, http = official_client(process), Http(process)
    floor = Floor(client.taskrouter.v1.workspaces.create(friendly_name="Crash", template="FIFO"), http)
    floor.workspace.workflows.list()[0].update(assignment_callback_url=receiver.url)
    receiver.answer = lambda _: {"instruction": "dequeue"}

    def accept_and_kill(_):
        gateway.answer = lambda _: ACCEPTED
        process.signal(signal.SIGKILL)
        return ACCEPTED

    gateway.answer = accept_and_kill
    task = floor.task()
    process.wait()
    process.start()
    reservation = becomes(task, "accepted")
    ids = {order.fields["InstructionId"] for order in gateway.has(2)}
    assert ids == {f"{reservation.sid}:dequeue"}
    assert json.loads(task.fetch().attributes)["worker_call_sid"] == ACCEPTED["call_sid"]
    for session in (client.http_client.session, http.session):
        session.close()
