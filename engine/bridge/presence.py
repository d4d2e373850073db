"""Who is here: what happens to a worker whose last socket is gone (SDK protocol §2.7).

A worker is here while it has a socket. When the last one is gone and none has come back after the grace
period, the worker is moved to an activity, if its client asked for that when it connected, or the setting
does for clients that did not say. A laptop that slept comes back like any other client: it reads its state
again, and finds the worker where it was put. What was asked for survives a restart: the rows tell who was
here when this node stopped, and the grace period of those who do not come back begins with the start. The
node that owns a workspace minds its workers: when it moves, the next owner takes them over, with a new grace
period.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from engine import metrics
from engine.bridge.delays import WorkerKey
from engine.bridge.hub import Hub
from engine.bridge.socket import Ending, Socket
from engine.errors import Overloaded, StoreUnavailable, Unavailable, WorkspaceNotFound
from engine.logs import get_logger
from engine.routing.commands import UpdateWorker
from engine.routing.errors import RoutingError
from engine.runtime.service import RoutingService
from engine.storage.reads import PageRequest, Reads

log = get_logger()

OFFLINE = "Offline"
"""The activity that clients mean when they ask to be set offline."""
ATTEMPTS_MAX = 20


class PresenceRows(Protocol):
    """Keeps, over restarts, which workers are to be moved when they are gone."""

    async def arrived(self, workspace_sid: str, worker_sid: str) -> None:
        """Note a worker that is here and is to be moved when it is gone."""

    async def departed(self, workspace_sid: str, worker_sid: str) -> None:
        """Forget it."""

    async def adopt(self, workspace_sid: str) -> Iterable[WorkerKey]:
        """Take over who was noted by other nodes in a workspace that is served here now."""

    async def all(self) -> Iterable[WorkerKey]:
        """Return those who were noted and not forgotten by this node."""


class Presence:
    """Moves workers whose last socket is gone.

    Args:
        service: takes the command.
        reads: finds the activity.
        hub: knows the sockets.
        rows: what survives a restart.
    """

    def __init__(self, service: RoutingService, reads: Reads, hub: Hub, rows: PresenceRows) -> None:
        self._service = service
        self._reads = reads
        self._hub = hub
        self._rows = rows
        self.elsewhere: Callable[[str], bool] = lambda _: False
        """Tells whether a workspace is served by another node."""
        self._noted: set[WorkerKey] = set()
        self._adopting: set[asyncio.Task[None]] = set()
        self._leaving: dict[WorkerKey, asyncio.Task[None]] = {}
        self._stopping = False
        hub.on_gone = self.gone

    async def start(self) -> None:
        """Give those a grace period who were here when this node stopped. Raises StoreUnavailable."""
        for key in await self._rows.all():
            self._noted.add(key)
            if not self._hub.of_worker(key):
                self._leave(key)

    async def stop(self) -> None:
        """Stop; who is in a grace period gets a new one after the next start."""
        self._stopping = True
        tasks = [*self._leaving.values(), *self._adopting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def arrived(self, socket: Socket) -> None:
        """Take in a worker's new socket: whoever was about to be moved stays."""
        task = self._leaving.pop(socket.worker, None)
        if task is not None:
            task.cancel()
        if self._moves(socket) and socket.worker not in self._noted:
            self._noted.add(socket.worker)
            await self._note(socket.worker)

    def recovered(self, workspace_sid: str) -> None:
        """Take over the workers of a workspace that has come to this node."""
        task = asyncio.create_task(self._adopt(workspace_sid), name=f"adopting-{workspace_sid}")
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, workspace_sid: str) -> None:
        try:
            for key in await self._rows.adopt(workspace_sid):
                self._noted.add(key)
                if not self._hub.of_worker(key) and key not in self._leaving:
                    self._leave(key)
        except StoreUnavailable as error:
            log.warning("bridge.presence_unknown", workspace_sid=workspace_sid, error=str(error))

    def gone(self, socket: Socket) -> None:
        """Take in that a socket has ended."""
        if socket.ending is Ending.MOVED:
            self._noted.discard(socket.worker)
            return
        if self._stopping or socket.ending in {Ending.STOPPING, Ending.DELETED}:
            return
        if self._hub.of_worker(socket.worker) or socket.worker in self._leaving:
            return
        if self._moves(socket) or socket.worker in self._noted:
            self._leave(socket.worker, moves=self._moves(socket))

    def _moves(self, socket: Socket) -> bool:
        if socket.goes_offline is None:
            return bool(self._hub.limits.disconnect_activity)
        return socket.goes_offline

    def _leave(self, key: WorkerKey, *, moves: bool = True) -> None:
        task = asyncio.create_task(self._after_grace(key, moves=moves), name=f"leaving-{key[1]}")
        self._leaving[key] = task
        task.add_done_callback(lambda done: self._left(key, done))

    def _left(self, key: WorkerKey, task: asyncio.Task[None]) -> None:
        if self._leaving.get(key) is task:
            del self._leaving[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("bridge.presence_failed", worker_sid=key[1], exc_info=error)

    async def _after_grace(self, key: WorkerKey, *, moves: bool) -> None:
        await asyncio.sleep(self._hub.limits.disconnect_grace_s)
        if moves:
            await self._move(key)
        if self.elsewhere(key[0]):
            return  # its next owner has taken the worker over
        self._noted.discard(key)
        try:
            await self._rows.departed(*key)
        except StoreUnavailable as error:
            log.warning("bridge.presence_unknown", worker_sid=key[1], error=str(error))

    async def _move(self, key: WorkerKey) -> None:
        """Move a worker, as often as it takes when the workspace cannot be reached."""
        workspace_sid, worker_sid = key
        for attempt in range(ATTEMPTS_MAX):
            if self.elsewhere(workspace_sid):
                return
            try:
                activity_sid = await self._activity(workspace_sid)
                if activity_sid is None:
                    log.warning("bridge.no_activity", workspace_sid=workspace_sid, worker_sid=worker_sid)
                    return
                command = UpdateWorker(worker_sid, activity_sid=activity_sid)
                await self._service.submit_internal(workspace_sid, command)
            except (WorkspaceNotFound, RoutingError):
                return
            except (Overloaded, Unavailable, StoreUnavailable):
                await asyncio.sleep(min(2**attempt / 10, 10.0))
            else:
                metrics.BRIDGE_WORKERS_LEFT.inc()
                log.info("bridge.worker_left", workspace_sid=workspace_sid, worker_sid=worker_sid)
                return
        log.error("bridge.worker_stays", workspace_sid=workspace_sid, worker_sid=worker_sid)

    async def _activity(self, workspace_sid: str) -> str | None:
        """Return the activity of the setting, else the one called Offline, by name; None without it."""
        name = self._hub.limits.disconnect_activity or OFFLINE
        page = await self._reads.activities(workspace_sid, PageRequest(1), friendly_name=name)
        return page.items[0].sid if page.items else None

    async def _note(self, key: WorkerKey) -> None:
        try:
            await self._rows.arrived(*key)
        except StoreUnavailable as error:
            log.warning("bridge.presence_unknown", worker_sid=key[1], error=str(error))
