"""A voice instruction, from what somebody asked for to what the gateway is told (behaviour §8).

The instruction is read and checked without looking at the reservation, then it meets the reservation, its
task and its worker, which supply the numbers that were not given. Who carries it out is not known here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.routing.voice_fields import FIELDS, INVALID, InstructionRefused, VoiceField

DEQUEUE, CALL, REDIRECT, CONFERENCE, SUPERVISE = "dequeue", "call", "redirect", "conference", "supervise"

NOT_PENDING = {DEQUEUE: 40135, CALL: 40114, REDIRECT: 40123, CONFERENCE: 40136, SUPERVISE: 40146}
"""The alert when the reservation is not in the state that the instruction needs."""

FAILED = {DEQUEUE: 40133, CALL: 40113, REDIRECT: 40122, CONFERENCE: 40145, SUPERVISE: 20001}
"""The code when the instruction was understood but could not be carried out; supervising has none."""

_ACCEPT_FIELD = {CALL: "CallAccept", REDIRECT: "RedirectAccept"}
_SIP_TIMEOUT_S_MAX = 600

Texts = Mapping[str, Sequence[str]]


@dataclass(slots=True, frozen=True)
class VoiceInstruction:
    """A checked instruction with its defaults.

    `fields` are (name, text), names as in a REST update; one that may repeat stands there once per value.
    """

    name: str
    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """Return the (first) value of a field, or None."""
        return next((value for field, value in self.fields if field == name), None)

    @property
    def accepts(self) -> bool:
        """Whether the reservation is accepted when this has been carried out."""
        if self.name in {DEQUEUE, CONFERENCE}:
            return True
        return self.get(_ACCEPT_FIELD.get(self.name, "")) == "true"

    @property
    def post_work_activity_sid(self) -> str | None:
        """The activity that the worker is to have after the call."""
        return self.get("DequeuePostWorkActivitySid") or self.get("PostWorkActivitySid")


@dataclass(slots=True, frozen=True)
class VoiceOrder:
    """What the gateway is told of one instruction, and what is known of it here.

    Args:
        id: the same for every repetition of this instruction, so that the gateway can tell them apart.
        instruction: what is to be done.
        reservation_sid: whose reservation it is about.
        fields: the form fields, in their order.
        patience_ms: how long the reservation stays pending; None when it has no such limit.
    """

    id: str
    instruction: VoiceInstruction
    reservation_sid: str
    fields: tuple[tuple[str, str], ...]
    patience_ms: int | None


@dataclass(slots=True, frozen=True)
class Verdict:
    """What the gateway made of an order: carried out, with the SIDs of what it made; or failed, and why."""

    done: bool
    reason: str = ""
    call_sid: str | None = None
    conference_sid: str | None = None


def read_instruction(name: str, given: Texts) -> VoiceInstruction:
    """Check an instruction's fields and add the defaults.

    Args:
        name: a key of FIELDS.
        given: values by REST name; empty values count as not sent, of a single-valued field the last counts.

    Raises:
        InstructionRefused: it names the field that is missing or wrong.
    """
    fields: list[tuple[str, str]] = []
    for field in FIELDS[name]:
        values = [value for value in given.get(field.name, ()) if value]
        if not values:
            fields += _absent(field)
        elif field.many:
            fields += [(field.name, value) for value in dict.fromkeys(map(field.check, values))]
        else:
            fields.append((field.name, field.check(values[-1])))
    return VoiceInstruction(name, tuple(fields))


def addressed(
    instruction: VoiceInstruction, task: Mapping[str, object], worker: Mapping[str, object]
) -> VoiceInstruction:
    """Return the instruction with who is called and who calls, from the attributes where it does not say.

    Args:
        instruction: as it was read.
        task: the task's attributes.
        worker: the worker's attributes; the supervisor's for `supervise`.

    Raises:
        InstructionRefused: neither the instruction nor the attributes have what is needed.
    """
    fields = list(instruction.fields)
    for name, sources, alert, missing in _ADDRESSES.get(instruction.name, ()):
        if instruction.get(name) is not None:
            continue
        attributes = task if sources is not _CONTACT else worker
        found = next((value for key in sources if (value := _number(attributes.get(key)))), None)
        if found is None:
            raise InstructionRefused(f"{name}: {missing}", alert)
        fields.insert(0, (name, found))
    whole = VoiceInstruction(instruction.name, tuple(fields))
    _check_task(whole, task)
    _check_sip_timeout(whole)
    return whole


_CONTACT = ("contact_uri",)
_DIALLED = ("called", "to")
_NO_CONTACT = "it was not sent and the worker's attributes have no contact_uri"
_NO_DIALLED = "it was not sent and the task's attributes have neither called nor to"

_ADDRESSES: dict[str, tuple[tuple[str, tuple[str, ...], int, str], ...]] = {
    DEQUEUE: (
        ("DequeueFrom", _DIALLED, 40132, _NO_DIALLED),
        ("DequeueTo", _CONTACT, 40131, _NO_CONTACT),
    ),
    CALL: (("CallTo", _CONTACT, 40110, _NO_CONTACT),),
    CONFERENCE: (
        ("From", _DIALLED, 40138, _NO_DIALLED),
        ("To", _CONTACT, 40137, _NO_CONTACT),
    ),
    SUPERVISE: (
        ("From", ("from",), 40148, "the task's attributes have no from"),
        ("To", _CONTACT, 40147, "the supervisor's attributes have no contact_uri"),
    ),
}


def _absent(field: VoiceField) -> list[tuple[str, str]]:
    if field.required:
        raise InstructionRefused(f"Missing required parameter {field.name} in the post body", field.alert)
    return [] if field.default is None else [(field.name, field.default)]


def _number(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _check_task(instruction: VoiceInstruction, task: Mapping[str, object]) -> None:
    if instruction.name == DEQUEUE and not _number(task.get("call_sid")):
        raise InstructionRefused("the task's attributes have no call_sid: there is no call to dequeue", 40140)
    parked = _number(task.get("call_sid")) or _number(task.get("outbound_to"))
    if instruction.name == CONFERENCE and not parked:
        raise InstructionRefused("the task's attributes have neither call_sid nor outbound_to", 40142)


def _check_sip_timeout(instruction: VoiceInstruction) -> None:
    to, timeout_s = instruction.get("DequeueTo"), instruction.get("DequeueTimeout")
    if to is None or timeout_s is None or not to.lower().startswith("sip:"):
        return
    if int(timeout_s) > _SIP_TIMEOUT_S_MAX:
        raise InstructionRefused(
            f"DequeueTimeout must be at most {_SIP_TIMEOUT_S_MAX} for a SIP address", INVALID
        )
