"""The fields of the voice instructions: what each may say, and what it means when it is not sent (contract
§5.5, behaviour §8).

One table serves both ways to give an instruction: a REST update has the names of the table (`CallUrl`), the
answer of an assignment callback the same in snake case without the instruction's name (`url`). Values are
text, as in a form.
"""

import re
from dataclasses import dataclass

from engine.callback_urls import URL_CHARACTERS_MAX, check_callback_url
from engine.readers import Reader, reads
from engine.routing.errors import Refused
from engine.sids import is_sid

INVALID = 55555
"""The alert of a field that has none of its own: the instruction is not a valid one."""

TEXT_CHARS_MAX = 4_096
CALL_EVENTS = ("initiated", "ringing", "answered", "completed")
CONFERENCE_EVENTS = ("start", "end", "join", "leave", "mute", "hold", "speaker")
SUPERVISOR_MODES = ("monitor", "whisper", "barge")
REGIONS = ("us1", "us2", "ie1", "de1", "sg1", "br1", "au1", "jp1")

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})

Read = Reader[str]
"""Takes a field's name and text; returns the text in its normal form or raises InstructionRefused."""


class InstructionRefused(Refused):
    """A voice instruction that cannot be given; `alert` is its code among the alerts (contract §11.2)."""

    def __init__(self, message: str, alert: int) -> None:
        super().__init__(message)
        self.alert = alert


@reads(type="string", maxLength=TEXT_CHARS_MAX)
def text(name: str, value: str) -> str:
    """Free text of at most TEXT_CHARS_MAX characters."""
    if len(value) > TEXT_CHARS_MAX:
        raise InstructionRefused(f"{name} must have at most {TEXT_CHARS_MAX} characters", INVALID)
    return value


@reads(type="string", format="uri", maxLength=URL_CHARACTERS_MAX)
def url(name: str, value: str) -> str:
    """An http or https URL that can be called."""
    reason = check_callback_url(value)
    if reason is not None:
        raise InstructionRefused(f"{name}: {reason}", INVALID)
    return value


@reads(type="boolean")
def flag(name: str, value: str) -> str:
    """A boolean in any case: true/1/yes or false/0/no; returns `true` or `false`."""
    lowered = value.lower()
    if lowered in _TRUE:
        return "true"
    if lowered in _FALSE:
        return "false"
    raise InstructionRefused(f"{name} must be true or false", INVALID)


def sid(prefix: str) -> Read:
    """Make a reader of SIDs."""

    @reads(type="string", pattern=f"^{prefix}[0-9a-fA-F]{{32}}$")
    def read(name: str, value: str) -> str:
        if not is_sid(value, prefix):
            raise InstructionRefused(f"{name} must be a SID: {prefix} and 32 hexadecimal digits", INVALID)
        return value

    return read


def number(minimum: int, maximum: int) -> Read:
    """Make a reader of whole numbers within bounds."""

    @reads(type="integer", minimum=minimum, maximum=maximum)
    def read(name: str, value: str) -> str:
        if not _INTEGER.fullmatch(value):
            raise InstructionRefused(f"{name} must be a whole number", INVALID)
        if not minimum <= int(value) <= maximum:
            raise InstructionRefused(f"{name} must be at least {minimum} and at most {maximum}", INVALID)
        return str(int(value))

    return read


def one_of(*allowed: str) -> Read:
    """Make a reader of a fixed set of words."""

    @reads(type="string", enum=list(allowed))
    def read(name: str, value: str) -> str:
        if value not in allowed:
            raise InstructionRefused(f"{name} must be one of {', '.join(allowed)}", INVALID)
        return value

    return read


_ACTIVITY = sid("WA")
_ANY_SECONDS = number(0, 86_400)
_RING_SECONDS = number(1, 999)
_METHOD = one_of("GET", "POST")


@dataclass(slots=True, frozen=True)
class VoiceField:
    """One field of one instruction.

    `read` holds whenever the field is sent, whatever the request is about; `also` only when its instruction
    is the one that is given. `alert` is the code that tells of a bad value in a callback's answer.
    """

    name: str
    key: str
    read: Read = text
    also: Read | None = None
    alert: int = INVALID
    default: str | None = None
    required: bool = False
    many: bool = False

    def check(self, value: str) -> str:
        """Return the value in its normal form. Raises InstructionRefused with this field's alert."""
        try:
            normal = self.read(self.name, value)
            return normal if self.also is None else self.also(self.name, normal)
        except InstructionRefused as refusal:
            raise InstructionRefused(refusal.message, self.alert) from None


_F = VoiceField
_RECORD_CALL = one_of("record-from-answer", "do-not-record", "true", "false")

FIELDS: dict[str, tuple[VoiceField, ...]] = {
    "dequeue": (
        _F("DequeueTo", "to", alert=40131),
        _F("DequeueFrom", "from", alert=40132),
        _F("DequeuePostWorkActivitySid", "post_work_activity_sid", _ACTIVITY, alert=40130),
        _F("DequeueRecord", "record", also=_RECORD_CALL, default="do-not-record"),
        _F("DequeueTimeout", "timeout", _ANY_SECONDS, _RING_SECONDS, default="60"),
        _F("DequeueStatusCallbackUrl", "status_callback_url", url, alert=40157),
        _F(
            "DequeueStatusCallbackEvent",
            "status_callback_events",
            also=one_of(*CALL_EVENTS),
            alert=40134,
            many=True,
        ),
    ),
    "call": (
        _F("CallTo", "to", alert=40110),
        _F("CallFrom", "from", alert=40111, required=True),
        _F("CallUrl", "url", url, alert=40112, required=True),
        _F("CallAccept", "accept", flag, default="false"),
        _F("CallRecord", "record", also=_RECORD_CALL, default="do-not-record"),
        _F("CallTimeout", "timeout", _ANY_SECONDS, _RING_SECONDS, default="60"),
        _F("CallStatusCallbackUrl", "status_callback_url", url, alert=40158),
    ),
    "redirect": (
        _F("RedirectCallSid", "call_sid", sid("CA"), alert=40121, required=True),
        _F("RedirectUrl", "url", url, alert=40120, required=True),
        _F("RedirectAccept", "accept", flag, default="false"),
    ),
    "conference": (
        _F("To", "to", alert=40137),
        _F("From", "from", alert=40138),
        _F("SipAuthUsername", "sip_auth_username"),
        _F("SipAuthPassword", "sip_auth_password"),
        _F("PostWorkActivitySid", "post_work_activity_sid", _ACTIVITY, alert=40139),
        _F("Timeout", "timeout", _ANY_SECONDS, _RING_SECONDS, default="60"),
        _F("Record", "record", flag, default="false"),
        _F("Muted", "muted", flag, default="false"),
        _F("EarlyMedia", "early_media", flag, default="true"),
        _F("Beep", "beep", also=one_of("true", "false", "onEnter", "onExit"), default="true"),
        _F("StartConferenceOnEnter", "start_conference_on_enter", flag, default="true"),
        _F("EndConferenceOnExit", "end_conference_on_exit", flag),
        _F("EndConferenceOnCustomerExit", "end_conference_on_customer_exit", flag),
        _F("BeepOnCustomerEntrance", "beep_on_customer_entrance", flag),
        _F("WaitUrl", "wait_url", url),
        _F("WaitMethod", "wait_method", _METHOD, default="POST"),
        _F("MaxParticipants", "max_participants", number(2, 250), default="250"),
        _F("Region", "region", also=one_of(*REGIONS)),
        _F("JitterBufferSize", "jitter_buffer_size", also=one_of("small", "medium", "large", "off")),
        _F("StatusCallback", "status_callback", url, alert=40159),
        _F("StatusCallbackMethod", "status_callback_method", _METHOD, default="POST"),
        _F("StatusCallbackEvent", "status_callback_event", also=one_of(*CALL_EVENTS), many=True),
        _F("ConferenceStatusCallback", "conference_status_callback", url, alert=40159),
        _F("ConferenceStatusCallbackMethod", "conference_status_callback_method", _METHOD, default="POST"),
        _F(
            "ConferenceStatusCallbackEvent",
            "conference_status_callback_event",
            also=one_of(*CONFERENCE_EVENTS),
            many=True,
        ),
        _F(
            "ConferenceRecord",
            "conference_record",
            also=one_of("true", "false", "record-from-start", "do-not-record"),
            default="false",
        ),
        _F(
            "ConferenceTrim",
            "conference_trim",
            also=one_of("trim-silence", "do-not-trim"),
            default="trim-silence",
        ),
        _F("RecordingChannels", "recording_channels", also=one_of("mono", "dual"), default="mono"),
        _F("RecordingStatusCallback", "recording_status_callback", url, alert=40159),
        _F("RecordingStatusCallbackMethod", "recording_status_callback_method", _METHOD, default="POST"),
        _F("ConferenceRecordingStatusCallback", "conference_recording_status_callback", url, alert=40159),
        _F(
            "ConferenceRecordingStatusCallbackMethod",
            "conference_recording_status_callback_method",
            _METHOD,
            default="POST",
        ),
    ),
    "supervise": (
        _F("Supervisor", "supervisor", alert=40147, required=True),
        _F(
            "SupervisorMode",
            "supervisor_mode",
            one_of(*SUPERVISOR_MODES),
            default="monitor",
        ),
    ),
}
"""Every field of every instruction, in the order in which they are given to the gateway."""
