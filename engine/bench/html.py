"""The report as one HTML file that needs nothing from elsewhere."""

import json
from pathlib import Path
from typing import Any

_TEMPLATE = Path(__file__).with_name("report.html")
_SLOT = "/*REPORT*/null"


def page(report: dict[str, Any]) -> str:
    """Return the page for a report with its points."""
    # inside a script element "</" would end it, and the report has texts of others: names, messages
    data = json.dumps(report).replace("<", "\\u003c")
    return _TEMPLATE.read_text(encoding="utf-8").replace(_SLOT, data)
