"""What the OpenAPI document says of every operation alike: paths, headers, credentials, refusals."""

from collections.abc import Sequence
from typing import Any

from engine.api.operations import Operation, Route
from engine.readers import Schema

INFO = {
    "title": "Pointsman",
    "summary": "A self-hosted task routing engine that speaks TaskRouter's REST API.",
    "description": (
        "Bodies are forms, or JSON objects of the same names: there a number or boolean may stand for its "
        "text, null for what is not sent, a list for a repeated field and an object for its JSON text. "
        "Unknown names are ignored. An empty value of a number, boolean, SID, date or enumeration counts as "
        "not sent."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
SECURITY: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}]
SECURITY_SCHEMES = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "Account SID and auth token, API key and secret, or anything and a token.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A capability token or an access token with a grant for task routing.",
    },
}

_TEXT: Schema = {"type": "string"}
_EVERYWHERE = {
    "X-Rate-Limit-Limit": "Requests that the limit allows at a time.",
    "X-Rate-Limit-Remaining": "Requests that it still allows now.",
    "X-Rate-Limit-Config": "The limit in words.",
    "X-Request-Id": "Name of this request, in the log too.",
    "Access-Control-Allow-Origin": "Any origin.",
    "Access-Control-Allow-Methods": "What browsers may do.",
    "Access-Control-Allow-Headers": "What browsers may send.",
    "Access-Control-Allow-Credentials": "Always true.",
    "Access-Control-Expose-Headers": "What browsers may read.",
}
_SOMEWHERE = {
    "ETag": "Version of the resource for If-Match; of a list, a hash of its content.",
    "X-Pointsman-Warnings": "JSON list of probable mistakes in the configuration that was sent.",
    "Retry-After": "Seconds to wait before the request is sent again.",
    "WWW-Authenticate": "Which credentials are asked for.",
}
HEADERS: dict[str, Any] = {
    name: {"description": about, "required": name in _EVERYWHERE, "schema": _TEXT}
    for name, about in (_EVERYWHERE | _SOMEWHERE).items()
}

IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The version that the resource must have, as its ETag told it; else 412.",
    "schema": {"type": "string", "pattern": r'^((W/)?"?[0-9]{1,18}"?|\*)?$'},
    "examples": {"first version": {"value": "0"}, "any": {"value": "*"}},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeated with the same key and body within 24 h, a request gets the same answer.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "Sequence of the last event that arrived; the stream goes on behind it. Wins over From.",
    "schema": {"type": "string", "pattern": "^[0-9]{0,18}$"},
}

_PATHS = {
    "AC": ("AccountSid", "The account"),
    "ED": ("DeliverySid", "The delivery"),
    "EV": ("EventSid", "The event"),
    "NO": ("AlertSid", "The alert"),
    "SK": ("KeySid", "The API key"),
    "TT": ("TransferSid", "The transfer"),
    "WA": ("ActivitySid", "The activity"),
    "WK": ("WorkerSid", "The worker"),
    "WQ": ("TaskQueueSid", "The queue"),
    "WR": ("ReservationSid", "The reservation"),
    "WS": ("WorkspaceSid", "The workspace"),
    "WT": ("TaskSid", "The task"),
    "WW": ("WorkflowSid", "The workflow"),
    "channel": ("TaskChannel", "SID or unique name of the channel"),
    "asset": ("Asset", "Name of the file"),
}

DESCRIPTIONS = {
    200: "Done.",
    201: "Created.",
    202: "Under way.",
    204: "Gone.",
    304: "What the client has is up to date.",
    400: "The request is malformed, or a value is not acceptable.",
    401: "There are no valid credentials.",
    403: "The account is not active, or the token does not cover the call.",
    404: "There is no such resource.",
    409: "The Idempotency-Key stands for another body, or an instruction is under way.",
    410: "Another worker has the task, or the events asked for are no longer kept.",
    412: "If-Match is not the present version.",
    413: "The body is too large.",
    429: "A rate limit is reached.",
    502: "The voice gateway failed.",
    503: "Too busy, shutting down, or without a database: to be tried again.",
    504: "The voice gateway did not answer in time.",
}
_REFUSAL_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}


def path_name(placeholder: str) -> str:
    """Return the name of a path parameter by its placeholder in the routes."""
    return _named(placeholder)[0]


def path_parameter(placeholder: str) -> dict[str, Any]:
    """Describe a path parameter: a SID with the prefix that its placeholder is, or any text."""
    name, about = _named(placeholder)
    is_sid = len(placeholder) == 2
    schema = {"pattern": f"^{placeholder}[0-9a-fA-F]{{32}}$"} if is_sid else {"minLength": 1}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"{about}.",
        "schema": _TEXT | schema,
    }


def headers_of(operation: Operation) -> dict[str, Any]:
    """Refer to the headers of a successful answer."""
    names = [*_EVERYWHERE]
    names += ["ETag"] if operation.tagged else []
    names += ["X-Pointsman-Warnings"] if operation.warned else []
    return _referred(names)


def statuses_of(route: Route) -> list[int]:
    """Return with which statuses a request may be refused."""
    operation = route.operation
    applies = {
        404: "{" in route.path,
        409: operation.once,
        412: operation.conditional,
        413: operation.body is not None or operation.bodies is not None,
    }
    also = {status for status, holds in applies.items() if holds}
    return sorted({400, 401, 403, 429, 503, *also, *operation.refusals})


def refusals(problem: Schema) -> dict[str, Any]:
    """Describe every refusal; `problem` is the schema of its document."""
    content = {"application/json": {"schema": problem}}
    described: dict[str, Any] = {
        str(status): {
            "description": about,
            "headers": _referred(_REFUSAL_HEADERS.get(status, ())),
            "content": content,
        }
        for status, about in DESCRIPTIONS.items()
        if status >= 400
    }
    return described | {"304": {"description": DESCRIPTIONS[304]}}


def _named(placeholder: str) -> tuple[str, str]:
    return _PATHS.get(placeholder, (f"{placeholder}Sid", "What the path names"))


def _referred(names: Sequence[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
