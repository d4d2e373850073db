"""Task queues (contract §5.7)."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from engine.api import answers, fields, filters
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import TaskQueue
from engine.api.forms import Form
from engine.api.operations import Fields, exact, operation, optional, required
from engine.api.paging import Paging, empty_page
from engine.routing.commands import UNSET, CreateTaskQueue, DeleteTaskQueue, UpdateTaskQueue
from engine.routing.entities import TaskOrder
from engine.routing.views import TaskQueueView
from engine.storage.reads import Page, PageRequest, Reads

_ORDERING = filters.ordering(
    {"DateCreated": "date_created", "DateUpdated": "date_updated", "FriendlyName": "friendly_name"}
)
_TASK_ORDER = fields.choice(TaskOrder)
_RESERVED_WORKERS = fields.integer(1, 50)
_ACTIVITY = fields.sid("WA")
_ACTIVITY_OR_NONE = fields.optional_sid("WA")

_FILTERS = Fields(
    ordering=optional("Ordering", _ORDERING, "Comma list of Attribute:asc or Attribute:desc.", ()),
    friendly_name=optional("FriendlyName", fields.text, "Only those with exactly this name."),
    attributes=optional(
        "EvaluateWorkerAttributes",
        fields.json_object,
        "Only those that would take a worker with these attributes.",
    ),
    worker_sid=optional("WorkerSid", fields.sid("WK"), "Only those that would take this worker."),
)
_RESERVATION_ACTIVITY = "Where a single-tasking worker goes when it gets a reservation."
_ASSIGNMENT_ACTIVITY = "Where a single-tasking worker goes when it accepts."
_TARGET_WORKERS = "Which workers it takes; empty takes nobody."
_NEW = Fields(
    friendly_name=required("FriendlyName", fields.friendly_name, "Its name, unique in the workspace."),
    target_workers=exact("TargetWorkers", fields.expression_text, _TARGET_WORKERS, "1==1"),
    max_reserved_workers=optional(
        "MaxReservedWorkers", _RESERVED_WORKERS, "How many workers are offered a task at a time.", 1
    ),
    task_order=optional("TaskOrder", _TASK_ORDER, "Oldest or newest task first.", TaskOrder.FIFO),
    reservation_activity_sid=optional("ReservationActivitySid", _ACTIVITY, _RESERVATION_ACTIVITY),
    assignment_activity_sid=optional("AssignmentActivitySid", _ACTIVITY, _ASSIGNMENT_ACTIVITY),
)
_CHANGED = Fields(
    friendly_name=exact("FriendlyName", fields.friendly_name, "Its name, unique in the workspace.", UNSET),
    target_workers=exact("TargetWorkers", fields.expression_text, _TARGET_WORKERS, UNSET),
    max_reserved_workers=optional(
        "MaxReservedWorkers", _RESERVED_WORKERS, "How many workers are offered a task at a time.", UNSET
    ),
    task_order=optional("TaskOrder", _TASK_ORDER, "Oldest or newest task first.", UNSET),
    reservation_activity_sid=exact(
        "ReservationActivitySid", _ACTIVITY_OR_NONE, f"{_RESERVATION_ACTIVITY} Empty clears it.", UNSET
    ),
    assignment_activity_sid=exact(
        "AssignmentActivitySid", _ACTIVITY_OR_NONE, f"{_ASSIGNMENT_ACTIVITY} Empty clears it.", UNSET
    ),
)


@operation("ListTaskQueue", answers=TaskQueue, lists="task_queues", query=_FILTERS)
async def list_task_queues(call: Call) -> web.Response:
    """List the workspace's queues, optionally those that would take a worker."""
    query = call.query()
    paging = Paging.read(query)
    request = paging.by_cursor() if call.filters(query)["ordering"] else paging.by_sid("WQ")
    page = await find(call.reads, call.workspace_sid, query, request)
    return paging.answer(call, "task_queues", page, render.task_queue)


async def find(reads: Reads, workspace_sid: str, query: Form, request: PageRequest) -> Page[TaskQueueView]:
    """Return a page of the queues that the filters leave, in the order asked for. Raises 400."""
    asked = _FILTERS.read(query)
    predicate, possible = await _eligibility(reads, workspace_sid, asked)
    if not possible:
        return empty_page()
    name, order = asked["friendly_name"], asked["ordering"]
    return await reads.task_queues(
        workspace_sid, request, friendly_name=name, ordering=order, predicate=predicate
    )


@operation("CreateTaskQueue", 201, answers=TaskQueue, body=_NEW, once=True, warned=True)
async def create_task_queue(call: Call) -> web.Response:
    """Create a queue."""
    command = CreateTaskQueue(sid=call.mint("WQ"), **await call.fields())
    return await call.answer(
        command,
        TaskQueueView,
        lambda view: answers.warned(answers.created(render.task_queue(call.place(), view)), view.warnings),
    )


@operation("FetchTaskQueue", answers=TaskQueue)
async def fetch_task_queue(call: Call) -> web.Response:
    """Answer one queue."""
    view = call.found(await call.reads.task_queue(call.workspace_sid, call.path("WQ")))
    return answers.document(render.task_queue(call.place(), view))


@operation("UpdateTaskQueue", answers=TaskQueue, body=_CHANGED, once=True, warned=True)
async def update_task_queue(call: Call) -> web.Response:
    """Change the fields that were sent."""
    command = UpdateTaskQueue(sid=call.path("WQ"), **await call.fields())
    return await call.answer(
        command,
        TaskQueueView,
        lambda view: answers.warned(answers.document(render.task_queue(call.place(), view)), view.warnings),
    )


@operation("DeleteTaskQueue", 204)
async def delete_task_queue(call: Call) -> web.Response:
    """Delete a queue."""
    await call.carry_out(DeleteTaskQueue(call.path("WQ")))
    return answers.no_content()


async def _eligibility(
    reads: Reads, workspace_sid: str, asked: Mapping[str, Any]
) -> tuple[Callable[[TaskQueueView], bool] | None, bool]:
    """Return the condition on queues, and False when no queue can hold it (an unknown worker)."""
    conditions = []
    if asked["attributes"] is not None:
        conditions.append(filters.taking(asked["attributes"]))
    if asked["worker_sid"] is not None:
        worker = await reads.worker(workspace_sid, asked["worker_sid"])
        if worker is None:
            return None, False
        conditions.append(filters.taking(filters.values_of(worker)))
    return filters.every(conditions), True
