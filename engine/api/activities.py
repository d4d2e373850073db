"""Activities (contract §5.2)."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import Activity
from engine.api.operations import Fields, exact, operation, optional, required
from engine.api.paging import Paging
from engine.routing.commands import UNSET, CreateActivity, DeleteActivity, UpdateActivity
from engine.routing.views import ActivityView

_FILTERS = Fields(
    friendly_name=optional("FriendlyName", fields.text, "Only those with exactly this name."),
    available=exact(
        "Available", fields.truthy, "true, 1 or yes for the available ones, anything else for the others."
    ),
)
_NEW = Fields(
    friendly_name=required("FriendlyName", fields.friendly_name, "Its name."),
    available=optional(
        "Available",
        fields.truthy,
        "true, 1 or yes when workers in it get tasks, anything else when not. It never changes.",
        default=False,
    ),
)
_CHANGED = Fields(friendly_name=exact("FriendlyName", fields.friendly_name, "Its name.", UNSET))


@operation("ListActivity", answers=Activity, lists="activities", query=_FILTERS)
async def list_activities(call: Call) -> web.Response:
    """List the workspace's activities."""
    query = call.query()
    paging = Paging.read(query)
    page = await call.reads.activities(call.workspace_sid, paging.by_sid("WA"), **call.filters(query))
    return paging.answer(call, "activities", page, render.activity)


@operation("CreateActivity", 201, answers=Activity, body=_NEW, once=True)
async def create_activity(call: Call) -> web.Response:
    """Create an activity."""
    command = CreateActivity(sid=call.mint("WA"), **await call.fields())
    return await call.answer(
        command, ActivityView, lambda view: answers.created(render.activity(call.place(), view))
    )


@operation("FetchActivity", answers=Activity)
async def fetch_activity(call: Call) -> web.Response:
    """Answer one activity."""
    view = call.found(await call.reads.activity(call.workspace_sid, call.path("WA")))
    return answers.document(render.activity(call.place(), view))


@operation("UpdateActivity", answers=Activity, body=_CHANGED, once=True)
async def update_activity(call: Call) -> web.Response:
    """Change the name; `Available` cannot change and is ignored (behaviour §1)."""
    command = UpdateActivity(sid=call.path("WA"), **await call.fields())
    return await call.answer(
        command, ActivityView, lambda view: answers.document(render.activity(call.place(), view))
    )


@operation("DeleteActivity", 204)
async def delete_activity(call: Call) -> web.Response:
    """Delete an activity that nobody is in."""
    await call.carry_out(DeleteActivity(call.path("WA")))
    return answers.no_content()
