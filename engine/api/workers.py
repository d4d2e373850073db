"""Workers (contract §5.8)."""

from collections.abc import Callable

from aiohttp import web

from engine.api import answers, fields, filters
from engine.api import representations as render
from engine.api.call import Call
from engine.api.forms import Form
from engine.api.paging import Paging, empty_page
from engine.routing.commands import UNSET, CreateWorker, DeleteWorker, UpdateWorker
from engine.routing.views import TaskQueueView, WorkerView
from engine.storage.reads import PageRequest

_ORDERING = filters.ordering(
    {
        "DateCreated": "date_created",
        "DateUpdated": "date_updated",
        "DateStatusChanged": "date_status_changed",
        "FriendlyName": "friendly_name",
    }
)
_ACTIVITY = fields.sid("WA")
_QUEUE = fields.sid("WQ")


async def list_workers(call: Call) -> web.Response:
    """List the workspace's workers, optionally those that a queue or an expression takes."""
    query = call.query()
    paging = Paging.read(query)
    order = query.value("Ordering", _ORDERING, ())
    request = paging.by_cursor() if order else paging.by_sid("WK")
    predicate, possible = await _eligibility(call, query)
    page = empty_page()
    if possible:
        page = await call.reads.workers(
            call.workspace_sid,
            request,
            activity_name=query.value("ActivityName", fields.text, None),
            activity_sid=query.value("ActivitySid", _ACTIVITY, None),
            available=query.exact("Available", fields.truthy, None),
            friendly_name=query.value("FriendlyName", fields.text, None),
            ordering=order,
            predicate=predicate,
        )
    return paging.answer(call, "workers", page, render.worker, tagged=True)


async def create_worker(call: Call) -> web.Response:
    """Create a worker."""
    form = await call.form()
    attributes = fields.created_attributes(call.api.limits.attributes_chars_max)
    command = CreateWorker(
        sid=call.mint("WK"),
        friendly_name=form.required("FriendlyName", fields.friendly_name),
        attributes=form.exact("Attributes", attributes, "{}"),
        activity_sid=form.value("ActivitySid", _ACTIVITY, None),
    )
    return await call.answer(
        command, WorkerView, lambda view: answers.created(render.worker(call.place(), view), view.version)
    )


async def fetch_worker(call: Call) -> web.Response:
    """Answer one worker."""
    view = call.found(await call.reads.worker(call.workspace_sid, call.path("WK")))
    return answers.document(render.worker(call.place(), view), version=view.version)


async def update_worker(call: Call) -> web.Response:
    """Change the fields that were sent, if If-Match holds."""
    form = await call.form()
    attributes = fields.attributes(call.api.limits.attributes_chars_max)
    command = UpdateWorker(
        sid=call.path("WK"),
        friendly_name=form.exact("FriendlyName", fields.friendly_name, UNSET),
        attributes=form.exact("Attributes", attributes, UNSET),
        attributes_merge=form.exact("AttributesMerge", attributes, UNSET),
        activity_sid=form.value("ActivitySid", _ACTIVITY, UNSET),
        reject_pending_reservations=form.value("RejectPendingReservations", fields.boolean, default=False),
        if_match=call.if_match(),
    )
    view = await call.submit(command, WorkerView)
    return answers.document(render.worker(call.place(), view), version=view.version)


async def delete_worker(call: Call) -> web.Response:
    """Delete a worker, if If-Match holds."""
    await call.carry_out(DeleteWorker(call.path("WK"), call.if_match()))
    return answers.no_content()


async def _eligibility(call: Call, query: Form) -> tuple[Callable[[WorkerView], bool] | None, bool]:
    """Return the condition on workers, and False when no worker can hold it (an unknown or closed queue)."""
    conditions = []
    expression = query.value("TargetWorkersExpression", filters.expression, None)
    if expression is not None:
        conditions.append(filters.matching_worker(expression))
    for queue in await _queues(call, query):
        takes = filters.target_workers(queue) if queue else None
        if takes is None:
            return None, False
        conditions.append(filters.matching_worker(takes))
    return filters.every(conditions), True


async def _queues(call: Call, query: Form) -> list[TaskQueueView | None]:
    """Return the queues that TaskQueueSid and TaskQueueName name; None for one that does not exist."""
    queues: list[TaskQueueView | None] = []
    sid = query.value("TaskQueueSid", _QUEUE, None)
    if sid is not None:
        queues.append(await call.reads.task_queue(call.workspace_sid, sid))
    name = query.value("TaskQueueName", fields.text, None)
    if name is not None:
        page = await call.reads.task_queues(call.workspace_sid, PageRequest(1), friendly_name=name)
        queues.append(page.items[0] if page.items else None)
    return queues
