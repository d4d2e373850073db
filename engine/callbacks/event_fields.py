"""An event as the form fields of its callback (behaviour §9)."""

from dataclasses import dataclass
from functools import lru_cache

from engine.routing.effects import Event
from engine.routing.entities import Workspace


@dataclass(slots=True, frozen=True)
class EventReceiver:
    """Where a workspace's events go, as of its last commit."""

    workspace_sid: str
    workspace_name: str
    account_sid: str
    url: str

    @classmethod
    def of(cls, workspace: Workspace) -> "EventReceiver":
        """Take what event callbacks need of a workspace."""
        return cls(
            workspace_sid=workspace.sid,
            workspace_name=workspace.friendly_name,
            account_sid=workspace.account_sid,
            url=workspace.event_callback_url,
        )


def event_fields(receiver: EventReceiver, event: Event) -> dict[str, str]:
    """Return the fields in the order they are sent. Common fields win over the event's data."""
    common = {
        "EventType": event.event_type,
        "AccountSid": receiver.account_sid,
        "WorkspaceSid": receiver.workspace_sid,
        "WorkspaceName": receiver.workspace_name,
        "EventDescription": event.description,
        "ResourceType": event.resource_type,
        "ResourceSid": event.resource_sid,
        "Timestamp": str(event.event_date_ms // 1000),
        "TimestampMs": str(event.event_date_ms),
        "Sid": event.sid,
    }
    return common | {pascal_case(key): value for key, value in event.data.items()} | common


@lru_cache(maxsize=1024)
def pascal_case(snake_case: str) -> str:
    """Turn `task_queue_sid` into `TaskQueueSid`."""
    return "".join(part[:1].upper() + part[1:] for part in snake_case.split("_"))
