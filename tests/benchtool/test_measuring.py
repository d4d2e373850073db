"""Adding up, and the lean HTTP ends: what is counted, what is refused, what a broken connection means."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from engine.bench.collector import OPEN_INTERVALS_MAX, Collector
from engine.bench.cpu import tree_cpu_s
from engine.bench.errors import BenchError
from engine.bench.http_client import Client, NoAnswer
from engine.bench.http_receiver import Receiver, Reply, listen
from engine.bench.job import Ledger
from engine.bench.measures import CREATE, OFFER, Recorder

SIDS = ["WT" + f"{n:032x}" for n in (1, 2, 2**127)]


def test_only_measured_intervals_count_and_all_are_plotted() -> None:
    collector = Collector(intervals=2, interval_s=1.0, backlog=10)
    for process in (1, 2):
        for index in (-1, 0, 1, 2):
            recorder = Recorder()
            recorder.time(CREATE, 0.001 * (index + 2) * process)
            recorder.count("created")
            recorder.error("create 503")
            collector.add(recorder.take(index))
    collector.finish()
    assert collector.counts == Counter(created=4)
    assert collector.errors == Counter({"create 503": 8})
    create = collector.latencies()[CREATE]
    assert create["count"] == 4
    assert create["max"] == pytest.approx(6, rel=0.001)
    assert [point["s"] for point in collector.points] == [-1, 0, 1, 2]
    assert [point["waiting"] for point in collector.points] == [12, 14, 16, 18]
    assert OFFER not in collector.latencies()


def test_memory_does_not_grow_with_the_number_of_intervals() -> None:
    collector = Collector(intervals=1000, interval_s=1.0, backlog=0)
    recorder = Recorder()
    for index in range(50):
        recorder.time(CREATE, 0.001)
        collector.add(recorder.take(index))
        assert len(collector._open) <= OPEN_INTERVALS_MAX
    assert not recorder.take(50).times


def test_ledgers_of_the_same_tasks_agree_whatever_the_order_and_process() -> None:
    one, first, second = Ledger(), Ledger(), Ledger()
    for sid in SIDS:
        one.create(sid)
    second.create(SIDS[0])
    first.create(SIDS[2])
    first.create(SIDS[1])
    first.add(second)
    assert (first.created, first.created_sum) == (one.created, one.created_sum)
    second.create(SIDS[0])
    assert second.created_sum != one.created_sum


def test_cpu_time_of_a_process_grows_and_leaves_out_what_is_not_wanted() -> None:
    used = tree_cpu_s([os.getpid()])
    assert used is not None
    assert used > 0
    assert tree_cpu_s([os.getpid()], without=frozenset([os.getpid()])) == 0


async def served(answer: bytes, use: Callable[[Client], Awaitable[None]]) -> None:
    """Run `use` against a server that says the same to everybody and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in range(0, len(answer), 7):
            writer.write(answer[byte : byte + 7])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with Client(f"http://127.0.0.1:{port}", "AC1", "t", connections_max=1) as client:
            await use(client)
    finally:
        server.close()
        await server.wait_closed()


async def test_answers_are_read_with_a_length_and_in_chunks() -> None:
    async def use(client: Client) -> None:
        assert await client.read("/") == {"a": 1}
        assert await client.read("/") == {"a": 1}

    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    await served(head + b'Content-Length: 8\r\n\r\n{"a": 1}', use)
    chunks = b'3\r\n{"a\r\n5;x\r\n": 1}\r\n0\r\n\r\n'
    await served(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, use)


async def test_a_connection_that_breaks_is_no_answer_and_a_refusal_is_told() -> None:
    async def broken(client: Client) -> None:
        with pytest.raises(NoAnswer):
            await client.get("/")

    async def refused(client: Client) -> None:
        with pytest.raises(BenchError, match="GET /v1: 401 no"):
            await client.read("/v1")

    await served(b"HTTP/1.1 200 OK\r\nContent-Le", broken)
    await served(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno", refused)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with Client(f"http://127.0.0.1:{port}") as client:
        await broken(client)


async def test_the_receiver_hands_callbacks_on_and_refuses_what_is_none() -> None:
    offers: list[tuple[str, str]] = []

    def offered(task: str, reservation: str, reply: Reply) -> None:
        offers.append((task, reservation))
        reply(b'{"instruction": "accept"}')

    receivers: set[Receiver] = set()
    with listen("127.0.0.1") as listener:
        server = await asyncio.get_running_loop().create_server(
            lambda: Receiver(offered, receivers), sock=listener
        )
        async with Client(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            body = f"TaskAttributes=%7B%7D&TaskSid={SIDS[0]}&ReservationSid=WR{'0' * 32}".encode()
            answer = await client.post(client.head("/assignment"), body)
            assert (answer.status, answer.json()) == (200, {"instruction": "accept"})
            assert (await client.post(client.head("/"), b"a=b")).status == 400
        server.close()
        for receiver in tuple(receivers):
            receiver.close()
        await asyncio.sleep(0)
    assert offers == [(SIDS[0], "WR" + "0" * 32)]
