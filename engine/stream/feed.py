"""One workspace's log as its readers follow it at this node.

Theory of operation
-------------------
A reader is a place in the sequence. One that stands at the end of what is known is *live*: it is written to
as events come in, by `_push`. One that stands before the end runs after it by itself (`follow`), a slice at a
time and no faster than its connection takes them, from the ring or, before that, from the database. A live
reader whose buffer is full stops being live until it has made room. So no event is kept for anybody's sake.

Writing to thousands of readers takes time that routing needs, too: after each round the feed pauses twice as
long as the round has worked, and what came in meanwhile goes out together.
"""

import asyncio
import time

from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.storage.event_log import Position
from engine.stream.reader import Ending, Reader
from engine.stream.ring import cut
from engine.stream.start import Start
from engine.stream.tape import Tape

RETRY_S = 1.0
"""Pause before the database is asked again."""
ROUND_READERS = 100
"""So many readers are written to before others get their turn."""
TAKE_EVENTS = 100
PAUSE_RATIO = 2.0
PAUSE_S_MAX = 0.25

log = get_logger()


class Feed:
    """Who follows the log of a workspace.

    Args:
        tape: what is known of the log.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.readers: set[Reader] = set()
        self.deleted = False
        """Whether the log has come to its end."""
        self.failed = False
        """Whether a fault of ours has ended it."""
        self.idle_since_s = time.monotonic()
        """When its last reader left."""
        self._live: set[Reader] = set()
        self._unwatched = False
        self._pusher: asyncio.Task[None] | None = None

    # Life

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

    def seen(self, sequence: int) -> None:
        """Take note of how far the log goes, by the database."""
        if sequence > self.tape.ring.last.sequence and not self.tape.incoming:
            self.tape.suspect()

    def finish(self) -> None:
        """Take note that the workspace was deleted: no more will come than there is."""
        self.deleted = True
        self.tape.suspect()

    # Readers

    def join(self, reader: Reader) -> None:
        """Count a reader in."""
        self.readers.add(reader)

    def leave(self, reader: Reader) -> None:
        """Forget a reader."""
        self.readers.discard(reader)
        self._live.discard(reader)
        self._unwatched = self._unwatched or not self.readers  # nobody polls for it meanwhile
        self.idle_since_s = time.monotonic()

    async def place(self, start: Start) -> Position:
        """Return the position that a reader begins behind.

        Raises:
            NotKept: events from there on are not all kept any more.
            BeyondEnd: the log does not go that far.
            StoreUnavailable: the database does not answer.
        """
        await self.tape.open(stale=self._unwatched)
        self._unwatched = False
        if self._pusher is None:
            self._pusher = asyncio.create_task(self._run(), name=f"stream-{self.tape.workspace_sid}")
        return await self.tape.place(start)

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

    def _complete(self, reader: Reader) -> bool:
        """Tell whether a reader has come to the end of a log that goes no further."""
        settled = self.deleted and not self.tape.behind and not self.tape.incoming
        return settled and reader.position.sequence >= self.tape.ring.last.sequence

    async def _catch_up(self, reader: Reader) -> None:
        """Bring a reader to the end of the ring, as fast as it takes what it is sent."""
        ring = self.tape.ring
        while reader.ending is None and reader.position.sequence < ring.last.sequence:
            if reader.position.sequence + 1 >= ring.first:
                reader.send(ring.slice(reader.position.sequence, reader.wanted, reader.style))
            else:
                await self._send_older(reader)
            await reader.room()
            await asyncio.sleep(0)

    async def _send_older(self, reader: Reader) -> None:
        """Send a reader a slice from the database."""
        try:
            found = await self.tape.older(reader.position, reader.pace())
        except StoreUnavailable as error:
            log.warning("stream.not_read", workspace_sid=self.tape.workspace_sid, error=str(error))
            await asyncio.sleep(RETRY_S)
            return
        if not found or found[0].sequence != reader.position.sequence + 1:
            reader.end(Ending.EXPIRED)
            return
        reader.send(cut(found, reader.wanted, reader.style))

    # Writing to live readers

    async def _run(self) -> None:
        """Take events in and write them to the live readers, for ever."""
        try:
            while True:
                await self.tape.changed.wait()
                self.tape.changed.clear()
                await self._round()
        except Exception:
            log.exception("stream.failed", workspace_sid=self.tape.workspace_sid)
            self.failed = True
            self.end_all(Ending.FAILED)

    async def _round(self) -> None:
        worked_s = await self._take_all_in()
        if self.tape.behind:
            await self._try_to_read_on()
        worked_s += await self._push()
        await asyncio.sleep(min(worked_s * PAUSE_RATIO, PAUSE_S_MAX))

    async def _take_all_in(self) -> float:
        """Take in all that was told, a part at a time; returns for how many seconds that has worked."""
        worked_s = 0.0
        while self.tape.incoming:
            began_s = time.thread_time()
            self.tape.take_in(TAKE_EVENTS)
            worked_s += time.thread_time() - began_s
            await asyncio.sleep(0)
        return worked_s

    async def _try_to_read_on(self) -> None:
        try:
            await self.tape.read_on()
        except StoreUnavailable as error:
            log.warning("stream.not_read", workspace_sid=self.tape.workspace_sid, error=str(error))
            self.tape.suspect()
            await asyncio.sleep(RETRY_S)

    async def _push(self) -> float:
        """Write to the live readers; returns for how many seconds that has worked."""
        live = list(self._live)
        worked_s = 0.0
        for begin in range(0, len(live), ROUND_READERS):
            began_s = time.thread_time()
            for reader in live[begin : begin + ROUND_READERS]:
                self._push_to(reader)
            worked_s += time.thread_time() - began_s
            await asyncio.sleep(0)
        return worked_s

    def _push_to(self, reader: Reader) -> None:
        if reader not in self._live or reader.ending is not None:
            return
        ring, after = self.tape.ring, reader.position.sequence
        if ring.first <= after + 1 <= ring.last.sequence:
            reader.send(ring.slice(after, reader.wanted, reader.style))
        if self._complete(reader):
            reader.end(Ending.DELETED)
        if reader.full or reader.position.sequence < ring.last.sequence:
            self._live.discard(reader)
            reader.awake.set()
