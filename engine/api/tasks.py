"""Tasks (contract §5.4)."""

from aiohttp import web

from engine.api import answers, fields, filters
from engine.api import representations as render
from engine.api.call import Call
from engine.api.forms import Form
from engine.api.paging import Paging
from engine.api.problems import bad_request
from engine.routing.commands import UNSET, CreateTask, DeleteTask, UpdateTask
from engine.routing.entities import TaskStatus
from engine.routing.views import TaskView

TIMEOUT_DEFAULT_S = 86_400

_TIMEOUT_S = fields.integer(1, 1_209_600)
_PRIORITY = fields.integer(0, 2**31 - 1)
_WORKFLOW = fields.sid("WW")
_QUEUE = fields.sid("WQ")
_ROUTING_TARGET = fields.sid("WK", "WQ", "WW")
_SETTABLE = fields.choice(TaskStatus, TaskStatus.CANCELED, TaskStatus.WRAPPING, TaskStatus.COMPLETED)
_STATUS = fields.choice(TaskStatus)
_ENDING = {TaskStatus.WRAPPING, TaskStatus.COMPLETED}
_ORDERING = filters.ordering(
    {"DateCreated": "date_created", "Priority": "priority", "VirtualStartTime": "virtual_start_time"}
)


async def list_tasks(call: Call) -> web.Response:
    """List the workspace's tasks, finished ones included while they can be fetched."""
    query = call.query()
    paging = Paging.read(query)
    order = query.value("Ordering", _task_ordering, ())
    condition = query.value("EvaluateTaskAttributes", filters.expression, None)
    page = await call.reads.tasks(
        call.workspace_sid,
        paging.by_cursor() if order else paging.by_sid("WT"),
        priority=query.value("Priority", fields.whole_number, None),
        statuses=_statuses(query),
        workflow_sid=query.value("WorkflowSid", _WORKFLOW, None),
        workflow_name=query.value("WorkflowName", fields.text, None),
        task_queue_sid=query.value("TaskQueueSid", _QUEUE, None),
        task_queue_name=query.value("TaskQueueName", fields.text, None),
        routing_target=query.value("RoutingTarget", fields.text, None),
        has_addons=query.value("HasAddons", fields.boolean, None),
        ordering=order,
        predicate=filters.matching_task(condition) if condition else None,
    )
    return paging.answer(call, "tasks", page, render.task, tagged=True)


async def create_task(call: Call) -> web.Response:
    """Create a task; the answer shows it before any matching."""
    return await call.answer(
        creation(call, await call.form()),
        TaskView,
        lambda view: answers.created(render.task(call.place(), view), view.version),
    )


def creation(call: Call, form: Form) -> CreateTask:
    """Read the fields of a new task. Raises 400."""
    attributes = fields.created_attributes(call.api.limits.attributes_chars_max)
    return CreateTask(
        sid=call.mint("WT"),
        attributes=form.exact("Attributes", attributes, "{}"),
        workflow_sid=form.value("WorkflowSid", _WORKFLOW, None),
        task_channel=form.value("TaskChannel", fields.text, None),
        priority=form.value("Priority", _PRIORITY, None),
        timeout_s=form.value("Timeout", _TIMEOUT_S, TIMEOUT_DEFAULT_S),
        virtual_start_ms=form.value("VirtualStartTime", fields.virtual_start_ms(call.api.clock), None),
        routing_target=form.value("RoutingTarget", _ROUTING_TARGET, None),
        ignore_capacity=form.value("IgnoreCapacity", fields.truthy, None),
        task_queue_sid=form.value("TaskQueueSid", _QUEUE, None),
    )


async def fetch_task(call: Call) -> web.Response:
    """Answer one task."""
    view = call.found(await call.reads.task(call.workspace_sid, call.path("WT")))
    return answers.document(render.task(call.place(), view), version=view.version)


async def update_task(call: Call) -> web.Response:
    """Change the fields that were sent, if If-Match holds."""
    form = await call.form()
    attributes = fields.attributes(call.api.limits.attributes_chars_max)
    command = UpdateTask(
        sid=call.path("WT"),
        attributes=form.exact("Attributes", attributes, UNSET),
        attributes_merge=form.exact("AttributesMerge", attributes, UNSET),
        assignment_status=form.value("AssignmentStatus", _SETTABLE, UNSET),
        reason=form.exact("Reason", fields.text, UNSET),
        priority=form.value("Priority", _PRIORITY, UNSET),
        task_channel=form.value("TaskChannel", fields.text, UNSET),
        virtual_start_ms=form.value("VirtualStartTime", fields.virtual_start_ms(call.api.clock), UNSET),
        if_match=call.if_match(),
    )
    if command.assignment_status in _ENDING and command.attributes is not UNSET:
        raise bad_request("Attributes and AssignmentStatus wrapping or completed need two separate requests")
    return await call.answer(
        command,
        TaskView,
        lambda view: answers.document(render.task(call.place(), view), version=view.version),
    )


async def delete_task(call: Call) -> web.Response:
    """Delete a task in any state, if If-Match holds."""
    await call.carry_out(DeleteTask(call.path("WT"), call.if_match()))
    return answers.no_content()


def _statuses(query: Form) -> list[TaskStatus]:
    """Read AssignmentStatus: repeatable, each a comma list (contract §5.4)."""
    words = [word.strip() for text in query.all("AssignmentStatus") for word in text.split(",")]
    return [_STATUS("AssignmentStatus", word) for word in dict.fromkeys(words) if word]


def _task_ordering(name: str, value: str) -> filters.Ordering:
    order = _ORDERING(name, value)
    if {"date_created", "virtual_start_time"} <= {column for column, _ in order}:
        raise bad_request(f"{name}: DateCreated and VirtualStartTime exclude each other")
    return order
