"""Hold, mute and kick: what the voice gateway is told, and what becomes of its answer."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.bridge.conftest import SETTINGS
from tests.bridge.support import Answer, Desk
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import running_daemon
from tests.support.voice import GatewayServer, serving_gateway


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayServer]:
    with serving_gateway() as server:
        yield server


@pytest.fixture(scope="module")
def voice_daemon(postgres: EmbeddedPostgres, gateway: GatewayServer) -> Iterator[DaemonProcess]:
    settings = SETTINGS | {"POINTSMAN_VOICE_GATEWAY_URL": gateway.url}
    with running_daemon(postgres, settings=settings) as process:
        yield process


@pytest.fixture
async def desk(voice_daemon: DaemonProcess, gateway: GatewayServer) -> AsyncIterator[Desk]:
    gateway.reset()
    async with Desk(voice_daemon) as opened:
        yield opened


async def held(desk: Desk) -> tuple[str, str]:
    """A task that Alice has accepted, and her reservation."""
    task, sid = await desk.offer()
    await desk.call("POST", f"{desk.wk('alice')}/Reservations/{sid}", {"ReservationStatus": "accepted"})
    return task, sid


async def give(desk: Desk, call: str, task: str, sid: str, **params: Any) -> Answer:
    params |= {"TaskSid": task, "ReservationSid": sid, "TargetWorkerSid": desk.workers["alice"]}
    return await desk.call("POST", f"{desk.wk('alice')}/{call}", params)


@pytest.mark.parametrize(
    ("call", "name", "params"),
    [
        (
            "CustomerParticipant",
            "hold-customer",
            {"Hold": True, "HoldUrl": "https://example.org/h", "HoldMethod": "GET"},
        ),
        ("HoldWorkerParticipant", "hold-worker", {"Hold": False}),
        ("KickWorkerParticipant", "kick-worker", {}),
        ("WorkerParticipant", "update-worker", {"Mute": True}),
    ],
)
async def test_the_gateway_is_told_what_to_do_for_whom(
    desk: Desk, gateway: GatewayServer, call: str, name: str, params: dict[str, Any]
) -> None:
    task, sid = await held(desk)
    payload = (await give(desk, call, task, sid, **params)).payload
    assert (payload["sid"], payload["assignment_status"]) == (task, "assigned")
    (order,) = gateway.has(1)
    told = order.fields
    assert told.pop("InstructionId").startswith(f"{sid}:{name}:")
    assert told == {
        "Instruction": name,
        "AccountSid": desk.daemon.account_sid,
        "WorkspaceSid": desk.sid,
        "TaskSid": task,
        "TaskAttributes": "{}",
        "ReservationSid": sid,
        "WorkerSid": desk.workers["alice"],
        "WorkerName": "alice",
        **{key: json.dumps(value).strip('"') for key, value in params.items()},
    }
    gateway.assert_signed(order, desk.daemon.auth_token)


async def test_what_the_gateway_could_not_do_is_400_with_its_reason(
    desk: Desk, gateway: GatewayServer
) -> None:
    task, sid = await held(desk)
    gateway.answer = lambda _: {"status": "failed", "reason": "nobody is there"}
    answer = await give(desk, "KickWorkerParticipant", task, sid)
    assert answer.status == 400
    assert answer.body["message"] == "Unable to kick the worker. The voice gateway says: nobody is there"


async def test_a_worker_without_an_accepted_reservation_is_400_and_nobody_is_told(
    desk: Desk, gateway: GatewayServer
) -> None:
    task, sid = await held(desk)
    params = {"TaskSid": task, "TargetWorkerSid": desk.workers["bob"], "Hold": True}
    for call in ("HoldWorkerParticipant", "KickWorkerParticipant"):
        assert (await desk.call("POST", f"{desk.wk('alice')}/{call}", params)).status == 400
    params = {"ReservationSid": sid, "Mute": True}
    answer = await desk.call("POST", f"{desk.wk('bob')}/WorkerParticipant", params, name="bob")
    assert answer.status == 404
    assert gateway.orders == []


async def test_who_does_not_have_the_task_holds_nobody(desk: Desk, gateway: GatewayServer) -> None:
    task, _ = await held(desk)
    params = {"TaskSid": task, "TargetWorkerSid": desk.workers["alice"], "Hold": True}
    for name in ("bob", "alice"):
        answer = await desk.call("POST", f"{desk.wk(name)}/HoldWorkerParticipant", params, name="bob")
        assert answer.status == 403
    assert gateway.orders == []


async def test_conference_instructions_reach_the_gateway(desk: Desk, gateway: GatewayServer) -> None:
    _, sid = await desk.offer(Attributes='{"outbound_to": "+15550002"}')
    params = {"Instruction": "conference", "To": "client:alice", "From": "+15550001", "Record": False}
    answer = await desk.call("POST", f"{desk.wk('alice')}/Reservations/{sid}", params)
    assert answer.payload["reservation_status"] == "accepted"
    (order,) = gateway.has(1)
    assert (order.fields["Instruction"], order.fields["To"]) == ("conference", "client:alice")
