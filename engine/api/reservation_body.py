"""The body of a reservation update: 54 names, of which a status or an instruction decides (contract §5.5).

Every field is typed and checked, whatever decides. Those of a voice instruction are then read in full: what
is required, which words are allowed, what holds when nothing was sent.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.api import fields
from engine.api.forms import Form
from engine.api.operations import Field, Fields, optional, repeated
from engine.api.problems import UNKNOWN_INSTRUCTION, bad_request
from engine.readers import Reader
from engine.routing.entities import ReservationStatus
from engine.routing.voice import SUPERVISE, VoiceInstruction, read_instruction
from engine.routing.voice_fields import FIELDS, VoiceField

_SETTABLE = fields.choice(
    ReservationStatus,
    ReservationStatus.ACCEPTED,
    ReservationStatus.REJECTED,
    ReservationStatus.WRAPPING,
    ReservationStatus.COMPLETED,
)
_NATIVE = {"accept": ReservationStatus.ACCEPTED, "reject": ReservationStatus.REJECTED}
_ACTIVITY = fields.sid("WA")

VOICE_FIELDS: dict[str, VoiceField] = {
    field.name: field for name, group in FIELDS.items() if name != SUPERVISE for field in group
}
"""Every field but ReservationStatus, WorkerActivitySid, Instruction, Supervisor and SupervisorMode."""

SUPERVISOR_FIELDS: dict[str, VoiceField] = {field.name: field for field in FIELDS[SUPERVISE]}
"""On the task's side only."""

_DECIDING = Fields(
    status=optional("ReservationStatus", _SETTABLE, "The state it goes to; excludes Instruction."),
    instruction=optional("Instruction", fields.text, "accept or reject, or what a voice gateway is to do."),
    activity_sid=optional("WorkerActivitySid", _ACTIVITY, "Where a worker who rejects it goes."),
)


def _declared(known: dict[str, VoiceField]) -> Fields:
    return Fields(**{name: _field(field) for name, field in known.items()})


def _field(field: VoiceField) -> Field:
    """Declare a field: any text that it takes, with the words that its own instruction takes as examples."""
    words = field.also.schema.get("enum") if field.also else None
    schema = field.read.schema | ({"examples": words} if words else {})
    reader = Reader(field.read.read, schema)
    if field.many:
        return repeated(field.name, reader, _VOICE, _checked)
    return optional(field.name, reader, _VOICE)


def _checked(form: Form, name: str, read: Callable[[str, str], str], _default: None) -> list[str]:
    return [read(name, text) for text in form.all(name)]


_VOICE = "Of a voice instruction; checked whenever it is sent."

OF_WORKER = _DECIDING | _declared(VOICE_FIELDS)
OF_TASK = OF_WORKER | _declared(SUPERVISOR_FIELDS)
"""All that an update may hold: the deciding three, and the voice fields that `read_change` goes through."""


@dataclass(slots=True, frozen=True)
class ReservationChange:
    """What to do with a reservation; `activity_sid` is for the worker who rejects it."""

    status: ReservationStatus
    activity_sid: str | None


def read_change(form: Form, *, supervised: bool) -> ReservationChange | VoiceInstruction | None:
    """Read the body of an update; None when it asks for nothing.

    Args:
        form: the body.
        supervised: whether the route knows the supervisor's fields (the task's side does).

    Raises:
        ApiError: 400 for a wrong value and for a status together with an instruction; with code 55555 for an
            instruction that does not exist.
        InstructionRefused: a field of the voice instruction is missing or wrong.
    """
    status, instruction, activity_sid = _DECIDING.read(form).values()
    _check(form, [*VOICE_FIELDS.values(), *(SUPERVISOR_FIELDS.values() if supervised else ())])
    if instruction is not None:
        if status is not None:
            raise bad_request("ReservationStatus and Instruction exclude each other")
        name = instruction.strip().lower()
        if name in FIELDS:
            return _voice(name, form, supervised)
        status = _NATIVE.get(name)
        if status is None:
            raise bad_request(f"Instruction {instruction} is not known", UNKNOWN_INSTRUCTION)
    if status is None:
        return None
    return ReservationChange(status, activity_sid if status is ReservationStatus.REJECTED else None)


def _voice(name: str, form: Form, supervised: bool) -> VoiceInstruction:
    if name == SUPERVISE and not supervised:
        raise bad_request("Instruction supervise is available on the reservations of a task only")
    return read_instruction(name, {field.name: form.all(field.name) for field in FIELDS[name]})


def _check(form: Form, known: Iterable[VoiceField]) -> None:
    for field in known:
        if (texts := form.all(field.name)) and texts[-1]:
            field.read(field.name, texts[-1])
