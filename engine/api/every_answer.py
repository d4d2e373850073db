"""The headers that every answer has, and answers spelled out as bytes.

What is spelled here and what the HTTP library makes of a response are the same bytes.
"""

from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from os import urandom

from aiohttp.http import SERVER_SOFTWARE

from engine.api.peers import REQUEST_ID
from engine.clock import wall_clock_ms

EVERY_ANSWER = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, "
    "Last-Event-ID, X-Request-Id, apiVersion, clientVersion",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "ETag, Retry-After, X-Request-Id, X-Rate-Limit-Limit, "
    "X-Rate-Limit-Remaining, X-Rate-Limit-Config, X-Pointsman-Warnings",
    "X-Rate-Limit-Limit": "1000000000",
    "X-Rate-Limit-Remaining": "1000000000",
    "X-Rate-Limit-Config": "unlimited",
}

_USUAL = "".join(f"{name}: {value}\r\n" for name, value in EVERY_ANSWER.items())
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


def new_request_id() -> str:
    """Return the id of a request."""
    return f"RQ{urandom(16).hex()}"


def spell(
    status: int, first: Mapping[str, str], limits: Mapping[str, str] | None, request_id: str, body: bytes
) -> bytes:
    """Return a JSON answer as it is sent.

    Args:
        status: as HTTP numbers it.
        first: headers of this answer, whose values are printable.
        limits: headers that tell of rate limits, in place of the usual ones.
        request_id: the request's id.
        body: the document.
    """
    own = "".join(f"{name}: {value}\r\n" for name, value in first.items())
    usual = _USUAL
    if limits:
        usual = "".join(f"{name}: {value}\r\n" for name, value in (EVERY_ANSWER | dict(limits)).items())
    head = (
        f"{_STATUS[status]}{own}Content-Type: application/json\r\n{usual}{REQUEST_ID}: {request_id}\r\n"
        f"Content-Length: {len(body)}\r\n{_date_and_server(wall_clock_ms() // 1_000)}"
    )
    return head.encode() + body


@lru_cache(maxsize=2)
def _date_and_server(now_s: int) -> str:
    return f"Date: {formatdate(now_s, usegmt=True)}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n"
