"""The gateway of deploy/examples, as it stands there, carries out what a daemon tells it."""

import os
import socket
import subprocess
import sys

import pytest
import requests

from engine.callbacks.signature import sign
from tests.support.daemon import AUTH_TOKEN, ROOT
from tests.wire.support import Http, eventually, official_client
from tests.wire.voice.floor import Floor

EXAMPLE = ROOT / "deploy" / "examples" / "voice_gateway" / "gateway.py"


@pytest.fixture
def example(tmp_path):
    """The example, running; its URL and its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/instructions"
    log = tmp_path / "gateway.log"
    environment = {**os.environ, "POINTSMAN_AUTH_TOKEN": AUTH_TOKEN}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLE), "--url", url], env=environment, stdout=written, stderr=written
        )
    try:
        eventually("the example answers", lambda: answers(url))
        yield url, log
    finally:
        process.terminate()
        process.wait(10)


def answers(url):
    try:
        return requests.post(url, timeout=5).status_code == 403
    except requests.ConnectionError:
        return False


def test_the_example_gateway_carries_instructions_out(start_daemon, database, example):
    url, log = example
    process = start_daemon(database_url=database, settings={"POINTSMAN_VOICE_GATEWAY_URL": url})
    client, http = official_client(process), Http(process)
    floor = Floor(client.taskrouter.v1.workspaces.create(friendly_name="Example", template="FIFO"), http)
    reservation = floor.reservation()
    accepted = reservation.update(
        instruction="conference", status_callback_event=["ringing", "answered"], sip_auth_password="hidden"
    )
    assert accepted.reservation_status == "accepted"
    noted = floor.attributes(reservation)
    assert noted["conference"]["participants"]["worker"] == noted["worker_call_sid"]
    supervised = reservation.update(instruction="supervise", supervisor="client:sue")
    assert supervised.reservation_status == "accepted"
    text = log.read_text()
    assert '"StatusCallbackEvent": ["ringing", "answered"]' in text
    assert "hidden" not in text
    for session in (client.http_client.session, http.session):
        session.close()


def test_the_example_gateway_refuses_what_is_not_signed_by_the_account(example):
    url, _ = example
    form = {"InstructionId": "WR1:dequeue", "Instruction": "dequeue"}
    for headers in ({}, {"X-Twilio-Signature": "AAAA"}):
        assert requests.post(url, form, headers=headers, timeout=5).status_code == 403


def test_the_example_gateway_does_a_repeated_instruction_once(example):
    url, _ = example
    form = [("InstructionId", "WR1:dequeue"), ("Instruction", "dequeue"), ("WorkflowSid", "")]
    headers = {"X-Twilio-Signature": sign(AUTH_TOKEN, url, form)}
    first, second = (requests.post(url, form, headers=headers, timeout=5).json() for _ in range(2))
    assert first["status"] == "accepted"
    assert first == second
