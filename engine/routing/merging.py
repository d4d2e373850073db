"""Merge patches of attributes (RFC 7396), applied to what the attributes are at that moment.

Two clients that change different members at the same time both get their way; with whole attributes the
second would undo the first.
"""

import json
from typing import Any

from engine.routing.commands import UNSET, Unset
from engine.routing.errors import Refused


class _Number(str):
    """A number as it was written: a merge leaves `1.50` and 30 digits as they are."""

    __slots__ = ()


def new_attributes(present: str, whole: str | Unset, patch: str | Unset, chars_max: int) -> str | Unset:
    """Return the attributes that an update leaves, or UNSET when it leaves them alone.

    Args:
        present: what they are, the JSON text of an object.
        whole: what replaces them.
        patch: the JSON text of a merge patch; not together with `whole`.
        chars_max: the longest result of a merge, in characters.

    Raises:
        Refused: for both at once, or a result that is too long.
    """
    if patch is UNSET:
        return whole
    if whole is not UNSET:
        raise Refused("Attributes and AttributesMerge exclude each other")
    merged = merge_text(present, patch)
    if len(merged) > chars_max:
        raise Refused(
            f"AttributesMerge: the merged attributes would have {len(merged)} characters; "
            f"at most {chars_max} are allowed"
        )
    return merged


def merge_text(target: str, patch: str) -> str:
    """Apply the text of a merge patch to the text of an object; the result is without white space."""
    return _text(_merge(_parse(target), _parse(patch)))


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _parse(text: str) -> Any:
    return json.loads(text, parse_int=_Number, parse_float=_Number)


def _text(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        members = (f"{json.dumps(name, ensure_ascii=False)}:{_text(item)}" for name, item in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return json.dumps(value, ensure_ascii=False)
