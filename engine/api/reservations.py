"""Reservations, as their task and as their worker has them (contract §5.5, §5.10)."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import TaskReservation, WorkerReservation
from engine.api.instructions import instruct
from engine.api.operations import Fields, operation, optional
from engine.api.paging import Paging
from engine.api.problems import precondition_failed
from engine.api.reservation_body import OF_TASK, OF_WORKER, read_change
from engine.routing.commands import PrepareInstruction, UpdateReservation
from engine.routing.entities import ReservationStatus
from engine.routing.views import ReservationView
from engine.routing.voice import VoiceInstruction

_OF_WORKER = Fields(
    status=optional("ReservationStatus", fields.choice(ReservationStatus), "Only those in this state.")
)
_OF_TASK = _OF_WORKER | Fields(
    worker_sid=optional("WorkerSid", fields.sid("WK"), "Only those of this worker.")
)


@operation("ListTaskReservation", answers=TaskReservation, lists="reservations", query=_OF_TASK, tagged=True)
async def list_task_reservations(call: Call) -> web.Response:
    """List a task's reservations."""
    query = call.query()
    paging = Paging.read(query)
    request = paging.by_sid("WR")
    asked = call.filters(query)
    call.found(await call.reads.task(call.workspace_sid, call.path("WT")))
    page = await call.reads.task_reservations(call.workspace_sid, call.path("WT"), request, **asked)
    return paging.answer(call, "reservations", page, render.task_reservation, tagged=True)


@operation("FetchTaskReservation", answers=TaskReservation, tagged=True)
async def fetch_task_reservation(call: Call) -> web.Response:
    """Answer one of a task's reservations."""
    view = await _of_task(call)
    return answers.document(render.task_reservation(call.place(), view), version=view.version)


@operation(
    "UpdateTaskReservation",
    answers=TaskReservation,
    body=OF_TASK,
    tagged=True,
    conditional=True,
    once=True,
    refusals=(409, 410, 502, 504),
)
async def update_task_reservation(call: Call) -> web.Response:
    """Accept, reject, wrap up or complete a task's reservation, or instruct about it, if If-Match holds."""

    def respond(view: ReservationView) -> web.Response:
        return answers.document(render.task_reservation(call.place(), view), version=view.version)

    change = read_change(await call.form(), supervised=True)
    if change is None:
        return respond(_unchanged(call, await _of_task(call)))
    if isinstance(change, VoiceInstruction):
        order = PrepareInstruction(
            call.path("WR"), change, task_sid=call.path("WT"), if_match=call.if_match()
        )
        return await instruct(call, order, respond)
    command = UpdateReservation(
        sid=call.path("WR"),
        status=change.status,
        task_sid=call.path("WT"),
        activity_sid=change.activity_sid,
        if_match=call.if_match(),
    )
    return await call.answer(command, ReservationView, respond)


@operation(
    "ListWorkerReservation", answers=WorkerReservation, lists="reservations", query=_OF_WORKER, tagged=True
)
async def list_worker_reservations(call: Call) -> web.Response:
    """List a worker's reservations."""
    query = call.query()
    paging = Paging.read(query)
    request = paging.by_sid("WR")
    asked = call.filters(query)
    call.found(await call.reads.worker(call.workspace_sid, call.path("WK")))
    page = await call.reads.worker_reservations(call.workspace_sid, call.path("WK"), request, **asked)
    return paging.answer(call, "reservations", page, render.worker_reservation, tagged=True)


@operation("FetchWorkerReservation", answers=WorkerReservation, tagged=True)
async def fetch_worker_reservation(call: Call) -> web.Response:
    """Answer one of a worker's reservations."""
    view = await _of_worker(call)
    return answers.document(render.worker_reservation(call.place(), view), version=view.version)


@operation(
    "UpdateWorkerReservation",
    answers=WorkerReservation,
    body=OF_WORKER,
    tagged=True,
    conditional=True,
    once=True,
    refusals=(409, 410, 502, 504),
)
async def update_worker_reservation(call: Call) -> web.Response:
    """Accept, reject, wrap up or complete a worker's reservation, or instruct about it, if If-Match holds."""

    def respond(view: ReservationView) -> web.Response:
        return answers.document(render.worker_reservation(call.place(), view), version=view.version)

    change = read_change(await call.form(), supervised=False)
    if change is None:
        return respond(_unchanged(call, await _of_worker(call)))
    if isinstance(change, VoiceInstruction):
        order = PrepareInstruction(
            call.path("WR"), change, worker_sid=call.path("WK"), if_match=call.if_match()
        )
        return await instruct(call, order, respond)
    command = UpdateReservation(
        sid=call.path("WR"),
        status=change.status,
        worker_sid=call.path("WK"),
        activity_sid=change.activity_sid,
        if_match=call.if_match(),
    )
    return await call.answer(command, ReservationView, respond)


async def _of_task(call: Call) -> ReservationView:
    view = await call.reads.task_reservation(call.workspace_sid, call.path("WT"), call.path("WR"))
    return call.found(view)


async def _of_worker(call: Call) -> ReservationView:
    view = await call.reads.worker_reservation(call.workspace_sid, call.path("WK"), call.path("WR"))
    return call.found(view)


def _unchanged(call: Call, view: ReservationView) -> ReservationView:
    """Answer an update that asks for nothing; If-Match is still compared."""
    expected = call.if_match()
    if expected is not None and expected != view.version:
        raise precondition_failed(f"If-Match {expected} is not the present version {view.version}")
    return view
