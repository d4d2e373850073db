"""Workflows (contract §5.11)."""

from aiohttp import web

from engine.api import answers, fields
from engine.api import representations as render
from engine.api.call import Call
from engine.api.paging import Paging
from engine.routing.commands import UNSET, CreateWorkflow, DeleteWorkflow, UpdateWorkflow
from engine.routing.views import WorkflowView

_RESERVATION_TIMEOUT = fields.integer(1, 86_400)


async def list_workflows(call: Call) -> web.Response:
    """List the workspace's workflows."""
    query = call.query()
    paging = Paging.read(query)
    name = query.value("FriendlyName", fields.text, None)
    page = await call.reads.workflows(call.workspace_sid, paging.by_sid("WW"), friendly_name=name)
    return paging.answer(call, "workflows", page, render.workflow)


async def create_workflow(call: Call) -> web.Response:
    """Create a workflow."""
    form = await call.form()
    configuration = fields.configuration(call.api.limits.workflow_configuration_bytes_max)
    command = CreateWorkflow(
        sid=call.mint("WW"),
        friendly_name=form.required("FriendlyName", fields.friendly_name),
        configuration=form.required("Configuration", configuration),
        assignment_callback_url=form.value("AssignmentCallbackUrl", fields.callback_url, ""),
        fallback_assignment_callback_url=form.value("FallbackAssignmentCallbackUrl", fields.callback_url, ""),
        task_reservation_timeout_s=form.value("TaskReservationTimeout", _RESERVATION_TIMEOUT, 120),
    )
    return await call.answer(
        command,
        WorkflowView,
        lambda view: answers.warned(answers.created(render.workflow(call.place(), view)), view.warnings),
    )


async def fetch_workflow(call: Call) -> web.Response:
    """Answer one workflow."""
    view = call.found(await call.reads.workflow(call.workspace_sid, call.path("WW")))
    return answers.document(render.workflow(call.place(), view))


async def update_workflow(call: Call) -> web.Response:
    """Change the fields that were sent; waiting tasks follow only with ReEvaluateTasks."""
    form = await call.form()
    configuration = fields.configuration(call.api.limits.workflow_configuration_bytes_max)
    command = UpdateWorkflow(
        sid=call.path("WW"),
        friendly_name=form.exact("FriendlyName", fields.friendly_name, UNSET),
        configuration=form.exact("Configuration", configuration, UNSET),
        assignment_callback_url=form.exact("AssignmentCallbackUrl", fields.callback_url, UNSET),
        fallback_assignment_callback_url=form.exact(
            "FallbackAssignmentCallbackUrl", fields.callback_url, UNSET
        ),
        task_reservation_timeout_s=form.value("TaskReservationTimeout", _RESERVATION_TIMEOUT, UNSET),
        re_evaluate_tasks=form.value("ReEvaluateTasks", fields.truthy, default=False),
    )
    view = await call.submit(command, WorkflowView)
    return answers.warned(answers.document(render.workflow(call.place(), view)), view.warnings)


async def delete_workflow(call: Call) -> web.Response:
    """Delete a workflow that controls no open task."""
    await call.carry_out(DeleteWorkflow(call.path("WW")))
    return answers.no_content()
