"""Task queues (contract §5.7)."""

from collections.abc import Callable

from aiohttp import web

from engine.api import answers, fields, filters
from engine.api import representations as render
from engine.api.call import Call
from engine.api.forms import Form
from engine.api.paging import Paging, empty_page
from engine.routing.commands import UNSET, CreateTaskQueue, DeleteTaskQueue, UpdateTaskQueue
from engine.routing.entities import TaskOrder
from engine.routing.views import TaskQueueView

_ORDERING = filters.ordering(
    {"DateCreated": "date_created", "DateUpdated": "date_updated", "FriendlyName": "friendly_name"}
)
_TASK_ORDER = fields.choice(TaskOrder)
_RESERVED_WORKERS = fields.integer(1, 50)
_ACTIVITY = fields.sid("WA")
_ACTIVITY_OR_NONE = fields.optional_sid("WA")
_WORKER = fields.sid("WK")


async def list_task_queues(call: Call) -> web.Response:
    """List the workspace's queues, optionally those that would take a worker."""
    query = call.query()
    paging = Paging.read(query)
    order = query.value("Ordering", _ORDERING, ())
    request = paging.by_cursor() if order else paging.by_sid("WQ")
    predicate, possible = await _eligibility(call, query)
    page = empty_page()
    if possible:
        page = await call.reads.task_queues(
            call.workspace_sid,
            request,
            friendly_name=query.value("FriendlyName", fields.text, None),
            ordering=order,
            predicate=predicate,
        )
    return paging.answer(call, "task_queues", page, render.task_queue)


async def create_task_queue(call: Call) -> web.Response:
    """Create a queue."""
    form = await call.form()
    command = CreateTaskQueue(
        sid=call.mint("WQ"),
        friendly_name=form.required("FriendlyName", fields.friendly_name),
        target_workers=form.exact("TargetWorkers", fields.expression_text, "1==1"),
        max_reserved_workers=form.value("MaxReservedWorkers", _RESERVED_WORKERS, 1),
        task_order=form.value("TaskOrder", _TASK_ORDER, TaskOrder.FIFO),
        reservation_activity_sid=form.value("ReservationActivitySid", _ACTIVITY, None),
        assignment_activity_sid=form.value("AssignmentActivitySid", _ACTIVITY, None),
    )
    return await call.answer(
        command,
        TaskQueueView,
        lambda view: answers.warned(answers.created(render.task_queue(call.place(), view)), view.warnings),
    )


async def fetch_task_queue(call: Call) -> web.Response:
    """Answer one queue."""
    view = call.found(await call.reads.task_queue(call.workspace_sid, call.path("WQ")))
    return answers.document(render.task_queue(call.place(), view))


async def update_task_queue(call: Call) -> web.Response:
    """Change the fields that were sent."""
    form = await call.form()
    command = UpdateTaskQueue(
        sid=call.path("WQ"),
        friendly_name=form.exact("FriendlyName", fields.friendly_name, UNSET),
        target_workers=form.exact("TargetWorkers", fields.expression_text, UNSET),
        max_reserved_workers=form.value("MaxReservedWorkers", _RESERVED_WORKERS, UNSET),
        task_order=form.value("TaskOrder", _TASK_ORDER, UNSET),
        reservation_activity_sid=form.exact("ReservationActivitySid", _ACTIVITY_OR_NONE, UNSET),
        assignment_activity_sid=form.exact("AssignmentActivitySid", _ACTIVITY_OR_NONE, UNSET),
    )
    view = await call.submit(command, TaskQueueView)
    return answers.warned(answers.document(render.task_queue(call.place(), view)), view.warnings)


async def delete_task_queue(call: Call) -> web.Response:
    """Delete a queue."""
    await call.carry_out(DeleteTaskQueue(call.path("WQ")))
    return answers.no_content()


async def _eligibility(call: Call, query: Form) -> tuple[Callable[[TaskQueueView], bool] | None, bool]:
    """Return the condition on queues, and False when no queue can hold it (an unknown worker)."""
    conditions = []
    attributes = query.value("EvaluateWorkerAttributes", fields.json_object, None)
    if attributes is not None:
        conditions.append(filters.taking(attributes))
    worker_sid = query.value("WorkerSid", _WORKER, None)
    if worker_sid is not None:
        worker = await call.reads.worker(call.workspace_sid, worker_sid)
        if worker is None:
            return None, False
        conditions.append(filters.taking(filters.values_of(worker)))
    return filters.every(conditions), True
