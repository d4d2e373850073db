"""Reservations, as their task and as their worker has them (contract §5.5, §5.10)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import TaskReservation, WorkerReservation
from engine.api.forms import Form
from engine.api.instructions import instruct
from engine.api.operations import Direct, Fields, Maker, operation, optional
from engine.api.paging import Paging
from engine.api.problems import precondition_failed
from engine.api.representations import Rendering
from engine.api.reservation_body import OF_TASK, OF_WORKER, ReservationChange, read_change
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


@dataclass(slots=True, frozen=True)
class _Side:
    """A reservation as one of its two owners has it.

    `owner` is the argument of commands that names the owner, `place` its placeholder in the path. A task's
    reservations are supervised, a worker's are not.
    """

    owner: str
    place: str
    supervised: bool
    rendering: Rendering
    fetch: Callable[[Call], Awaitable[ReservationView | None]]

    def address(self, names: Mapping[str, str]) -> dict[str, str]:
        """Return the owner that the path names, as an argument."""
        return {self.owner: names[self.place]}

    def update(
        self, names: Mapping[str, str], change: ReservationChange, if_match: int | None = None
    ) -> UpdateReservation:
        """Return the command that carries out a change of what the path names."""
        return UpdateReservation(
            names["WR"],
            change.status,
            activity_sid=change.activity_sid,
            if_match=if_match,
            **self.address(names),
        )

    def direct(self) -> Direct:
        """Return the update as one command, for a body that asks for a change of state."""

        def read(_: Maker, names: Mapping[str, str], form: Form) -> UpdateReservation | None:
            change = read_change(form, supervised=self.supervised)
            return self.update(names, change) if isinstance(change, ReservationChange) else None

        return Direct(read, ReservationView, self.rendering)

    async def found(self, call: Call) -> ReservationView:
        """Return the reservation that the path names. Raises 404."""
        return call.found(await self.fetch(call))

    def document(self, call: Call, view: ReservationView) -> web.Response:
        """Answer one reservation."""
        return answers.document(self.rendering(call.place(), view), version=view.version)


_TASK = _Side(
    "task_sid",
    "WT",
    supervised=True,
    rendering=render.task_reservation,
    fetch=lambda call: call.reads.task_reservation(call.workspace_sid, call.path("WT"), call.path("WR")),
)
_WORKER = _Side(
    "worker_sid",
    "WK",
    supervised=False,
    rendering=render.worker_reservation,
    fetch=lambda call: call.reads.worker_reservation(call.workspace_sid, call.path("WK"), call.path("WR")),
)


@operation("ListTaskReservation", answers=TaskReservation, lists="reservations", query=_OF_TASK, tagged=True)
async def list_task_reservations(call: Call) -> web.Response:
    """List a task's reservations."""
    query = call.query()
    paging, asked = Paging.read(query), call.filters(query)
    request = paging.by_sid("WR")
    call.found(await call.reads.task(call.workspace_sid, call.path("WT")))
    page = await call.reads.task_reservations(call.workspace_sid, call.path("WT"), request, **asked)
    return paging.answer(call, "reservations", page, render.task_reservation, tagged=True)


@operation("FetchTaskReservation", answers=TaskReservation, tagged=True)
async def fetch_task_reservation(call: Call) -> web.Response:
    """Answer one of a task's reservations."""
    return _TASK.document(call, await _TASK.found(call))


@operation(
    "UpdateTaskReservation",
    answers=TaskReservation,
    body=OF_TASK,
    tagged=True,
    conditional=True,
    once=True,
    refusals=(410,),
    direct=_TASK.direct(),
)
async def update_task_reservation(call: Call) -> web.Response:
    """Accept, reject, wrap up or complete a task's reservation, or instruct about it, if If-Match holds."""
    return await _update(call, _TASK)


@operation(
    "ListWorkerReservation", answers=WorkerReservation, lists="reservations", query=_OF_WORKER, tagged=True
)
async def list_worker_reservations(call: Call) -> web.Response:
    """List a worker's reservations."""
    query = call.query()
    paging, asked = Paging.read(query), call.filters(query)
    request = paging.by_sid("WR")
    call.found(await call.reads.worker(call.workspace_sid, call.path("WK")))
    page = await call.reads.worker_reservations(call.workspace_sid, call.path("WK"), request, **asked)
    return paging.answer(call, "reservations", page, render.worker_reservation, tagged=True)


@operation("FetchWorkerReservation", answers=WorkerReservation, tagged=True)
async def fetch_worker_reservation(call: Call) -> web.Response:
    """Answer one of a worker's reservations."""
    return _WORKER.document(call, await _WORKER.found(call))


@operation(
    "UpdateWorkerReservation",
    answers=WorkerReservation,
    body=OF_WORKER,
    tagged=True,
    conditional=True,
    once=True,
    refusals=(410,),
    direct=_WORKER.direct(),
)
async def update_worker_reservation(call: Call) -> web.Response:
    """Accept, reject, wrap up or complete a worker's reservation, or instruct about it, if If-Match holds."""
    return await _update(call, _WORKER)


async def _update(call: Call, side: _Side) -> web.Response:
    change = read_change(await call.form(), supervised=side.supervised)
    if change is None:
        return side.document(call, _unchanged(call, await side.found(call)))
    names, if_match = call.request.match_info, call.if_match()

    def respond(view: ReservationView) -> web.Response:
        return side.document(call, view)

    if isinstance(change, VoiceInstruction):
        order = PrepareInstruction(names["WR"], change, if_match=if_match, **side.address(names))
        return await instruct(call, order, respond)
    return await call.answer(side.update(names, change, if_match), ReservationView, respond)


def _unchanged(call: Call, view: ReservationView) -> ReservationView:
    """Answer an update that asks for nothing; If-Match is still compared."""
    expected = call.if_match()
    if expected is not None and expected != view.version:
        raise precondition_failed(f"If-Match {expected} is not the present version {view.version}")
    return view
