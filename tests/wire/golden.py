"""Recorded documents, one per model, with what differs from run to run replaced by what it is.

POINTSMAN_RECORD_GOLDEN=1 records them anew.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent / "golden"

_SID = re.compile(r"\b([A-Z]{2})[0-9a-f]{32}\b")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ROOT = re.compile(r"^http://127\.0\.0\.1:\d+")
_ELAPSED = re.compile(r"(^|_)(age|avg|date|min|max|total|time|ms)(_|$)")
"""Numbers under these names are times that passed, or points in time."""
_COUNTED = {"total_tasks", "total_workers", "total_available_workers", "total_eligible_workers"}


def assert_golden(documents: dict[str, Any]) -> None:
    """The documents are those recorded, and every recorded one is there."""
    normal = {model: _normal(document, {}) for model, document in documents.items()}
    if os.environ.get("POINTSMAN_RECORD_GOLDEN"):
        for model, document in normal.items():
            (DIRECTORY / f"{model}.json").write_text(json.dumps(document, indent=2) + "\n")
    recorded = {path.stem: json.loads(path.read_text()) for path in DIRECTORY.glob("*.json")}
    assert sorted(normal) == sorted(recorded)
    for model, document in recorded.items():
        assert normal[model] == document, model


def _normal(value: Any, names: dict[str, str], key: str = "") -> Any:
    """Return a document with SIDs numbered in the order they occur, and without times and places."""
    if isinstance(value, dict):
        return {name: _normal(item, names, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_normal(item, names, key) for item in value]
    elapsed = _ELAPSED.search(key) and key not in _COUNTED
    if isinstance(value, str):
        text = "<root>" + _ROOT.sub("", value) if _ROOT.match(value) else value
        text = _SID.sub(lambda found: names.setdefault(found[0], f"{found[1]}<{len(names) + 1}>"), text)
        return "<number>" if elapsed and text.isdigit() else _DATE.sub("<date>", text)
    if isinstance(value, int | float) and not isinstance(value, bool) and elapsed:
        return f"<{type(value).__name__}>"
    return value
