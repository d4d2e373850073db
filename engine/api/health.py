"""Probes and metrics, for machines on the operator's side: no credentials needed."""

import orjson
from aiohttp import web

from engine import metrics
from engine.api.middleware import GATE
from engine.runtime.service import RoutingService


def add_probes(app: web.Application, service: RoutingService) -> None:
    """Serve `/healthz`, `/readyz` and `/metrics`."""

    async def healthz(_: web.Request) -> web.Response:
        return _status(200, "ok")

    async def readyz(request: web.Request) -> web.Response:
        if request.app[GATE].closed:
            return _status(503, "draining")
        return _status(200, "ready") if await service.ready() else _status(503, "not ready")

    async def metrics_text(_: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics_text)


def _status(code: int, text: str) -> web.Response:
    return web.Response(body=orjson.dumps({"status": text}), status=code, content_type="application/json")
