"""Task channels (contract §5.6); the last path segment is a SID or a unique name."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import TaskChannel
from engine.api.operations import Fields, exact, operation, optional, required
from engine.api.paging import Paging
from engine.routing.commands import UNSET, CreateTaskChannel, DeleteTaskChannel, UpdateTaskChannel
from engine.routing.views import TaskChannelView

_OPTIMIZED = "Whether the worker who had no task of it for longest comes first."
_NEW = Fields(
    friendly_name=required("FriendlyName", fields.friendly_name, "Its name."),
    unique_name=required("UniqueName", fields.unique_name, "What tasks and expressions name it by."),
    channel_optimized_routing=optional("ChannelOptimizedRouting", fields.boolean, _OPTIMIZED, default=False),
)
_CHANGED = Fields(
    friendly_name=exact("FriendlyName", fields.friendly_name, "Its name.", UNSET),
    channel_optimized_routing=optional("ChannelOptimizedRouting", fields.boolean, _OPTIMIZED, UNSET),
)


@operation("ListTaskChannel", answers=TaskChannel, lists="channels")
async def list_task_channels(call: Call) -> web.Response:
    """List the workspace's task channels."""
    paging = Paging.read(call.query())
    page = await call.reads.task_channels(call.workspace_sid, paging.by_sid("TC"))
    return paging.answer(call, "channels", page, render.task_channel)


@operation("CreateTaskChannel", 201, answers=TaskChannel, body=_NEW, once=True)
async def create_task_channel(call: Call) -> web.Response:
    """Create a task channel."""
    command = CreateTaskChannel(sid=call.mint("TC"), **await call.fields())
    return await call.answer(
        command, TaskChannelView, lambda view: answers.created(render.task_channel(call.place(), view))
    )


@operation("FetchTaskChannel", answers=TaskChannel)
async def fetch_task_channel(call: Call) -> web.Response:
    """Answer one task channel."""
    view = call.found(await call.reads.task_channel(call.workspace_sid, call.path("channel")))
    return answers.document(render.task_channel(call.place(), view))


@operation("UpdateTaskChannel", answers=TaskChannel, body=_CHANGED, once=True)
async def update_task_channel(call: Call) -> web.Response:
    """Change the fields that were sent."""
    command = UpdateTaskChannel(sid=call.path("channel"), **await call.fields())
    return await call.answer(
        command, TaskChannelView, lambda view: answers.document(render.task_channel(call.place(), view))
    )


@operation("DeleteTaskChannel", 204)
async def delete_task_channel(call: Call) -> web.Response:
    """Delete a task channel."""
    await call.carry_out(DeleteTaskChannel(call.path("channel")))
    return answers.no_content()
