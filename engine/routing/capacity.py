"""Worker-channel capacity: what uses it and when a worker can take one more (behaviour §4)."""

from enum import Enum

from engine.routing.entities import Activity, Reservation, ReservationStatus, Worker, WorkerChannel


class Obstacle(Enum):
    """Why a worker cannot be offered a task on a channel now, in the order they are looked at."""

    ACTIVITY = "its activity is not available"
    CHANNEL = "the channel is switched off for it"
    CAPACITY = "the channel's capacity is used up"
    BUSY = "a single-tasking workspace allows one open reservation over all channels"


def in_use(channel: WorkerChannel) -> int:
    """Count the reservations that use capacity: pending, accepted and wrapping."""
    return channel.pending + channel.accepted + channel.wrapping


def is_ready(worker: Worker, channel: WorkerChannel, activity: Activity, multi_task_enabled: bool) -> bool:
    """Tell whether `worker` can be offered a task on `channel` now."""
    return obstacle(worker, channel, activity, multi_task_enabled) is None


def obstacle(
    worker: Worker, channel: WorkerChannel, activity: Activity, multi_task_enabled: bool
) -> Obstacle | None:
    """Return the first thing that keeps `worker` from being offered a task on `channel` now, or None.

    A single-tasking workspace allows one open reservation over all channels (behaviour §1).
    """
    if not activity.available:
        return Obstacle.ACTIVITY
    if not channel.available:
        return Obstacle.CHANNEL
    if in_use(channel) >= channel.configured_capacity:
        return Obstacle.CAPACITY
    if not multi_task_enabled and worker.reservations:
        return Obstacle.BUSY
    return None


def count(channel: WorkerChannel, status: ReservationStatus, by: int) -> None:
    """Add `by` to the channel's count of open reservations in `status`."""
    if status is ReservationStatus.PENDING:
        channel.pending += by
    elif status is ReservationStatus.ACCEPTED:
        channel.accepted += by
    elif status is ReservationStatus.WRAPPING:
        channel.wrapping += by


def attach(worker: Worker, reservation: Reservation) -> None:
    """Book an open reservation on its worker."""
    worker.reservations[reservation.sid] = reservation
    count(worker.channels[reservation.task_channel_sid], reservation.status, +1)
