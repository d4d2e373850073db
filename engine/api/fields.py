"""Readers: what the text of one field means, and which texts are refused (contract §5, clients §1.3).

Each takes the field's name (for the message) and its text, and returns the value or raises an ApiError 400.
Its schema tells which texts those are, but not what is tolerated beside (other spellings of a boolean).
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import orjson

from engine.api.operations import Terms
from engine.api.problems import BAD_FRIENDLY_NAME, bad_request
from engine.callback_urls import URL_CHARACTERS_MAX, check_callback_url
from engine.readers import Reader, Schema, reads

E = TypeVar("E", bound=StrEnum)

FRIENDLY_NAME_CHARS_MAX = 64
TEXT_CHARS_MAX = 4_096
EXPRESSION_CHARS_MAX = 65_536
JSON_DEPTH_MAX = 100
WHOLE_NUMBER_MAX = 10**18 - 1
VIRTUAL_START_SKEW_MS = 1_000
"""How far ahead of ours a client's clock may be before its "now" counts as the future."""

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_UNIQUE_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}")
_EARLIEST_MS = -2_208_988_800_000
"""1900-01-01T00:00:00Z"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@reads(type="string", maxLength=TEXT_CHARS_MAX)
def text(name: str, value: str) -> str:
    """Free text of at most TEXT_CHARS_MAX characters."""
    return _at_most(name, value, TEXT_CHARS_MAX)


@reads(type="string", maxLength=EXPRESSION_CHARS_MAX, format="expression")
def expression_text(name: str, value: str) -> str:
    """The text of an expression; its syntax is not looked at."""
    return _at_most(name, value, EXPRESSION_CHARS_MAX)


@reads(type="string", maxLength=TEXT_CHARS_MAX)
def events_filter(name: str, value: str) -> str | None:
    """A comma list of event types; empty means every event."""
    return text(name, value).strip() or None


@reads(type="string", minLength=1, maxLength=FRIENDLY_NAME_CHARS_MAX, pattern=r"\S")
def friendly_name(name: str, value: str) -> str:
    """A name of 1 to 64 characters that are not all blank; else 400/20002."""
    if not value.strip() or len(value) > FRIENDLY_NAME_CHARS_MAX:
        raise bad_request(f"{name} must have 1 to {FRIENDLY_NAME_CHARS_MAX} characters", BAD_FRIENDLY_NAME)
    return value


@reads(type="string", pattern=f"^{_UNIQUE_NAME.pattern}$")
def unique_name(name: str, value: str) -> str:
    """A name that an expression can hold: letters, digits, `_`, `$`, no digit first (behaviour §1)."""
    if not _UNIQUE_NAME.fullmatch(value):
        raise bad_request(f"{name} must be 1 to 64 letters, digits, _ or $ and must not begin with a digit")
    return value


@reads(type=["boolean", "string"])
def truthy(_name: str, value: str) -> bool:
    """`true`, `1` or `yes` in any case is true, anything else false (contract §5.2)."""
    return value.lower() in _TRUE


@reads(type="boolean")
def boolean(name: str, value: str) -> bool:
    """A boolean in any case: true/1/yes or false/0/no."""
    lowered = value.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise bad_request(f"{name} must be true or false")


def integer(minimum: int, maximum: int | None = None) -> Reader[int]:
    """Make a reader of whole numbers within bounds."""

    schema: Schema = {"type": "integer", "minimum": minimum}
    if maximum is not None:
        schema["maximum"] = maximum

    @reads(**schema)
    def read(name: str, value: str) -> int:
        number = whole_number(name, value)
        if number < minimum or (maximum is not None and number > maximum):
            upper = "" if maximum is None else f" and at most {maximum}"
            raise bad_request(f"{name} must be at least {minimum}{upper}")
        return number

    return read


@reads(type="integer", format="int64", minimum=-WHOLE_NUMBER_MAX, maximum=WHOLE_NUMBER_MAX)
def whole_number(name: str, value: str) -> int:
    """A decimal whole number of at most 18 digits."""
    if not _INTEGER.fullmatch(value):
        raise bad_request(f"{name} must be a whole number")
    return int(value)


def sid(*prefixes: str) -> Reader[str]:
    """Make a reader of SIDs with one of the prefixes."""

    matches = re.compile(_sid_pattern(prefixes).strip("^$")).fullmatch

    @reads(type="string", pattern=_sid_pattern(prefixes))
    def read(name: str, value: str) -> str:
        if matches(value) is None:
            raise bad_request(f"{name} must be a SID: {' or '.join(prefixes)} and 32 hexadecimal digits")
        return value

    return read


def optional_sid(prefix: str) -> Reader[str | None]:
    """Make a reader of SIDs where empty text clears the reference."""
    read_sid = sid(prefix)

    @reads(type="string", pattern=rf"^$|{_sid_pattern([prefix])}")
    def read(name: str, value: str) -> str | None:
        return read_sid(name, value) if value else None

    return read


def choice(values: type[E], *allowed: E) -> Reader[E]:
    """Make a reader of an enumeration, optionally of some of its values only."""
    known = {value.value: value for value in allowed or values}

    @reads(type="string", enum=list(known))
    def read(name: str, value: str) -> E:
        if value not in known:
            raise bad_request(f"{name} must be one of {', '.join(known)}")
        return known[value]

    return read


def one_of(*allowed: str) -> Reader[str]:
    """Make a reader of a fixed set of words."""

    @reads(type="string", enum=list(allowed))
    def read(name: str, value: str) -> str:
        if value not in allowed:
            raise bad_request(f"{name} must be one of {', '.join(allowed)}")
        return value

    return read


@reads(type="string", format="date-time")
def instant_ms(name: str, value: str) -> int:
    """An ISO 8601 date or date-time, UTC unless it says otherwise, as milliseconds since the epoch."""
    try:
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise bad_request(f"{name} must be a date such as 2026-01-31T12:00:00Z") from None


def virtual_start_ms(now_ms: Callable[[], int]) -> Reader[int]:
    """Make a reader of instants from 1900 on that are not in the future."""

    @reads(type="string", format="date-time")
    def read(name: str, value: str) -> int:
        moment_ms = instant_ms(name, value)
        if moment_ms < _EARLIEST_MS:
            raise bad_request(f"{name} must not be before 1900")
        if moment_ms > now_ms() + VIRTUAL_START_SKEW_MS:
            raise bad_request(f"{name} must not be in the future")
        return moment_ms

    return read


@reads(type="string", format="uri", maxLength=URL_CHARACTERS_MAX)
def callback_url(name: str, value: str) -> str:
    """An http or https URL that can be called; empty means none."""
    reason = check_callback_url(value)
    if reason is not None:
        raise bad_request(f"{name}: {reason}")
    return value


def attributes(chars_max: int) -> Reader[str]:
    """Make a reader of the JSON text of an object of at most `chars_max` characters, kept verbatim."""

    @reads(**json_object.schema, maxLength=chars_max)
    def read(name: str, value: str) -> str:
        if len(value) > chars_max:
            raise bad_request(f"{name} must have at most {chars_max} characters")
        json_object(name, value)
        return value

    return read


def created_attributes(chars_max: int) -> Reader[str]:
    """Make a reader as `attributes`, where empty text means `{}`."""
    read_attributes = attributes(chars_max)

    @reads(**read_attributes.schema)
    def read(name: str, value: str) -> str:
        return read_attributes(name, value) if value else "{}"

    return read


def new_attributes(terms: Terms) -> Reader[str]:
    """Make the reader of the attributes of what is created, within the configured limit."""
    return created_attributes(terms.limits.attributes_chars_max)


def changed_attributes(terms: Terms) -> Reader[str]:
    """Make the reader of the attributes of what is changed, within the configured limit."""
    return attributes(terms.limits.attributes_chars_max)


def virtual_start(terms: Terms) -> Reader[int]:
    """Make the reader of a virtual start time as of the present."""
    return virtual_start_ms(terms.clock)


def configuration(bytes_max: int) -> Reader[str]:
    """Make a reader of a workflow configuration: JSON text of an object, at most `bytes_max` bytes."""

    @reads(**json_object.schema, maxLength=bytes_max)
    def read(name: str, value: str) -> str:
        if len(value.encode()) > bytes_max:
            raise bad_request(f"{name} must have at most {bytes_max} bytes")
        json_object(name, value)
        return value

    return read


@reads(type="string", contentMediaType="application/json", format="json-object")
def json_object(name: str, value: str) -> dict[str, Any]:
    """The JSON text of an object, nested at most JSON_DEPTH_MAX deep."""
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"{name} is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise bad_request(f"{name} must be a JSON object")
    if value.count("[") + value.count("{") > JSON_DEPTH_MAX and _depth(document) > JSON_DEPTH_MAX:
        raise bad_request(f"{name} is nested more than {JSON_DEPTH_MAX} levels deep")
    return document


def _depth(document: Any) -> int:
    """Return how many levels of objects and lists there are, without recursion."""
    depth = 0
    level = [document]
    while level:
        depth += 1
        inner = (item for node in level for item in (node.values() if isinstance(node, dict) else node))
        level = [item for item in inner if isinstance(item, dict | list)]
    return depth


def _sid_pattern(prefixes: Sequence[str]) -> str:
    return f"^({'|'.join(prefixes)})[0-9a-fA-F]{{32}}$"


def _at_most(name: str, value: str, chars_max: int) -> str:
    if len(value) > chars_max:
        raise bad_request(f"{name} must have at most {chars_max} characters")
    return value
