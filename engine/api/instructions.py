"""Voice instructions to a reservation: checked, carried out by the gateway, and only then answered.

The turn of the reservation is held from the look at it to the commit of what became of it, so two requests
cannot have the gateway do two things for one reservation.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from engine.api.call import Call
from engine.api.problems import ApiError, bad_request
from engine.routing.commands import Command, ConcludeInstruction, PrepareInstruction
from engine.routing.views import ReservationView, VoiceOrderView
from engine.routing.voice import FAILED, Verdict, VoiceInstruction
from engine.runtime.ports import VoiceGateway


async def instruct(
    call: Call, prepare: PrepareInstruction, respond: Callable[[ReservationView], web.Response]
) -> web.Response:
    """Have an instruction carried out and answer what `respond` makes of the reservation after it.

    Raises:
        ApiError: 400 without a gateway, and when the gateway could not carry it out.
        InstructionUnderWay: another one is under way for this reservation.
        VoiceGatewayFailed: the gateway did not answer as agreed; nothing was changed.
        RoutingError: it cannot be given, or the reservation was over when the gateway answered.
    """
    gateway = call.api.voice
    if gateway is None:
        await call.submit(prepare, VoiceOrderView)
        raise bad_request(
            f"Unable to execute {_title(prepare.instruction)} instruction. No voice gateway is configured; "
            "accept and reject are available"
        )

    @asynccontextmanager
    async def carried_out() -> AsyncIterator[Command]:
        with gateway.turn(prepare.sid):
            yield await _carry_out(call, gateway, prepare)

    return await call.answer_worked(carried_out, ReservationView, respond)


async def _carry_out(call: Call, gateway: VoiceGateway, prepare: PrepareInstruction) -> Command:
    view = await call.submit(prepare, VoiceOrderView)
    verdict = await gateway.ask(call.account_sid, view.order)
    conclusion = ConcludeInstruction(prepare.sid, prepare.instruction, verdict)
    if verdict.done:
        return conclusion
    after = await call.submit(conclusion, ReservationView)
    raise _failed(prepare.instruction, verdict, after)


def _failed(instruction: VoiceInstruction, verdict: Verdict, after: ReservationView) -> ApiError:
    message = (
        f"Unable to execute {_title(instruction)} instruction. The voice gateway says: {verdict.reason}. "
        f"Reservation {after.sid} is {after.status}."
    )
    return bad_request(message, FAILED[instruction.name])


def _title(instruction: VoiceInstruction) -> str:
    return instruction.name.capitalize()
