"""A voice instruction in the answer of an assignment callback: read, then followed (behaviour §8).

Whoever answered the callback cannot be told of a mistake any more. So what cannot be followed is an alert
with its documented code, and the reservation stays pending; only media that the gateway could not set up
cancel it.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from engine.callbacks.voice_gateway import VoiceGateway
from engine.errors import InstructionUnderWay, VoiceGatewayFailed
from engine.routing.commands import AssignmentInstructed, Command, ConcludeInstruction, PrepareInstruction
from engine.routing.errors import RoutingError
from engine.routing.views import VoiceOrderView
from engine.routing.voice import FAILED, NOT_PENDING, Verdict, VoiceInstruction, read_instruction
from engine.routing.voice_fields import FIELDS, InstructionRefused, VoiceField

_SEPARATORS = re.compile(r"[\s,]+")


@dataclass(slots=True, frozen=True)
class Alert:
    """Something for the operator: a code of the error dictionary and one line."""

    code: int
    reason: str


def read_voice_instruction(name: str, answer: dict[str, Any]) -> VoiceInstruction:
    """Read the instruction of a callback's answer, whose keys are the fields' in snake case.

    Raises:
        InstructionRefused: it names the field that is missing or wrong, with its alert.
    """
    return read_instruction(name, {field.name: _texts(field, answer) for field in FIELDS[name]})


async def follow(
    gateway: VoiceGateway,
    account_sid: str,
    command: PrepareInstruction,
    insist: Callable[[Command], Awaitable[Any]],
    alert: Callable[[Alert], None],
) -> None:
    """Have an instruction carried out and its outcome taken in.

    Args:
        gateway: who carries it out.
        account_sid: whose token signs the order.
        command: the instruction and its reservation.
        insist: gives a command to the workspace until it is taken in; raises RoutingError, WorkspaceNotFound,
            and any other PointsmanError when it gives up.
        alert: takes what the operator should know.
    """
    name = command.instruction.name
    verdict = Verdict(False)
    try:
        with gateway.turn(command.sid):
            view: VoiceOrderView = await insist(command)
            verdict = await gateway.ask(account_sid, view.order)
            if not verdict.done:
                alert(Alert(FAILED[name], f"{name}: {verdict.reason}"))
            await insist(ConcludeInstruction(command.sid, command.instruction, verdict, True))
            return
    except InstructionRefused as refusal:
        alert(Alert(refusal.alert, refusal.message + _left_over(verdict)))
    except RoutingError as refusal:
        alert(Alert(NOT_PENDING[name], f"{name}: {refusal.message}{_left_over(verdict)}"))
    except InstructionUnderWay as refusal:
        alert(Alert(NOT_PENDING[name], str(refusal)))
    except VoiceGatewayFailed as failure:
        alert(Alert(FAILED[name], f"{name}: the voice gateway: {failure.code} {failure}"))
    await insist(AssignmentInstructed(command.sid))


def _left_over(verdict: Verdict) -> str:
    """Name the call that was made for a reservation that is over by now."""
    return f" The voice gateway has made call {verdict.call_sid or 'without SID'}." if verdict.done else ""


def _texts(field: VoiceField, answer: dict[str, Any]) -> list[str]:
    keys = {field.key, field.key.removesuffix("s"), f"{field.key}s"} if field.many else {field.key}
    found = next((answer[key] for key in sorted(keys) if answer.get(key) is not None), None)
    if field.many and isinstance(found, str):
        return _SEPARATORS.split(found.strip())
    if isinstance(found, list):
        return [_text(field, item) for item in found]
    return [] if found is None else [_text(field, found)]


def _text(field: VoiceField, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise InstructionRefused(f"{field.key} must be a text, a number or a boolean", field.alert)
