"""Tasks (contract §5.4)."""

from collections.abc import Callable

from aiohttp import web

from engine.api import answers, fields, filters
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import Task
from engine.api.forms import Form
from engine.api.operations import Direct, Fields, Maker, Terms, exact, operation, optional, repeated
from engine.api.paging import Paging
from engine.api.problems import bad_request
from engine.readers import reads
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
_ENDING = {TaskStatus.WRAPPING, TaskStatus.COMPLETED}
_ORDERING = filters.ordering(
    {"DateCreated": "date_created", "Priority": "priority", "VirtualStartTime": "virtual_start_time"}
)


@reads(**_ORDERING.schema)
def _ordering(name: str, value: str) -> filters.Ordering:
    order = _ORDERING(name, value)
    if {"date_created", "virtual_start_time"} <= {column for column, _ in order}:
        raise bad_request(f"{name}: DateCreated and VirtualStartTime exclude each other")
    return order


def _statuses(
    form: Form, name: str, read: Callable[[str, str], TaskStatus], _default: None
) -> list[TaskStatus]:
    """Read AssignmentStatus: repeatable, each a comma list (contract §5.4)."""
    words = [word.strip() for text in form.all(name) for word in text.split(",")]
    return [read(name, word) for word in dict.fromkeys(words) if word]


_FILTERS = Fields(
    ordering=optional(
        "Ordering",
        _ordering,
        "Comma list of Attribute:asc or Attribute:desc; DateCreated excludes VirtualStartTime.",
        (),
    ),
    condition=optional(
        "EvaluateTaskAttributes", filters.expression, "Only those whose attributes this expression holds for."
    ),
    priority=optional("Priority", fields.whole_number, "Only those of this priority."),
    statuses=repeated(
        "AssignmentStatus",
        fields.choice(TaskStatus),
        "Only those in one of these states; repeated, or a comma list.",
        _statuses,
    ),
    workflow_sid=optional("WorkflowSid", _WORKFLOW, "Only those of this workflow."),
    workflow_name=optional("WorkflowName", fields.text, "Only those of the workflow of this name."),
    task_queue_sid=optional("TaskQueueSid", _QUEUE, "Only those in this queue."),
    task_queue_name=optional("TaskQueueName", fields.text, "Only those in the queue of this name."),
    routing_target=optional("RoutingTarget", fields.text, "Only those with this routing target."),
    has_addons=optional("HasAddons", fields.boolean, "Only those with or without add-ons."),
)
_PRIORITY_ABOUT = "Higher ones are offered first."
_CHANNEL_ABOUT = "SID or unique name of the task channel."
_START_ABOUT = "What its age is counted from when tasks are ordered; not in the future, not before 1900."
NEW = Fields(
    attributes=exact("Attributes", fields.new_attributes, "JSON text of an object.", "{}"),
    workflow_sid=optional("WorkflowSid", _WORKFLOW, "Its workflow; may be left out when there is only one."),
    task_channel=optional("TaskChannel", fields.text, f"{_CHANNEL_ABOUT} By default the one named default."),
    priority=optional("Priority", _PRIORITY, f"{_PRIORITY_ABOUT} By default that of its target, or 0."),
    timeout_s=optional("Timeout", _TIMEOUT_S, "Seconds after which it is canceled.", TIMEOUT_DEFAULT_S),
    virtual_start_ms=optional("VirtualStartTime", fields.virtual_start, _START_ABOUT),
    routing_target=optional(
        "RoutingTarget", _ROUTING_TARGET, "The worker, queue or workflow that it goes to."
    ),
    ignore_capacity=optional(
        "IgnoreCapacity",
        fields.truthy,
        "true, 1 or yes to offer it to a full worker; only with a worker as RoutingTarget.",
    ),
    task_queue_sid=optional("TaskQueueSid", _QUEUE, "The queue it is put into, past its workflow."),
)
"""The fields of a new task."""

_CHANGED = Fields(
    attributes=exact(
        "Attributes", fields.changed_attributes, "JSON text of an object, in place of the present one.", UNSET
    ),
    attributes_merge=exact(
        "AttributesMerge",
        fields.changed_attributes,
        "JSON text of an object that is merged into the present one (RFC 7396). Not part of the contract.",
        UNSET,
    ),
    assignment_status=optional("AssignmentStatus", _SETTABLE, "The state it goes to.", UNSET),
    reason=exact("Reason", fields.text, "Why it is canceled or completed.", UNSET),
    priority=optional("Priority", _PRIORITY, _PRIORITY_ABOUT, UNSET),
    task_channel=optional("TaskChannel", fields.text, _CHANNEL_ABOUT, UNSET),
    virtual_start_ms=optional("VirtualStartTime", fields.virtual_start, _START_ABOUT, UNSET),
)


@operation("ListTask", answers=Task, lists="tasks", query=_FILTERS, tagged=True)
async def list_tasks(call: Call) -> web.Response:
    """List the workspace's tasks, finished ones included while they can be fetched."""
    query = call.query()
    paging = Paging.read(query)
    asked = call.filters(query)
    condition = asked.pop("condition")
    page = await call.reads.tasks(
        call.workspace_sid,
        paging.by_cursor() if asked["ordering"] else paging.by_sid("WT"),
        predicate=filters.matching_task(condition) if condition else None,
        **asked,
    )
    return paging.answer(call, "tasks", page, render.task, tagged=True)


def creation(maker: Maker, form: Form) -> CreateTask:
    """Read the fields of a new task. Raises 400."""
    return CreateTask(sid=maker.mint("WT"), **NEW.read(form, maker))


@operation(
    "CreateTask",
    201,
    answers=Task,
    body=NEW,
    tagged=True,
    once=True,
    direct=Direct(lambda maker, _, form: creation(maker, form), TaskView, render.task),
)
async def create_task(call: Call) -> web.Response:
    """Create a task; the answer shows it before any matching."""
    return await call.answer(
        creation(call.api, await call.form()),
        TaskView,
        lambda view: answers.created(render.task(call.place(), view), view.version),
    )


@operation("FetchTask", answers=Task, tagged=True)
async def fetch_task(call: Call) -> web.Response:
    """Answer one task."""
    view = call.found(await call.reads.task(call.workspace_sid, call.path("WT")))
    return answers.document(render.task(call.place(), view), version=view.version)


def change(terms: Terms, sid: str, form: Form, if_match: int | None = None) -> UpdateTask:
    """Read the fields of a task's update. Raises 400."""
    command = UpdateTask(sid=sid, **_CHANGED.read(form, terms), if_match=if_match)
    if command.assignment_status in _ENDING and command.attributes is not UNSET:
        raise bad_request("Attributes and AssignmentStatus wrapping or completed need two separate requests")
    return command


@operation(
    "UpdateTask",
    answers=Task,
    body=_CHANGED,
    tagged=True,
    conditional=True,
    once=True,
    direct=Direct(lambda maker, names, form: change(maker, names["WT"], form), TaskView, render.task),
)
async def update_task(call: Call) -> web.Response:
    """Change the fields that were sent, if If-Match holds."""
    return await call.answer(
        change(call.api, call.path("WT"), await call.form(), call.if_match()),
        TaskView,
        lambda view: answers.document(render.task(call.place(), view), version=view.version),
    )


@operation("DeleteTask", 204, conditional=True)
async def delete_task(call: Call) -> web.Response:
    """Delete a task in any state, if If-Match holds."""
    await call.carry_out(DeleteTask(call.path("WT"), call.if_match()))
    return answers.no_content()
