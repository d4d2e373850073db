"""The calls that change something (SDK protocol §3.1): the commands of the REST API in another envelope."""

from dataclasses import replace

from engine.api import tasks, transfers, workers
from engine.api.forms import Form
from engine.api.instructions import carried_out
from engine.api.problems import bad_request, not_found
from engine.api.reservation_body import read_change
from engine.bridge import payloads
from engine.bridge.call import SdkCall
from engine.bridge.payloads import Payload
from engine.routing.commands import CancelTransfer, PrepareInstruction, UpdateReservation
from engine.routing.views import ReservationView, TaskView, TransferView, WorkerView
from engine.routing.voice import VoiceInstruction

_REST_NAMES = {"DequeueStatusCallbackEvents": "DequeueStatusCallbackEvent"}
_CHANNEL_NAMES = ("TaskChannelSid", "TaskChannelUniqueName")


async def update_worker(call: SdkCall) -> Payload:
    """Change a worker's attributes or activity.

    The version is compared for the caller's own worker only: about others the SDK sends its own version.
    """
    sid = call.names["WK"]
    if_match = call.if_match if sid == call.session.worker_sid else None
    view = await call.submit(workers.change(call.api, sid, call.form, if_match), WorkerView)
    return payloads.worker(call.scope, view)


async def create_task(call: SdkCall) -> Payload:
    """Create a task; the SDK has its own names for the task channel."""
    channel = next((call.form.all(name) for name in _CHANNEL_NAMES if name in call.form), None)
    given = {name: call.form.all(name) for name in call.form.names() if name not in _CHANNEL_NAMES}
    form = Form(given if channel is None else {**given, "TaskChannel": channel})
    view = await call.submit(tasks.creation(call.api, form), TaskView)
    return payloads.task(call.scope, view)


async def update_task(call: SdkCall) -> Payload:
    """Change a task's attributes or virtual start time, wrap it up, complete it."""
    command = tasks.change(call.api, call.names["WT"], call.form, call.if_match)
    return payloads.task(call.scope, await call.submit(command, TaskView))


async def update_reservation(call: SdkCall) -> Payload:
    """Accept, reject, wrap up or complete a reservation of a worker, or instruct about it."""
    sid, worker_sid = call.names["WR"], call.names["WK"]
    change = read_change(_with_rest_names(call.form), supervised=False)
    if change is None:
        view = call.found(await call.reads.worker_reservation(call.workspace_sid, worker_sid, sid))
    elif isinstance(change, VoiceInstruction):
        view = await _instruct(
            call, PrepareInstruction(sid, change, worker_sid=worker_sid, if_match=call.if_match)
        )
    else:
        command = UpdateReservation(
            sid=sid,
            status=change.status,
            worker_sid=worker_sid,
            activity_sid=change.activity_sid,
            if_match=call.if_match,
        )
        view = await call.submit(command, ReservationView)
    return await _flat(call, view)


async def create_transfer(call: SdkCall) -> Payload:
    """Hand a task of the caller on."""
    task_sid = call.names["WT"]
    call.found(await call.reads.task(call.workspace_sid, task_sid))
    command = transfers.creation(call.api, task_sid, call.form)
    view = await call.submit(replace(command, worker_sid=call.names["WK"]), TransferView)
    return payloads.transfer(call.scope, view)


async def update_transfer(call: SdkCall) -> Payload:
    """Take a transfer of the caller back."""
    task_sid, sid = call.names["WT"], call.names["TT"]
    if transfers.cancels(call.form):
        view = await call.submit(CancelTransfer(sid, task_sid, worker_sid=call.names["WK"]), TransferView)
    else:
        view = call.found(await call.reads.transfer(call.workspace_sid, task_sid, sid))
    return payloads.transfer(call.scope, view)


async def supervise(call: SdkCall) -> Payload:
    """Have a supervisor join the call of a task's reservation."""
    sid, task_sid = call.names["WR"], call.names["WT"]
    change = read_change(call.form, supervised=True)
    if not isinstance(change, VoiceInstruction):
        raise bad_request("Here is a supervisor's call: Instruction must be supervise")
    view = await _instruct(call, PrepareInstruction(sid, change, task_sid=task_sid, if_match=call.if_match))
    return await _flat(call, view)


async def _instruct(call: SdkCall, prepare: PrepareInstruction) -> ReservationView:
    async with carried_out(call, prepare) as conclusion:
        return await call.submit(conclusion, ReservationView)


def _with_rest_names(form: Form) -> Form:
    """Return the fields of a reservation's update under the names they have in the REST API."""
    return Form({_REST_NAMES.get(name, name): form.all(name) for name in form.names()})


async def _flat(call: SdkCall, view: ReservationView) -> Payload:
    offer = await call.bridge.reads.offer(call.workspace_sid, view.sid)
    if offer is None:
        raise not_found(call.path)
    return payloads.flat_reservation(call.scope, view, offer.reservation)
