"""Whoever comes back goes on where it was: no event is missing, none comes twice, through crashes too."""

import asyncio
import random
from typing import Any

import aiohttp
import asyncpg
from cryptography.fernet import Fernet

from tests.stream.support import Client
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import StartDaemon

FOLLOWERS = 10
RESUMES = 100


class Follower:
    """Follows a log over connections that are cut after a few events."""

    def __init__(self, client: Client, base: str, seed: int) -> None:
        self.client, self.base = client, base
        self.random = random.Random(seed)
        self.seen: list[int] = []
        self.resumes = 0

    async def run(self, resumes: int) -> None:
        while self.resumes < resumes:
            await self.connect()

    async def connect(self) -> None:
        """Read one to five events, then cut the connection; by Last-Event-ID and From in turn."""
        self.resumes += 1
        wanted = self.random.randint(1, 5)
        last = self.seen[-1] if self.seen else 0
        if self.resumes % 2:
            async with self.client.stream(self.base, headers={"Last-Event-ID": str(last)}) as stream:
                for _ in range(wanted):
                    block = await stream.event()
                    assert block.id == str(block.document["sequence"])
                    self.seen.append(int(block.id))
        else:
            async with self.client.stream(self.base, From=last + 1, Format="ndjson") as stream:
                for _ in range(wanted):
                    self.seen.append((await stream.json_line())["sequence"])


async def write(client: Client, base: str, stopped: asyncio.Event) -> None:
    """Make tasks until told to stop."""
    while not stopped.is_set():
        await client.task(base)


async def cut(client: Client, resumes: int) -> None:
    """Have ten followers' connections cut so many times each, while tasks are made."""
    base = await client.workspace()
    stopped = asyncio.Event()
    writing = [asyncio.create_task(write(client, base, stopped)) for _ in range(4)]
    followers = [Follower(client, base, seed) for seed in range(FOLLOWERS)]
    await asyncio.gather(*(follower.run(resumes) for follower in followers))
    stopped.set()
    await asyncio.gather(*writing)
    assert all(follower.resumes == resumes for follower in followers)
    for follower in followers:
        assert follower.seen == list(range(1, len(follower.seen) + 1))


async def test_a_thousand_cut_connections_miss_nothing_and_repeat_nothing(client: Client) -> None:
    await cut(client, RESUMES)


async def test_nor_do_they_when_most_is_read_from_the_database(tight_client: Client) -> None:
    await cut(tight_client, RESUMES // 5)


async def test_a_stream_tells_what_the_list_of_events_tells(client: Client, base: str) -> None:
    await client.tasks(base, 3)
    listed: list[dict[str, Any]] = (await client.get(f"{base}/Events", PageSize=100))["events"][::-1]
    async with client.stream(base, From=1) as stream:
        told = await stream.events(len(listed))
    assert [event.pop("sequence") for event in told] == list(range(1, len(listed) + 1))
    assert told == listed


async def test_without_a_place_to_begin_only_what_comes_is_told(client: Client, base: str) -> None:
    before = (await client.get(f"{base}/Events"))["events"][0]
    async with client.stream(base) as stream:
        greeting = await stream.block()
        sid = await client.task(base)
        first = (await stream.event()).document
    assert (first["event_type"], first["resource_sid"]) == ("task.created", sid)
    assert first["event_date_ms"] >= before["event_date_ms"]
    assert greeting is not None
    assert greeting.id == str(first["sequence"] - 1)


async def test_the_header_wins_over_the_url(client: Client, base: str) -> None:
    async with client.stream(base, From=1, headers={"Last-Event-ID": "4"}) as stream:
        assert (await stream.event()).id == "5"


async def test_from_0_is_the_oldest_event(client: Client, base: str) -> None:
    async with client.stream(base, From=0) as stream:
        assert (await stream.event()).id == "1"


async def test_everybody_goes_on_after_the_daemon_was_killed(
    start_daemon: StartDaemon, database: str
) -> None:
    daemon = start_daemon(database_url=database)
    async with Client(daemon) as client:
        base = await client.workspace()
        created: list[str] = []
        seen: list[dict[str, Any]] = []
        for _ in range(2):
            dying = asyncio.create_task(write_until_it_dies(client, base, created))
            async with client.stream(base, From=len(seen) + 1) as stream:
                seen += await stream.events(20)
                await asyncio.to_thread(daemon.kill)
                seen += await rest_of(stream)
            await dying
            await asyncio.to_thread(daemon.start)
        listed = (await client.get(f"{base}/Events", PageSize=1000))["events"]
        async with client.stream(base, headers={"Last-Event-ID": str(seen[-1]["sequence"])}) as stream:
            seen += await stream.events(len(listed) - len(seen))
    assert [event["sequence"] for event in seen] == list(range(1, len(listed) + 1))
    assert set(created) <= {event["resource_sid"] for event in seen if event["event_type"] == "task.created"}


async def write_until_it_dies(client: Client, base: str, created: list[str]) -> None:
    try:
        while True:
            created.append(await client.task(base))
    except aiohttp.ClientError:
        return


async def rest_of(stream: Any) -> list[dict[str, Any]]:
    """What is still there of a stream that was cut off."""
    found = []
    try:
        while (block := await stream.block()) is not None:
            if block.data is not None:
                found.append(block.document)
    except aiohttp.ClientError:
        pass
    return found


async def test_a_node_that_does_not_own_the_workspace_tells_the_same(
    start_daemon: StartDaemon, database: str
) -> None:
    key = {"POINTSMAN_CREDENTIALS_KEY": Fernet.generate_key().decode()}
    owner = start_daemon(database_url=database, settings=key)
    quick = {"POINTSMAN_STREAM_POLL_INTERVAL_S": "0.05"}
    other = start_daemon(database_url=database, wait=False, settings=key | quick)
    async with Client(owner) as client:
        base = await client.workspace()
        await asyncio.to_thread(
            other.wait_until, lambda: bool(other.port or other._find_port()), "it listens"
        )
        async with Client(other) as far, far.stream(base, From=1) as stream:
            for _ in range(5):
                await client.task(base)
            listed = (await client.get(f"{base}/Events", PageSize=100))["events"][::-1]
            told = await stream.events(len(listed))
            assert [event["sid"] for event in told] == [event["sid"] for event in listed]
            await client.delete(base)
            assert (await stream.events(2))[-1] == {"reason": "deleted"}


async def test_events_that_are_no_longer_kept_are_refused_with_the_first_that_is(
    client: Client, base: str, daemon: DaemonProcess
) -> None:
    connection = await asyncpg.connect(daemon.database_url)
    try:
        workspace_sid = base.rpartition("/")[2]
        await connection.execute(
            "DELETE FROM events WHERE workspace_sid = $1 AND sequence < 5", workspace_sid
        )
    finally:
        await connection.close()
    url = f"{daemon.url}/v1{base}/Events/Stream"
    for query, headers in (({"From": "3"}, {}), ({}, {"Last-Event-ID": "1"})):
        async with client.session.get(url, params=query, headers=headers) as answer:
            assert answer.status == 410
            problem = await answer.json()
            assert problem["code"] == 20410
            assert "before 5" in problem["message"]
    async with client.stream(base, From=0) as stream:
        assert (await stream.event()).id == "5"
    async with client.stream(base, headers={"Last-Event-ID": "4"}) as stream:
        assert (await stream.event()).id == "5"
