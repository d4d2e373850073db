"""Attributes as they are stored, and as expressions read them."""

from functools import lru_cache
from typing import Any

import orjson

LATEST_MAX = 64


def parse_attributes(text: str) -> dict[str, Any]:
    """Parse the JSON text of an object; anything else gives no values at all."""
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return values if isinstance(values, dict) else {}


@lru_cache(maxsize=LATEST_MAX)
def latest_values(text: str) -> dict[str, Any]:
    """Return what `parse_attributes` does, without parsing again what came lately. Not to be changed."""
    return parse_attributes(text)
