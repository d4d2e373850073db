"""Workflows (contract §5.11)."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import Workflow
from engine.api.operations import Fields, Terms, exact, operation, optional, required
from engine.api.paging import Paging
from engine.readers import Reader
from engine.routing.commands import UNSET, CreateWorkflow, DeleteWorkflow, UpdateWorkflow
from engine.routing.views import WorkflowView

_RESERVATION_TIMEOUT = fields.integer(1, 86_400)


def _configuration(terms: Terms) -> Reader[str]:
    return fields.configuration(terms.limits.workflow_configuration_bytes_max)


_FILTERS = Fields(friendly_name=optional("FriendlyName", fields.text, "Only those with exactly this name."))
_CONFIGURATION = "Filters and targets: an object under the key task_routing."
_ASSIGNMENT = "Where new reservations are announced; the answer may accept or reject."
_FALLBACK = "Asked when the other callback fails."
_TIMEOUT = "Seconds that a reservation waits for its worker."
_NEW = Fields(
    friendly_name=required("FriendlyName", fields.friendly_name, "Its name."),
    configuration=required("Configuration", _configuration, _CONFIGURATION),
    assignment_callback_url=optional("AssignmentCallbackUrl", fields.callback_url, _ASSIGNMENT, ""),
    fallback_assignment_callback_url=optional(
        "FallbackAssignmentCallbackUrl", fields.callback_url, _FALLBACK, ""
    ),
    task_reservation_timeout_s=optional("TaskReservationTimeout", _RESERVATION_TIMEOUT, _TIMEOUT, 120),
)
_CHANGED = Fields(
    friendly_name=exact("FriendlyName", fields.friendly_name, "Its name.", UNSET),
    configuration=exact("Configuration", _configuration, _CONFIGURATION, UNSET),
    assignment_callback_url=exact("AssignmentCallbackUrl", fields.callback_url, _ASSIGNMENT, UNSET),
    fallback_assignment_callback_url=exact(
        "FallbackAssignmentCallbackUrl", fields.callback_url, _FALLBACK, UNSET
    ),
    task_reservation_timeout_s=optional("TaskReservationTimeout", _RESERVATION_TIMEOUT, _TIMEOUT, UNSET),
    re_evaluate_tasks=optional(
        "ReEvaluateTasks", fields.truthy, "true, 1 or yes sends waiting tasks through it anew.", default=False
    ),
)


@operation("ListWorkflow", answers=Workflow, lists="workflows", query=_FILTERS)
async def list_workflows(call: Call) -> web.Response:
    """List the workspace's workflows."""
    query = call.query()
    paging = Paging.read(query)
    page = await call.reads.workflows(call.workspace_sid, paging.by_sid("WW"), **call.filters(query))
    return paging.answer(call, "workflows", page, render.workflow)


@operation("CreateWorkflow", 201, answers=Workflow, body=_NEW, once=True, warned=True)
async def create_workflow(call: Call) -> web.Response:
    """Create a workflow."""
    command = CreateWorkflow(sid=call.mint("WW"), **await call.fields())
    return await call.answer(
        command,
        WorkflowView,
        lambda view: answers.warned(answers.created(render.workflow(call.place(), view)), view.warnings),
    )


@operation("FetchWorkflow", answers=Workflow)
async def fetch_workflow(call: Call) -> web.Response:
    """Answer one workflow."""
    view = call.found(await call.reads.workflow(call.workspace_sid, call.path("WW")))
    return answers.document(render.workflow(call.place(), view))


@operation("UpdateWorkflow", answers=Workflow, body=_CHANGED, once=True, warned=True)
async def update_workflow(call: Call) -> web.Response:
    """Change the fields that were sent; waiting tasks follow only with ReEvaluateTasks."""
    command = UpdateWorkflow(sid=call.path("WW"), **await call.fields())
    return await call.answer(
        command,
        WorkflowView,
        lambda view: answers.warned(answers.document(render.workflow(call.place(), view)), view.warnings),
    )


@operation("DeleteWorkflow", 204)
async def delete_workflow(call: Call) -> web.Response:
    """Delete a workflow that controls no open task."""
    await call.carry_out(DeleteWorkflow(call.path("WW")))
    return answers.no_content()
