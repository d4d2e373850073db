"""Transfers of a task: hand it to another worker or to a queue. Not part of the contract (behaviour §3)."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Api, Call
from engine.api.documents import Transfer
from engine.api.forms import Form
from engine.api.operations import Fields, exact, operation, optional, required
from engine.api.paging import Paging
from engine.api.problems import precondition_failed
from engine.routing.commands import UNSET, CancelTransfer, CreateTransfer
from engine.routing.entities import TransferMode, TransferStatus
from engine.routing.views import TransferView

_FILTERS = Fields(
    status=optional("TransferStatus", fields.choice(TransferStatus), "Only those in this state.")
)
_NEW = Fields(
    to_sid=required("To", fields.sid("WK", "WQ"), "The worker or the queue that the task goes to."),
    reservation_sid=optional(
        "ReservationSid",
        fields.sid("WR"),
        "The reservation of the worker who transfers it; may be left out when only one holds it.",
    ),
    worker_sid=optional("WorkerSid", fields.sid("WK"), "That worker, in place of the reservation."),
    mode=optional(
        "Mode",
        fields.choice(TransferMode),
        "WARM: the worker keeps the task until another has it. COLD: the worker wraps up at once.",
        TransferMode.WARM,
    ),
    priority=optional("Priority", fields.integer(0, 2**31 - 1), "The task's priority from now on."),
    attributes=exact(
        "Attributes", fields.changed_attributes, "JSON text of an object, in place of the task's.", UNSET
    ),
)
_CHANGED = Fields(
    status=optional(
        "TransferStatus",
        fields.choice(TransferStatus, TransferStatus.CANCELED),
        "canceled takes an initiated transfer back.",
    ),
)


@operation("ListTransfer", answers=Transfer, lists="transfers", query=_FILTERS, tagged=True)
async def list_transfers(call: Call) -> web.Response:
    """List a task's transfers, oldest first."""
    query = call.query()
    paging = Paging.read(query)
    request = paging.by_sid("TT")
    asked = call.filters(query)
    call.found(await call.reads.task(call.workspace_sid, call.path("WT")))
    page = await call.reads.transfers(call.workspace_sid, call.path("WT"), request, **asked)
    return paging.answer(call, "transfers", page, render.transfer, tagged=True)


@operation("CreateTransfer", 201, answers=Transfer, body=_NEW, tagged=True, once=True)
async def create_transfer(call: Call) -> web.Response:
    """Hand an assigned task to another worker, or to whom a queue takes."""
    call.found(await call.reads.task(call.workspace_sid, call.path("WT")))
    return await call.answer(
        creation(call.api, call.path("WT"), await call.form()),
        TransferView,
        lambda view: answers.created(render.transfer(call.place(), view), view.version),
    )


def creation(api: Api, task_sid: str, form: Form) -> CreateTransfer:
    """Read the fields of a new transfer. Raises 400."""
    return CreateTransfer(api.mint("TT"), task_sid, **_NEW.read(form, api))


@operation("FetchTransfer", answers=Transfer, tagged=True)
async def fetch_transfer(call: Call) -> web.Response:
    """Answer one of a task's transfers."""
    view = await _stored(call)
    return answers.document(render.transfer(call.place(), view), version=view.version)


@operation("UpdateTransfer", answers=Transfer, body=_CHANGED, tagged=True, conditional=True, once=True)
async def update_transfer(call: Call) -> web.Response:
    """Cancel a transfer that has no outcome yet, if If-Match holds."""

    def respond(view: TransferView) -> web.Response:
        return answers.document(render.transfer(call.place(), view), version=view.version)

    if not cancels(await call.form()):
        return respond(_unchanged(call, await _stored(call)))
    command = CancelTransfer(call.path("TT"), call.path("WT"), if_match=call.if_match())
    return await call.answer(command, TransferView, respond)


def cancels(form: Form) -> bool:
    """Tell whether an update takes the transfer back; otherwise it asks for nothing. Raises 400."""
    return _CHANGED.read(form)["status"] is not None


async def _stored(call: Call) -> TransferView:
    return call.found(await call.reads.transfer(call.workspace_sid, call.path("WT"), call.path("TT")))


def _unchanged(call: Call, view: TransferView) -> TransferView:
    """Answer an update that asks for nothing; If-Match is still compared."""
    expected = call.if_match()
    if expected is not None and expected != view.version:
        raise precondition_failed(f"If-Match {expected} is not the present version {view.version}")
    return view
