"""All open sockets of this node, by worker, and what committed batches send them.

The recipients of a frame are the sockets that were open when its batch was committed. The frame follows a
little later, so that the HTTP answer to whoever caused it comes first (SDK protocol §2.8): a worker who waits
for an answer at that moment is given longer. A worker's frames keep their order. Between opening
the socket and listening to events the SDK reads its state in four calls: what those have told it is kept from
being told again, what it cannot know is not told, and what was committed after them waits until it listens.

Several nodes: the node that owns a workspace has its sockets, also those of clients that came to another one
(relay.py). When a workspace moves, they are closed, and the clients find its next owner.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

from engine import metrics
from engine.api.problems import too_many_requests, unavailable
from engine.bridge.delays import DelayedFrames, WorkerKey
from engine.bridge.events import translate
from engine.bridge.limits import BridgeLimits
from engine.bridge.snapshot import Listed
from engine.bridge.socket import HEARTBEAT, Ending, Socket
from engine.clock import Clock
from engine.keyring import Keyring
from engine.logs import get_logger
from engine.routing.effects import AssignmentCallback, Changes, Kind
from engine.routing.entities import Workspace
from engine.routing.views import ActivityView
from engine.storage.reads import Page

log = get_logger()

TICK_S_MAX = 1.0
"""Longest pause between two looks at all sockets."""


class Hub:
    """The sockets, and the publisher that tells them (implements `engine.runtime.ports.Publisher`).

    Args:
        limits: bounds and times.
        keyring: tells whether the signer of a token is still known.
        clock: milliseconds since the epoch.
    """

    def __init__(self, limits: BridgeLimits, keyring: Keyring, clock: Clock) -> None:
        self.limits = limits
        self.on_gone: Callable[[Socket], None] | None = None
        """Told of each socket that has ended, when it is no longer among the open ones."""
        self.on_recovered: Callable[[str], None] | None = None
        """Told of each workspace that is served here from now on."""
        self._keyring = keyring
        self._clock = clock
        self._sockets: dict[str, dict[str, list[Socket]]] = {}
        self._activities: dict[str, dict[str, bool]] = {}
        self._complete: set[str] = set()
        self._expires_ms: dict[WorkerKey, int] = {}
        self._delayed = DelayedFrames()
        self._calling: Counter[WorkerKey] = Counter()
        self._ticker: asyncio.Task[None] | None = None
        self._count = 0
        self._tick_s = min(TICK_S_MAX, limits.heartbeat_s / 4)

    # Life

    def start(self) -> None:
        """Begin to look after the sockets."""
        self._ticker = asyncio.create_task(self._tick(), name="bridge-ticker")

    async def stop(self) -> None:
        """Stop looking after the sockets; frames that wait are dropped."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self._delayed.drop()

    def close_all(self) -> None:
        """Close every socket, because the server stops."""
        for socket in self.sockets():
            socket.end(Ending.STOPPING)

    # Sockets

    def sockets(self) -> list[Socket]:
        """Return every open socket."""
        workers = [worker for workspace in self._sockets.values() for worker in workspace.values()]
        return [socket for sockets in workers for socket in sockets]

    def of_worker(self, key: WorkerKey) -> list[Socket]:
        """Return the open sockets of a worker."""
        return self._sockets.get(key[0], {}).get(key[1], [])

    def check_room(self, key: WorkerKey) -> None:
        """Refuse one more socket when there are too many.

        Raises:
            ApiError: 429 for too many of this worker, 503 for too many in all.
        """
        if len(self.of_worker(key)) >= self.limits.sockets_per_worker_max:
            raise too_many_requests(f"{self.limits.sockets_per_worker_max} open websockets per worker", 1)
        if self._count >= self.limits.sockets_max:
            raise unavailable("There are too many open websockets")

    def add(self, socket: Socket) -> None:
        """Count a socket among the open ones: from now on it is told of what is committed."""
        workspace_sid, worker_sid = socket.worker
        self._sockets.setdefault(workspace_sid, {}).setdefault(worker_sid, []).append(socket)
        self._note_expiry(socket.worker, socket.session.expires_ms)
        self._count += 1
        metrics.BRIDGE_SOCKETS.inc()

    def remove(self, socket: Socket) -> None:
        """Forget a socket that has ended."""
        workspace_sid, worker_sid = socket.worker
        workers = self._sockets.get(workspace_sid, {})
        sockets = workers.get(worker_sid, [])
        if socket not in sockets:
            return
        sockets.remove(socket)
        if not sockets:
            del workers[worker_sid]
            self._expires_ms.pop(socket.worker, None)
            self._delayed.forget(socket.worker)
        if not workers:
            del self._sockets[workspace_sid]
        self._count -= 1
        metrics.BRIDGE_SOCKETS.dec()
        metrics.BRIDGE_SOCKETS_ENDED.labels(socket.ending or Ending.GONE).inc()
        self._log_end(socket)
        if self.on_gone is not None:
            self.on_gone(socket)

    def replace_others(self, socket: Socket) -> None:
        """Close the worker's sockets that were opened before the new one's token was issued (§2.7).

        A client that was closed comes back at once; without that bound two such clients would close each
        other for ever.
        """
        issued_ms = socket.session.issued_ms
        for other in self.of_worker(socket.worker):
            if other is not socket and (issued_ms is None or other.opened_ms < issued_ms):
                other.end(Ending.REPLACED)

    def seen(self, key: WorkerKey, expires_ms: int) -> None:
        """Note that a worker has a token that is good until then: its sockets live as long (§2.5)."""
        if self.of_worker(key):
            self._note_expiry(key, expires_ms)

    def told(self, token: str, key: WorkerKey, what: Listed, sids: Iterable[str], *, more: bool) -> None:
        """Note what a worker's client has read; `more` says that it is a further page of the list.

        Calls do not say which socket they belong to: it is the oldest with this token that has not read yet.
        """
        for socket in self.of_worker(key):
            if socket.session.token == token and socket.snapshot.has(what) is more:
                socket.snapshot.learn(what, sids, time.monotonic(), self.limits.event_delay_s)
                return

    @contextmanager
    def calling(self, key: WorkerKey) -> Iterator[None]:
        """Count a worker among those who wait for an answer, and are to have it before its events."""
        self._calling[key] += 1
        try:
            yield
        finally:
            self._calling[key] -= 1
            if not self._calling[key]:
                del self._calling[key]

    # Activities, of which a worker's frames tell whether they make available

    async def know_activities(
        self, workspace_sid: str, read: Callable[[], Awaitable[Page[ActivityView]]]
    ) -> None:
        """Read a workspace's activities unless they are known. Raises StoreUnavailable.

        Whether one makes available never changes; those made from now on come with their batch.
        """
        if workspace_sid in self._complete:
            return
        known = self._activities.setdefault(workspace_sid, {})
        page = await read()
        known.update((view.sid, view.available) for view in page.items)
        self._complete.add(workspace_sid)

    # Batches

    def committed(self, workspace: Workspace, changes: Changes, /) -> None:
        """Send the connected workers what a durable batch means to them. Returns at once, does not raise.

        Were a batch not understood, all clients of the workspace would be made to read their state again.
        """
        activities = self._activities.get(workspace.sid)
        if activities is None:
            return
        activities.update((each.sid, each.available) for each in changes.activities.values())
        workers = self._sockets.get(workspace.sid)
        if workers is None:
            return
        try:
            frames = translate(
                workspace,
                changes,
                self._clock(),
                workers.__contains__,
                lambda activity_sid: activities.get(activity_sid, False),
            )
        except Exception:
            log.exception("bridge.translation_failed", workspace_sid=workspace.sid)
            frames = []
            self._reload(workspace)
        for frame in frames:
            key = workspace.sid, frame.worker_sid
            waits = key in self._calling
            delay_s = self.limits.own_event_delay_s if waits else self.limits.event_delay_s
            self._delayed.put(frame, key, tuple(workers[frame.worker_sid]), delay_s)
        self._close_deleted(workspace, changes, workers)

    def recovered(self, workspace: Workspace, _callbacks: list[AssignmentCallback], /) -> None:
        """Make the clients read their state again: nobody may have been told of the last durable batch."""
        self._reload(workspace)
        if self.on_recovered is not None:
            self.on_recovered(workspace.sid)

    def _reload(self, workspace: Workspace) -> None:
        for sockets in self._sockets.get(workspace.sid, {}).values():
            for socket in sockets:
                socket.end(Ending.RELOADED)

    def close_moved(self, moved: Callable[[str], bool]) -> None:
        """Close the sockets of the workspaces that have moved to another node: their clients follow."""
        gone = [workers for workspace_sid, workers in self._sockets.items() if moved(workspace_sid)]
        for socket in [socket for workers in gone for sockets in workers.values() for socket in sockets]:
            socket.end(Ending.MOVED)

    def released(self, workspace_sid: str, /) -> None:
        """Sockets stay open until it is known whether their workspace is served elsewhere."""

    def _close_deleted(
        self, workspace: Workspace, changes: Changes, workers: dict[str, list[Socket]]
    ) -> None:
        for kind, sid in changes.removed:
            if kind is Kind.WORKER:
                gone = workers.get(sid, [])
            elif (kind, sid) == (Kind.WORKSPACE, workspace.sid):
                gone = [socket for sockets in workers.values() for socket in sockets]
                self._complete.discard(sid)
                del self._activities[sid]
            else:
                continue
            for socket in list(gone):
                socket.end(Ending.DELETED)

    # Looking after sockets

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            try:
                self.look_after()
            except Exception:
                log.exception("bridge.look_after_failed")

    def look_after(self) -> None:
        """End sockets whose token no longer holds; send a heartbeat where nothing was sent for a while."""
        now_s, now_ms = time.monotonic(), self._clock()
        silent_s = self.limits.heartbeat_s - self._tick_s
        for socket in self.sockets():
            if (why := self._verdict(socket, now_ms)) is not None:
                socket.end(why)
            elif now_s - socket.touched_s >= silent_s:
                socket.put(HEARTBEAT)

    def _verdict(self, socket: Socket, now_ms: int) -> Ending | None:
        """Tell why a session may not go on, or None."""
        expires_ms = self._expires_ms.get(socket.worker, socket.session.expires_ms)
        if now_ms > expires_ms + self.limits.token_grace_s * 1000:
            return Ending.EXPIRED
        account = self._keyring.account(socket.session.account_sid)
        key = self._keyring.key(socket.session.principal.signed_by)
        if account is None or not account.active or key is None:
            return Ending.REVOKED
        return None

    def _note_expiry(self, key: WorkerKey, expires_ms: int) -> None:
        self._expires_ms[key] = max(self._expires_ms.get(key, 0), expires_ms)

    def _log_end(self, socket: Socket) -> None:
        session = socket.session
        log.info(
            "bridge.socket_closed",
            account_sid=session.account_sid,
            workspace_sid=session.workspace_sid,
            worker_sid=session.worker_sid,
            reason=socket.ending,
            duration_ms=round((time.monotonic() - socket.opened_s) * 1000),
        )
