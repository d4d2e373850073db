"""Requests over kept connections, to servers on real sockets that keep the rules and break them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.http_answer import Fault, HttpAnswer, HttpFailure
from engine.http_connection import header_lines, never, request_bytes, request_head
from engine.http_pool import HttpPool, Server, TcpServer, UnixServer

PATIENCE_S = 5.0
BODY_MAX = 100_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = request_head("POST", "/x?y=1", [("Host", "example.com"), ("X-Other", "é")])
REQUEST = request_bytes(HEAD, b"a=1")

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server; `handle` gets each connection, `opened` counts them, `ended` tells that one has ended."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self.opened = 0
        self.requests: list[bytes] = []
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.tasks: set[asyncio.Task[None] | None] = set()
        self.address: Server = TcpServer("", 0)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.began.set()
        self.tasks.add(asyncio.current_task())
        try:
            await self._handle(reader, writer)
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended.set()
            writer.transport.abort()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        self.requests.append(head + await reader.readexactly(length))
        return self.requests[-1]


@asynccontextmanager
async def peer(*answers: bytes, after: bool = False) -> AsyncIterator[Peer]:
    """Answer the requests of each connection in turn, then hang up if `after`, else wait."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await served.request(reader)
            writer.write(answer)
            await writer.drain()
        if after:
            raise ConnectionAbortedError

    served = Peer(handle)
    async with listening(served):
        yield served


@asynccontextmanager
async def listening(served: Peer) -> AsyncIterator[None]:
    server = await asyncio.start_server(served.take, "127.0.0.1", 0)
    served.address = TcpServer("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
        if served.tasks:
            await asyncio.wait(served.tasks, timeout=PATIENCE_S)


@asynccontextmanager
async def pool(keepalive_s: float = 60.0, per_server_max: int | None = None) -> AsyncIterator[HttpPool]:
    made = HttpPool(BODY_MAX, keepalive_s, per_server_max)
    try:
        yield made
    finally:
        await made.close()


async def send(
    made: HttpPool, served: Peer, *, within_s: float = PATIENCE_S, request: bytes = REQUEST, **more: object
) -> HttpAnswer:
    deadline_s = asyncio.get_running_loop().time() + within_s
    return await made.send(served.address, request, deadline_s, **more)


async def failure(made: HttpPool, served: Peer, **more: object) -> HttpFailure:
    with pytest.raises(HttpFailure) as caught:
        await send(made, served, **more)
    return caught.value


async def test_a_request_arrives_as_it_was_made_and_its_answer_as_it_was_sent() -> None:
    answer = b"HTTP/1.1 418 Teapot\r\nX-One: 1\r\nX-One: 2\r\nContent-Length: 2\r\n\r\nok"
    async with peer(answer) as served, pool() as made:
        got = await send(made, served)
    assert served.requests == [
        b"POST /x?y=1 HTTP/1.1\r\nHost: example.com\r\nX-Other: \xe9\r\nContent-Length: 3\r\n\r\na=1"
    ]
    assert got == HttpAnswer(418, [(b"X-One", b"1"), (b"X-One", b"2"), (b"Content-Length", b"2")], b"ok")


async def test_requests_share_a_connection_one_after_the_other() -> None:
    async with peer(OK, OK, OK) as served, pool() as made:
        for _ in range(3):
            assert (await send(made, served)).body == b"ok"
    assert served.opened == 1


async def test_requests_at_the_same_time_have_connections_of_their_own_up_to_the_limit() -> None:
    async with peer(*[OK] * 20) as served, pool(per_server_max=3) as made:
        answers = await asyncio.gather(*[send(made, served) for _ in range(20)])
    assert [answer.body for answer in answers] == [b"ok"] * 20
    assert served.opened == 3


async def test_the_wait_for_a_turn_counts_as_time() -> None:
    async with peer() as served, pool(per_server_max=1) as made:
        first = asyncio.create_task(failure(made, served, within_s=0.5))
        await asyncio.wait_for(served.began.wait(), PATIENCE_S)
        second = await failure(made, served, within_s=0.05)
        assert (second.fault, second.sent) == (Fault.LATE, False)
        assert ((await first).fault, (await first).sent) == (Fault.LATE, True)


async def test_a_unix_socket_is_a_server_like_any_other(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.request(reader)
        writer.write(OK)

    served = Peer(handle)
    served.address = UnixServer(str(tmp_path / "s"))
    server = await asyncio.start_unix_server(served.take, tmp_path / "s")
    async with pool() as made:
        assert (await send(made, served)).body == b"ok"
    server.close()
    await server.wait_closed()
    async with pool() as made:
        assert not (await failure(made, served)).sent


async def test_nobody_listening_means_that_nothing_was_sent() -> None:
    async with peer() as served:
        pass
    async with pool() as made:
        refused = await failure(made, served)
    assert (refused.fault, refused.sent) == (Fault.NO_CONNECTION, False)
    assert isinstance(refused.__cause__, ConnectionRefusedError)


async def test_a_kept_connection_that_was_closed_meanwhile_is_made_anew_for_who_may_repeat() -> None:
    async with peer(OK, b"", after=True) as served, pool() as made:
        for _ in range(3):
            assert (await send(made, served, repeat=True)).body == b"ok"
            served.ended.clear()
    assert served.opened == 3


async def test_who_must_not_repeat_learns_that_the_request_may_have_been_carried_out() -> None:
    async with peer(OK, b"", after=True) as served, pool() as made:
        await send(made, served)
        lost = await failure(made, served)
    assert (lost.fault, lost.sent, lost.answered) == (Fault.CLOSED, True, False)
    assert served.opened == 1


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"])
async def test_nothing_is_repeated_when_an_answer_had_begun(begun: bytes) -> None:
    async with peer(OK, begun, after=True) as served, pool() as made:
        await send(made, served)
        lost = await failure(made, served, repeat=True)
    assert lost.answered
    assert lost.fault is (Fault.BROKEN_OFF if lost.status else Fault.CLOSED)
    assert served.opened == 1


async def test_a_new_connection_that_is_lost_is_no_reason_to_repeat() -> None:
    async with peer(b"", after=True) as served, pool() as made:
        assert (await failure(made, served, repeat=True)).fault is Fault.CLOSED
    assert served.opened == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake",
        OK + b"\x00garbage",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_with_something_left_or_that_says_close_is_not_used_again(answer: bytes) -> None:
    async with peer(answer, OK) as served, pool() as made:
        assert (await send(made, served)).body == b"ok"
        await asyncio.wait_for(served.ended.wait(), PATIENCE_S)
        assert (await send(made, served)).body == b"ok"
    assert served.opened == 2


async def test_what_nobody_asked_for_is_not_taken_for_the_next_answer() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.request(reader)
        writer.write(OK)
        await asked.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

    asked, served = asyncio.Event(), Peer(handle)
    async with listening(served), pool() as made:
        await send(made, served)
        asked.set()
        await asyncio.wait_for(served.ended.wait(), PATIENCE_S)
        assert (await send(made, served)).status == 200
    assert served.opened == 2


async def test_an_answer_before_the_request_was_read_counts_and_ends_the_connection() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await ended.wait()

    ended, served = asyncio.Event(), Peer(handle)
    request = request_bytes(HEAD, b"x" * 20_000_000)
    async with listening(served), pool() as made:
        for _ in range(2):
            assert (await send(made, served, request=request)).status == 413
        assert served.opened == 2
        ended.set()


async def test_a_half_closed_connection_still_brings_its_answer() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nok")
        writer.write_eof()

    served = Peer(handle)
    async with listening(served), pool() as made:
        assert (await send(made, served)).body == b"ok"


@pytest.mark.parametrize(
    "rest", [b"Content-Length: 50\r\n\r\nx", b"\r\nxx", b"Content-Length: 500000\r\n\r\n" + b"x" * 200_000]
)
async def test_a_body_that_is_not_needed_does_not_hold_up_the_answer(rest: bytes) -> None:
    async with peer(b"HTTP/1.1 200 OK\r\n" + rest) as served, pool() as made:
        answer = await send(made, served, needs_body=never)
        assert (answer.status, answer.body) == (200, b"")
        await asyncio.wait_for(served.ended.wait(), PATIENCE_S)


async def test_a_deadline_holds_however_the_answer_drips() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.request(reader)
        gone = asyncio.ensure_future(reader.read())
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 1_000:
            writer.write(bytes([byte]))
            await asyncio.wait({gone}, timeout=0.01)
            if gone.done():
                return

    loop, served = asyncio.get_running_loop(), Peer(handle)
    async with listening(served), pool() as made:
        began_s = loop.time()
        late = await failure(made, served, within_s=0.3)
        assert 0.3 <= loop.time() - began_s < 2
    assert (late.fault, late.answered) == (Fault.LATE, True)


async def test_a_deadline_is_each_requests_own() -> None:
    """The timer of the first request is still running when the second one, with less time, is sent."""
    async with peer(OK) as served, pool() as made:
        await send(made, served, within_s=60)
        async with asyncio.timeout(PATIENCE_S):
            assert (await failure(made, served, within_s=0.1)).fault is Fault.LATE
    async with peer(OK) as served, pool() as made:
        await send(made, served, within_s=0.1)
        began_s = asyncio.get_running_loop().time()
        assert (await failure(made, served, within_s=0.3)).fault is Fault.LATE
        assert asyncio.get_running_loop().time() - began_s >= 0.3


async def test_who_stops_waiting_ends_the_connection() -> None:
    async with peer() as served, pool() as made:
        waiting = asyncio.create_task(send(made, served))
        await asyncio.wait_for(served.began.wait(), PATIENCE_S)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.wait_for(served.ended.wait(), PATIENCE_S)


async def test_idle_connections_are_closed_in_time() -> None:
    async with peer(OK) as served, pool(keepalive_s=0.05) as made:
        await send(made, served)
        await asyncio.wait_for(served.ended.wait(), PATIENCE_S)


async def test_closing_fails_what_is_under_way_and_what_comes_later() -> None:
    async with peer() as served, pool() as made:
        waiting = asyncio.create_task(failure(made, served))
        await asyncio.wait_for(served.began.wait(), PATIENCE_S)
        await made.close()
        assert (await waiting).fault is Fault.CLOSED
        late = await failure(made, served)
    assert (late.fault, late.sent) == (Fault.NO_CONNECTION, False)


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "\u20ac", "\ud800"])
def test_a_head_takes_nothing_that_would_begin_another_line_or_cannot_be_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        header_lines([("X-Name", text)])
    with pytest.raises(ValueError, match=r"."):
        header_lines([(text, "x")])
    with pytest.raises(ValueError, match=r"."):
        request_head("POST", f"/{text}", [("Host", "x")])
    with pytest.raises(ValueError, match=r"."):
        request_head("POST", "/a b", [("Host", "x")])
