"""Reads of the event bridge: whole reservations, with the tasks they are offers of."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.routing.entities import Reservation, ReservationStatus
from engine.routing.views import TaskView
from engine.storage.pool import Connection
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.rows import RESERVATION, TASK_STATUSES, mapper_of

_COLUMNS = ", ".join(f"r.{name}" for name in RESERVATION.fields)
_OF_WORKER = query("bridge_reservations").replace("{columns}", _COLUMNS)
_ONE = query("bridge_reservation").replace("{columns}", _COLUMNS)
_TASKS = (
    query("select_tasks").replace("{rows}", query("pick_tasks_by_sid")).replace("{order}", "ORDER BY t.sid")
)
_TASK_VIEW = mapper_of(TaskView, enums={"status": TASK_STATUSES})


@dataclass(slots=True, frozen=True)
class Offer:
    """A reservation with its task as both are committed; the task is None when it was deleted."""

    reservation: Reservation
    task: TaskView | None


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
            tasks = await _tasks(connection, workspace_sid, found)
        return [Offer(each, tasks[each.task_sid]) for each in found if each.task_sid in tasks]

    async def offer(self, workspace_sid: str, sid: str) -> Offer | None:
        """Return one reservation in whatever state, however long ago it ended."""
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            found = RESERVATION.entities(await connection.fetch(_ONE, workspace_sid, sid))
            tasks = await _tasks(connection, workspace_sid, found)
        return Offer(found[0], tasks.get(found[0].task_sid)) if found else None


async def _tasks(
    connection: Connection, workspace_sid: str, reservations: Sequence[Reservation]
) -> dict[str, TaskView]:
    sids = sorted({reservation.task_sid for reservation in reservations})
    if not sids:
        return {}
    views = _TASK_VIEW.entities(await connection.fetch(_TASKS, workspace_sid, sids))
    return {view.sid: view for view in views}
