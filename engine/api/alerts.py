"""Alerts: what went wrong while talking to an application (contract §11.2). Ours, beside the contract."""

from typing import Any

from aiohttp import web

from engine import alerts
from engine.alerts import AlertLevel
from engine.api import answers, fields
from engine.api.call import Call
from engine.api.documents import Alert
from engine.api.operations import Fields, operation, optional
from engine.api.paging import Paging
from engine.api.problems import more_info
from engine.api.representations import Place, iso_date
from engine.api.windows import WINDOW_MAX_MIN, window_of

_CODE_MAX = 99_999
_EVER_MS = 2**53
_FILTERS = Fields(
    code=optional("ErrorCode", fields.integer(1, _CODE_MAX), "Only those with this code."),
    level=optional("LogLevel", fields.choice(AlertLevel), "Only errors, or only warnings."),
    task_sid=optional("TaskSid", fields.sid("WT"), "Only those about this task."),
    worker_sid=optional("WorkerSid", fields.sid("WK"), "Only those about this worker."),
    reservation_sid=optional("ReservationSid", fields.sid("WR"), "Only those about this reservation."),
    workflow_sid=optional("WorkflowSid", fields.sid("WW"), "Only those about this workflow."),
)
_WINDOW = Fields(
    minutes=optional(
        "Minutes",
        fields.integer(1, WINDOW_MAX_MIN),
        "Length of the window before its end, in minutes; StartDate wins over it.",
    ),
    start_ms=optional("StartDate", fields.instant_ms, "First instant of the window; else all that is kept."),
    end_ms=optional("EndDate", fields.instant_ms, "Last instant of the window; by default now."),
)


@operation("ListAlert", answers=Alert, lists="alerts", query=_WINDOW | _FILTERS)
async def list_alerts(call: Call) -> web.Response:
    """List the workspace's alerts, the newest first; all that are kept, unless a window is named."""
    query = call.query()
    paging = Paging.read(query)
    asked = call.filters(query)
    start_ms, end_ms = _window(asked, call.api.clock())
    page = await call.reads.alerts(
        call.workspace_sid, paging.by_sid("NO"), start_ms=start_ms, end_ms=end_ms, **asked
    )
    return paging.answer(call, "alerts", page, alert)


@operation("FetchAlert", answers=Alert)
async def fetch_alert(call: Call) -> web.Response:
    """Answer one alert."""
    view = call.found(await call.reads.alert(call.workspace_sid, call.path("NO")))
    return answers.document(alert(call.place(), view))


def _window(asked: dict[str, Any], now_ms: int) -> tuple[int, int]:
    """Take the window out of what was asked for; an end that is not named is ahead of every node's clock."""
    since_ever = asked["minutes"] is None and asked["start_ms"] is None
    until_now = asked["end_ms"] is None
    window = window_of(asked | {"minutes": asked["minutes"] or 1}, now_ms)
    for name in ("minutes", "start_ms", "end_ms"):
        del asked[name]
    return 0 if since_ever else window.start_ms, _EVER_MS if until_now else window.end_ms


def alert(place: Place, view: alerts.Alert) -> Alert:
    """Render an alert."""
    return {
        "account_sid": place.account_sid,
        "alert_text": view.text,
        "date_generated": iso_date(view.date_ms),
        "error_code": str(view.code),
        "event_sid": view.event_sid,
        "log_level": view.level,
        "more_info": more_info(view.code),
        "occurrences": view.occurrences,
        "request_url": view.url,
        "reservation_sid": view.reservation_sid,
        "sid": view.sid,
        "task_sid": view.task_sid,
        "url": f"{place.workspace_url}/Alerts/{view.sid}",
        "worker_sid": view.worker_sid,
        "workflow_sid": view.workflow_sid,
        "workspace_sid": place.workspace_sid,
    }
