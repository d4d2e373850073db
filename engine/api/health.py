"""Probes and metrics, for machines on the operator's side: no credentials needed."""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from engine import metrics
from engine.api.envelopes import Health
from engine.api.middleware import GATE
from engine.api.operations import operation
from engine.runtime.service import RoutingService

METRICS: web.AppKey[Callable[[], Awaitable[bytes]]] = web.AppKey("metrics")
"""Where it keeps what makes the text of the metrics."""
SERVICE = web.AppKey("service", RoutingService)
"""Where the application keeps what is asked whether it is ready."""


async def own_metrics() -> bytes:
    """Return the metrics of this process."""
    return metrics.render()


@operation("FetchHealth", answers=Health)
async def healthz(_: web.Request) -> web.Response:
    """Tell that the process lives."""
    return _status(200, "ok")


@operation("FetchReadiness", answers=Health, refusals=(503,))
async def readyz(request: web.Request) -> web.Response:
    """Tell whether requests are served: 503 while the daemon starts, drains or has no database."""
    if request.app[GATE].draining:
        return _status(503, "draining")
    return _status(200, "ready") if await request.app[SERVICE].ready() else _status(503, "not ready")


@operation("FetchMetrics", media=("text/plain",))
async def metrics_text(request: web.Request) -> web.Response:
    """Tell the metrics in the text format of Prometheus."""
    return web.Response(body=await request.app[METRICS](), headers={"Content-Type": metrics.CONTENT_TYPE})


def _status(code: int, text: str) -> web.Response:
    return web.Response(body=orjson.dumps({"status": text}), status=code, content_type="application/json")
