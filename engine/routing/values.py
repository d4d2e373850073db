"""The environments that expressions are evaluated in (behaviour §6, "Which names resolve where")."""

from typing import Any

from engine.routing.entities import TaskChannel, Worker, WorkerChannel

DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MS = 86_400_000
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


def worker_values(
    attributes: dict[str, Any], sid: str, friendly_name: str, activity_sid: str, activity_name: str
) -> dict[str, Any]:
    """Build what TargetWorkers reads: attributes by bare name; the built-in fields win."""
    return {
        **attributes,
        "sid": sid,
        "friendly_name": friendly_name,
        "activity_sid": activity_sid,
        "activity_name": activity_name,
    }


def available_capacity_percentage(configured_capacity: int, open_reservations: int) -> int:
    """Return the free share of a channel in whole percent, rounded down (behaviour §4)."""
    if configured_capacity <= 0 or open_reservations >= configured_capacity:
        return 0
    return (configured_capacity - open_reservations) * 100 // configured_capacity


def channel_values(channel: WorkerChannel) -> dict[str, int]:
    """Build `worker.channel.<unique name>` of a target expression."""
    in_use = channel.pending + channel.accepted + channel.wrapping
    return {
        "configured_capacity": channel.configured_capacity,
        "assigned_tasks": channel.accepted,
        "available_capacity_percentage": available_capacity_percentage(channel.configured_capacity, in_use),
    }


def worker_environment(worker: Worker, task_channels: dict[str, TaskChannel]) -> dict[str, Any]:
    """Build what a bound target expression reads: everything of the worker under `worker`."""
    channels = {
        task_channels[sid].unique_name: channel_values(channel) for sid, channel in worker.channels.items()
    }
    return {"worker": {**worker.values, "channel": channels}}


def time_values(now_ms: int) -> dict[str, Any]:
    """Build `taskrouter.*`: integers for the hour, the minute and HHMM, a day name; UTC (CX-18)."""
    day, ms_of_day = divmod(now_ms, _DAY_MS)
    hour, minute = divmod(ms_of_day // 60_000, 60)
    return {
        "currentTime": hour * 100 + minute,
        "currentHour": hour,
        "currentMin": minute,
        "dayOfWeek": DAY_NAMES[(day + _EPOCH_WEEKDAY) % 7],
    }


def value_at(values: Any, path: tuple[str | int, ...]) -> Any:
    """Follow a path through parsed JSON; None where it leads nowhere."""
    for step in path:
        if isinstance(values, dict):
            values = values.get(step)
        elif isinstance(values, list) and isinstance(step, int) and 0 <= step < len(values):
            values = values[step]
        else:
            return None
    return values
