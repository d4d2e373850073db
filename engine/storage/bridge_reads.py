"""Reads of the event bridge: whole reservations, with the tasks they are offers of and their transfers."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.routing.entities import Reservation, ReservationStatus, Transfer
from engine.routing.views import TaskView
from engine.storage.pool import Connection
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.rows import RESERVATION, TASK_STATUSES, TRANSFER, mapper_of

_COLUMNS = ", ".join(f"r.{name}" for name in RESERVATION.fields)
_OF_WORKER = query("bridge_reservations").replace("{columns}", _COLUMNS)
_ONE = query("bridge_reservation").replace("{columns}", _COLUMNS)
_TRANSFERS = query("bridge_transfers").replace(
    "{columns}", ", ".join(f"tt.{name}" for name in TRANSFER.fields)
)
_TASKS = (
    query("select_tasks").replace("{rows}", query("pick_tasks_by_sid")).replace("{order}", "ORDER BY t.sid")
)
_TASK_VIEW = mapper_of(TaskView, enums={"status": TASK_STATUSES})


@dataclass(slots=True, frozen=True)
class Offer:
    """A reservation with its task as both are committed; the task is None when it was deleted.

    `came_by` is the transfer that it is an offer of, `outgoing` the one under way that began with it.
    """

    reservation: Reservation
    task: TaskView | None
    came_by: Transfer | None
    outgoing: Transfer | None


class BridgeReads(Reader):
    """What the event bridge reads beside what the REST API reads."""

    async def offers(
        self,
        workspace_sid: str,
        worker_sid: str,
        statuses: Sequence[ReservationStatus],
        *,
        after: str = "",
        size: int,
    ) -> list[Offer]:
        """Return up to `size` of a worker's reservations in these states made after `after`, in order.

        Those of deleted tasks are left out.
        """
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            parameters = (workspace_sid, worker_sid, [str(status) for status in statuses], after, size)
            found = RESERVATION.entities(await connection.fetch(_OF_WORKER, *parameters))
            offers = await _offers(connection, workspace_sid, found)
        return [offer for offer in offers if offer.task is not None]

    async def offer(self, workspace_sid: str, sid: str) -> Offer | None:
        """Return one reservation in whatever state, however long ago it ended."""
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            found = RESERVATION.entities(await connection.fetch(_ONE, workspace_sid, sid))
            offers = await _offers(connection, workspace_sid, found)
        return offers[0] if offers else None


async def _offers(
    connection: Connection, workspace_sid: str, reservations: Sequence[Reservation]
) -> list[Offer]:
    if not reservations:
        return []
    tasks = await _tasks(connection, workspace_sid, reservations)
    transfers = await _transfers(connection, workspace_sid, reservations)
    by_sid = {transfer.sid: transfer for transfer in transfers}
    outgoing = {each.initiating_reservation_sid: each for each in transfers if each.is_open}
    return [
        Offer(each, tasks.get(each.task_sid), by_sid.get(each.transfer_sid or ""), outgoing.get(each.sid))
        for each in reservations
    ]


async def _transfers(
    connection: Connection, workspace_sid: str, reservations: Sequence[Reservation]
) -> list[Transfer]:
    tasks = sorted({reservation.task_sid for reservation in reservations})
    named = [reservation.transfer_sid for reservation in reservations if reservation.transfer_sid]
    return TRANSFER.entities(await connection.fetch(_TRANSFERS, workspace_sid, tasks, named))


async def _tasks(
    connection: Connection, workspace_sid: str, reservations: Sequence[Reservation]
) -> dict[str, TaskView]:
    sids = sorted({reservation.task_sid for reservation in reservations})
    views = _TASK_VIEW.entities(await connection.fetch(_TASKS, workspace_sid, sids))
    return {view.sid: view for view in views}
