"""Roles of access tokens: what the holder of a TaskRouter grant may do in its workspace (clients §4.1).

worker      its own worker, its channels and reservations; the tasks it has or had a reservation for (to
            change one it must have one now), and to transfer those it has; create tasks routed to itself;
            read activities, channels, queues and workers
supervisor  read everything; change workers, their channels, tasks and reservations; create tasks
admin       everything in the workspace, but not delete it

Nothing outside the workspace of the grant is allowed to any of them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from engine.api.access import Asked
from engine.routing.entities import ReservationStatus
from engine.sids import is_sid
from engine.storage.reads import PageRequest, Reads

ROLES = frozenset({"worker", "supervisor", "admin"})

_WORKSPACE = "/v1/Workspaces/{WS}"
_LIVE = frozenset({ReservationStatus.PENDING, ReservationStatus.ACCEPTED, ReservationStatus.WRAPPING})
_OFFERS_MAX = 1_000
"""Most reservations that one worker can have had for one task."""


class BadGrants(ValueError):
    """The token's TaskRouter grant is missing or is not what a grant looks like."""


class Need(Enum):
    """What has to hold beside the route being one of the worker's."""

    NOTHING = auto()
    OWN_WORKER = auto()
    TASK_OFFERED = auto()
    TASK_HELD = auto()
    OWN_RESERVATION = auto()
    FROM_OWN_RESERVATION = auto()
    OWN_TRANSFER = auto()
    ROUTED_TO_SELF = auto()


_WORKER_MAY: Mapping[tuple[str, str], Need] = {
    ("GET", ""): Need.NOTHING,
    ("GET", "/Activities"): Need.NOTHING,
    ("GET", "/Activities/{WA}"): Need.NOTHING,
    ("GET", "/TaskChannels"): Need.NOTHING,
    ("GET", "/TaskChannels/{channel}"): Need.NOTHING,
    ("GET", "/TaskQueues"): Need.NOTHING,
    ("GET", "/TaskQueues/{WQ}"): Need.NOTHING,
    ("GET", "/Workers"): Need.NOTHING,
    ("GET", "/Workers/{WK}"): Need.NOTHING,
    ("POST", "/Workers/{WK}"): Need.OWN_WORKER,
    ("GET", "/Workers/{WK}/Statistics"): Need.OWN_WORKER,
    ("GET", "/Workers/{WK}/Channels"): Need.OWN_WORKER,
    ("GET", "/Workers/{WK}/Channels/{channel}"): Need.OWN_WORKER,
    ("GET", "/Workers/{WK}/Reservations"): Need.OWN_WORKER,
    ("GET", "/Workers/{WK}/Reservations/{WR}"): Need.OWN_WORKER,
    ("POST", "/Workers/{WK}/Reservations/{WR}"): Need.OWN_WORKER,
    ("POST", "/Tasks"): Need.ROUTED_TO_SELF,
    ("GET", "/Tasks/{WT}"): Need.TASK_OFFERED,
    ("POST", "/Tasks/{WT}"): Need.TASK_HELD,
    ("GET", "/Tasks/{WT}/Reservations"): Need.TASK_OFFERED,
    ("GET", "/Tasks/{WT}/Reservations/{WR}"): Need.TASK_OFFERED,
    ("POST", "/Tasks/{WT}/Reservations/{WR}"): Need.OWN_RESERVATION,
    ("GET", "/Tasks/{WT}/Transfers"): Need.TASK_OFFERED,
    ("POST", "/Tasks/{WT}/Transfers"): Need.FROM_OWN_RESERVATION,
    ("GET", "/Tasks/{WT}/Transfers/{TT}"): Need.TASK_OFFERED,
    ("POST", "/Tasks/{WT}/Transfers/{TT}"): Need.OWN_TRANSFER,
}

_SUPERVISOR_MAY_POST = frozenset(
    {
        "/Workers/{WK}",
        "/Workers/{WK}/Channels/{channel}",
        "/Workers/{WK}/Reservations/{WR}",
        "/Tasks",
        "/Tasks/Bulk",
        "/Tasks/{WT}",
        "/Tasks/{WT}/Reservations/{WR}",
        "/Tasks/{WT}/Transfers",
        "/Tasks/{WT}/Transfers/{TT}",
        "/TaskQueues/RealTimeStatistics",
    }
)


@dataclass(slots=True, frozen=True)
class RoleGrant:
    """What an access token allows. `worker_sid` is empty when the token is not a worker's."""

    workspace_sid: str
    worker_sid: str
    role: str

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "RoleGrant":
        """Read `grants.task_router`; a role that is not told is the smallest one. Raises BadGrants."""
        grants = claims.get("grants")
        grant = grants.get("task_router") if isinstance(grants, dict) else None
        if not isinstance(grant, dict):
            raise BadGrants("there is no task_router grant")
        workspace_sid, worker_sid = grant.get("workspace_sid"), grant.get("worker_sid") or ""
        role = grant.get("role") or "worker"
        if not isinstance(workspace_sid, str) or not is_sid(workspace_sid, "WS"):
            raise BadGrants("workspace_sid is not the SID of a workspace")
        if not isinstance(worker_sid, str) or (worker_sid and not is_sid(worker_sid, "WK")):
            raise BadGrants("worker_sid is not the SID of a worker")
        if not isinstance(role, str) or role not in ROLES:
            raise BadGrants("role is not one of worker, supervisor, admin")
        if role == "worker" and not worker_sid:
            raise BadGrants("a worker's grant needs worker_sid")
        return cls(workspace_sid, worker_sid, role)

    async def permits(self, asked: Asked, reads: Reads) -> bool:
        """Tell whether the role covers the request."""
        if asked.names.get("WS") != self.workspace_sid or not asked.template.startswith(_WORKSPACE):
            return False
        place = asked.template.removeprefix(_WORKSPACE)
        if self.role == "admin":
            return (asked.method, place) != ("DELETE", "")
        if self.role == "supervisor":
            return asked.method == "GET" or (asked.method == "POST" and place in _SUPERVISOR_MAY_POST)
        need = _WORKER_MAY.get((asked.method, place))
        return need is not None and await self._holds(need, asked, reads)

    async def _holds(self, need: Need, asked: Asked, reads: Reads) -> bool:
        return need is Need.NOTHING or await _CHECKS[need](self, asked, reads)

    async def _is_own_worker(self, asked: Asked, _reads: Reads) -> bool:
        return asked.names["WK"] == self.worker_sid

    async def _routes_to_itself(self, asked: Asked, _reads: Reads) -> bool:
        return (await asked.form()).all("RoutingTarget")[-1:] == [self.worker_sid]

    async def _was_offered_the_task(self, asked: Asked, reads: Reads) -> bool:
        return bool(await self._offers(asked, reads, 1))

    async def _has_the_task(self, asked: Asked, reads: Reads) -> bool:
        return not _LIVE.isdisjoint(await self._offers(asked, reads, _OFFERS_MAX))

    async def _is_own_reservation(self, asked: Asked, reads: Reads) -> bool:
        return await self._has_reservation(asked, reads, asked.names["WR"])

    async def _hands_on_its_own(self, asked: Asked, reads: Reads) -> bool:
        """Tell whether a new transfer begins with a reservation of the worker, which has to be said."""
        form = await asked.form()
        named, workers = form.all("ReservationSid")[-1:], form.all("WorkerSid")[-1:]
        if not named:
            return workers == [self.worker_sid]
        return workers in ([], [self.worker_sid]) and await self._has_reservation(asked, reads, named[0])

    async def _is_own_transfer(self, asked: Asked, reads: Reads) -> bool:
        view = await reads.transfer(self.workspace_sid, asked.names["WT"], asked.names["TT"])
        return view is not None and view.initiating_worker_sid == self.worker_sid

    async def _has_reservation(self, asked: Asked, reads: Reads, sid: str) -> bool:
        view = await reads.task_reservation(self.workspace_sid, asked.names["WT"], sid)
        return view is not None and view.worker_sid == self.worker_sid

    async def _offers(self, asked: Asked, reads: Reads, offers_max: int) -> list[ReservationStatus]:
        """Return the states of the reservations that the worker has or had for the task."""
        page = await reads.task_reservations(
            self.workspace_sid, asked.names["WT"], PageRequest(offers_max), worker_sid=self.worker_sid
        )
        return [view.status for view in page.items]


_CHECKS: Mapping[Need, Callable[[RoleGrant, Asked, Reads], Awaitable[bool]]] = {
    Need.OWN_WORKER: RoleGrant._is_own_worker,
    Need.TASK_OFFERED: RoleGrant._was_offered_the_task,
    Need.TASK_HELD: RoleGrant._has_the_task,
    Need.OWN_RESERVATION: RoleGrant._is_own_reservation,
    Need.FROM_OWN_RESERVATION: RoleGrant._hands_on_its_own,
    Need.OWN_TRANSFER: RoleGrant._is_own_transfer,
    Need.ROUTED_TO_SELF: RoleGrant._routes_to_itself,
}
