"""The connections to one other node: few, kept alive, each carrying one request at a time.

There are at most `connections_per_peer_max`; further requests wait for one until their deadline, at most
`forwards_waiting_max` of them. So a node that hangs holds up nothing but what is meant for itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from engine.addresses import Address, parse_address
from engine.cluster.connection import Connection
from engine.cluster.limits import ClusterLimits
from engine.cluster.messages import Answer, NotSent
from engine.silence import give_up_when_silent


class PeerClient:
    """Sends requests to one address.

    Args:
        place: the address of the other node's internal listener.
        limits: how many connections, and for how long.
    """

    def __init__(self, place: str, limits: ClusterLimits) -> None:
        self.place = place
        self.used_s = time.monotonic()
        """When it was asked last, by the monotonic clock."""
        self.ahead_ms = 0
        """How far the other node's clock is ahead of ours."""
        self._address = parse_address(place)
        self._limits = limits
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []
        self._connecting = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def under_way(self) -> list[Connection]:
        """The connections whose answer is waited for."""
        return [connection for connection in self._all if connection.busy]

    @property
    def quiet(self) -> bool:
        """Whether it has no connection and nobody waits for one."""
        return not self._all and not self._waiting and not self._connecting

    async def send(self, head: bytes, body: bytes, subject: str, deadline_s: float) -> Answer:
        """Send a request and return its answer.

        Args:
            head: request line and headers, with the empty line behind them.
            body: as long as its Content-Length says.
            subject: what it is about, for `give_up`.
            deadline_s: until when it may wait for a connection, by the monotonic clock.

        Raises:
            NotSent: there was no connection in time.
            NoAnswer: it was sent and what became of it is unknown.
        """
        connection = await self._take(deadline_s)
        try:
            return await connection.send(head, body, subject)
        finally:
            self._give_back(connection)

    def pass_on(self, request: bytes, subject: str) -> asyncio.Future[Answer] | None:
        """Send a whole request whose answer is only passed on, if there is an idle connection; else None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                self.used_s = time.monotonic()
                answer = connection.send(request, b"", subject, passing=True)
                answer.add_done_callback(partial(self._passed, connection))
                return answer
            self._forget(connection)
        return None

    async def open(self, head: bytes) -> tuple[Answer, Connection]:
        """Send a request that asks for an upgrade, over a connection that is not counted.

        When the answer is 101 the caller has the connection to itself, else it is closed. Raises as `send`.
        """
        connection = await self._connect()
        try:
            async with asyncio.timeout(self._limits.forward_timeout_s):
                answer = await connection.send(head, b"")
        except BaseException:
            connection.close()
            raise
        if answer.status != 101:
            connection.close()
        return answer, connection

    def sweep(self, now_s: float, moved: Callable[[str], bool]) -> None:
        """Give up what takes too long or waits for a node that has lost the workspace; close idle ones."""
        for connection in self.under_way:
            taken_s = now_s - connection.sent_s
            if taken_s > self._limits.forward_timeout_s:
                connection.give_up("it did not answer in time")
            elif taken_s > 1.0 and moved(connection.subject):
                connection.give_up("the workspace has another owner now")
        for connection in [each for each in self._idle if self._stale(each, now_s)]:
            self._idle.remove(connection)
            self._forget(connection)

    def close(self) -> None:
        """Close every connection; requests under way have no answer, others are not sent."""
        for connection in list(self._all):
            connection.give_up("this node is shutting down")
            self._forget(connection)
        self._idle.clear()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(NotSent("this node is shutting down"))

    def _stale(self, connection: Connection, now_s: float) -> bool:
        return not connection.usable() or now_s - connection.idle_since_s > self._limits.forward_idle_s

    async def _take(self, deadline_s: float) -> Connection:
        self.used_s = time.monotonic()
        while True:
            while self._idle:
                connection = self._idle.pop()
                if connection.usable():
                    return connection
                self._forget(connection)
            if len(self._all) + self._connecting < self._limits.connections_per_peer_max:
                return await self._connect_counted()
            await self._wait(deadline_s)

    async def _wait(self, deadline_s: float) -> None:
        """Return when there may be room. Raises NotSent when that takes too long or too many wait."""
        if len(self._waiting) >= self._limits.forwards_waiting_max:
            raise NotSent("too many requests wait for it")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(max(0.0, deadline_s - time.monotonic()), _too_late, waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self._wake_one()  # the turn was ours and is not taken
            raise
        finally:
            timer.cancel()

    def _wake_one(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _connect_counted(self) -> Connection:
        self._connecting += 1
        try:
            connection = await self._connect()
            self._all.add(connection)
        except BaseException:
            self._wake_one()
            raise
        finally:
            self._connecting -= 1
        return connection

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._limits.forward_connect_timeout_s):
                return await connect(self._address)
        except TimeoutError:
            raise NotSent("it cannot be connected to in time") from None
        except OSError as error:
            raise NotSent(error.strerror or type(error).__name__) from None

    def _passed(self, connection: Connection, _answer: asyncio.Future[Answer]) -> None:
        self._give_back(connection)

    def _give_back(self, connection: Connection) -> None:
        if connection.busy:
            connection.give_up("nobody waits for the answer")
        if connection in self._all and connection.usable():
            self._idle.append(connection)
        else:
            self._forget(connection)
        self._wake_one()

    def _forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        connection.close()


async def connect(address: Address) -> Connection:
    """Open a connection. Raises OSError."""
    loop = asyncio.get_running_loop()
    if address.path:
        _, connection = await loop.create_unix_connection(Connection, address.path)
        return connection
    transport, connection = await loop.create_connection(Connection, address.host, address.port)
    give_up_when_silent(transport)
    return connection


def _too_late(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(NotSent("it did not take the request in time"))
