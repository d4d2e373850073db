"""The calls about who hears whom in a conference: hold, mute, kick (SDK protocol §3.1).

They change nothing here. They are checked against committed rows and handed to the voice gateway as orders
like the instructions of a reservation, under the names below; the gateway says whether it was done.

| Instruction | call | fields beside those of task, worker and reservation |
|---|---|---|
| hold-customer | CustomerParticipant | Hold, HoldUrl, HoldMethod |
| hold-worker | HoldWorkerParticipant | Hold, HoldUrl, HoldMethod |
| kick-worker | KickWorkerParticipant | |
| update-worker | WorkerParticipant | EndConferenceOnExit, Mute, BeepOnExit |
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.api import fields
from engine.api.problems import bad_request
from engine.bridge import payloads
from engine.bridge.call import SdkCall
from engine.bridge.payloads import Payload
from engine.readers import Reader
from engine.routing.entities import ReservationStatus
from engine.routing.views import ReservationView, TaskView
from engine.routing.voice import VoiceInstruction, VoiceOrder
from engine.storage.reads import PageRequest

_HOLD: Mapping[str, Reader[object]] = {
    "Hold": fields.boolean,
    "HoldUrl": fields.callback_url,
    "HoldMethod": fields.one_of("GET", "POST"),
}
_PARTICIPANT: Mapping[str, Reader[object]] = dict.fromkeys(
    ("EndConferenceOnExit", "Mute", "BeepOnExit"), fields.boolean
)
_OFFERS_MAX = 1_000


@dataclass(slots=True, frozen=True)
class _Kind:
    """One instruction: its name, what is said when it fails, and its fields."""

    name: str
    title: str
    readers: Mapping[str, Reader[object]]


_HOLD_CUSTOMER = _Kind("hold-customer", "hold the customer", _HOLD)
_HOLD_WORKER = _Kind("hold-worker", "hold the worker", _HOLD)
_KICK_WORKER = _Kind("kick-worker", "kick the worker", {})
_UPDATE_WORKER = _Kind("update-worker", "update the participant", _PARTICIPANT)


async def hold_customer(call: SdkCall) -> Payload:
    """Put the customer of a task on hold, or take it off."""
    task = await _task(call, call.names["WT"])
    return await _order(call, _HOLD_CUSTOMER, task, await _accepted(call, task.sid, call.names["WK"]))


async def hold_worker(call: SdkCall) -> Payload:
    """Put another worker who has the task on hold, or take it off."""
    task = await _task(call, call.names["WT"])
    return await _order(call, _HOLD_WORKER, task, await _accepted(call, task.sid, _target(call)))


async def kick_worker(call: SdkCall) -> Payload:
    """Take another worker who has the task out of its conference."""
    task = await _task(call, call.names["WT"])
    return await _order(call, _KICK_WORKER, task, await _accepted(call, task.sid, _target(call)))


async def update_worker(call: SdkCall) -> Payload:
    """Change what the caller is in the conference of a reservation."""
    ws, wk = call.workspace_sid, call.names["WK"]
    view = call.found(await call.reads.worker_reservation(ws, wk, call.names["WR"]))
    if view.status is not ReservationStatus.ACCEPTED:
        raise bad_request(f"Reservation {view.sid} is not accepted: it is {view.status}")
    return await _order(call, _UPDATE_WORKER, await _task(call, view.task_sid), view)


def _target(call: SdkCall) -> str:
    return call.form.required("TargetWorkerSid", fields.sid("WK"))


async def _task(call: SdkCall, sid: str) -> TaskView:
    return call.found(await call.reads.task(call.workspace_sid, sid))


async def _accepted(call: SdkCall, task_sid: str, worker_sid: str) -> ReservationView:
    """Return the accepted reservation of a worker for a task. Raises 400 when there is none."""
    page = await call.reads.task_reservations(
        call.workspace_sid,
        task_sid,
        PageRequest(_OFFERS_MAX),
        status=ReservationStatus.ACCEPTED,
        worker_sid=worker_sid,
    )
    if not page.items:
        raise bad_request(f"Worker {worker_sid} has no accepted reservation of task {task_sid}")
    return page.items[-1]


async def _order(call: SdkCall, kind: _Kind, task: TaskView, reservation: ReservationView) -> Payload:
    """Hand an order to the gateway and answer the task. Raises 400 when it is not carried out."""
    sent = [(name, text) for name in kind.readers if (text := call.form.value(name, _checked(kind), ""))]
    gateway = call.api.voice
    if gateway is None:
        raise bad_request(f"Unable to {kind.title}. No voice gateway is configured")
    order = VoiceOrder(
        id=f"{reservation.sid}:{kind.name}:{call.api.mint('IN')}",
        instruction=VoiceInstruction(kind.name, tuple(sent)),
        reservation_sid=reservation.sid,
        fields=(
            ("AccountSid", call.account_sid),
            ("WorkspaceSid", call.workspace_sid),
            ("TaskSid", task.sid),
            ("TaskAttributes", task.attributes),
            ("ReservationSid", reservation.sid),
            ("WorkerSid", reservation.worker_sid),
            ("WorkerName", reservation.worker_name),
            *sent,
        ),
        patience_ms=None,
    )
    verdict = await gateway.ask(call.account_sid, order)
    if not verdict.done:
        raise bad_request(f"Unable to {kind.title}. The voice gateway says: {verdict.reason}")
    return payloads.task(call.scope, task)


def _checked(kind: _Kind) -> Reader[str]:
    """Make a reader that checks a field as its kind wants it, and returns its text."""

    def read(name: str, value: str) -> str:
        kind.readers[name](name, value)
        return value

    return Reader(read, {"type": "string"})
