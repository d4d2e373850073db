"""Successful answers: 200, 201 and the empty 204, with their ETag."""

import zlib
from typing import Any

import orjson
from aiohttp import web


def document(body: Any, status: int = 200, version: int | None = None) -> web.Response:
    """Answer a JSON document; `version` becomes the bare ETag (contract §2)."""
    headers = None if version is None else {"ETag": str(version)}
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/json", headers=headers
    )


def created(body: Any, version: int | None = None) -> web.Response:
    """Answer 201 with the new resource."""
    return document(body, 201, version)


def no_content() -> web.Response:
    """Answer 204 with nothing."""
    return web.Response(status=204)


def collection(body: Any, *, tagged: bool) -> web.Response:
    """Answer a list; `tagged` adds a weak ETag that changes with the content."""
    raw = orjson.dumps(body)
    headers = {"ETag": f'W/"{zlib.crc32(raw):08x}"'} if tagged else None
    return web.Response(body=raw, content_type="application/json", headers=headers)
