"""The body of a reservation update: 54 names, of which a status or an instruction decides (contract §5.5).

The fields of the voice instructions are typed and checked like the others, then an instruction that needs a
voice gateway is refused: there is none.
"""

from dataclasses import dataclass

from engine.api import fields
from engine.api.forms import Form, Reader
from engine.api.problems import UNKNOWN_INSTRUCTION, bad_request
from engine.routing.entities import ReservationStatus

_SETTABLE = fields.choice(
    ReservationStatus,
    ReservationStatus.ACCEPTED,
    ReservationStatus.REJECTED,
    ReservationStatus.WRAPPING,
    ReservationStatus.COMPLETED,
)
_NATIVE = {"accept": ReservationStatus.ACCEPTED, "reject": ReservationStatus.REJECTED}
_VOICE = {"call", "dequeue", "redirect", "conference"}
_SUPERVISE = "supervise"

_ACTIVITY = fields.sid("WA")
_SECONDS = fields.integer(0, 86_400)
_METHOD = fields.one_of("GET", "POST")
_PARTICIPANTS = fields.integer(2, 250)

_TYPES: dict[str, tuple[Reader[object], tuple[str, ...]]] = {
    "activity": (_ACTIVITY, ("DequeuePostWorkActivitySid", "PostWorkActivitySid")),
    "call": (fields.sid("CA"), ("RedirectCallSid",)),
    "text": (
        fields.text,
        (
            "DequeueFrom",
            "DequeueRecord",
            "DequeueTo",
            "DequeueStatusCallbackEvent",
            "CallFrom",
            "CallRecord",
            "CallTo",
            "To",
            "From",
            "SipAuthUsername",
            "SipAuthPassword",
            "Beep",
            "Region",
            "JitterBufferSize",
            "StatusCallbackEvent",
            "ConferenceStatusCallbackEvent",
            "ConferenceRecord",
            "ConferenceTrim",
            "RecordingChannels",
        ),
    ),
    "seconds": (_SECONDS, ("DequeueTimeout", "CallTimeout", "Timeout")),
    "participants": (_PARTICIPANTS, ("MaxParticipants",)),
    "flag": (
        fields.boolean,
        (
            "CallAccept",
            "RedirectAccept",
            "Record",
            "Muted",
            "EarlyMedia",
            "StartConferenceOnEnter",
            "EndConferenceOnExit",
            "EndConferenceOnCustomerExit",
            "BeepOnCustomerEntrance",
        ),
    ),
    "method": (
        _METHOD,
        (
            "WaitMethod",
            "StatusCallbackMethod",
            "ConferenceStatusCallbackMethod",
            "RecordingStatusCallbackMethod",
            "ConferenceRecordingStatusCallbackMethod",
        ),
    ),
    "url": (
        fields.callback_url,
        (
            "DequeueStatusCallbackUrl",
            "CallUrl",
            "CallStatusCallbackUrl",
            "RedirectUrl",
            "WaitUrl",
            "StatusCallback",
            "ConferenceStatusCallback",
            "RecordingStatusCallback",
            "ConferenceRecordingStatusCallback",
        ),
    ),
}
VOICE_FIELDS: dict[str, Reader[object]] = {
    name: reader for reader, names in _TYPES.values() for name in names
}
"""Every field but ReservationStatus, WorkerActivitySid, Instruction, Supervisor and SupervisorMode."""

SUPERVISOR_FIELDS: dict[str, Reader[object]] = {
    "Supervisor": fields.text,
    "SupervisorMode": fields.one_of("monitor", "whisper", "barge"),
}
"""On the task's side only."""


@dataclass(slots=True, frozen=True)
class ReservationChange:
    """What to do with a reservation; `activity_sid` is for the worker who rejects it."""

    status: ReservationStatus
    activity_sid: str | None


def read_change(form: Form, *, supervised: bool) -> ReservationChange | None:
    """Read the body of an update; None when it asks for nothing.

    Args:
        form: the body.
        supervised: whether the route knows the supervisor's fields (the task's side does).

    Raises:
        ApiError: 400 for a wrong value, for a status together with an instruction, and for an instruction
            that needs a voice gateway; with code 55555 for one that does not exist.
    """
    status = form.value("ReservationStatus", _SETTABLE, None)
    instruction = form.value("Instruction", fields.text, None)
    activity_sid = form.value("WorkerActivitySid", _ACTIVITY, None)
    _check_voice_fields(form, VOICE_FIELDS | SUPERVISOR_FIELDS if supervised else VOICE_FIELDS)
    if instruction is not None:
        if status is not None:
            raise bad_request("ReservationStatus and Instruction exclude each other")
        status = _instructed(instruction, supervised)
    if status is None:
        return None
    return ReservationChange(status, activity_sid if status is ReservationStatus.REJECTED else None)


def _instructed(instruction: str, supervised: bool) -> ReservationStatus:
    name = instruction.strip().lower()
    if name in _NATIVE:
        return _NATIVE[name]
    if name in _VOICE or (name == _SUPERVISE and supervised):
        raise bad_request(
            f"Unable to execute {name.capitalize()} instruction. No voice gateway is configured; "
            "accept and reject are available"
        )
    if name == _SUPERVISE:
        raise bad_request("Instruction supervise is available on the reservations of a task only")
    raise bad_request(f"Instruction {instruction} is not known", UNKNOWN_INSTRUCTION)


def _check_voice_fields(form: Form, known: dict[str, Reader[object]]) -> None:
    for name in form.names():
        read = known.get(name)
        if read is not None:
            form.value(name, read, None)
