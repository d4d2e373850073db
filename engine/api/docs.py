"""Documentation that comes with the daemon: the OpenAPI document, and a page to read it and to try it out."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from engine.api.openapi import describe
from engine.api.operations import Route, Terms, operation
from engine.api.problems import not_found

_MAX_AGE_S = 300
_PAGE = Path(__file__).parent / "page"
_OURS = frozenset({"start.js"})
_THEIRS = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
_SAFE = {
    # Nothing comes from elsewhere or goes there; the page's library sets styles of its own.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Documentation:
    """The OpenAPI document of an application's routes, made when it is asked for first."""

    def __init__(self, routes: Sequence[Route], open_routes: Sequence[Route], terms: Terms) -> None:
        self._routes = routes
        self._open_routes = open_routes
        self._terms = terms

    @cached_property
    def raw(self) -> bytes:
        """The document as JSON."""
        return orjson.dumps(describe(self._routes, self._open_routes, self._terms))

    @cached_property
    def tag(self) -> str:
        """What tells this document from that of another version or configuration."""
        return hashlib.sha256(self.raw).hexdigest()[:32]


DOCUMENTATION = web.AppKey("documentation", Documentation)


@operation("FetchOpenApi", answers=dict[str, Any], refusals=(304,))
async def openapi_document(request: web.Request) -> web.Response:
    """Answer this document."""
    documentation = request.app[DOCUMENTATION]
    headers = {"Cache-Control": f"public, max-age={_MAX_AGE_S}", "ETag": f'"{documentation.tag}"'}
    if any(tag.value in {documentation.tag, "*"} for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=documentation.raw, content_type="application/json", headers=headers)


@operation("FetchDocumentationPage", media=("text/html",))
async def page(_: web.Request) -> web.FileResponse:
    """Answer the page on which this document can be read and tried out."""
    return web.FileResponse(_PAGE / "index.html", headers=_SAFE)


@operation("FetchDocumentationAsset", media=("*/*",), refusals=(304, 404))
async def asset(request: web.Request) -> web.FileResponse:
    """Answer a file of that page."""
    name = request.match_info["asset"]
    if name in _OURS:
        return _file(_PAGE / name)
    if name in _THEIRS:
        library = import_module("swagger_ui_bundle")
        return _file(Path(str(library.swagger_ui_path)) / name)
    raise not_found(request.path)


def _file(path: Path) -> web.FileResponse:
    return web.FileResponse(path, headers={**_SAFE, "Cache-Control": f"public, max-age={_MAX_AGE_S}"})
