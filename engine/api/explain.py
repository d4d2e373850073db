"""Why a task waits, or why its worker has it: ours, beside the contract."""

from aiohttp import web

from engine.api import answers
from engine.api.call import Call
from engine.api.explanations import (
    AsksExplanation,
    Explanation,
    OfferExplanation,
    PositionExplanation,
    ReasonExplanation,
    RouteExplanation,
    TimerExplanation,
    WorkerReason,
)
from engine.api.operations import operation
from engine.api.paging import Paging
from engine.api.representations import Place, iso_date
from engine.routing.commands import ExplainTask
from engine.routing.errors import NotFound
from engine.routing.explain import explain_finished
from engine.routing.explain_views import (
    AskedView,
    OfferView,
    PositionView,
    ReasonView,
    RouteView,
    TaskExplanation,
    TimerView,
    WorkerReasonView,
)
from engine.storage.reads import Page


@operation("ExplainTask", answers=WorkerReason, lists="workers", envelope=Explanation, live=True)
async def explain_task(call: Call) -> web.Response:
    """Explain a task as of now, with one page of workers; a finished one tells its status and reason."""
    paging = Paging.read(call.query())
    request = paging.by_sid("WK")
    command = ExplainTask(call.path("WT"), request.size, request.after, request.before)
    try:
        async with call.api.explaining.take(call.workspace_sid):
            explanation = await call.submit(command, TaskExplanation)
    except NotFound:
        task = call.found(await call.reads.task(call.workspace_sid, command.sid))
        explanation = explain_finished(task, call.api.clock())
    page = Page(list(explanation.workers), explanation.next_worker, explanation.previous_worker)
    body = {**_explanation(call.place(), explanation), **paging.document(call, "workers", page, _worker)}
    return answers.document(body)


def _explanation(place: Place, view: TaskExplanation) -> Explanation:
    task, now_ms = view.task, view.evaluated_ms
    base = place.workspace_url
    task_url = f"{base}/Tasks/{task.sid}"
    queue_sid, workflow_sid = task.task_queue_sid, task.workflow_sid
    return {
        "account_sid": place.account_sid,
        "workspace_sid": place.workspace_sid,
        "task_sid": task.sid,
        "assignment_status": task.status,
        "reason": task.reason,
        "summary": view.summary,
        "date_evaluated": iso_date(now_ms),
        "priority": task.priority,
        "assignment_count": view.assignment_count,
        "task_channel_sid": task.task_channel_sid,
        "task_channel_unique_name": task.task_channel_unique_name,
        "task_queue_sid": queue_sid,
        "task_queue_friendly_name": task.task_queue_friendly_name,
        "routing_target": task.routing_target,
        "route": _route(view.route) if view.route else None,
        "asks": _asked(view.asked) if view.asked else None,
        "timers": [_timer(timer, now_ms) for timer in view.timers],
        "position": _position(view.position) if view.position else None,
        "reservations": [_offer(place, task_url, offer, now_ms) for offer in view.offers],
        "worker_count": view.worker_count,
        "reasons": [_reason(place, reason) for reason in view.reasons],
        "reasons_left_out": view.reasons_left_out,
        "url": f"{task_url}/Explain",
        "links": {
            "task": task_url,
            "task_queue": f"{base}/TaskQueues/{queue_sid}" if queue_sid else None,
            "workflow": f"{base}/Workflows/{workflow_sid}" if workflow_sid else None,
            "workspace": base,
        },
    }


def _route(view: RouteView) -> RouteExplanation:
    return {
        "kind": view.kind,
        "workflow_sid": view.workflow_sid,
        "workflow_friendly_name": view.workflow_name,
        "configuration_version": view.configuration_version,
        "is_current_configuration": view.is_current_configuration,
        "filter_index": view.filter_index,
        "filter_friendly_name": view.filter_name,
        "filter_expression": view.filter_expression,
        "target_index": view.target_index,
        "target_count": view.target_count,
    }


def _asked(view: AskedView) -> AsksExplanation:
    return {
        "target_workers": view.target_workers,
        "expression": view.expression,
        "bound_expression": view.bound_expression,
        "order_by": view.order_by,
        "skip_if": view.skip_if,
        "worker": view.worker,
        "worker_named_by": view.worker_named_by,
        "worker_note": view.worker_note,
        "ignore_capacity": view.ignores_capacity,
    }


def _timer(view: TimerView, now_ms: int) -> TimerExplanation:
    return {
        "name": view.name,
        "date": iso_date(view.at_ms),
        "seconds_left": _seconds_until(view.at_ms, now_ms),
        "then": view.then,
    }


def _position(view: PositionView) -> PositionExplanation:
    return {
        "tasks_before_among_alike": view.before_among_alike,
        "tasks_alike": view.alike,
        "tasks_before_in_queue": view.before_in_queue,
        "tasks_in_queue": view.in_queue,
    }


def _offer(place: Place, task_url: str, view: OfferView, now_ms: int) -> OfferExplanation:
    until_ms = view.until_ms
    return {
        "sid": view.reservation_sid,
        "reservation_status": view.status,
        "worker_sid": view.worker_sid,
        "worker_name": view.worker_name,
        "date_since": iso_date(view.since_ms),
        "date_timeout": iso_date(until_ms),
        "seconds_left": None if until_ms is None else _seconds_until(until_ms, now_ms),
        "chosen_because": view.chosen_because,
        "url": f"{task_url}/Reservations/{view.reservation_sid}",
        "links": {"worker": _worker_url(place, view.worker_sid)},
    }


def _reason(place: Place, view: ReasonView) -> ReasonExplanation:
    return {
        "reason": view.reason,
        "explanation": view.explanation,
        "unblocked": view.unblocked,
        "worker_count": view.workers,
        "examples": [_worker(place, example) for example in view.examples],
    }


def _worker(place: Place, view: WorkerReasonView) -> WorkerReason:
    return {
        "worker_sid": view.sid,
        "worker_name": view.friendly_name,
        "reason": view.reason,
        "explanation": view.explanation,
        "url": _worker_url(place, view.sid),
    }


def _worker_url(place: Place, sid: str) -> str:
    return f"{place.workspace_url}/Workers/{sid}"


def _seconds_until(moment_ms: int, now_ms: int) -> int:
    """Return whole seconds, rounded up: 0 only when it is due."""
    return max(-((now_ms - moment_ms) // 1_000), 0)
