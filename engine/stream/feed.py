"""One workspace's log as its readers follow it at this node.

Theory of operation
-------------------
The truth is the committed log in the database. The feed has read it up to some event, and holds the newest of
what it has read in a ring. It is told of batches that were committed here, which saves reading them; when
it is told of none (another node owns the workspace) or is told with a gap, it reads on. Either way an event
enters the ring once, in its place in the sequence, and never before it is durable.

A reader is a place in the sequence. One that stands at the end of the ring is *live*: it is written to as
events come in, by `_push`. One that stands before the end runs after it by itself (`follow`), a slice at a
time and no faster than its connection takes them, from the ring or, before that, from the database. A live
reader whose buffer is full stops being live until it has made room. So no event is kept for anybody's sake.

Writing to thousands of readers takes time that routing needs, too: after each round the feed pauses twice as
long as the round has worked, and what came in meanwhile goes out together.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.routing.effects import Event
from engine.storage.event_log import Position
from engine.stream.frames import Entry
from engine.stream.ports import Log, Render
from engine.stream.reader import Ending, Reader
from engine.stream.ring import SLICE_EVENTS_MAX, Ring, cut
from engine.stream.start import BeyondEnd, NotKept, Start

RETRY_S = 1.0
"""Pause before the database is asked again."""
ROUND_READERS = 100
"""So many readers are written to before others get their turn."""
TAKE_EVENTS = 100
PAUSE_RATIO = 2.0
PAUSE_S_MAX = 0.25

log = get_logger()


class Feed:
    """The log of a workspace, and who follows it.

    Args:
        account_sid: whose workspace it is.
        workspace_sid: the workspace.
        store: the committed log.
        render: makes JSON of an event.
        events_max: most events in the ring.
        bytes_max: most bytes in the ring; may be changed at any time.
        reading: lets so many readers at a time read from the database for themselves.
    """

    def __init__(
        self,
        account_sid: str,
        workspace_sid: str,
        store: Log,
        render: Render,
        *,
        events_max: int,
        bytes_max: int,
        reading: asyncio.Semaphore,
    ) -> None:
        self.account_sid = account_sid
        self.workspace_sid = workspace_sid
        self.bytes_max = bytes_max
        self.readers: set[Reader] = set()
        self.deleted = False
        """Whether the log has come to its end."""
        self.failed = False
        """Whether a fault of ours has ended it."""
        self.idle_since_s = time.monotonic()
        """When its last reader left."""
        self.ring = Ring(Position(0, 0), events_max)
        self._store = store
        self._render = render
        self._events_max = events_max
        self._reading = reading
        self._live: set[Reader] = set()
        self._incoming: deque[Event] = deque()
        self._behind = False
        self._changed = asyncio.Event()
        self._lock = asyncio.Lock()
        self._stale = True
        self._pusher: asyncio.Task[None] | None = None

    # Life

    async def open(self) -> None:
        """Find the end of the log, unless it is followed already. Raises StoreUnavailable."""
        async with self._lock:
            if self._pusher is None:
                self.ring = Ring(await self._store.last(self.workspace_sid), self._events_max)
                self._pusher = asyncio.create_task(self._run(), name=f"stream-{self.workspace_sid}")
            elif self._stale:
                self._behind = True
                await self._read_to_end()
            self._stale = False

    def discard(self) -> None:
        """Stop writing to readers."""
        if self._pusher is not None:
            self._pusher.cancel()

    async def close(self) -> None:
        """Stop writing to readers, and wait until that is so."""
        self.discard()
        if self._pusher is not None:
            await asyncio.gather(self._pusher, return_exceptions=True)

    def end_all(self, why: Ending) -> None:
        """End every reader."""
        for reader in self.readers:
            reader.end(why)

    # What is known of the log

    def told(self, events: Sequence[Event]) -> None:
        """Take in what was committed here."""
        if len(self._incoming) + len(events) > self._events_max:
            self._incoming.clear()
            self._behind = True
        else:
            self._incoming.extend(events)
        self._changed.set()

    def suspect(self) -> None:
        """Look into the database: there may be more than was told."""
        self._behind = True
        self._changed.set()

    def seen(self, sequence: int) -> None:
        """Take note of how far the log goes, by the database."""
        if sequence > self.ring.last.sequence and not self._incoming:
            self.suspect()

    def finish(self) -> None:
        """Take note that the workspace was deleted: no more will come than there is."""
        self.deleted = self._behind = True
        self._changed.set()

    def _take_in(self, events_max: int | None = None) -> None:
        """Put what was told into the ring, in its place; what does not fit there is read instead."""
        taken = 0
        while self._incoming and (events_max is None or taken < events_max):
            event = self._incoming.popleft()
            if event.sequence == self.ring.last.sequence + 1:
                self.ring.append(self._entry(event), self.bytes_max)
                taken += 1
            elif event.sequence > self.ring.last.sequence:
                self._incoming.clear()
                self._behind = True

    async def _read_on(self) -> None:
        """Read what the log has beyond the ring. Raises StoreUnavailable."""
        async with self._lock:
            await self._read_to_end()

    async def _read_to_end(self) -> None:
        known = self.ring.last
        while self._behind:
            found = await self._store.after(self.workspace_sid, self.ring.last, SLICE_EVENTS_MAX)
            self._behind = False
            for event in found:
                if event.sequence == self.ring.last.sequence + 1:
                    self.ring.append(self._entry(event), self.bytes_max)
            self._behind = self._behind or len(found) == SLICE_EVENTS_MAX
            self._take_in()
        if self.ring.last != known:
            self._changed.set()

    def _entry(self, event: Event) -> Entry:
        return Entry.of(event, self._render(self.account_sid, self.workspace_sid, event))

    # Readers

    async def place(self, start: Start) -> Position:
        """Return the position that a reader begins behind.

        Raises:
            NotKept: events from there on are not all kept any more.
            BeyondEnd: the log does not go that far.
            StoreUnavailable: the database does not answer.
        """
        self._take_in()
        sequence = start.sequence
        if sequence is None:
            return self.ring.last
        if sequence > self.ring.last.sequence + 1:
            self._behind = True
            await self._read_on()
            if sequence > self.ring.last.sequence + 1:
                raise BeyondEnd(self.ring.last.sequence)
        wanted = max(sequence, 1)
        if self.ring.first > wanted > self.ring.last.sequence - self._events_max:
            await self._reach_back(wanted)
        if wanted >= self.ring.first:
            return self.ring.at(wanted)
        return await self._find(sequence)

    async def _reach_back(self, sequence: int) -> None:
        """Read older events into the ring, once for all who ask for them."""
        async with self._lock:
            missing = self.ring.first - sequence
            if missing <= 0:
                return
            before = self.ring.before
            for event in reversed(await self._store.before(self.workspace_sid, before, missing)):
                fits = event.sequence == self.ring.first - 1
                if not fits or not self.ring.prepend(self._entry(event), self.bytes_max):
                    return

    async def _find(self, sequence: int) -> Position:
        found = await self._store.find(self.workspace_sid, sequence)
        first = self.ring.last.sequence + 1 if found is None else found.first_sequence
        if 0 < sequence < first:
            raise NotKept(first)
        return self.ring.last if found is None else found.before

    async def follow(self, reader: Reader) -> None:
        """Send a reader that has joined everything from its position on, until it ends."""
        while reader.ending is None:
            await self._catch_up(reader)
            if self._complete(reader):
                reader.end(Ending.DELETED)
            if reader.ending is None:
                self._live.add(reader)
                await reader.awake.wait()
                self._live.discard(reader)
                reader.awake.clear()
                await reader.room()

    def join(self, reader: Reader) -> None:
        """Count a reader in."""
        self.readers.add(reader)

    def leave(self, reader: Reader) -> None:
        """Forget a reader."""
        self.readers.discard(reader)
        self._live.discard(reader)
        self._stale = self._stale or not self.readers  # nobody polls for it meanwhile
        self.idle_since_s = time.monotonic()

    def _complete(self, reader: Reader) -> bool:
        """Tell whether a reader has come to the end of a log that goes no further."""
        settled = self.deleted and not self._behind and not self._incoming
        return settled and reader.position.sequence >= self.ring.last.sequence

    async def _catch_up(self, reader: Reader) -> None:
        """Bring a reader to the end of the ring, as fast as it takes what it is sent."""
        while reader.ending is None and reader.position.sequence < self.ring.last.sequence:
            if reader.position.sequence + 1 >= self.ring.first:
                reader.send(self.ring.slice(reader.position.sequence, reader.wanted, reader.style))
            else:
                await self._send_older(reader)
            await reader.room()
            await asyncio.sleep(0)

    async def _send_older(self, reader: Reader) -> None:
        """Send a reader a slice from the database."""
        try:
            async with self._reading:
                found = await self._store.after(self.workspace_sid, reader.position, reader.pace())
        except StoreUnavailable as error:
            log.warning("stream.not_read", workspace_sid=self.workspace_sid, error=str(error))
            await asyncio.sleep(RETRY_S)
            return
        if not found or found[0].sequence != reader.position.sequence + 1:
            reader.end(Ending.EXPIRED)
            return
        reader.send(cut([self._entry(event) for event in found], reader.wanted, reader.style))

    # Writing to live readers

    async def _run(self) -> None:
        """Take events in and write them to the live readers, for ever."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._round()
        except Exception:
            log.exception("stream.failed", workspace_sid=self.workspace_sid)
            self.failed = True
            self.end_all(Ending.FAILED)

    async def _round(self) -> None:
        worked_s = await self._take_all_in()
        if self._behind:
            await self._try_to_read_on()
        worked_s += await self._push()
        await asyncio.sleep(min(worked_s * PAUSE_RATIO, PAUSE_S_MAX))

    async def _take_all_in(self) -> float:
        """Take in all that was told, a part at a time; returns for how many seconds that has worked."""
        worked_s = 0.0
        while self._incoming:
            began_s = time.perf_counter()
            self._take_in(TAKE_EVENTS)
            worked_s += time.perf_counter() - began_s
            await asyncio.sleep(0)
        return worked_s

    async def _try_to_read_on(self) -> None:
        try:
            await self._read_on()
        except StoreUnavailable as error:
            log.warning("stream.not_read", workspace_sid=self.workspace_sid, error=str(error))
            self.suspect()
            await asyncio.sleep(RETRY_S)

    async def _push(self) -> float:
        """Write to the live readers; returns for how many seconds that has worked."""
        live = list(self._live)
        worked_s = 0.0
        for begin in range(0, len(live), ROUND_READERS):
            began_s = time.perf_counter()
            for reader in live[begin : begin + ROUND_READERS]:
                self._push_to(reader)
            worked_s += time.perf_counter() - began_s
            await asyncio.sleep(0)
        return worked_s

    def _push_to(self, reader: Reader) -> None:
        if reader not in self._live or reader.ending is not None:
            return
        after = reader.position.sequence
        if self.ring.first <= after + 1 <= self.ring.last.sequence:
            reader.send(self.ring.slice(after, reader.wanted, reader.style))
        if self._complete(reader):
            reader.end(Ending.DELETED)
        if reader.full or reader.position.sequence < self.ring.last.sequence:
            self._live.discard(reader)
            reader.awake.set()
