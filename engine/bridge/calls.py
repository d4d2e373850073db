"""Every call of the SDK in one table: path and method, the REST route it is judged as, its handler.

What a token may do is said once, for the REST API (engine/api/roles.py). A call is allowed when the same
token could do the same thing there; `judged_as` names that route where it is called otherwise.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from engine.bridge import changing, participants, reading
from engine.bridge.call import SdkCall
from engine.bridge.payloads import Payload

Handler = Callable[[SdkCall], Awaitable[Payload]]

_PLACEHOLDER = re.compile(r"\{(\w\w)\}")
_WS = "Workspaces/{WS}"
_WK = f"{_WS}/Workers/{{WK}}"
_WT = f"{_WS}/Tasks/{{WT}}"
_TASK = {"WT": "TaskSid"}
_OFFER = {"WR": "ReservationSid"}


@dataclass(slots=True, frozen=True)
class Route:
    """One call.

    `path` is relative, as the SDK sends it; `judged_as` is empty when REST names it the same. `named_in` are
    the parameters with SIDs that REST has in the path, by placeholder.
    """

    method: str
    path: str
    handler: Handler
    judged_as: str = ""
    named_in: Mapping[str, str] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """The path of the REST route whose rules hold."""
        return f"/v1/{self.judged_as or self.path}"


ROUTES = (
    Route("GET", _WK, reading.fetch_worker),
    Route("POST", _WK, changing.update_worker),
    Route("GET", f"{_WS}/Activities", reading.list_activities),
    Route("GET", f"{_WK}/WorkerChannels", reading.list_channels, f"{_WK}/Channels"),
    Route("GET", f"{_WK}/Reservations", reading.list_reservations),
    Route("GET", f"{_WK}/Reservations/{{WR}}", reading.fetch_reservation),
    Route("POST", f"{_WK}/Reservations/{{WR}}", changing.update_reservation),
    Route("POST", f"{_WK}/Transfers", changing.create_transfer, f"{_WT}/Transfers", _TASK),
    Route("POST", f"{_WK}/Transfers/{{TT}}", changing.update_transfer, f"{_WT}/Transfers/{{TT}}", _TASK),
    Route("POST", f"{_WK}/CustomerParticipant", participants.hold_customer, _WT, _TASK),
    Route("POST", f"{_WK}/HoldWorkerParticipant", participants.hold_worker, _WT, _TASK),
    Route("POST", f"{_WK}/KickWorkerParticipant", participants.kick_worker, _WT, _TASK),
    Route(
        "POST", f"{_WK}/WorkerParticipant", participants.update_worker, f"{_WK}/Reservations/{{WR}}", _OFFER
    ),
    Route("POST", f"{_WS}/Tasks", changing.create_task),
    Route("GET", _WT, reading.fetch_task),
    Route("POST", _WT, changing.update_task),
    Route("POST", f"{_WT}/Reservations/{{WR}}", changing.supervise),
    Route("GET", f"{_WS}/Workers", reading.list_workers),
    Route("GET", f"{_WS}/TaskQueues", reading.list_task_queues),
    Route("GET", f"{_WS}/TaskQueues/{{WQ}}", reading.fetch_task_queue),
)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_PLACEHOLDER.sub(r"(?P<\1>\1[0-9a-fA-F]{32})", path))


_PATTERNS = tuple((route, _pattern(route.path)) for route in ROUTES)


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    """Return the call that a method and a relative path name, with the SIDs in the path; None without one."""
    for route, pattern in _PATTERNS:
        if route.method == method and (match := pattern.fullmatch(path)):
            return route, match.groupdict()
    return None
