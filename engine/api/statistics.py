"""Statistics (contract §6): what is, from the loop's counters; what happened, from the committed rollups."""

from collections.abc import Sequence

from aiohttp import web

from engine.api import answers, fields
from engine.api import statistics_documents as render
from engine.api.call import Call
from engine.api.forms import Form
from engine.api.paging import Paging
from engine.api.problems import bad_request
from engine.api.representations import Document, Place
from engine.api.statistics_documents import Past
from engine.api.windows import Window, statistics_window
from engine.routing.commands import ReadRealTime
from engine.routing.statistics_views import RealTimeView, Scope
from engine.routing.views import TaskQueueView
from engine.sids import is_sid
from engine.storage.statistics_reads import Cumulative, added

BULK_QUEUES_MAX = 50
THRESHOLDS_MAX = 100
THRESHOLD_MAX_S = 10**9

_QUEUE = fields.sid("WQ")
_OWN_SID = {Scope.QUEUE: "task_queue_sid", Scope.WORKFLOW: "workflow_sid", Scope.WORKER: "worker_sid"}


async def workspace_statistics(call: Call) -> web.Response:
    """Answer both kinds of figures of the workspace."""
    return await _combined(call, Scope.WORKSPACE, call.workspace_sid)


async def workspace_real_time(call: Call) -> web.Response:
    """Answer the workspace's present figures."""
    return await _real_time(call, Scope.WORKSPACE, call.workspace_sid)


async def workspace_cumulative(call: Call) -> web.Response:
    """Answer what happened in the workspace within a window."""
    return await _cumulative(call, Scope.WORKSPACE, call.workspace_sid)


async def task_queue_statistics(call: Call) -> web.Response:
    """Answer both kinds of figures of a queue."""
    return await _combined(call, Scope.QUEUE, call.path("WQ"))


async def task_queue_real_time(call: Call) -> web.Response:
    """Answer a queue's present figures."""
    return await _real_time(call, Scope.QUEUE, call.path("WQ"))


async def task_queue_cumulative(call: Call) -> web.Response:
    """Answer what happened in a queue within a window."""
    call.found(await call.reads.task_queue(call.workspace_sid, call.path("WQ")))
    return await _cumulative(call, Scope.QUEUE, call.path("WQ"))


async def workflow_statistics(call: Call) -> web.Response:
    """Answer both kinds of figures of a workflow."""
    return await _combined(call, Scope.WORKFLOW, call.path("WW"))


async def workflow_real_time(call: Call) -> web.Response:
    """Answer a workflow's present figures."""
    return await _real_time(call, Scope.WORKFLOW, call.path("WW"))


async def workflow_cumulative(call: Call) -> web.Response:
    """Answer what happened in a workflow within a window."""
    call.found(await call.reads.workflow(call.workspace_sid, call.path("WW")))
    return await _cumulative(call, Scope.WORKFLOW, call.path("WW"))


async def list_task_queues_statistics(call: Call) -> web.Response:
    """List both kinds of figures of the queues, optionally of the one with a name."""
    query = call.query()
    paging = Paging.read(query)
    window, channel_sid, thresholds = await _asked(call, query)
    page = await call.reads.task_queues(
        call.workspace_sid,
        paging.by_sid("WQ"),
        friendly_name=query.value("FriendlyName", fields.text, None),
    )
    sids = tuple(view.sid for view in page.items)
    views = {view.sid: view for view in await _now(call, Scope.QUEUE, sids, channel_sid, lenient=True)}
    found = await _then(call, Scope.QUEUE, sids, window, channel_sid)

    def item(place: Place, queue: TaskQueueView) -> Document:
        past = Past(window, found[queue.sid], thresholds)
        return {
            "account_sid": place.account_sid,
            "cumulative": render.cumulative(Scope.QUEUE, past),
            "realtime": render.realtime(Scope.QUEUE, views[queue.sid]),
            "task_queue_sid": queue.sid,
            "workspace_sid": place.workspace_sid,
        }

    return paging.answer(call, "task_queues_statistics", page, item)


async def bulk_task_queue_real_time(call: Call) -> web.Response:
    """Answer the present figures of up to 50 queues; a queue that does not exist has none of anything."""
    form = await call.tolerant_form()
    name = "QueueSids" if "QueueSids" in form else "queueSids"
    sids = tuple(_QUEUE(name, text) for text in form.all(name))
    if not 1 <= len(sids) <= BULK_QUEUES_MAX:
        raise bad_request(f"QueueSids must hold 1 to {BULK_QUEUES_MAX} SIDs")
    views = await _now(call, Scope.QUEUE, sids, None, lenient=True)
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


async def workers_statistics(call: Call) -> web.Response:
    """Answer both kinds of figures of the workers, optionally of those of a queue or with a name."""
    query = call.query()
    window, channel_sid, _ = await _asked(call, query)
    queue_sid = query.value("TaskQueueSid", _QUEUE, None)
    command = ReadRealTime(
        Scope.WORKER,
        () if queue_sid is None else (queue_sid,),
        queue_name=query.value("TaskQueueName", fields.text, None),
        friendly_name=query.value("FriendlyName", fields.text, None),
    )
    (view,) = await _ask(call, command)
    body = {
        "realtime": render.realtime(Scope.WORKER, view),
        "cumulative": await _workers_past(call, view.worker_sids, window, channel_sid),
    }
    return _answer(call, Scope.WORKSPACE, call.workspace_sid, body)


async def workers_real_time(call: Call) -> web.Response:
    """Answer the workers' present figures; a task channel makes no difference, every worker has each."""
    await _channel_sid(call, call.query())
    (view,) = await _ask(call, ReadRealTime(Scope.WORKER))
    body = render.real_time_resource(Scope.WORKER, view)
    return _answer(call, Scope.WORKSPACE, call.workspace_sid, body)


async def workers_cumulative(call: Call) -> web.Response:
    """Answer what all workers did within a window."""
    window, channel_sid, _ = await _asked(call, call.query())
    body = await _workers_past(call, None, window, channel_sid)
    return _answer(call, Scope.WORKSPACE, call.workspace_sid, body)


async def worker_statistics(call: Call) -> web.Response:
    """Answer what one worker did within a window."""
    worker = call.found(await call.reads.worker(call.workspace_sid, call.path("WK")))
    window, channel_sid, _ = await _asked(call, call.query())
    body = {"cumulative": await _workers_past(call, (worker.sid,), window, channel_sid)}
    return _answer(call, Scope.WORKER, worker.sid, body)


async def _combined(call: Call, scope: Scope, sid: str) -> web.Response:
    window, channel_sid, thresholds = await _asked(call, call.query())
    (view,) = await _now(call, scope, (sid,), channel_sid)
    found = await _then(call, scope, (sid,), window, channel_sid)
    body = {
        "realtime": render.realtime(scope, view),
        "cumulative": render.cumulative(scope, Past(window, found[sid], thresholds)),
    }
    return _answer(call, scope, sid, body)


async def _real_time(call: Call, scope: Scope, sid: str) -> web.Response:
    channel_sid = await _channel_sid(call, call.query())
    (view,) = await _now(call, scope, (sid,), channel_sid)
    return _answer(call, scope, sid, render.real_time_resource(scope, view))


async def _cumulative(call: Call, scope: Scope, sid: str) -> web.Response:
    window, channel_sid, thresholds = await _asked(call, call.query())
    found = await _then(call, scope, (sid,), window, channel_sid)
    body = render.cumulative_resource(scope, Past(window, found[sid], thresholds))
    return _answer(call, scope, sid, body)


async def _asked(call: Call, query: Form) -> tuple[Window, str | None, Sequence[int]]:
    """Return the window, the channel and the thresholds that a request asks for."""
    window = statistics_window(query, call.api.clock())
    thresholds = query.value("SplitByWaitTime", _thresholds, ())
    return window, await _channel_sid(call, query), thresholds


async def _channel_sid(call: Call, query: Form) -> str | None:
    """Return the SID of the task channel asked for; one that was deleted still has a past.

    Raises 400 for a name that no channel has.
    """
    named = query.value("TaskChannel", fields.text, None)
    if named is None:
        return None
    channel = await call.reads.task_channel(call.workspace_sid, named)
    if channel is not None:
        return channel.sid
    if is_sid(named, "TC"):
        return named
    raise bad_request(f"TaskChannel: there is no TaskChannel {named!r} in this workspace")


def _thresholds(name: str, value: str) -> Sequence[int]:
    read = fields.integer(0, THRESHOLD_MAX_S)
    thresholds = tuple(dict.fromkeys(read(name, part.strip()) for part in value.split(",")))
    if len(thresholds) > THRESHOLDS_MAX:
        raise bad_request(f"{name} must hold at most {THRESHOLDS_MAX} numbers of seconds")
    return thresholds


async def _now(
    call: Call, scope: Scope, sids: tuple[str, ...], channel_sid: str | None, *, lenient: bool = False
) -> tuple[RealTimeView, ...]:
    return await _ask(call, ReadRealTime(scope, sids, channel_sid, unknown_is_empty=lenient))


async def _ask(call: Call, command: ReadRealTime) -> tuple[RealTimeView, ...]:
    async with call.api.counting.take(call.workspace_sid):
        return await call.submit(command, tuple)


async def _then(
    call: Call, scope: Scope, sids: Sequence[str], window: Window, channel_sid: str | None
) -> dict[str, Cumulative]:
    return await call.reads.cumulative(
        call.workspace_sid,
        scope,
        sids,
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        task_channel_sid=channel_sid,
    )


async def _workers_past(
    call: Call, worker_sids: Sequence[str] | None, window: Window, channel_sid: str | None
) -> Document:
    """Render what workers did; None = all of them, whose reservations are those of the workspace."""
    scope = Scope.WORKSPACE if worker_sids is None else Scope.WORKER
    sids = [call.workspace_sid] if worker_sids is None else worker_sids
    found = await _then(call, scope, sids, window, channel_sid)
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
