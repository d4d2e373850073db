"""Worker-channel capacity: what uses it and when a worker can take one more (behaviour §4)."""

from engine.routing.entities import Activity, Reservation, ReservationStatus, Worker, WorkerChannel


def in_use(channel: WorkerChannel) -> int:
    """Count the reservations that use capacity: pending, accepted and wrapping."""
    return channel.pending + channel.accepted + channel.wrapping


def has_room(channel: WorkerChannel) -> bool:
    """Tell whether the channel takes one more reservation."""
    return channel.available and in_use(channel) < channel.configured_capacity


def is_ready(worker: Worker, channel: WorkerChannel, activity: Activity, multi_task_enabled: bool) -> bool:
    """Tell whether `worker` can be offered a task on `channel` now.

    A single-tasking workspace allows one open reservation over all channels (behaviour §1).
    """
    if not activity.available or not has_room(channel):
        return False
    return multi_task_enabled or not worker.reservations


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
