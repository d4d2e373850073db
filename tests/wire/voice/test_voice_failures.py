"""A gateway that does not answer as agreed, and others who act while it works."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.voice import ACCEPTED, responding
from tests.wire.support import Http, assert_problem, eventually, official_client
from tests.wire.voice.floor import TIMEOUT_S, Floor, refusal


def dripping(handler):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def endless(handler):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Connection", "close")
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 1024)


def hanging_up(handler):
    handler.close_connection = True


FAILURES = {
    "status 500": (responding("{}", 500), 502, 11200),
    "status 404 with an acceptance": (responding(json.dumps(ACCEPTED), 404), 502, 11200),
    "a redirect": (responding("", 307, Location="/elsewhere"), 502, 11215),
    "no JSON": (responding("{"), 502, 40001),
    "an empty body": (responding(""), 502, 40001),
    "no JSON by its type": (responding(json.dumps(ACCEPTED), content_type="text/html"), 502, 40000),
    "no object": (responding('["accepted"]'), 502, 40001),
    "no status": (responding("{}"), 502, 40001),
    "another status": (responding('{"status": "ok"}'), 502, 40001),
    "a SID that is none": (responding('{"status": "accepted", "call_sid": 7}'), 502, 40001),
    "too large a body": (responding(" " * 5_000), 502, 11200),
    "an endless body": (endless, 502, 11200),
    "a connection that ends": (hanging_up, 502, 11205),
    "a slow drip": (dripping, 504, 11200),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_gateway_that_fails_changes_nothing_and_may_be_asked_again(floor, http, gateway, what):
    reply, status, code = FAILURES[what]
    gateway.answer = lambda _: reply
    reservation = floor.reservation()
    before = floor.snapshot(reservation)
    began_s = time.monotonic()
    message = assert_problem(http.post(floor.path(reservation), {"Instruction": "dequeue"}), status, code)
    assert time.monotonic() - began_s < TIMEOUT_S + 5
    assert "voice gateway" in message
    assert floor.snapshot(reservation) == before
    count = len(gateway.orders)
    gateway.answer = lambda _: ACCEPTED
    assert reservation.update(instruction="dequeue").reservation_status == "accepted"
    assert len(gateway.orders) == count + 1
    assert {order.fields["InstructionId"] for order in gateway.orders} == {f"{reservation.sid}:dequeue"}


def test_the_reservations_time_bounds_the_gateways(floor, http, gateway):
    floor.workspace.workflows.list()[0].update(task_reservation_timeout=1)
    over = threading.Event()
    gateway.answer = lambda _: over.wait(10) and ACCEPTED
    reservation = floor.reservation()
    try:
        assert_problem(http.post(floor.path(reservation), {"Instruction": "dequeue"}), 504, 11200)
        eventually("the timeout", lambda: reservation.fetch().reservation_status == "timeout")
    finally:
        over.set()
    error = refusal(lambda: reservation.update(instruction="dequeue"))
    assert "not currently in a Pending state" in error.msg


@pytest.mark.parametrize("status", ["rejected", "accepted"])
def test_a_client_may_decide_while_the_gateway_works(floor, http, gateway, status):
    decided = threading.Event()
    gateway.answer = lambda _: decided.wait(10) and ACCEPTED
    reservation = floor.reservation()
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(http.post, floor.path(reservation), {"Instruction": "dequeue"})
        gateway.has(1)
        reservation.update(reservation_status=status)
        decided.set()
        answer = pending.result()
    if status == "accepted":
        assert (answer.status_code, answer.json()["reservation_status"]) == (200, "accepted")
        return
    assert "not currently in a Pending state" in assert_problem(answer, 400, 20001)
    assert reservation.fetch().reservation_status == "rejected"
    assert "worker_call_sid" not in floor.attributes(reservation)


def test_of_two_instructions_at_once_one_is_carried_out(daemon, floor, http, gateway):
    both = threading.Event()
    gateway.answer = lambda _: both.wait(10) and ACCEPTED
    reservation = floor.reservation()
    second = Http(daemon)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(http.post, floor.path(reservation), {"Instruction": "dequeue"})
        gateway.has(1)
        for name in ("dequeue", "conference"):
            assert_problem(second.post(floor.path(reservation), {"Instruction": name}), 409, 20409)
        both.set()
        assert first.result().status_code == 200
    second.session.close()
    assert len(gateway.orders) == 1
    assert reservation.fetch().reservation_status == "accepted"


def test_a_repetition_with_the_same_key_does_not_reach_the_gateway(floor, http, gateway):
    reservation = floor.reservation()
    answers = [
        http.post(floor.path(reservation), {"Instruction": "dequeue"}, headers={"Idempotency-Key": "once"})
        for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == len({a.headers["ETag"] for a in answers}) == 1
    assert len(gateway.orders) == 1


def test_a_key_is_free_again_when_the_gateway_failed(floor, http, gateway):
    reservation = floor.reservation()
    gateway.answer = lambda _: responding("", 500)
    key = {"Idempotency-Key": "retried"}
    assert_problem(http.post(floor.path(reservation), {"Instruction": "dequeue"}, headers=key), 502, 11200)
    gateway.answer = lambda _: ACCEPTED
    answer = http.post(floor.path(reservation), {"Instruction": "dequeue"}, headers=key)
    assert (answer.status_code, answer.json()["reservation_status"]) == (200, "accepted")


def test_a_crash_before_the_commit_leaves_an_instruction_that_can_be_repeated(
    start_daemon, database, gateway
):
    process = start_daemon(database_url=database, settings={"POINTSMAN_VOICE_GATEWAY_URL": gateway.url})
    client, http = official_client(process), Http(process)
    floor = Floor(client.taskrouter.v1.workspaces.create(friendly_name="Crash", template="FIFO"), http)
    reservation = floor.reservation()

    def accept_and_kill(_):
        process.signal(signal.SIGKILL)
        return ACCEPTED

    gateway.answer = accept_and_kill
    with pytest.raises(requests.ConnectionError):
        http.post(floor.path(reservation), {"Instruction": "dequeue"})
    gateway.answer = lambda _: ACCEPTED
    process.wait()
    process.start()
    assert reservation.fetch().reservation_status == "pending"
    assert reservation.update(instruction="dequeue").reservation_status == "accepted"
    first, second = gateway.orders
    assert first.fields["InstructionId"] == second.fields["InstructionId"]
    for session in (client.http_client.session, http.session):
        session.close()
