"""What bounds the voice gateway: time, numbers, addresses; and what counts as its answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from engine.callbacks.assignment_voice import Alert, follow
from engine.callbacks.client import Answer
from engine.callbacks.failures import CallbackFailure
from engine.callbacks.limits import VoiceGatewayLimits
from engine.callbacks.voice_gateway import VoiceGateway, read_verdict
from engine.errors import InstructionUnderWay, StoreUnavailable, VoiceGatewayFailed, WorkspaceNotFound
from engine.routing.commands import AssignmentInstructed, Command, ConcludeInstruction, PrepareInstruction
from engine.routing.entities import ReservationStatus
from engine.routing.voice import Verdict, VoiceInstruction, VoiceOrder, read_instruction
from tests.callbacks.receiver import (
    ACCOUNT,
    TOKEN,
    Received,
    Receiver,
    raw_server,
    read_request,
    serving,
)
from tests.routing.world import World

JSON = "application/json"
RESERVATION = f"WR{1:032x}"
DEQUEUE = VoiceInstruction("dequeue", (("DequeueTo", "client:ann"),))
FOREVER_S = 60.0
PATIENCE_S = 5.0


def an_order(patience_ms: int | None = None, **fields: str) -> VoiceOrder:
    return VoiceOrder(f"{RESERVATION}:dequeue", DEQUEUE, RESERVATION, tuple(fields.items()), patience_ms)


@asynccontextmanager
async def gateway_at(url: str, **limits: object) -> AsyncIterator[VoiceGateway]:
    token_of = limits.pop("token_of", lambda _: TOKEN)
    gateway = VoiceGateway(VoiceGatewayLimits(url=url, **limits), token_of)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def failure_of(url: str, order: VoiceOrder | None = None, **limits: object) -> VoiceGatewayFailed:
    async with gateway_at(url, **limits) as gateway:
        with pytest.raises(VoiceGatewayFailed) as caught:
            async with asyncio.timeout(PATIENCE_S):
                await gateway.ask(ACCOUNT, order or an_order())
    return caught.value


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_the_order_is_a_form_with_its_id_and_lists_by_repeated_names() -> None:
    bodies = []

    async def accepting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append(await read_request(reader))
        body = b'{"status": "accepted"}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        await writer.drain()
        await reader.read()

    fields = (("StatusCallbackEvent", "ringing"), ("StatusCallbackEvent", "answered"), ("To", "Zoë & +1"))
    order = VoiceOrder("the-id", VoiceInstruction("conference", ()), RESERVATION, fields, None)
    async with raw_server(accepting) as base, gateway_at(f"{base}/voice") as gateway:
        assert await gateway.ask(ACCOUNT, order) == Verdict(True)
    told = b"StatusCallbackEvent=ringing&StatusCallbackEvent=answered&To=Zo%C3%AB+%26+%2B1"
    assert bodies == [b"InstructionId=the-id&Instruction=conference&" + told]


async def test_a_gateway_has_its_time_and_not_more() -> None:
    async with raw_server(_silent) as base:
        failure = await failure_of(base, timeout_s=0.1)
    assert (failure.code, failure.late) == (11200, True)


async def test_the_reservations_time_bounds_the_gateways() -> None:
    async with raw_server(_silent) as base:
        failure = await failure_of(base, an_order(patience_ms=100), timeout_s=FOREVER_S)
    assert (failure.code, failure.late) == (11200, True)


async def test_the_wait_for_a_slot_counts_as_time() -> None:
    release = asyncio.Event()

    async def reply(_: Received) -> web.StreamResponse:
        await release.wait()
        return web.json_response({"status": "accepted"})

    async with (
        serving(Receiver(reply=reply)) as receiver,
        gateway_at(receiver.base, timeout_s=FOREVER_S, concurrent_max=1) as gateway,
        asyncio.timeout(PATIENCE_S),
    ):
        first = asyncio.create_task(gateway.ask(ACCOUNT, an_order()))
        await receiver.has(1)
        with pytest.raises(VoiceGatewayFailed, match="too much is under way") as caught:
            await gateway.ask(ACCOUNT, an_order(patience_ms=100))
        assert caught.value.late
        third = asyncio.create_task(gateway.ask(ACCOUNT, an_order()))
        release.set()
        assert (await first).done
        assert (await third).done
    assert len(receiver.received) == 2


async def test_a_failure_gives_its_slot_back() -> None:
    async with (
        serving() as receiver,
        gateway_at(receiver.base, concurrent_max=1) as gateway,
        asyncio.timeout(PATIENCE_S),
    ):
        receiver.answers(500)
        for _ in range(3):
            with pytest.raises(VoiceGatewayFailed):
                await gateway.ask(ACCOUNT, an_order())
        receiver.answers(200, '{"status": "accepted"}')
        assert (await gateway.ask(ACCOUNT, an_order())).done


@pytest.mark.parametrize(
    ("url", "limits", "code"),
    [
        ("http://127.0.0.1:9/", {"allow_private": False}, 11205),
        ("http://169.254.169.254/latest", {}, 11205),
        ("http://nobody.invalid/", {}, 11210),
        ("http://127.0.0.1:9/", {"token_of": lambda _: None}, 11200),
    ],
)
async def test_what_must_not_or_cannot_be_called_is_a_failure(
    url: str, limits: dict[str, object], code: int
) -> None:
    failure = await failure_of(url, **limits)
    assert (failure.code, failure.late) == (code, False)


async def test_a_node_that_stops_asks_nobody() -> None:
    async with serving() as receiver, gateway_at(receiver.base) as gateway:
        await gateway.stop()
        with pytest.raises(VoiceGatewayFailed, match="stopping"):
            await gateway.ask(ACCOUNT, an_order())
    assert receiver.received == []


def test_a_reservation_has_one_turn_at_a_time() -> None:
    gateway = VoiceGateway(VoiceGatewayLimits(), lambda _: TOKEN)
    with gateway.turn("WR1"):
        with pytest.raises(InstructionUnderWay, match="WR1"), gateway.turn("WR1"):
            pass
        with gateway.turn("WR2"):
            pass
        with pytest.raises(InstructionUnderWay), gateway.turn("WR1"):
            pass
    with pytest.raises(ZeroDivisionError), gateway.turn("WR1"):
        raise ZeroDivisionError
    with gateway.turn("WR1"):
        pass


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ('{"status": "accepted"}', Verdict(True)),
        ('{"status": "accepted", "call_sid": "", "conference_sid": null}', Verdict(True)),
        ('{"status": "accepted", "call_sid": "SIP/7-01"}', Verdict(True, call_sid="SIP/7-01")),
        ('{"status": "accepted", "conference_sid": "CF1"}', Verdict(True, conference_sid="CF1")),
        ('{"status": "failed", "reason": "busy\\u0007 now "}', Verdict(False, "busy  now")),
        ('{"status": "failed"}', Verdict(False, "no reason given")),
        ('{"status": "failed", "reason": 7, "call_sid": 7}', Verdict(False, "no reason given")),
        (json.dumps({"status": "failed", "reason": "x" * 600}), Verdict(False, "x" * 500)),
    ],
)
def test_an_answer_says_what_became_of_it(body: str, verdict: Verdict) -> None:
    assert read_verdict(Answer(200, f"{JSON}; charset=utf-8", body.encode())) == verdict


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        ('{"status": "accepted"}', "text/plain", 40000),
        ('{"status": "accepted"}', "", 40000),
        ("", JSON, 40001),
        ("{", JSON, 40001),
        ("[]", JSON, 40001),
        ("null", JSON, 40001),
        ("{}", JSON, 40001),
        ('{"status": "Accepted"}', JSON, 40001),
        ('{"status": ["accepted"]}', JSON, 40001),
        ('{"status": "accepted", "call_sid": 7}', JSON, 40001),
        ('{"status": "accepted", "call_sid": "a b"}', JSON, 40001),
        (json.dumps({"status": "accepted", "call_sid": "x" * 129}), JSON, 40001),
        ('{"status": "accepted", "conference_sid": {}}', JSON, 40001),
    ],
)
def test_everything_else_is_no_answer(body: str, content_type: str, code: int) -> None:
    with pytest.raises(CallbackFailure) as caught:
        read_verdict(Answer(200, content_type, body.encode()))
    assert caught.value.code == code


# Following what a callback answered, with the real core as the workspace


@asynccontextmanager
async def offered(verdict: str) -> AsyncIterator[tuple[World, VoiceGateway, PrepareInstruction, Receiver]]:
    """A pending reservation, and a gateway that answers `verdict`."""
    world = World()
    world.simple_workflow(world.queue(), assignment_callback_url="http://app.example/")
    world.worker("ann", contact_uri="client:ann")
    task = world.task(attributes={"call_sid": "CA1", "called": "+1"})
    prepare = PrepareInstruction(world.offers(task)[0].sid, read_instruction("dequeue", {}))
    async with serving() as receiver, gateway_at(receiver.base) as gateway:
        receiver.answers(200, verdict)
        yield world, gateway, prepare, receiver


async def test_an_outcome_is_offered_until_the_workspace_takes_it_in() -> None:
    alerts: list[Alert] = []
    async with offered('{"status": "accepted", "call_sid": "CA2"}') as (world, gateway, prepare, receiver):
        reservation = world.state.reservations[prepare.sid]

        async def insist(command: Command) -> object:
            if isinstance(command, ConcludeInstruction):
                world.do(command)  # the first offer was taken in, but its answer was lost
            return world.do(command)

        await follow(gateway, ACCOUNT, prepare, insist, alerts.append)
        assert reservation.status is ReservationStatus.ACCEPTED
        assert world.get(reservation.task_sid).values["worker_call_sid"] == "CA2"
        assert world.changes.events == []
    assert (len(receiver.received), alerts) == (1, [])


async def test_an_instruction_beside_another_is_an_alert_and_settles_the_callback() -> None:
    alerts: list[Alert] = []
    given: list[Command] = []
    async with offered('{"status": "accepted"}') as (world, gateway, prepare, receiver):

        async def insist(command: Command) -> object:
            given.append(command)
            return world.do(command)

        with gateway.turn(prepare.sid):
            await follow(gateway, ACCOUNT, prepare, insist, alerts.append)
        assert given == [AssignmentInstructed(prepare.sid)]
        assert world.changes.callbacks_settled == [prepare.sid]
    assert [alert.code for alert in alerts] == [40135]
    assert receiver.received == []


@pytest.mark.parametrize("error", [WorkspaceNotFound("gone"), StoreUnavailable("down")])
async def test_a_workspace_that_cannot_be_asked_is_the_callers_affair(error: Exception) -> None:
    async with offered('{"status": "accepted"}') as (_, gateway, prepare, receiver):

        async def insist(_: Command) -> object:
            raise error

        with pytest.raises(type(error)):
            await follow(gateway, ACCOUNT, prepare, insist, lambda _: None)
        with gateway.turn(prepare.sid):
            pass
    assert receiver.received == []
