"""Worker channels (contract §5.9); the last path segment is a WC SID, a TC SID or a unique name."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import WorkerChannel
from engine.api.operations import Fields, operation, optional
from engine.api.paging import Paging
from engine.routing.commands import UNSET, UpdateWorkerChannel
from engine.routing.views import WorkerChannelView

CAPACITY_MAX = 2**31 - 1

_CHANGED = Fields(
    capacity=optional(
        "Capacity",
        fields.integer(0, CAPACITY_MAX),
        "How many of its tasks the worker can have.",
        UNSET,
    ),
    available=optional("Available", fields.boolean, "Whether the worker gets its tasks.", UNSET),
)


@operation("ListWorkerChannel", answers=WorkerChannel, lists="channels")
async def list_worker_channels(call: Call) -> web.Response:
    """List a worker's channels."""
    paging = Paging.read(call.query())
    request = paging.by_sid("WC")
    call.found(await call.reads.worker(call.workspace_sid, call.path("WK")))
    page = await call.reads.worker_channels(call.workspace_sid, call.path("WK"), request)
    return paging.answer(call, "channels", page, render.worker_channel)


@operation("FetchWorkerChannel", answers=WorkerChannel)
async def fetch_worker_channel(call: Call) -> web.Response:
    """Answer one of a worker's channels."""
    view = await call.reads.worker_channel(call.workspace_sid, call.path("WK"), call.path("channel"))
    return answers.document(render.worker_channel(call.place(), call.found(view)))


@operation("UpdateWorkerChannel", answers=WorkerChannel, body=_CHANGED, once=True)
async def update_worker_channel(call: Call) -> web.Response:
    """Change capacity and availability."""
    command = UpdateWorkerChannel(
        worker_sid=call.path("WK"), channel=call.path("channel"), **await call.fields()
    )
    return await call.answer(
        command, WorkerChannelView, lambda view: answers.document(render.worker_channel(call.place(), view))
    )
