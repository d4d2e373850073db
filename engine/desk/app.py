"""The desk's routes: the page, its files, and the sign-in. They are no part of the documented API."""

from http.cookies import CookieError
from pathlib import Path

import orjson
from aiohttp import web

from engine.api import fields
from engine.api.call import Api
from engine.api.forms import parse_json, read_large_body
from engine.api.middleware import Handler
from engine.api.problems import forbidden, not_found, respond, too_many_requests, translate
from engine.api.roots import root_of
from engine.desk.sign_in import SignedIn, SignIn
from engine.logs import get_logger

log = get_logger()

COOKIE = "pointsman_desk"
BODY_BYTES_MAX = 4_096
UNDER_WAY_MAX = 16
"""Most sign-ins at a time: each may wait for a connection that acknowledged tasks need too."""

_PAGE = Path(__file__).parent / "page"
_FILES = frozenset(path.name for path in _PAGE.iterdir())
_SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}


def add_desk(app: web.Application, api: Api, sign_in: SignIn) -> None:
    """Serve the desk at /desk.

    Args:
        app: the application, which serves the event bridge too.
        api: the parts that the REST API is made of.
        sign_in: opens and renews sign-ins.
    """
    desk = _Desk(api, sign_in)
    app.router.add_get("/desk", _page, allow_head=False)
    app.router.add_post("/desk/session", _private(desk.open))
    app.router.add_post("/desk/token", _private(desk.renew))
    app.router.add_post("/desk/sign-out", _private(desk.close))
    app.router.add_get("/desk/{file}", _file, allow_head=False)


async def _page(_: web.Request) -> web.FileResponse:
    return _answer_file("desk.html")


async def _file(request: web.Request) -> web.FileResponse:
    name = request.match_info["file"]
    if name not in _FILES:
        raise not_found(request.path)
    return _answer_file(name)


def _answer_file(name: str) -> web.FileResponse:
    path = _PAGE / name
    kind = f"{_TYPES[path.suffix]}; charset=utf-8"
    # Looked at again each time: a page of one version with a module of another would not work.
    return web.FileResponse(path, headers={**_SAFE, "Cache-Control": "no-cache", "Content-Type": kind})


class _Desk:
    """The sign-in over HTTP; the sign-in itself travels as a cookie that only these paths are sent."""

    def __init__(self, api: Api, sign_in: SignIn) -> None:
        self._api = api
        self._sign_in = sign_in
        self._under_way = 0

    async def open(self, request: web.Request) -> web.Response:
        """Make a sign-in of `{"Link": …}`: 200 with a token, 403 when the link does not hold."""
        _check_site(request)
        if self._under_way >= UNDER_WAY_MAX:
            raise too_many_requests(f"{UNDER_WAY_MAX} sign-ins at a time", 1)
        self._under_way += 1
        try:
            raw = await read_large_body(request, BODY_BYTES_MAX)
            link = parse_json(raw, 1).required("Link", fields.text)
            session, signed_in = await self._sign_in.open(link)
        finally:
            self._under_way -= 1
        log.info(
            "desk.signed_in",
            workspace_sid=signed_in.session.workspace_sid,
            worker_sid=signed_in.session.worker_sid,
        )
        response = _told(signed_in)
        self._set_cookie(request, response, session.text, signed_in.session_lifetime_ms // 1000)
        return response

    async def renew(self, request: web.Request) -> web.Response:
        """Answer 200 with a new token, 204 to a browser that is not signed in (any more)."""
        _check_site(request)
        given = _cookie(request)
        signed_in = await self._sign_in.renew(given) if given else None
        if signed_in is not None:
            return _told(signed_in)
        response = web.Response(status=204)
        if given:
            self._set_cookie(request, response, "", 0)
        return response

    async def close(self, request: web.Request) -> web.Response:
        """End the sign-in; 204 whether there was one or not."""
        _check_site(request)
        await self._sign_in.close(_cookie(request))
        response = web.Response(status=204)
        self._set_cookie(request, response, "", 0)
        return response

    def _set_cookie(self, request: web.Request, response: web.Response, value: str, max_age_s: int) -> None:
        """Set the cookie for the paths beside this request's, wherever a proxy has put them."""
        root = root_of(request, self._api.public_url, self._api.trust_forwarded)
        response.set_cookie(
            COOKIE,
            value,
            max_age=max_age_s,
            path="",
            httponly=True,
            samesite="Strict",
            secure=root.startswith("https:"),
        )


def _check_site(request: web.Request) -> None:
    """Refuse what a browser sends for a page of another site."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise forbidden("The desk is used from its own page only")


def _cookie(request: web.Request) -> str:
    try:
        return request.cookies.get(COOKIE, "")
    except CookieError:
        return ""


def _told(signed_in: SignedIn) -> web.Response:
    document = {
        "token": signed_in.token,
        "token_lifetime_ms": signed_in.token_lifetime_ms,
        "session_lifetime_ms": signed_in.session_lifetime_ms,
        "workspace_sid": signed_in.session.workspace_sid,
        "worker_sid": signed_in.session.worker_sid,
        "worker_name": signed_in.session.worker_name,
    }
    return web.Response(body=orjson.dumps(document), content_type="application/json")


def _private(handler: Handler) -> Handler:
    """Make the answers of a handler, refusals included, such that nobody keeps them."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Exception as error:
            known = translate(error, request.path)
            if known is None:
                raise
            response = respond(known)
        response.headers.update(_PRIVATE)
        return response

    return answered
