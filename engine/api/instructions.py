"""Voice instructions to a reservation: checked, carried out by the gateway, and only then answered.

The turn of the reservation is held from the look at it to the commit of what became of it, so two requests
cannot have the gateway do two things for one reservation.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from aiohttp import web

from engine.api.call import Api, Call
from engine.api.problems import ApiError, bad_request
from engine.routing.commands import Command, ConcludeInstruction, PrepareInstruction
from engine.routing.views import ReservationView, VoiceOrderView
from engine.routing.voice import FAILED, Verdict, VoiceInstruction
from engine.runtime.ports import VoiceGateway

V = TypeVar("V")


class Caller(Protocol):
    """Who gives an instruction: a request to the REST API, or a call that comes in another envelope."""

    @property
    def api(self) -> Api:
        """What handlers reach."""

    @property
    def account_sid(self) -> str:
        """The account acted for."""

    async def submit(self, command: Command, expected: type[V]) -> V:
        """Hand a command to the workspace and return its view, once it is durable."""


async def instruct(
    call: Call, prepare: PrepareInstruction, respond: Callable[[ReservationView], web.Response]
) -> web.Response:
    """Have an instruction carried out and answer what `respond` makes of the reservation after it.

    Raises as `carried_out`.
    """
    return await call.answer_worked(lambda: carried_out(call, prepare), ReservationView, respond)


@asynccontextmanager
async def carried_out(caller: Caller, prepare: PrepareInstruction) -> AsyncIterator[Command]:
    """Have an instruction carried out; yields the command that concludes it, to be submitted inside.

    Raises:
        ApiError: 400 without a gateway, and when the gateway could not carry it out.
        InstructionUnderWay: another one is under way for this reservation.
        VoiceGatewayFailed: the gateway did not answer as agreed; nothing was changed.
        RoutingError: it cannot be given, or the reservation was over when the gateway answered.
    """
    gateway = caller.api.voice
    if gateway is None:
        await caller.submit(prepare, VoiceOrderView)
        raise bad_request(
            f"Unable to execute {_title(prepare.instruction)} instruction. No voice gateway is configured; "
            "accept and reject are available"
        )
    with gateway.turn(prepare.sid):
        yield await _carry_out(caller, gateway, prepare)


async def _carry_out(caller: Caller, gateway: VoiceGateway, prepare: PrepareInstruction) -> Command:
    view = await caller.submit(prepare, VoiceOrderView)
    verdict = await gateway.ask(caller.account_sid, view.order)
    conclusion = ConcludeInstruction(prepare.sid, prepare.instruction, verdict)
    if verdict.done:
        return conclusion
    after = await caller.submit(conclusion, ReservationView)
    raise _failed(prepare.instruction, verdict, after)


def _failed(instruction: VoiceInstruction, verdict: Verdict, after: ReservationView) -> ApiError:
    message = (
        f"Unable to execute {_title(instruction)} instruction. The voice gateway says: {verdict.reason}. "
        f"Reservation {after.sid} is {after.status}."
    )
    return bad_request(message, FAILED[instruction.name])


def _title(instruction: VoiceInstruction) -> str:
    return instruction.name.capitalize()
