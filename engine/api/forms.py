"""Request bodies and query strings as named text values.

A form and a JSON object end up as the same `Form`: PascalCase names to lists of text. What the text means is
for the readers in `fields.py`.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import unquote

import orjson
from aiohttp import web

from engine.api.problems import bad_request, too_large

T = TypeVar("T")
D = TypeVar("D")

_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_OF_JSON = tuple((f"%{ord(character):02X}", character) for character in '"{}:,[] ')
_FORM_TYPES = {"", "application/x-www-form-urlencoded"}
_JSON_TYPE = "application/json"
_LARGE_BODY = "large_body"


class Form:
    """The fields of one request. Of a repeated single-valued field the last one counts."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def names(self) -> list[str]:
        """Return the names in the order they were first sent."""
        return list(self._fields)

    def all(self, name: str) -> list[str]:
        """Return every value of a repeatable field."""
        return self._fields.get(name, [])

    def pairs(self) -> list[tuple[str, str]]:
        """Return all values with their names."""
        return [(name, text) for name, texts in self._fields.items() for text in texts]

    def value(self, name: str, read: Callable[[str, str], T], default: D) -> T | D:
        """Return what `read` makes of a field; `default` when it was not sent or is empty."""
        texts = self._fields.get(name)
        if texts is None or not texts[-1]:
            return default
        return read(name, texts[-1])

    def exact(self, name: str, read: Callable[[str, str], T], default: D) -> T | D:
        """Return what `read` makes of a field, empty text included; `default` when it was not sent."""
        texts = self._fields.get(name)
        return default if texts is None else read(name, texts[-1])

    def required(self, name: str, read: Callable[[str, str], T]) -> T:
        """Return what `read` makes of a field. Raises 400/20001 naming it when it was not sent."""
        texts = self._fields.get(name)
        if texts is None:
            raise bad_request(f"Missing required parameter {name} in the post body")
        return read(name, texts[-1])


EMPTY = Form({})


async def read_form(request: web.Request, bytes_max: int, fields_max: int) -> Form:
    """Read a request's body.

    Args:
        request: with a urlencoded body (or one without a content type), or a JSON object.
        bytes_max: the longest body.
        fields_max: the most values in it.

    Raises:
        ApiError: 413 over the limit, 400 for another content type, compression or malformed content.
    """
    return parse_body(
        await read_body(request, bytes_max), request.headers.get("Content-Type", ""), fields_max
    )


def parse_body(raw: bytes, content_type: str, fields_max: int) -> Form:
    """Parse a body as its Content-Type says. Raises 400 as `read_form`."""
    if not raw:
        return EMPTY
    media_type = _media_type(content_type)
    if media_type in _FORM_TYPES:
        return parse_urlencoded(raw, fields_max)
    if media_type == _JSON_TYPE:
        return parse_json(raw, fields_max)
    raise bad_request(f"Content-Type {media_type} is not supported; send application/x-www-form-urlencoded")


async def read_tolerant_form(request: web.Request, bytes_max: int, fields_max: int) -> Form:
    """Read a body as `read_form`, but by what it looks like: JSON begins with a bracket.

    One official client sends a form under the content type of JSON (clients §1.8).
    """
    raw = await read_body(request, bytes_max)
    content_type = content_type_of(request)
    if content_type not in {*_FORM_TYPES, _JSON_TYPE}:
        raise bad_request(f"Content-Type {content_type} is not supported; send {_JSON_TYPE}")
    if raw.lstrip()[:1] in {b"{", b"["}:
        return parse_json(raw, fields_max)
    return parse_urlencoded(raw, fields_max)


async def read_large_body(request: web.Request, bytes_max: int) -> bytes:
    """Read a body that may be longer than those of other requests; it may be read again.

    Raises:
        ApiError: 413 over the limit, 400 for compression.
    """
    known: bytes | None = request.get(_LARGE_BODY)
    if known is not None:
        return known
    _check_head(request, bytes_max)
    raw = bytearray()
    with _to_its_end():
        async for chunk in request.content.iter_any():
            raw += chunk
            if len(raw) > bytes_max:
                raise too_large(bytes_max)
    request[_LARGE_BODY] = body = bytes(raw)
    return body


async def read_body(request: web.Request, bytes_max: int) -> bytes:
    """Read a body; it may be read again. Raises as `read_large_body`."""
    _check_head(request, bytes_max)
    with _to_its_end():
        return await request.read()


@contextmanager
def _to_its_end() -> Iterator[None]:
    """Make a 400 of a connection lost within the body: nobody hears it, but it is no fault of ours."""
    try:
        yield
    except ConnectionResetError:
        raise bad_request("The connection was lost before the request body ended") from None


def _check_head(request: web.Request, bytes_max: int) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise bad_request("Content-Encoding is not supported; send the body as it is")
    if (request.content_length or 0) > bytes_max:
        raise too_large(bytes_max)


def content_type_of(request: web.Request) -> str:
    """Return the media type of the body in lower case, without parameters; empty when none is named."""
    return _media_type(request.headers.get("Content-Type", ""))


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def parse_urlencoded(raw: bytes, fields_max: int) -> Form:
    """Parse a urlencoded body or query string. Raises 400 for broken escapes, invalid UTF-8 and NUL."""
    try:
        return Form(_urlencoded_fields(raw.decode(), fields_max))
    except UnicodeDecodeError:
        raise bad_request("The request is not valid UTF-8") from None


def parse_json(raw: bytes, fields_max: int) -> Form:
    """Parse a JSON object of PascalCase names.

    Scalars are taken as their form text, null as "not sent", a list of scalars as a repeated field, and an
    object as its own JSON text (for Attributes and Configuration).
    """
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"The request body is not valid JSON: {error}") from None
    return form_of(document, fields_max)


def form_of(document: object, fields_max: int) -> Form:
    """Take a parsed JSON object as a form, as `parse_json` does."""
    if not isinstance(document, dict):
        raise bad_request("The request body is not a JSON object")
    fields = {name: texts for name, value in document.items() if (texts := _json_texts(name, value))}
    _check_count(sum(map(len, fields.values())), fields_max)
    if any("\0" in text for texts in fields.values() for text in texts):
        raise bad_request("The request holds a NUL character")
    return Form(fields)


def _urlencoded_fields(text: str, fields_max: int) -> dict[str, list[str]]:
    if _BROKEN_ESCAPE.search(text):
        raise bad_request("The request holds a % that is not followed by two hexadecimal digits")
    if "%00" in text or "\0" in text:
        raise bad_request("The request holds a NUL character")
    pieces = [piece for piece in text.split("&") if piece]
    _check_count(len(pieces), fields_max)
    fields: dict[str, list[str]] = {}
    for piece in pieces:
        name, _, value = piece.partition("=")
        if not name:
            raise bad_request("The request holds a value without a name")
        fields.setdefault(_decoded(name), []).append(_decoded(value))
    return fields


def _decoded(piece: str) -> str:
    """Return what a piece spells; its escapes are known not to be broken."""
    if "+" in piece:
        piece = piece.replace("+", " ")
    if "%" not in piece:
        return piece
    # Each escape of what JSON is made of is undone everywhere at once: half the time for attributes. None of
    # them makes a new escape, because a % is not among them.
    for escape, character in _OF_JSON:
        piece = piece.replace(escape, character)
    return unquote(piece, errors="strict") if "%" in piece else piece


def _check_count(count: int, fields_max: int) -> None:
    if count > fields_max:
        raise bad_request(f"The request has more than {fields_max} fields")


def _json_texts(name: str, value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, dict):
        return [_nested_text(name, value)]
    return [_scalar_text(name, item) for item in (value if isinstance(value, list) else [value])]


def _scalar_text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    raise bad_request(f"{name}: a list may hold text, numbers and booleans only")


def _nested_text(name: str, value: dict[str, object]) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        raise bad_request(f"{name} is nested too deeply") from None
