"""What an assignment callback's answer asks for (behaviour §8).

Two kinds of bad answer are told apart. One that is no answer in the protocol's sense (no JSON content type,
no JSON) is ignored like a failed request, so the fallback URL is called. One that is understood but asks for
nothing that can be done raises an alert and leaves the reservation pending.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from engine.callbacks import failures
from engine.callbacks.assignment_voice import Alert, read_voice_instruction
from engine.callbacks.client import Answer
from engine.callbacks.failures import CallbackFailure
from engine.routing.voice import CALL, CONFERENCE, DEQUEUE, REDIRECT, VoiceInstruction
from engine.routing.voice_fields import InstructionRefused
from engine.sids import is_sid

_VOICE_INSTRUCTIONS = frozenset({DEQUEUE, CALL, REDIRECT, CONFERENCE})
"""Those that a callback may give: supervising is for the API (behaviour §8)."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(slots=True, frozen=True)
class Instruction:
    """What to do with the reservation: "accept", "reject", or None to leave it pending.

    With `voice`, `name` is that instruction's, for the voice gateway.
    """

    name: str | None = None
    activity_sid: str | None = None
    alert: Alert | None = None
    voice: VoiceInstruction | None = None


def read_answer(answer: Answer, *, voice: bool = False) -> Instruction:
    """Interpret a 2xx answer.

    Args:
        answer: of an assignment callback.
        voice: whether there is a voice gateway.

    Raises:
        CallbackFailure: 40000 or 40001: the answer is to be ignored and the fallback URL called.
    """
    body = answer.body.removeprefix(_BYTE_ORDER_MARK).strip()
    if not body:
        return Instruction()
    if answer.content_type.partition(";")[0].strip().lower() != "application/json":
        found = answer.content_type or "none"
        reason = f"the content type is not application/json but {found[:80]!r}"
        raise CallbackFailure(failures.CONTENT_TYPE, reason, answer.status)
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CallbackFailure(failures.NOT_JSON, "the body is not JSON", answer.status) from error
    if parsed == {}:
        return Instruction()
    return _instruction(parsed, voice)


def _instruction(parsed: Any, voice: bool) -> Instruction:
    name = parsed.get("instruction") if isinstance(parsed, dict) else None
    if name is None or name == "":
        return _pending(failures.NO_INSTRUCTION, "the answer has no instruction")
    read = _READERS.get(name) if isinstance(name, str) else None
    if read is not None:
        return read(parsed)
    if isinstance(name, str) and name in _VOICE_INSTRUCTIONS:
        return _voice(name, parsed, voice)
    return _pending(failures.INVALID_INSTRUCTION, f"unknown instruction {str(name)[:80]!r}")


def _voice(name: str, parsed: dict[str, Any], configured: bool) -> Instruction:
    if not configured:
        return _pending(failures.INVALID_INSTRUCTION, f"{name}: no voice gateway is configured")
    try:
        return Instruction(name, voice=read_voice_instruction(name, parsed))
    except InstructionRefused as refusal:
        return _pending(refusal.alert, f"{name}: {refusal.message}")


def _accept(_parsed: dict[str, Any]) -> Instruction:
    return Instruction("accept")


def _reject(parsed: dict[str, Any]) -> Instruction:
    activity_sid = parsed.get("activity_sid")
    if activity_sid is None or activity_sid == "":
        return Instruction("reject")
    if isinstance(activity_sid, str) and is_sid(activity_sid, "WA"):
        return Instruction("reject", activity_sid)
    alert = Alert(failures.REJECT_ACTIVITY, "activity_sid is not the SID of an activity: the worker stays")
    return Instruction("reject", alert=alert)


_READERS: dict[str, Callable[[dict[str, Any]], Instruction]] = {"accept": _accept, "reject": _reject}


def _pending(code: int, reason: str) -> Instruction:
    return Instruction(alert=Alert(code, reason))
