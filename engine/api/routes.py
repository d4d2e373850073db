"""Every route of the API in one table.

A placeholder of two capitals stands for a SID with that prefix, any other for one segment of text; so
`/TaskQueues/Statistics` can never be taken for a queue. What is asked for most stands first, because routes
are tried in this order.
"""

import re

from aiohttp import web

from engine.api import (
    activities,
    alerts,
    bulk,
    deliveries,
    docs,
    events,
    explain,
    health,
    keys,
    reservations,
    statistics,
    stream,
    task_channels,
    task_queues,
    tasks,
    transfers,
    worker_channels,
    workers,
    workflows,
    workspaces,
)
from engine.api.call import Api, guarded
from engine.api.middleware import PROBES
from engine.api.operations import Route

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ALL = "/v1/Workspaces"
_ONE = f"{_ALL}/{{WS}}"
_KEYS = "/2010-04-01/Accounts/{AC}/Keys"


ROUTES = (
    Route("GET", f"{_ONE}/Tasks", tasks.list_tasks),
    Route("POST", f"{_ONE}/Tasks", tasks.create_task),
    Route("POST", f"{_ONE}/Tasks/Bulk", bulk.create_tasks),
    Route("GET", f"{_ONE}/Tasks/{{WT}}", tasks.fetch_task),
    Route("POST", f"{_ONE}/Tasks/{{WT}}", tasks.update_task),
    Route("DELETE", f"{_ONE}/Tasks/{{WT}}", tasks.delete_task),
    Route("GET", f"{_ONE}/Tasks/{{WT}}/Explain", explain.explain_task),
    Route("GET", f"{_ONE}/Tasks/{{WT}}/Reservations", reservations.list_task_reservations),
    Route("GET", f"{_ONE}/Tasks/{{WT}}/Reservations/{{WR}}", reservations.fetch_task_reservation),
    Route("POST", f"{_ONE}/Tasks/{{WT}}/Reservations/{{WR}}", reservations.update_task_reservation),
    Route("GET", f"{_ONE}/Tasks/{{WT}}/Transfers", transfers.list_transfers),
    Route("POST", f"{_ONE}/Tasks/{{WT}}/Transfers", transfers.create_transfer),
    Route("GET", f"{_ONE}/Tasks/{{WT}}/Transfers/{{TT}}", transfers.fetch_transfer),
    Route("POST", f"{_ONE}/Tasks/{{WT}}/Transfers/{{TT}}", transfers.update_transfer),
    Route("GET", f"{_ONE}/Workers/{{WK}}/Reservations", reservations.list_worker_reservations),
    Route("GET", f"{_ONE}/Workers/{{WK}}/Reservations/{{WR}}", reservations.fetch_worker_reservation),
    Route("POST", f"{_ONE}/Workers/{{WK}}/Reservations/{{WR}}", reservations.update_worker_reservation),
    Route("GET", f"{_ONE}/Workers", workers.list_workers),
    Route("POST", f"{_ONE}/Workers", workers.create_worker),
    Route("GET", f"{_ONE}/Workers/{{WK}}", workers.fetch_worker),
    Route("POST", f"{_ONE}/Workers/{{WK}}", workers.update_worker),
    Route("DELETE", f"{_ONE}/Workers/{{WK}}", workers.delete_worker),
    Route("GET", f"{_ONE}/Workers/{{WK}}/Channels", worker_channels.list_worker_channels),
    Route("GET", f"{_ONE}/Workers/{{WK}}/Channels/{{channel}}", worker_channels.fetch_worker_channel),
    Route("POST", f"{_ONE}/Workers/{{WK}}/Channels/{{channel}}", worker_channels.update_worker_channel),
    Route("GET", f"{_ONE}/Events", events.list_events),
    Route("GET", f"{_ONE}/Events/Stream", stream.stream_events),
    Route("GET", f"{_ONE}/Events/{{EV}}", events.fetch_event),
    Route("GET", f"{_ONE}/Deliveries", deliveries.list_deliveries),
    Route("POST", f"{_ONE}/Deliveries/Replay", deliveries.replay),
    Route("GET", f"{_ONE}/Deliveries/{{ED}}", deliveries.fetch_delivery),
    Route("POST", f"{_ONE}/Deliveries/{{ED}}/Redeliver", deliveries.redeliver),
    Route("GET", f"{_ONE}/Alerts", alerts.list_alerts),
    Route("GET", f"{_ONE}/Alerts/{{NO}}", alerts.fetch_alert),
    Route("GET", f"{_ONE}/TaskQueues", task_queues.list_task_queues),
    Route("POST", f"{_ONE}/TaskQueues", task_queues.create_task_queue),
    Route("GET", f"{_ONE}/TaskQueues/{{WQ}}", task_queues.fetch_task_queue),
    Route("POST", f"{_ONE}/TaskQueues/{{WQ}}", task_queues.update_task_queue),
    Route("DELETE", f"{_ONE}/TaskQueues/{{WQ}}", task_queues.delete_task_queue),
    Route("GET", f"{_ONE}/Workflows", workflows.list_workflows),
    Route("POST", f"{_ONE}/Workflows", workflows.create_workflow),
    Route("GET", f"{_ONE}/Workflows/{{WW}}", workflows.fetch_workflow),
    Route("POST", f"{_ONE}/Workflows/{{WW}}", workflows.update_workflow),
    Route("DELETE", f"{_ONE}/Workflows/{{WW}}", workflows.delete_workflow),
    Route("GET", f"{_ONE}/Activities", activities.list_activities),
    Route("POST", f"{_ONE}/Activities", activities.create_activity),
    Route("GET", f"{_ONE}/Activities/{{WA}}", activities.fetch_activity),
    Route("POST", f"{_ONE}/Activities/{{WA}}", activities.update_activity),
    Route("DELETE", f"{_ONE}/Activities/{{WA}}", activities.delete_activity),
    Route("GET", f"{_ONE}/TaskChannels", task_channels.list_task_channels),
    Route("POST", f"{_ONE}/TaskChannels", task_channels.create_task_channel),
    Route("GET", f"{_ONE}/TaskChannels/{{channel}}", task_channels.fetch_task_channel),
    Route("POST", f"{_ONE}/TaskChannels/{{channel}}", task_channels.update_task_channel),
    Route("DELETE", f"{_ONE}/TaskChannels/{{channel}}", task_channels.delete_task_channel),
    Route("GET", f"{_ONE}/Statistics", statistics.workspace_statistics),
    Route("GET", f"{_ONE}/RealTimeStatistics", statistics.workspace_real_time),
    Route("GET", f"{_ONE}/CumulativeStatistics", statistics.workspace_cumulative),
    Route("GET", f"{_ONE}/TaskQueues/Statistics", statistics.list_task_queues_statistics),
    Route("POST", f"{_ONE}/TaskQueues/RealTimeStatistics", statistics.bulk_task_queue_real_time),
    Route("GET", f"{_ONE}/TaskQueues/{{WQ}}/Statistics", statistics.task_queue_statistics),
    Route("GET", f"{_ONE}/TaskQueues/{{WQ}}/RealTimeStatistics", statistics.task_queue_real_time),
    Route("GET", f"{_ONE}/TaskQueues/{{WQ}}/CumulativeStatistics", statistics.task_queue_cumulative),
    Route("GET", f"{_ONE}/Workers/Statistics", statistics.workers_statistics),
    Route("GET", f"{_ONE}/Workers/RealTimeStatistics", statistics.workers_real_time),
    Route("GET", f"{_ONE}/Workers/CumulativeStatistics", statistics.workers_cumulative),
    Route("GET", f"{_ONE}/Workers/{{WK}}/Statistics", statistics.worker_statistics),
    Route("GET", f"{_ONE}/Workflows/{{WW}}/Statistics", statistics.workflow_statistics),
    Route("GET", f"{_ONE}/Workflows/{{WW}}/RealTimeStatistics", statistics.workflow_real_time),
    Route("GET", f"{_ONE}/Workflows/{{WW}}/CumulativeStatistics", statistics.workflow_cumulative),
    Route("GET", _ALL, workspaces.list_workspaces),
    Route("POST", _ALL, workspaces.create_workspace),
    Route("GET", _ONE, workspaces.fetch_workspace),
    Route("POST", _ONE, workspaces.update_workspace),
    Route("DELETE", _ONE, workspaces.delete_workspace),
)


ACCOUNT_ROUTES = tuple(
    Route(method, f"{path}{suffix}", operation)
    for suffix in (".json", "")
    for method, path, operation in (
        ("GET", _KEYS, keys.list_keys),
        ("POST", _KEYS, keys.create_key),
        ("GET", f"{_KEYS}/{{SK}}", keys.fetch_key),
        ("POST", f"{_KEYS}/{{SK}}", keys.update_key),
        ("DELETE", f"{_KEYS}/{{SK}}", keys.delete_key),
    )
)
"""What clients reach at the account API: paths end with .json or not."""


OPEN_ROUTES = (
    Route("GET", "/healthz", health.healthz),
    Route("GET", "/readyz", health.readyz),
    Route("GET", "/metrics", health.metrics_text),
    Route("GET", "/openapi.json", docs.openapi_document),
    Route("GET", "/docs", docs.page),
    Route("GET", "/docs/{asset}", docs.asset),
)
"""What needs no credentials."""


def add_routes(app: web.Application, api: Api) -> None:
    """Serve every route of the tables: to anybody, or to the account that owns what the path names."""
    for route in OPEN_ROUTES:
        app.router.add_get(route.path, route.operation.endpoint, allow_head=route.path in PROBES)
    for route in (*ROUTES, *ACCOUNT_ROUTES):
        pattern = _PLACEHOLDER.sub(_patterned, route.path)
        app.router.add_route(route.method, pattern, guarded(api, route))


def _patterned(placeholder: re.Match[str]) -> str:
    name = placeholder[1]
    if len(name) == 2 and name.isupper():
        return f"{{{name}:{name}[0-9a-fA-F]{{32}}}}"
    return f"{{{name}}}"
