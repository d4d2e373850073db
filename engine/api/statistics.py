"""Statistics (contract §6): what is, from the loop's counters; what happened, from log and rollups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from engine.api import answers
from engine.api import figures as documents
from engine.api import statistics_documents as render
from engine.api.call import Call
from engine.api.operations import operation
from engine.api.paging import Paging
from engine.api.problems import bad_request
from engine.api.representations import Document, Place
from engine.api.statistics_documents import Past
from engine.api.statistics_fields import CHANNEL, NAME, PAST, QUEUES, SPLIT_PAST, WHICH_WORKERS
from engine.api.windows import Window, statistics_window
from engine.routing.commands import ReadRealTime
from engine.routing.statistics_views import RealTimeView, Scope
from engine.routing.views import TaskQueueView
from engine.sids import is_sid
from engine.storage.statistics_figures import Cumulative, added

_OWN_SID = {Scope.QUEUE: "task_queue_sid", Scope.WORKFLOW: "workflow_sid", Scope.WORKER: "worker_sid"}


@dataclass(slots=True, frozen=True)
class _Asked:
    """A window, the task channel (None: all) and the thresholds that waits are split by."""

    window: Window
    channel_sid: str | None
    thresholds: Sequence[int]


@operation("FetchWorkspaceStatistics", answers=documents.WorkspaceStatistics, query=SPLIT_PAST, live=True)
async def workspace_statistics(call: Call) -> web.Response:
    """Answer both kinds of figures of the workspace."""
    return await _combined(call, Scope.WORKSPACE, call.workspace_sid)


@operation(
    "FetchWorkspaceRealTimeStatistics",
    answers=documents.WorkspaceRealTimeStatistics,
    query=CHANNEL,
    live=True,
)
async def workspace_real_time(call: Call) -> web.Response:
    """Answer the workspace's present figures."""
    return await _real_time(call, Scope.WORKSPACE, call.workspace_sid)


@operation(
    "FetchWorkspaceCumulativeStatistics", answers=documents.WorkspaceCumulativeStatistics, query=SPLIT_PAST
)
async def workspace_cumulative(call: Call) -> web.Response:
    """Answer what happened in the workspace within a window."""
    return await _cumulative(call, Scope.WORKSPACE, call.workspace_sid)


@operation("FetchTaskQueueStatistics", answers=documents.TaskQueueStatistics, query=SPLIT_PAST, live=True)
async def task_queue_statistics(call: Call) -> web.Response:
    """Answer both kinds of figures of a queue."""
    return await _combined(call, Scope.QUEUE, call.path("WQ"))


@operation(
    "FetchTaskQueueRealTimeStatistics",
    answers=documents.TaskQueueRealTimeStatistics,
    query=CHANNEL,
    live=True,
)
async def task_queue_real_time(call: Call) -> web.Response:
    """Answer a queue's present figures."""
    return await _real_time(call, Scope.QUEUE, call.path("WQ"))


@operation(
    "FetchTaskQueueCumulativeStatistics", answers=documents.TaskQueueCumulativeStatistics, query=SPLIT_PAST
)
async def task_queue_cumulative(call: Call) -> web.Response:
    """Answer what happened in a queue within a window."""
    call.found(await call.reads.task_queue(call.workspace_sid, call.path("WQ")))
    return await _cumulative(call, Scope.QUEUE, call.path("WQ"))


@operation("FetchWorkflowStatistics", answers=documents.WorkflowStatistics, query=SPLIT_PAST, live=True)
async def workflow_statistics(call: Call) -> web.Response:
    """Answer both kinds of figures of a workflow."""
    return await _combined(call, Scope.WORKFLOW, call.path("WW"))


@operation(
    "FetchWorkflowRealTimeStatistics", answers=documents.WorkflowRealTimeStatistics, query=CHANNEL, live=True
)
async def workflow_real_time(call: Call) -> web.Response:
    """Answer a workflow's present figures."""
    return await _real_time(call, Scope.WORKFLOW, call.path("WW"))


@operation(
    "FetchWorkflowCumulativeStatistics", answers=documents.WorkflowCumulativeStatistics, query=SPLIT_PAST
)
async def workflow_cumulative(call: Call) -> web.Response:
    """Answer what happened in a workflow within a window."""
    call.found(await call.reads.workflow(call.workspace_sid, call.path("WW")))
    return await _cumulative(call, Scope.WORKFLOW, call.path("WW"))


@operation(
    "ListTaskQueuesStatistics",
    answers=documents.TaskQueuesStatistics,
    lists="task_queues_statistics",
    query=SPLIT_PAST | NAME,
    live=True,
)
async def list_task_queues_statistics(call: Call) -> web.Response:
    """List both kinds of figures of the queues, optionally of the one with a name."""
    query = call.query()
    paging = Paging.read(query)
    values = call.filters(query)
    asked = await _asked(call, values)
    page = await call.reads.task_queues(
        call.workspace_sid, paging.by_sid("WQ"), friendly_name=values["friendly_name"]
    )
    sids = tuple(view.sid for view in page.items)
    views = {view.sid: view for view in await _now(call, Scope.QUEUE, sids, asked.channel_sid, lenient=True)}
    found = await _then(call, Scope.QUEUE, sids, asked)

    def item(place: Place, queue: TaskQueueView) -> Document:
        past = Past(asked.window, found[queue.sid], asked.thresholds)
        return {
            "account_sid": place.account_sid,
            "cumulative": render.cumulative(Scope.QUEUE, past),
            "realtime": render.realtime(Scope.QUEUE, views[queue.sid]),
            "task_queue_sid": queue.sid,
            "workspace_sid": place.workspace_sid,
        }

    return paging.answer(call, "task_queues_statistics", page, item)


@operation(
    "CreateTaskQueueBulkRealTimeStatistics", answers=documents.TaskQueueBulkRealTimeStatistics, body=QUEUES
)
async def bulk_task_queue_real_time(call: Call) -> web.Response:
    """Answer the present figures of up to 50 queues; a queue that does not exist has none of anything."""
    sids = QUEUES.read(await call.tolerant_form())["sids"]
    views = await _now(call, Scope.QUEUE, tuple(sids), None, lenient=True)
    place = call.place()
    return answers.document(
        {
            "account_sid": place.account_sid,
            "workspace_sid": place.workspace_sid,
            "task_queue_data": [render.bulk_item(view) for view in views],
            "task_queue_response_count": len(views),
            "url": _url(call),
        }
    )


@operation(
    "FetchWorkerStatistics", answers=documents.WorkersStatistics, query=PAST | WHICH_WORKERS, live=True
)
async def workers_statistics(call: Call) -> web.Response:
    """Answer both kinds of figures of the workers, optionally of those of a queue or with a name."""
    values = call.filters(call.query())
    asked = await _asked(call, values)
    queue_sid = values["queue_sid"]
    command = ReadRealTime(
        Scope.WORKER,
        () if queue_sid is None else (queue_sid,),
        queue_name=values["queue_name"],
        friendly_name=values["friendly_name"],
    )
    (view,) = await _ask(call, command)
    body = {
        "realtime": render.realtime(Scope.WORKER, view),
        "cumulative": await _workers_past(call, view.worker_sids, asked),
    }
    return _answer(call, Scope.WORKSPACE, call.workspace_sid, body)


@operation(
    "FetchWorkersRealTimeStatistics", answers=documents.WorkersRealTimeStatistics, query=CHANNEL, live=True
)
async def workers_real_time(call: Call) -> web.Response:
    """Answer the workers' present figures; a task channel makes no difference, every worker has each."""
    await _channel_sid(call, call.filters(call.query()))
    (view,) = await _ask(call, ReadRealTime(Scope.WORKER))
    body = render.real_time_resource(Scope.WORKER, view)
    return _answer(call, Scope.WORKSPACE, call.workspace_sid, body)


@operation("FetchWorkersCumulativeStatistics", answers=documents.WorkersCumulativeStatistics, query=PAST)
async def workers_cumulative(call: Call) -> web.Response:
    """Answer what all workers did within a window."""
    body = await _workers_past(call, None, await _asked(call, call.filters(call.query())))
    return _answer(call, Scope.WORKSPACE, call.workspace_sid, body)


@operation("FetchWorkerInstanceStatistics", answers=documents.WorkerStatistics, query=PAST)
async def worker_statistics(call: Call) -> web.Response:
    """Answer what one worker did within a window."""
    worker = call.found(await call.reads.worker(call.workspace_sid, call.path("WK")))
    asked = await _asked(call, call.filters(call.query()))
    body = {"cumulative": await _workers_past(call, (worker.sid,), asked)}
    return _answer(call, Scope.WORKER, worker.sid, body)


async def _combined(call: Call, scope: Scope, sid: str) -> web.Response:
    asked = await _asked(call, call.filters(call.query()))
    (view,) = await _now(call, scope, (sid,), asked.channel_sid)
    found = await _then(call, scope, (sid,), asked)
    body = {
        "realtime": render.realtime(scope, view),
        "cumulative": render.cumulative(scope, Past(asked.window, found[sid], asked.thresholds)),
    }
    return _answer(call, scope, sid, body)


async def _real_time(call: Call, scope: Scope, sid: str) -> web.Response:
    channel_sid = await _channel_sid(call, call.filters(call.query()))
    (view,) = await _now(call, scope, (sid,), channel_sid)
    return _answer(call, scope, sid, render.real_time_resource(scope, view))


async def _cumulative(call: Call, scope: Scope, sid: str) -> web.Response:
    asked = await _asked(call, call.filters(call.query()))
    found = await _then(call, scope, (sid,), asked)
    body = render.cumulative_resource(scope, Past(asked.window, found[sid], asked.thresholds))
    return _answer(call, scope, sid, body)


async def _asked(call: Call, values: dict[str, Any]) -> _Asked:
    window = statistics_window(values, call.api.clock())
    return _Asked(window, await _channel_sid(call, values), values.get("thresholds", ()))


async def _channel_sid(call: Call, values: dict[str, Any]) -> str | None:
    """Return the SID of the task channel asked for; one that was deleted still has a past.

    Raises 400 for a name that no channel has.
    """
    named: str | None = values["channel"]
    if named is None:
        return None
    channel = await call.reads.task_channel(call.workspace_sid, named)
    if channel is not None:
        return channel.sid
    if is_sid(named, "TC"):
        return named
    raise bad_request(f"TaskChannel: there is no TaskChannel {named!r} in this workspace")


async def _now(
    call: Call, scope: Scope, sids: tuple[str, ...], channel_sid: str | None, *, lenient: bool = False
) -> tuple[RealTimeView, ...]:
    return await _ask(call, ReadRealTime(scope, sids, channel_sid, unknown_is_empty=lenient))


async def _ask(call: Call, command: ReadRealTime) -> tuple[RealTimeView, ...]:
    async with call.api.counting.take(call.workspace_sid):
        return await call.submit(command, tuple)


async def _then(call: Call, scope: Scope, sids: Sequence[str], asked: _Asked) -> dict[str, Cumulative]:
    return await call.reads.cumulative(
        call.workspace_sid,
        scope,
        sids,
        start_ms=asked.window.start_ms,
        end_ms=asked.window.end_ms,
        task_channel_sid=asked.channel_sid,
        thresholds=asked.thresholds,
    )


async def _workers_past(call: Call, worker_sids: Sequence[str] | None, asked: _Asked) -> Document:
    """Render what workers did; None = all of them, whose reservations are those of the workspace."""
    scope = Scope.WORKSPACE if worker_sids is None else Scope.WORKER
    sids = [call.workspace_sid] if worker_sids is None else worker_sids
    found = await _then(call, scope, sids, replace(asked, thresholds=()))
    window = asked.window
    activities = await call.reads.activity_durations(
        call.workspace_sid,
        worker_sids,
        start_ms=window.start_ms,
        end_ms=max(min(window.named_end_ms, call.api.clock()), window.start_ms),
    )
    return render.workers_cumulative(Past(window, added(found.values())), activities)


def _answer(call: Call, scope: Scope, sid: str, body: Document) -> web.Response:
    place = call.place()
    identity = {"account_sid": place.account_sid, "workspace_sid": place.workspace_sid, "url": _url(call)}
    if scope in _OWN_SID:
        identity[_OWN_SID[scope]] = sid
    return answers.document(body | identity)


def _url(call: Call) -> str:
    return f"{call.place().root}{call.request.path}"
