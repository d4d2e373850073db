"""What makes requests reach something, and which tolerance of the API its schemas do not tell.

POINTSMAN_FUZZ_SIDS holds the SIDs of resources that exist, as a JSON object by prefix.
"""

import json
import os
import re
from typing import Any
from zlib import crc32

import schemathesis
from hypothesis import strategies as st

BULK_MAX = 10_000
"""More tasks at a time are refused, and so sent as they are."""

SIDS: dict[str, str] = json.loads(os.environ["POINTSMAN_FUZZ_SIDS"])
PREFIXES = {
    "AccountSid": "AC", "ActivitySid": "WA", "EventSid": "EV", "KeySid": "SK", "ReservationSid": "WR",
    "TaskChannel": "TC", "TaskQueueSid": "WQ", "TaskSid": "WT", "WorkerSid": "WK", "WorkflowSid": "WW",
    "WorkspaceSid": "WS",
}  # fmt: skip

_SID = re.compile(r"([A-Z]{2})[0-9a-fA-F]{32}")
_TOLERATED = re.compile(
    # Not sent; booleans (yes, 1) and the template's name in any case; a page token that a report has cut.
    r"|true|false|yes|no|[01]|none|fifo",
    re.IGNORECASE,
)

_words = st.sampled_from(["language", "task.priority", "worker.skills", "a_b", "x.y.z"])
_values = st.sampled_from(["1", "-2.5", "'en'", '"de"', "true", "null", "['a', 'b']", "worker.level"])
_comparisons = st.builds(
    "{} {} {}".format, _words, st.sampled_from(["==", "!=", "<", ">=", "IN", "HAS", "CONTAINS"]), _values
)
EXPRESSIONS = st.recursive(
    _comparisons,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
    max_leaves=4,
)
_scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
OBJECTS = st.dictionaries(st.text(max_size=8), _scalars | st.lists(_scalars, max_size=3), max_size=4)

schemathesis.openapi.format("expression", EXPRESSIONS)
schemathesis.openapi.format("json-object", OBJECTS.map(json.dumps))


@schemathesis.hook
def map_path_parameters(context: Any, parameters: Any) -> Any:
    """Name what exists, three times of four; what is deleted is mostly made up."""
    if not parameters or (context.operation.method.upper() == "DELETE" and not _chance(parameters, 16)):
        return parameters
    named = {
        name: SIDS[prefix]
        for name, prefix in PREFIXES.items()
        if name in parameters and prefix in SIDS and not _chance((name, parameters), 4)
    }
    return {**parameters, **named}


@schemathesis.hook
def map_query(_context: Any, query: Any) -> Any:
    """Filter by what exists, every other time."""
    return _existing(query)


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """Refer to what exists, every other time; send fewer of what may be thousands."""
    if isinstance(body, list):
        return _fewer(body)
    if isinstance(body, dict) and isinstance(body.get("tasks"), list):
        return {**body, "tasks": _fewer(body["tasks"])}
    return _existing(body)


def _fewer(items: list[Any]) -> list[Any]:
    return items if len(items) > BULK_MAX else items[:20]


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leave out what violates a schema, but is tolerated, where nothing else tells whether it was."""
    if case.meta is None or not case.meta.generation.mode.is_negative:
        return True
    if _is_coerced(case.body):
        return False
    values = [*_values_of(case.query), *_values_of(case.body)]
    return not any(_TOLERATED.fullmatch(value) for value in values)


def _is_coerced(body: Any) -> bool:
    """Whether a body is one of many tasks, which fail each by itself, or has values taken as their text."""
    if isinstance(body, list):
        return len(body) <= BULK_MAX
    return isinstance(body, dict) and any(not isinstance(value, str | None) for value in body.values())


def _existing(fields: Any) -> Any:
    if not isinstance(fields, dict):
        return fields
    return {name: _existing_value(value) for name, value in fields.items()}


def _existing_value(value: Any) -> Any:
    found = _SID.fullmatch(value) if isinstance(value, str) else None
    return SIDS.get(found[1], value) if found and _chance(value, 2) else value


def _values_of(fields: Any) -> list[str]:
    """The values of a query or body as the text that they are taken as; null is as good as empty."""
    if not isinstance(fields, dict):
        return []
    return ["" if value is None else str(value) for value in fields.values()]


def _chance(value: object, times: int) -> bool:
    """True once in so many times, always the same for a value."""
    return crc32(repr(value).encode("utf-8", "surrogatepass")) % times == 0
