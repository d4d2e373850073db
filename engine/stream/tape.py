"""What this node knows of one workspace's log: the ring of its newest events, and how to reach the others.

The truth is the committed log in the database. It has been read up to some event. Being told of batches that
were committed here saves reading them; told of none (another node owns the workspace), or told with a gap,
one reads on. Either way an event enters the ring once, in its place, and never before it is durable.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence

from engine.routing.effects import Event
from engine.storage.event_log import Position
from engine.stream.frames import Entry
from engine.stream.ports import Log, Render
from engine.stream.ring import SLICE_EVENTS_MAX, Ring
from engine.stream.start import BeyondEnd, NotKept, Start

STRETCHES_MAX = 4
"""So many stretches of older events are remembered: many readers may be reading the same ones."""


class Tape:
    """The log of a workspace. What reads raises StoreUnavailable when the database does not answer.

    Args:
        account_sid: whose workspace it is.
        workspace_sid: the workspace.
        store: the committed log.
        render: makes JSON of an event.
        events_max: most events in the ring.
        bytes_max: most bytes in the ring; may be changed at any time.
        reading: lets so many read older events at a time.
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
        self.ring = Ring(Position(0, 0), events_max)
        self.changed = asyncio.Event()
        """Set when there may be something new."""
        self.behind = False
        """Whether the database may have more than is known."""
        self.incoming: deque[Event] = deque()
        self._store = store
        self._render = render
        self._events_max = events_max
        self._reading = reading
        self._stretches: OrderedDict[tuple[int, int], asyncio.Task[list[Entry]]] = OrderedDict()
        self._lock = asyncio.Lock()
        self._found = False

    async def open(self, *, stale: bool) -> None:
        """Find the end of the log; later on, look whether it has moved if that was not watched."""
        async with self._lock:
            if not self._found:
                self.ring = Ring(await self._store.last(self.workspace_sid), self._events_max)
                self._found = True
            elif stale:
                self.behind = True
                await self._read_to_end()

    # The newest events

    def told(self, events: Sequence[Event]) -> None:
        """Note what was committed here."""
        if len(self.incoming) + len(events) > self._events_max:
            self.incoming.clear()
            self.behind = True
        else:
            self.incoming.extend(events)
        self.changed.set()

    def suspect(self) -> None:
        """Look into the database: there may be more than was told."""
        self.behind = True
        self.changed.set()

    def take_in(self, events_max: int | None = None) -> None:
        """Put what was told into the ring, in its place; what does not fit there is read instead."""
        taken = 0
        while self.incoming and (events_max is None or taken < events_max):
            event = self.incoming.popleft()
            if event.sequence == self.ring.last.sequence + 1:
                self.ring.append(self._entry(event), self.bytes_max)
                taken += 1
            elif event.sequence > self.ring.last.sequence:
                self.incoming.clear()
                self.behind = True

    async def read_on(self) -> None:
        """Read what the log has beyond the ring."""
        async with self._lock:
            await self._read_to_end()

    async def _read_to_end(self) -> None:
        known = self.ring.last
        while self.behind:
            found = await self._store.after(self.workspace_sid, self.ring.last, SLICE_EVENTS_MAX)
            self.behind = False
            for event in found:
                if event.sequence == self.ring.last.sequence + 1:
                    self.ring.append(self._entry(event), self.bytes_max)
            self.behind = self.behind or len(found) == SLICE_EVENTS_MAX
            self.take_in()
        if self.ring.last != known:
            self.changed.set()

    # Older ones

    async def place(self, start: Start) -> Position:
        """Return the position that a reader begins behind.

        Raises:
            NotKept: events from there on are not all kept any more.
            BeyondEnd: the log does not go that far.
        """
        self.take_in()
        if start.sequence is None:
            return self.ring.last
        await self._check_end(start.sequence)
        wanted = max(start.sequence, 1)
        if self.ring.first > wanted > self.ring.last.sequence - self._events_max:
            await self._reach_back(wanted)
        if wanted >= self.ring.first:
            return self.ring.at(wanted)
        return await self._find(start.sequence)

    async def older(self, position: Position, limit: int) -> list[Entry]:
        """Return the events beyond a position, at most `limit`, read once for all who stand there now."""
        key = (position.sequence, limit)
        task = self._stretches.get(key)
        if task is None or task.cancelled():
            task = self._stretches[key] = asyncio.create_task(self._read_older(position, limit))
            if len(self._stretches) > STRETCHES_MAX:
                self._stretches.popitem(last=False)
        try:
            found = await asyncio.shield(task)
        except Exception:
            self._stretches.pop(key, None)
            raise
        if len(found) < limit:  # the end of the log, which moves
            self._stretches.pop(key, None)
        return found

    def forget(self, bytes_max: int, before_ms: int) -> None:
        """Hold no more than that, and nothing that is dated before a moment."""
        self.bytes_max = bytes_max
        self.ring.shrink(bytes_max, before_ms)
        for key, task in list(self._stretches.items()):
            if task.done():
                del self._stretches[key]

    async def _read_older(self, position: Position, limit: int) -> list[Entry]:
        async with self._reading:
            found = await self._store.after(self.workspace_sid, position, limit)
        return [self._entry(event) for event in found]

    async def _check_end(self, sequence: int) -> None:
        if sequence <= self.ring.last.sequence + 1:
            return
        self.behind = True
        await self.read_on()
        if sequence > self.ring.last.sequence + 1:
            raise BeyondEnd(self.ring.last.sequence)

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

    def _entry(self, event: Event) -> Entry:
        return Entry.of(event, self._render(self.account_sid, self.workspace_sid, event))
