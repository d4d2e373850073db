"""Workers (contract §5.8)."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from engine.api import answers, fields, filters
from engine.api import representations as render
from engine.api.call import Call
from engine.api.documents import Worker
from engine.api.forms import Form
from engine.api.operations import Direct, Fields, Terms, exact, operation, optional, required
from engine.api.paging import Paging, empty_page
from engine.routing.commands import UNSET, CreateWorker, DeleteWorker, UpdateWorker
from engine.routing.views import TaskQueueView, WorkerView
from engine.storage.reads import Page, PageRequest, Reads

_ORDERING = filters.ordering(
    {
        "DateCreated": "date_created",
        "DateUpdated": "date_updated",
        "DateStatusChanged": "date_status_changed",
        "FriendlyName": "friendly_name",
    }
)
_ACTIVITY = fields.sid("WA")

_FILTERS = Fields(
    ordering=optional("Ordering", _ORDERING, "Comma list of Attribute:asc or Attribute:desc.", ()),
    condition=optional(
        "TargetWorkersExpression", filters.expression, "Only those that this expression holds for."
    ),
    task_queue_sid=optional("TaskQueueSid", fields.sid("WQ"), "Only those whom this queue takes."),
    task_queue_name=optional("TaskQueueName", fields.text, "Only those whom the queue of this name takes."),
    activity_name=optional("ActivityName", fields.text, "Only those in the activity of this name."),
    activity_sid=optional("ActivitySid", _ACTIVITY, "Only those in this activity."),
    available=exact(
        "Available", fields.truthy, "true, 1 or yes for the available ones, anything else for the others."
    ),
    friendly_name=optional("FriendlyName", fields.text, "Only the one with exactly this name."),
)
_READ_BY_PREDICATE = ("condition", "task_queue_sid", "task_queue_name")
_NEW = Fields(
    friendly_name=required("FriendlyName", fields.friendly_name, "Its name, unique in the workspace."),
    attributes=exact("Attributes", fields.new_attributes, "JSON text of an object.", "{}"),
    activity_sid=optional("ActivitySid", _ACTIVITY, "Its activity; by default that of the workspace."),
)
_CHANGED = Fields(
    friendly_name=exact("FriendlyName", fields.friendly_name, "Its name, unique in the workspace.", UNSET),
    attributes=exact(
        "Attributes", fields.changed_attributes, "JSON text of an object, in place of the present one.", UNSET
    ),
    attributes_merge=exact(
        "AttributesMerge",
        fields.changed_attributes,
        "JSON text of an object that is merged into the present one (RFC 7396). Not part of the contract.",
        UNSET,
    ),
    activity_sid=optional("ActivitySid", _ACTIVITY, "The activity it goes to.", UNSET),
    reject_pending_reservations=optional(
        "RejectPendingReservations",
        fields.boolean,
        "Whether its pending reservations are rejected when it becomes unavailable.",
        default=False,
    ),
)


@operation("ListWorker", answers=Worker, lists="workers", query=_FILTERS, tagged=True)
async def list_workers(call: Call) -> web.Response:
    """List the workspace's workers, optionally those that a queue or an expression takes."""
    query = call.query()
    paging = Paging.read(query)
    request = paging.by_cursor() if call.filters(query)["ordering"] else paging.by_sid("WK")
    page = await find(call.reads, call.workspace_sid, query, request)
    return paging.answer(call, "workers", page, render.worker, tagged=True)


async def find(reads: Reads, workspace_sid: str, query: Form, request: PageRequest) -> Page[WorkerView]:
    """Return a page of the workers that the filters leave, in the order asked for. Raises 400."""
    asked = _FILTERS.read(query)
    predicate, possible = await _eligibility(reads, workspace_sid, asked)
    if not possible:
        return empty_page()
    columns = {name: value for name, value in asked.items() if name not in _READ_BY_PREDICATE}
    return await reads.workers(workspace_sid, request, predicate=predicate, **columns)


@operation("CreateWorker", 201, answers=Worker, body=_NEW, tagged=True, once=True)
async def create_worker(call: Call) -> web.Response:
    """Create a worker."""
    command = CreateWorker(sid=call.mint("WK"), **await call.fields())
    return await call.answer(
        command, WorkerView, lambda view: answers.created(render.worker(call.place(), view), view.version)
    )


@operation("FetchWorker", answers=Worker, tagged=True)
async def fetch_worker(call: Call) -> web.Response:
    """Answer one worker."""
    view = call.found(await call.reads.worker(call.workspace_sid, call.path("WK")))
    return answers.document(render.worker(call.place(), view), version=view.version)


def change(terms: Terms, sid: str, form: Form, if_match: int | None = None) -> UpdateWorker:
    """Read the fields of a worker's update. Raises 400."""
    return UpdateWorker(sid=sid, **_CHANGED.read(form, terms), if_match=if_match)


@operation(
    "UpdateWorker",
    answers=Worker,
    body=_CHANGED,
    tagged=True,
    conditional=True,
    once=True,
    direct=Direct(lambda maker, names, form: change(maker, names["WK"], form), WorkerView, render.worker),
)
async def update_worker(call: Call) -> web.Response:
    """Change the fields that were sent, if If-Match holds."""
    command = change(call.api, call.path("WK"), await call.form(), call.if_match())
    return await call.answer(
        command,
        WorkerView,
        lambda view: answers.document(render.worker(call.place(), view), version=view.version),
    )


@operation("DeleteWorker", 204, conditional=True)
async def delete_worker(call: Call) -> web.Response:
    """Delete a worker, if If-Match holds."""
    await call.carry_out(DeleteWorker(call.path("WK"), call.if_match()))
    return answers.no_content()


async def _eligibility(
    reads: Reads, workspace_sid: str, asked: Mapping[str, Any]
) -> tuple[Callable[[WorkerView], bool] | None, bool]:
    """Return the condition on workers, and False when no worker can hold it (an unknown or closed queue)."""
    conditions = []
    if asked["condition"] is not None:
        conditions.append(filters.matching_worker(asked["condition"]))
    for queue in await _queues(reads, workspace_sid, asked["task_queue_sid"], asked["task_queue_name"]):
        takes = filters.target_workers(queue) if queue else None
        if takes is None:
            return None, False
        conditions.append(filters.matching_worker(takes))
    return filters.every(conditions), True


async def _queues(
    reads: Reads, workspace_sid: str, sid: str | None, name: str | None
) -> list[TaskQueueView | None]:
    """Return the queues that a SID and a name stand for; None for one that does not exist."""
    queues: list[TaskQueueView | None] = []
    if sid is not None:
        queues.append(await reads.task_queue(workspace_sid, sid))
    if name is not None:
        page = await reads.task_queues(workspace_sid, PageRequest(1), friendly_name=name)
        queues.append(page.items[0] if page.items else None)
    return queues
