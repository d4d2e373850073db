"""Workspaces (contract §5.1)."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import Workspace
from engine.api.idempotency import fingerprint, key_of, unpack
from engine.api.operations import Fields, exact, operation, optional, required
from engine.api.paging import Paging
from engine.readers import reads
from engine.routing.commands import UNSET, DeleteWorkspace, UpdateWorkspace
from engine.routing.entities import TaskOrder
from engine.routing.views import WorkspaceView

_ORDER = fields.choice(TaskOrder)
_ACTIVITY = fields.sid("WA")
_TEMPLATE = fields.one_of("NONE", "FIFO")


@reads(**_TEMPLATE.schema)
def _template(name: str, value: str) -> str:
    return _TEMPLATE(name, value.upper())


_FILTERS = Fields(friendly_name=optional("FriendlyName", fields.text, "Only those with exactly this name."))
_NEW = Fields(
    friendly_name=required("FriendlyName", fields.friendly_name, "Its name."),
    event_callback_url=optional("EventCallbackUrl", fields.callback_url, "Where events are sent.", ""),
    events_filter=optional(
        "EventsFilter", fields.events_filter, "Comma list of the event types to send; empty sends all."
    ),
    multi_task_enabled=optional(
        "MultiTaskEnabled", fields.boolean, "Whether a worker may have several tasks.", default=True
    ),
    prioritize_queue_order=optional(
        "PrioritizeQueueOrder", _ORDER, "Which queues are served first.", TaskOrder.FIFO
    ),
    template=optional("Template", _template, "FIFO adds a queue and a workflow.", "NONE"),
)
_CHANGED = Fields(
    friendly_name=exact("FriendlyName", fields.friendly_name, "Its name.", UNSET),
    event_callback_url=exact("EventCallbackUrl", fields.callback_url, "Where events are sent.", UNSET),
    events_filter=exact(
        "EventsFilter", fields.events_filter, "Comma list of the event types to send; empty sends all.", UNSET
    ),
    multi_task_enabled=optional(
        "MultiTaskEnabled", fields.boolean, "Whether a worker may have several tasks.", UNSET
    ),
    prioritize_queue_order=optional("PrioritizeQueueOrder", _ORDER, "Which queues are served first.", UNSET),
    default_activity_sid=optional("DefaultActivitySid", _ACTIVITY, "The activity of new workers.", UNSET),
    timeout_activity_sid=optional(
        "TimeoutActivitySid", _ACTIVITY, "The activity of workers who let a reservation time out.", UNSET
    ),
)


@operation("ListWorkspace", answers=Workspace, lists="workspaces", query=_FILTERS)
async def list_workspaces(call: Call) -> web.Response:
    """List the account's workspaces."""
    query = call.query()
    paging = Paging.read(query)
    page = await call.reads.workspaces(call.account_sid, paging.by_sid("WS"), **call.filters(query))
    return paging.answer(call, "workspaces", page, render.workspace)


@operation("CreateWorkspace", 201, answers=Workspace, body=_NEW, once=True)
async def create_workspace(call: Call) -> web.Response:
    """Create a workspace with its default activities and channels."""
    options = await call.fields()

    def respond(view: WorkspaceView) -> web.Response:
        return answers.created(render.workspace(call.place(), view))

    service, key = call.api.service, key_of(call.request)
    if key is None:
        return respond(await service.create_workspace(call.account_sid, **options))
    once = call.once(key, fingerprint(await call.request.read()), respond)
    return unpack(await service.create_workspace_once(call.account_sid, once, **options))


@operation("FetchWorkspace", answers=Workspace)
async def fetch_workspace(call: Call) -> web.Response:
    """Answer one workspace."""
    view = call.found(await call.reads.workspace(call.account_sid, call.workspace_sid))
    return answers.document(render.workspace(call.place(), view))


@operation("UpdateWorkspace", answers=Workspace, body=_CHANGED, once=True)
async def update_workspace(call: Call) -> web.Response:
    """Change the fields that were sent."""
    return await call.answer(
        UpdateWorkspace(**await call.fields()),
        WorkspaceView,
        lambda view: answers.document(render.workspace(call.place(), view)),
    )


@operation("DeleteWorkspace", 204)
async def delete_workspace(call: Call) -> web.Response:
    """Delete a workspace and everything in it."""
    await call.carry_out(DeleteWorkspace())
    return answers.no_content()
