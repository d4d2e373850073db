"""Many readers, slow readers, readers that are gone, and how many there may be."""

import asyncio
import re
import socket
from contextlib import AsyncExitStack
from typing import Any

import aiohttp

from tests.auth.support import basic
from tests.stream.conftest import READERS
from tests.stream.support import MILESTONE_S, Client
from tests.support.daemon import DaemonProcess

MANY = 200


async def metric(client: Client, name: str) -> float:
    async with client.session.get(f"{client.daemon.url}/metrics") as answer:
        found = re.search(rf"^pointsman_stream_{name} ([\d.e+]+)$", await answer.text(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def becomes(client: Client, name: str, value: float) -> None:
    async with asyncio.timeout(MILESTONE_S):
        while True:
            if await metric(client, name) == value:
                return
            await asyncio.sleep(0.02)


async def test_everyone_of_many_readers_is_told_everything_in_order(client: Client, base: str) -> None:
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(client.stream(base, From=1)) for _ in range(MANY)]
        await client.tasks(base, 20)
        listed = (await client.get(f"{base}/Events", PageSize=1000))["events"]

        async def read(stream: Any) -> list[str]:
            return [event["sid"] for event in await stream.events(len(listed))]

        told = await asyncio.gather(*map(read, streams))
        assert await metric(client, "readers") >= MANY
    expected = [event["sid"] for event in reversed(listed)]
    assert all(sids == expected for sids in told)
    await becomes(client, "readers", 0)


def stalled(daemon: DaemonProcess, path: str) -> socket.socket:
    """A reader that asks and then takes nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(("127.0.0.1", daemon.port))
    login = basic(daemon.account_sid, daemon.auth_token)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n".encode())
    return connection


def sequences(raw: bytes) -> list[int]:
    """The ids of the events that have arrived whole."""
    return [int(text) for text in re.findall(rb"id: (\d+)\nevent: [^\n]+\ndata: [^\n]+\n\n", raw)]


async def test_a_reader_that_takes_nothing_is_dropped_and_goes_on_where_it_was(
    tight_client: Client, tight: DaemonProcess
) -> None:
    client = tight_client
    base = await client.workspace()
    dropped = await metric(client, 'readers_ended_total{reason="slow"}')
    slow = stalled(tight, f"/v1{base}/Events/Stream?From=1")
    with slow:
        async with client.stream(base, From=1) as quick:
            for _ in range(5):
                await client.tasks(base, 50, padding=2_000)
            count = (await client.get(f"{base}/Events", PageSize=1))["meta"]
            assert count
            assert len(await quick.events(500)) == 500
        await becomes(client, 'readers_ended_total{reason="slow"}', dropped + 1)
        slow.settimeout(MILESTONE_S)
        raw = await asyncio.to_thread(read_to_end, slow)
    seen = sequences(re.sub(rb"\r\n[0-9a-f]+\r\n", b"", raw))
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) < 500
    async with client.stream(base, headers={"Last-Event-ID": str(len(seen))}) as stream:
        rest = await stream.events(500 - len(seen))
    assert [event["sequence"] for event in rest] == list(range(len(seen) + 1, 501))


def read_to_end(connection: socket.socket) -> bytes:
    found = bytearray()
    try:
        while chunk := connection.recv(65_536):
            found += chunk
    except ConnectionResetError:
        pass
    return bytes(found)


async def test_a_reader_that_pauses_shorter_than_that_misses_nothing(tight_client: Client) -> None:
    client = tight_client
    base = await client.workspace()
    async with client.stream(base, From=1) as stream:
        seen = 0
        for _ in range(6):
            await client.tasks(base, 40, padding=2_000)
            for event in await stream.events(60):
                seen += 1
                assert event["sequence"] == seen


async def test_there_may_be_so_many_of_an_account_and_no_more(
    tight_client: Client, tight: DaemonProcess
) -> None:
    client = tight_client
    base = await client.workspace()
    await becomes(client, "readers", 0)
    async with AsyncExitStack() as stack:
        for _ in range(READERS - 10):
            await stack.enter_async_context(client.stream(base))
        url = f"{tight.url}/v1{base}/Events/Stream"
        async with client.session.get(url) as answer:
            problem = await answer.json()
            assert (answer.status, problem["code"]) == (503, 20503)
            assert int(answer.headers["Retry-After"]) > 0
            assert "streams" in problem["message"]
        assert await metric(client, "readers_refused_total") > 0
    await becomes(client, "readers", 0)
    async with client.stream(base) as stream:
        assert await stream.block()


async def test_a_reader_that_is_gone_is_noticed_without_an_event(client: Client, base: str) -> None:
    before = await metric(client, "readers")
    async with client.stream(base) as stream:
        await stream.block()
        await becomes(client, "readers", before + 1)
    await becomes(client, "readers", before)


async def test_streams_do_not_count_as_slow_requests(client: Client, base: str) -> None:
    async with client.stream(base, From=1) as stream:
        await stream.events(2)
    await becomes(client, "readers", 0)
    async with client.session.get(f"{client.daemon.url}/metrics") as answer:
        assert "Events/Stream" not in "".join(
            line for line in (await answer.text()).splitlines() if 'status="200"' in line
        )


async def test_a_gone_client_is_no_fault_of_ours(client: Client, base: str, daemon: DaemonProcess) -> None:
    for _ in range(20):
        try:
            async with asyncio.timeout(0.003):
                async with client.stream(base, From=1):
                    pass
        except (TimeoutError, aiohttp.ClientError):
            continue
    await client.task(base)
    await becomes(client, "readers", 0)
    assert not list(daemon.events("request.failed"))
    assert not list(daemon.events("library.message"))
