"""Events as lines of a terminal: time, sequence, type, what it is about, and whom else it concerns."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

TYPE_WIDTH = 24
SEQUENCE_WIDTH = 6

_STYLES = (
    # The first that a type begins or ends with.
    ((".timeout", ".canceled", ".rejected", ".rescinded", ".failed", ".deleted", ".skipped"), "red"),
    ((".completed", ".accepted", ".wrapup"), "green"),
    (("reservation.",), "yellow"),
    (("task.",), "cyan"),
    (("task-queue.", "workflow."), "blue"),
    (("worker.",), "magenta"),
)
_CONCERNED = (
    # What to call it, and where it stands; SIDs only of what the line is not about.
    ("task", "task_sid"),
    ("worker", "worker_name"),
    ("activity", "worker_activity_name"),
    ("queue", "task_queue_name"),
    ("workflow", "workflow_name"),
    ("channel", "task_channel_unique_name"),
    ("activity", "activity_name"),
    ("", "workspace_name"),
    ("reason", "reason"),
)
_LEFT_OUT = {
    # Names that say nothing new in lines about these.
    "task": {"task_sid", "worker_activity_name", "task_channel_unique_name", "workspace_name"},
    "reservation": {"worker_activity_name", "task_channel_unique_name", "workflow_name", "workspace_name"},
    "worker": {"task_sid", "task_channel_unique_name", "workspace_name"},
    "workspace": set[str](),
}
_OTHERWISE = {"worker_activity_name", "workspace_name"}


def line_of(event: Mapping[str, Any]) -> Text:
    """Return the line of an event; whatever its texts hold, they cannot steer the terminal."""
    event_type = printable(str(event["event_type"]))
    moment = datetime.fromtimestamp(event["event_date_ms"] / 1000).astimezone()
    text = Text(no_wrap=True)
    text.append(moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03d}  ", style="dim")
    text.append(f"{event['sequence']:>{SEQUENCE_WIDTH}}  ", style="dim")
    text.append(f"{event_type:<{TYPE_WIDTH}}  ", style=style_of(event_type))
    text.append(printable(str(event["resource_sid"])))
    for name, value in concerned(event):
        text.append(f"  {name} " if name else "  ", style="dim").append(value)
    return text


def style_of(event_type: str) -> str:
    """Return the colour of a type."""
    for parts, style in _STYLES:
        if event_type.startswith(parts) or event_type.endswith(parts):
            return style
    return ""


def concerned(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what else an event is about, with what to call it."""
    data: Mapping[str, Any] = event["event_data"]
    left_out = _LEFT_OUT.get(str(event["resource_type"]), _OTHERWISE)
    for name, key in _CONCERNED:
        value = data.get(key)
        if value and key not in left_out and value != event["resource_sid"]:
            yield name, printable(str(value))


def printable(text: str) -> str:
    """Return a text without what would steer a terminal."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
