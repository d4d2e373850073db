"""Task channels (contract §5.6); the last path segment is a SID or a unique name."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.paging import Paging
from engine.routing.commands import UNSET, CreateTaskChannel, DeleteTaskChannel, UpdateTaskChannel
from engine.routing.views import TaskChannelView


async def list_task_channels(call: Call) -> web.Response:
    """List the workspace's task channels."""
    paging = Paging.read(call.query())
    page = await call.reads.task_channels(call.workspace_sid, paging.by_sid("TC"))
    return paging.answer(call, "channels", page, render.task_channel)


async def create_task_channel(call: Call) -> web.Response:
    """Create a task channel."""
    form = await call.form()
    command = CreateTaskChannel(
        sid=call.mint("TC"),
        friendly_name=form.required("FriendlyName", fields.friendly_name),
        unique_name=form.required("UniqueName", fields.unique_name),
        channel_optimized_routing=form.value("ChannelOptimizedRouting", fields.boolean, default=False),
    )
    return await call.answer(
        command, TaskChannelView, lambda view: answers.created(render.task_channel(call.place(), view))
    )


async def fetch_task_channel(call: Call) -> web.Response:
    """Answer one task channel."""
    view = call.found(await call.reads.task_channel(call.workspace_sid, call.path("channel")))
    return answers.document(render.task_channel(call.place(), view))


async def update_task_channel(call: Call) -> web.Response:
    """Change the fields that were sent."""
    form = await call.form()
    command = UpdateTaskChannel(
        sid=call.path("channel"),
        friendly_name=form.exact("FriendlyName", fields.friendly_name, UNSET),
        channel_optimized_routing=form.value("ChannelOptimizedRouting", fields.boolean, UNSET),
    )
    view = await call.submit(command, TaskChannelView)
    return answers.document(render.task_channel(call.place(), view))


async def delete_task_channel(call: Call) -> web.Response:
    """Delete a task channel."""
    await call.carry_out(DeleteTaskChannel(call.path("channel")))
    return answers.no_content()
