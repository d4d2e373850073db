"""Activities (contract §5.2)."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.paging import Paging
from engine.routing.commands import UNSET, CreateActivity, DeleteActivity, UpdateActivity
from engine.routing.views import ActivityView


async def list_activities(call: Call) -> web.Response:
    """List the workspace's activities."""
    query = call.query()
    paging = Paging.read(query)
    page = await call.reads.activities(
        call.workspace_sid,
        paging.by_sid("WA"),
        friendly_name=query.value("FriendlyName", fields.text, None),
        available=query.exact("Available", fields.truthy, None),
    )
    return paging.answer(call, "activities", page, render.activity)


async def create_activity(call: Call) -> web.Response:
    """Create an activity."""
    form = await call.form()
    command = CreateActivity(
        sid=call.mint("WA"),
        friendly_name=form.required("FriendlyName", fields.friendly_name),
        available=form.value("Available", fields.truthy, default=False),
    )
    return await call.answer(
        command, ActivityView, lambda view: answers.created(render.activity(call.place(), view))
    )


async def fetch_activity(call: Call) -> web.Response:
    """Answer one activity."""
    view = call.found(await call.reads.activity(call.workspace_sid, call.path("WA")))
    return answers.document(render.activity(call.place(), view))


async def update_activity(call: Call) -> web.Response:
    """Change the name; `Available` cannot change and is ignored (behaviour §1)."""
    form = await call.form()
    command = UpdateActivity(
        sid=call.path("WA"), friendly_name=form.exact("FriendlyName", fields.friendly_name, UNSET)
    )
    view = await call.submit(command, ActivityView)
    return answers.document(render.activity(call.place(), view))


async def delete_activity(call: Call) -> web.Response:
    """Delete an activity that nobody is in."""
    await call.carry_out(DeleteActivity(call.path("WA")))
    return answers.no_content()
