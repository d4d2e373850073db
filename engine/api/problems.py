"""Every error answer: which failure becomes which status and code, and its body.

The four keys type, title, status and code never stand together: clients would take the body for RFC 9457
and raise another exception class (contract §11).
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from engine.errors import (
    InstructionUnderWay,
    KeyReused,
    KeyTaken,
    Overloaded,
    StoreUnavailable,
    Unavailable,
    VoiceGatewayFailed,
    WorkspaceNotFound,
    forget_tracebacks,
)
from engine.routing.errors import Gone, NotFound, Refused, RoutingError, VersionMismatch
from engine.storage.reads import BadCursor

BAD_REQUEST = 20001
BAD_FRIENDLY_NAME = 20002
NOT_AUTHENTICATED = 20003
METHOD_NOT_ALLOWED = 20004
ACCOUNT_NOT_ACTIVE = 20005
ACCESS_DENIED = 20006
FORBIDDEN = 20403
NOT_FOUND = 20404
CONFLICT = 20409
PRECONDITION_FAILED = 20412
TOO_LARGE = 20413
TOO_MANY_REQUESTS = 20429
INTERNAL = 20500
UNAVAILABLE = 20503
START_TOO_OLD = 14241
BAD_PAGE_TOKEN = 21481
ABSOLUTE_PAGING = 40153
UNKNOWN_INSTRUCTION = 55555

_DOCS = "https://www.twilio.com/docs/errors/"


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: HTTP status.
        code: code of the error dictionary (contract §11.1).
        message: what is wrong, for the caller.
        headers: more headers of the answer.
    """

    def __init__(
        self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def bad_request(message: str, code: int = BAD_REQUEST) -> ApiError:
    """Return a 400."""
    return ApiError(400, code, message)


def not_found(path: str) -> ApiError:
    """Return the 404 of a resource path; the message names it without `/v1`."""
    return ApiError(404, NOT_FOUND, f"The requested resource {path.removeprefix('/v1')} was not found")


def bad_page_token() -> ApiError:
    """Return the 400 of a page token that the list never handed out."""
    return bad_request("PageToken is not valid for this list", BAD_PAGE_TOKEN)


def not_authenticated() -> ApiError:
    """Return the 401 that asks for Basic credentials."""
    return refused_credentials(NOT_AUTHENTICATED, "Authenticate")


def refused_credentials(code: int, message: str) -> ApiError:
    """Return a 401 that says what is wrong with a token."""
    return ApiError(401, code, message, {"WWW-Authenticate": 'Basic realm="TaskRouter"'})


def account_not_active(account_sid: str) -> ApiError:
    """Return the 403 of a suspended or closed account, for whoever proved to be it."""
    return ApiError(403, ACCOUNT_NOT_ACTIVE, f"Account {account_sid} is not active")


def access_denied(method: str, path: str) -> ApiError:
    """Return the 403 of a token whose policies or role do not cover the call."""
    return ApiError(403, ACCESS_DENIED, f"Access to {method} {path.removeprefix('/v1')} denied by the token")


def forbidden(message: str) -> ApiError:
    """Return the 403 of what these credentials are not for."""
    return ApiError(403, FORBIDDEN, message)


def too_many_requests(what: str, retry_after_s: int) -> ApiError:
    """Return the 429 of a rate limit; `what` is the limit that was reached."""
    message = f"Too many requests: the limit is {what}"
    return ApiError(429, TOO_MANY_REQUESTS, message, {"Retry-After": str(retry_after_s)})


def precondition_failed(message: str) -> ApiError:
    """Return the 412 of an If-Match that does not hold."""
    return ApiError(412, PRECONDITION_FAILED, message)


def too_large(bytes_max: int) -> ApiError:
    """Return the 413 of a body over the limit."""
    return ApiError(413, TOO_LARGE, f"The request body is larger than {bytes_max} bytes")


def unavailable(message: str, retry_after_s: int = 1) -> ApiError:
    """Return the 503 that invites to try again."""
    return ApiError(503, UNAVAILABLE, message, {"Retry-After": str(retry_after_s)})


def translate(error: Exception, path: str) -> ApiError | None:
    """Return the answer to a known failure of a request, or None when it is an unexpected one.

    A NotFound of something that the path does not name is a bad value in the body: 400. The tracebacks of
    a known failure are dropped: they refer to what the request held, which refers to the failure.
    """
    for kinds, answer in _ANSWERS:
        if isinstance(error, kinds):
            forget_tracebacks(error)
            return answer(error, path)
    return None


def respond(error: ApiError) -> web.Response:
    """Render an error."""
    return web.Response(
        body=orjson.dumps(problem(error)),
        status=error.status,
        content_type="application/json",
        headers=error.headers,
    )


def problem(error: ApiError) -> dict[str, Any]:
    """Return an error's document; what of its message is not valid text (an echoed path) becomes `?`."""
    return {
        "code": error.code,
        "message": error.message.encode(errors="replace").decode(),
        "more_info": more_info(error.code),
        "status": error.status,
    }


def more_info(code: int) -> str:
    """Return where a code of the error dictionary is explained."""
    return f"{_DOCS}{code}"


def _refusal(error: Any, path: str) -> ApiError:
    if isinstance(error, NotFound):
        return not_found(path) if error.sid in path else bad_request(error.message)
    status = next((status for kind, status in _REFUSALS.items() if isinstance(error, kind)), 400)
    return ApiError(status, error.code, error.message)


def _gateway_failed(error: VoiceGatewayFailed) -> ApiError:
    message = f"The voice gateway failed: {error}. Nothing was changed; the instruction may be given again"
    return ApiError(504 if error.late else 502, error.code, message)


def _wrong_method(error: web.HTTPMethodNotAllowed, path: str) -> ApiError:
    allowed = ", ".join(sorted(error.allowed_methods))
    message = f"{error.method} is not allowed on {path.removeprefix('/v1')}; allowed: {allowed}"
    return ApiError(405, METHOD_NOT_ALLOWED, message, {"Allow": allowed})


def _body_too_large(_error: Any, _path: str) -> ApiError:
    return ApiError(413, TOO_LARGE, "The request body is too large")


def _malformed(_error: Any, _path: str) -> ApiError:
    return bad_request("The request body is malformed")


_REFUSALS: dict[type[RoutingError], int] = {Refused: 400, VersionMismatch: 412, Gone: 410}

_ANSWERS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any, str], ApiError]], ...] = (
    (ApiError, lambda error, _: error),
    (RoutingError, _refusal),
    ((WorkspaceNotFound, web.HTTPNotFound), lambda _, path: not_found(path)),
    ((KeyReused, KeyTaken, InstructionUnderWay), lambda error, _: ApiError(409, CONFLICT, str(error))),
    ((Overloaded, Unavailable), lambda error, _: unavailable(str(error), error.retry_after_s)),
    (VoiceGatewayFailed, lambda error, _: _gateway_failed(error)),
    (BadCursor, lambda _error, _path: bad_page_token()),
    (StoreUnavailable, lambda _error, _path: unavailable("The database does not answer")),
    (web.HTTPMethodNotAllowed, _wrong_method),
    (web.HTTPRequestEntityTooLarge, _body_too_large),
    ((web.HTTPBadRequest, web.RequestPayloadError, HttpProcessingError), _malformed),
    (web.HTTPClientError, lambda error, _: ApiError(error.status, BAD_REQUEST, error.reason)),
)
