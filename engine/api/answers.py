"""Successful answers: 200, 201 and the empty 204, with their ETag and their warnings."""

import json
import zlib
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

WARNINGS = "X-Pointsman-Warnings"
WARNINGS_BYTES_MAX = 4_096
"""Longest value of that header: clients refuse heads of more than 8 or 16 KiB."""
_WARNING_BYTES_MAX = 1_000
_WARNING_CHARS_KEPT = 80
"""Characters kept of a warning that is longer: as escapes they still fit."""


def document(body: Any, status: int = 200, version: int | None = None) -> web.Response:
    """Answer a JSON document; `version` becomes the bare ETag (contract §2)."""
    headers = None if version is None else {"ETag": str(version)}
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/json", headers=headers
    )


def created(body: Any, version: int | None = None) -> web.Response:
    """Answer 201 with the new resource."""
    return document(body, 201, version)


def warned(response: web.Response, warnings: Sequence[str]) -> web.Response:
    """Add the linter's warnings as a header: a JSON list of strings in ASCII, absent when there are none.

    What does not fit into WARNINGS_BYTES_MAX is counted by the last string, as in `"and 12 more"`.
    """
    if warnings:
        response.headers[WARNINGS] = _listed(warnings)
    return response


def _listed(warnings: Sequence[str]) -> str:
    spelled: list[str] = []
    left = WARNINGS_BYTES_MAX - len('["and 1000000 more"]')
    for warning in warnings:
        text = json.dumps(warning)
        if len(text) > _WARNING_BYTES_MAX:
            text = json.dumps(f"{warning[:_WARNING_CHARS_KEPT]}…")
        left -= len(text) + len(", ")
        if left < 0:
            spelled.append(json.dumps(f"and {len(warnings) - len(spelled)} more"))
            break
        spelled.append(text)
    return f"[{', '.join(spelled)}]".replace("\x7f", "?")


def no_content() -> web.Response:
    """Answer 204 with nothing."""
    return web.Response(status=204)


def collection(body: Any, *, tagged: bool) -> web.Response:
    """Answer a list; `tagged` adds a weak ETag that changes with the content."""
    raw = orjson.dumps(body)
    headers = {"ETag": f'W/"{zlib.crc32(raw):08x}"'} if tagged else None
    return web.Response(body=raw, content_type="application/json", headers=headers)
