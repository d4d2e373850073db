"""Idempotency keys: the header, and answers as they are kept.

A kept answer is a line of JSON with status and headers, then the body as it was sent.
"""

import hashlib
import re
from typing import Any

import orjson
from aiohttp import web

from engine.api.problems import bad_request

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_KEPT_HEADERS = ("ETag", "X-Pointsman-Warnings")


def key_of(request: web.Request) -> str | None:
    """Return the key of a request, or None. Raises 400 for one that is not 1 to 255 printable ASCII."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise bad_request(f"{HEADER} must have 1 to 255 printable ASCII characters")
    return key


def fingerprint(raw: bytes) -> bytes:
    """Return what tells a body from another one."""
    return hashlib.sha256(raw).digest()


def pack(response: web.Response) -> bytes:
    """Return an answer as it is kept."""
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    head: dict[str, Any] = {"status": response.status, "headers": headers}
    body = response.body
    assert isinstance(body, bytes)
    return orjson.dumps(head) + b"\n" + body


def unpack(kept: bytes) -> web.Response:
    """Return a kept answer."""
    line, _, body = kept.partition(b"\n")
    head = orjson.loads(line)
    return web.Response(
        body=body, status=head["status"], headers=head["headers"], content_type="application/json"
    )
