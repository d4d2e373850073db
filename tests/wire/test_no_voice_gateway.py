"""Without a voice gateway an instruction is checked like any other, then refused in words that say why."""

import json

import pytest

from tests.wire.support import assert_problem, eventually
from tests.wire.voice.floor import CALLING, REDIRECTING, Floor

WORDS = "No voice gateway is configured"


@pytest.fixture
def floor(workspace, http):
    return Floor(workspace, http)


@pytest.mark.parametrize(
    "body", [{"Instruction": "dequeue"}, {"Instruction": "conference"}, CALLING, REDIRECTING]
)
def test_an_instruction_is_refused_and_changes_nothing(floor, http, body):
    reservation = floor.reservation()
    before = floor.snapshot(reservation)
    message = assert_problem(http.post(floor.path(reservation), body), 400, 20001)
    assert message.startswith(f"Unable to execute {body['Instruction'].capitalize()} instruction. {WORDS}")
    assert floor.snapshot(reservation) == before


def test_supervise_is_refused_in_the_same_words(floor, http):
    reservation = floor.reservation()
    reservation.update(reservation_status="accepted")
    body = {"Instruction": "supervise", "Supervisor": "client:sue"}
    assert WORDS in assert_problem(http.post(floor.path(reservation), body), 400, 20001)


def test_what_is_wrong_with_the_request_comes_first(floor, http):
    reservation = floor.reservation()
    path = floor.path(reservation)
    assert "CallUrl" in assert_problem(http.post(path, {**CALLING, "CallUrl": "x"}), 400, 20001)
    assert_problem(http.post(path, CALLING, headers={"If-Match": "9"}), 412, 20412)
    assert_problem(http.post(f"{path[:-4]}0000", CALLING), 404, 20404)
    reservation.update(reservation_status="accepted")
    words = f"Reservation {reservation.sid} is not currently in a Pending state."
    assert words in assert_problem(http.post(path, {"Instruction": "conference"}), 400, 20001)


def test_a_callback_that_asks_for_one_raises_an_alert(daemon, floor, receiver):
    floor.workspace.workflows.list()[0].update(assignment_callback_url=receiver.url)
    receiver.answer = lambda _: {"instruction": "dequeue"}
    task = floor.task()

    def alert():
        return next((a for a in daemon.events("callback.alert") if a["task_sid"] == task.sid), None)

    assert eventually("an alert", alert)["code"] == 55555
    assert json.loads(task.fetch().attributes)["call_sid"]
    assert floor.reservation(task).reservation_status == "pending"
