"""All streams of this node: the feeds of the workspaces that are followed, and the publisher that tells them.

What the publisher tells are hints that save reading; the truth is polled. So a workspace that another node
owns is followed in the same way, `poll_interval_s` later.
"""

import asyncio
import time
from collections import Counter

from engine import metrics
from engine.clock import Clock
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.routing.effects import AssignmentCallback, Changes, Kind
from engine.routing.entities import Workspace
from engine.stream.feed import Feed
from engine.stream.limits import StreamLimits
from engine.stream.ports import Log, Render
from engine.stream.reader import Ending, Reader
from engine.stream.start import Start, TooManyReaders
from engine.stream.tape import Tape

TICK_S_MAX = 1.0
"""Longest pause between two looks at all readers."""
LOOK_READERS = 200
LOOK_PAUSE_S = 0.02
IDLE_S = 30.0
"""How long a feed is kept that nobody follows: readers come back."""
READING_MAX = 3
"""So many readers at a time read from the database for themselves: other requests need it, too."""

log = get_logger()


class StreamHub:
    """The streams (implements `engine.runtime.ports.Publisher`).

    Args:
        store: the committed log.
        render: makes JSON of an event.
        limits: bounds and times.
        fresh_s: events older than that are not kept in memory: they are told otherwise, or not at all.
        clock: milliseconds since the epoch.
    """

    def __init__(
        self, store: Log, render: Render, limits: StreamLimits, *, fresh_s: float, clock: Clock
    ) -> None:
        self.limits = limits
        self._store = store
        self._render = render
        self._fresh_ms = round(fresh_s * 1000)
        self._clock = clock
        self._feeds: dict[str, Feed] = {}
        self._counts: Counter[str] = Counter()
        self._reading = asyncio.Semaphore(READING_MAX)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._unreachable = False
        self._looked_s = float("-inf")

    # Life

    def start(self) -> None:
        """Begin to poll, and to look after the readers."""
        self._tasks = [
            asyncio.create_task(self._poll_always(), name="stream-poll"),
            asyncio.create_task(self._tick_always(), name="stream-ticker"),
        ]

    def end_all(self) -> None:
        """End every stream, because the server stops."""
        self._stopping = True
        for feed in self._feeds.values():
            feed.end_all(Ending.STOPPING)

    async def stop(self) -> None:
        """Stop polling and writing."""
        self.end_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(feed.close() for feed in self._feeds.values()))
        self._feeds.clear()

    # What the runtime publishes

    def committed(self, workspace: Workspace, changes: Changes, /) -> None:
        """Tell the workspace's readers of a durable batch. Returns at once and does not raise."""
        feed = self._feeds.get(workspace.sid)
        if feed is None:
            return
        if changes.events:
            feed.tape.told(changes.events)
        if (Kind.WORKSPACE, workspace.sid) in changes.removed:
            feed.finish()

    def recovered(self, workspace: Workspace, _callbacks: list[AssignmentCallback], /) -> None:
        """Look what became of a batch whose outcome was unknown."""
        feed = self._feeds.get(workspace.sid)
        if feed is not None:
            feed.tape.suspect()

    def released(self, workspace_sid: str, /) -> None:
        """Streams go on: from now on the log is polled."""

    # Readers

    async def join(self, reader: Reader, start: Start) -> Feed:
        """Count a reader in and give it its position.

        Raises:
            TooManyReaders: there is no room for one more.
            NotKept, BeyondEnd: the log does not have the place where it wants to begin.
            StoreUnavailable: the database does not answer.
        """
        self._check_room(reader.account_sid)
        feed = self._feed(reader)
        self._counts[reader.account_sid] += 1
        feed.join(reader)
        metrics.STREAM_READERS.inc()
        try:
            reader.position = await feed.place(start)
        except BaseException:
            self.leave(reader, feed)
            raise
        return feed

    def leave(self, reader: Reader, feed: Feed) -> None:
        """Forget a reader, unless that has been done."""
        if reader not in feed.readers:
            return
        feed.leave(reader)
        metrics.STREAM_READERS.dec()
        self._counts[reader.account_sid] -= 1
        if not self._counts[reader.account_sid]:
            del self._counts[reader.account_sid]

    def _check_room(self, account_sid: str) -> None:
        if self._stopping:
            raise TooManyReaders("The server is shutting down")
        if self._is_full(account_sid):
            self._forget_gone()
        if self._counts[account_sid] >= self.limits.readers_per_account_max:
            raise TooManyReaders("There are too many open streams of this account")
        if self._is_full(account_sid):
            raise TooManyReaders("There are too many open streams")

    def _is_full(self, account_sid: str) -> bool:
        limits = self.limits
        return (
            self._counts.total() >= limits.readers_max
            or self._counts[account_sid] >= limits.readers_per_account_max
        )

    def _forget_gone(self) -> None:
        """Look now and not at the next tick who has gone; not more often than may be asked in vain."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_PAUSE_S:
            return
        self._looked_s = now_s
        for feed in self._feeds.values():
            for reader in list(feed.readers):
                reader.look_after(now_s)
                if reader.ending is not None:
                    self.leave(reader, feed)

    def _feed(self, reader: Reader) -> Feed:
        """Return the feed of a reader's workspace; each has a fair share of the memory."""
        feed = self._feeds.get(reader.workspace_sid)
        if feed is None or feed.failed:
            tape = Tape(
                reader.account_sid,
                reader.workspace_sid,
                self._store,
                self._render,
                events_max=self.limits.ring_events_max,
                bytes_max=self.limits.ring_bytes_max,
                reading=self._reading,
            )
            feed = self._feeds[reader.workspace_sid] = Feed(tape)
            self._share_memory()
        return feed

    def _share_memory(self) -> None:
        share = self.limits.ring_bytes_max // max(1, len(self._feeds))
        before_ms = self._clock() - self._fresh_ms
        for feed in self._feeds.values():
            feed.tape.forget(share, before_ms)

    # Looking after what is open

    async def _poll_always(self) -> None:
        while True:
            await asyncio.sleep(self.limits.poll_interval_s)
            try:
                await self._poll()
                self._unreachable = False
            except StoreUnavailable as error:
                if not self._unreachable:
                    log.warning("stream.not_polled", error=str(error))
                self._unreachable = True

    async def _poll(self) -> None:
        """Ask how far the logs go that are followed, in one question."""
        followed = {sid: feed for sid, feed in self._feeds.items() if feed.readers and not feed.deleted}
        if not followed:
            return
        positions = await self._store.positions(list(followed))
        for sid, feed in followed.items():
            if sid in positions:
                feed.seen(positions[sid])
            elif not feed.deleted:
                feed.finish()

    async def _tick_always(self) -> None:
        while True:
            await asyncio.sleep(min(TICK_S_MAX, self.limits.heartbeat_s / 4))
            await self._look_after_readers()
            self._drop_idle(time.monotonic())
            self._share_memory()

    async def _look_after_readers(self) -> None:
        readers = [reader for feed in self._feeds.values() for reader in feed.readers]
        for begin in range(0, len(readers), LOOK_READERS):
            now_s = time.monotonic()
            for reader in readers[begin : begin + LOOK_READERS]:
                reader.look_after(now_s)
            await asyncio.sleep(0)

    def _drop_idle(self, now_s: float) -> None:
        idle = [
            feed
            for feed in self._feeds.values()
            if not feed.readers and (feed.failed or feed.deleted or now_s - feed.idle_since_s >= IDLE_S)
        ]
        for feed in idle:
            del self._feeds[feed.tape.workspace_sid]
            feed.discard()
