"""Workspaces (contract §5.1)."""

from typing import Any

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.idempotency import fingerprint, key_of, unpack
from engine.api.paging import Paging
from engine.routing.commands import UNSET, DeleteWorkspace, UpdateWorkspace
from engine.routing.entities import TaskOrder
from engine.routing.views import WorkspaceView

_ORDER = fields.choice(TaskOrder)
_ACTIVITY = fields.sid("WA")
_TEMPLATE = fields.one_of("NONE", "FIFO")


async def list_workspaces(call: Call) -> web.Response:
    """List the account's workspaces."""
    query = call.query()
    paging = Paging.read(query)
    name = query.value("FriendlyName", fields.text, None)
    page = await call.reads.workspaces(call.account_sid, paging.by_sid("WS"), friendly_name=name)
    return paging.answer(call, "workspaces", page, render.workspace)


async def create_workspace(call: Call) -> web.Response:
    """Create a workspace with its default activities and channels."""
    form = await call.form()
    options: dict[str, Any] = {
        "friendly_name": form.required("FriendlyName", fields.friendly_name),
        "event_callback_url": form.value("EventCallbackUrl", fields.callback_url, ""),
        "events_filter": form.value("EventsFilter", fields.events_filter, None),
        "multi_task_enabled": form.value("MultiTaskEnabled", fields.boolean, default=True),
        "prioritize_queue_order": form.value("PrioritizeQueueOrder", _ORDER, TaskOrder.FIFO),
        "template": form.value("Template", _template, "NONE"),
    }

    def respond(view: WorkspaceView) -> web.Response:
        return answers.created(render.workspace(call.place(), view))

    service, key = call.api.service, key_of(call.request)
    if key is None:
        return respond(await service.create_workspace(call.account_sid, **options))
    once = call.once(key, fingerprint(await call.request.read()), respond)
    return unpack(await service.create_workspace_once(call.account_sid, once, **options))


async def fetch_workspace(call: Call) -> web.Response:
    """Answer one workspace."""
    view = call.found(await call.reads.workspace(call.account_sid, call.workspace_sid))
    return answers.document(render.workspace(call.place(), view))


async def update_workspace(call: Call) -> web.Response:
    """Change the fields that were sent."""
    form = await call.form()
    command = UpdateWorkspace(
        friendly_name=form.exact("FriendlyName", fields.friendly_name, UNSET),
        event_callback_url=form.exact("EventCallbackUrl", fields.callback_url, UNSET),
        events_filter=form.exact("EventsFilter", fields.events_filter, UNSET),
        multi_task_enabled=form.value("MultiTaskEnabled", fields.boolean, UNSET),
        prioritize_queue_order=form.value("PrioritizeQueueOrder", _ORDER, UNSET),
        default_activity_sid=form.value("DefaultActivitySid", _ACTIVITY, UNSET),
        timeout_activity_sid=form.value("TimeoutActivitySid", _ACTIVITY, UNSET),
    )
    view = await call.submit(command, WorkspaceView)
    return answers.document(render.workspace(call.place(), view))


async def delete_workspace(call: Call) -> web.Response:
    """Delete a workspace and everything in it."""
    await call.carry_out(DeleteWorkspace())
    return answers.no_content()


def _template(name: str, value: str) -> str:
    return _TEMPLATE(name, value.upper())
