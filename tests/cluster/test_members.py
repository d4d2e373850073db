"""Nodes that come and go: each gets its share, what it has goes on elsewhere, and no client is the wiser."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from engine.runtime.service import RoutingService
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from engine.storage.pool import Database
from engine.storage.store import PostgresStore
from tests.cluster.members import Client, Members, client_session, execute, running_members
from tests.runtime.support import Recorder
from tests.support.daemon import ACCOUNT_SID

DATABASE = "three_nodes"
THERE_BEFORE = 60
TAKEN_OVER_S = 3.0
SENDERS = 4
PACE_S = 0.02
LEASE = {
    "POINTSMAN_RUNTIME_LEASE_TTL_S": "3",
    "POINTSMAN_RUNTIME_LEASE_RENEW_S": "0.5",
    "POINTSMAN_RUNTIME_LEASE_MARGIN_S": "0.5",
    "POINTSMAN_RUNTIME_COMMIT_TIMEOUT_S": "1.5",
}


@pytest.fixture(scope="module")
def members(postgres: EmbeddedPostgres) -> Iterator[Members]:
    """Three nodes that started at the same moment over workspaces that nobody served."""
    dsn = postgres.dsn_of(DATABASE)
    asyncio.run(_prepare(postgres.dsn, dsn))
    with running_members(dsn, 3, **LEASE) as running:
        yield running


async def _prepare(server: str, dsn: str) -> None:
    await execute(server, f"CREATE DATABASE {DATABASE}")
    await migrate(dsn)
    async with await Database.open(dsn) as database:
        store = PostgresStore(database)
        service = RoutingService(store, store, Recorder(), owner="an-earlier-node")
        await service.start()
        for number in range(THERE_BEFORE):
            await service.create_workspace(ACCOUNT_SID, friendly_name=f"Centre {number}", template="FIFO")
        await service.stop()


@pytest.fixture
async def client(members: Members) -> AsyncIterator[Client]:
    async with client_session(members.nodes[0]) as session:
        yield Client(members, session)


@pytest.fixture
async def empty(client: Client) -> Client:
    """The client of nodes that have no workspace."""
    await client.adopt_all()
    await client.delete_all()
    return client


async def loaded(client: Client, workspaces: list[str], until: asyncio.Event) -> None:
    """Create tasks in all workspaces until told to stop."""

    async def send(number: int) -> None:
        while not until.is_set():
            await client.task(workspaces[number % len(workspaces)])
            number += SENDERS
            await asyncio.sleep(PACE_S)

    await asyncio.gather(*(send(number) for number in range(SENDERS)))


async def test_nodes_that_start_at_the_same_moment_share_what_there_is(
    members: Members, client: Client
) -> None:
    await members.until_owned(*[range(12, 28)] * 3)
    await client.adopt_all()
    await asyncio.gather(*(client.task(sid) for sid in client.created))
    await client.audit()


async def test_the_workspaces_of_a_killed_node_answer_soon(members: Members, empty: Client) -> None:
    workspaces = await empty.workspaces(9)
    await members.until_owned(*[range(3, 4)] * 3)
    killed = members.nodes[1]
    began_s = time.monotonic()
    await asyncio.to_thread(killed.kill)
    await asyncio.gather(*(empty.task(workspace) for workspace in workspaces))
    took_s = time.monotonic() - began_s
    assert killed.name not in await members.owners()
    assert took_s <= TAKEN_OVER_S, took_s
    await empty.audit()
    await asyncio.to_thread(killed.start)


async def test_a_node_that_slept_past_its_lease_writes_nothing_more_and_is_a_node_again(
    members: Members, empty: Client
) -> None:
    workspaces = await empty.workspaces(3)
    await members.until_owned(*[range(1, 2)] * 3)
    asleep = await members.owner_of(workspaces[0])
    stop = asyncio.Event()
    load = asyncio.create_task(loaded(empty, workspaces[:1], stop))
    await empty.tasks_in(workspaces[0], 50)
    members.nodes.remove(asleep)
    asleep.signal(signal.SIGSTOP)
    try:
        await members.until_owned(range(2, 3), range(1, 2))
        await empty.tasks_in(workspaces[0], len(empty.created[workspaces[0]]) + 50)
    finally:
        asleep.signal(signal.SIGCONT)
        members.nodes.append(asleep)
    await asyncio.to_thread(asleep.wait_until_ready)
    stop.set()
    await load
    await members.until_owned(*[range(1, 2)] * 3)
    await empty.audit()


async def test_nodes_that_are_restarted_one_after_the_other_under_load_fail_no_request(
    members: Members, empty: Client
) -> None:
    workspaces = await empty.workspaces(9)
    await members.until_owned(*[range(3, 4)] * 3)
    stop = asyncio.Event()
    load = asyncio.create_task(loaded(empty, workspaces, stop))
    for node in members.nodes:
        assert await asyncio.to_thread(node.stop) == 0
        await asyncio.to_thread(node.start)
    stop.set()
    await load
    assert sum(len(created) for created in empty.created.values()) > 100
    await empty.audit()
    await members.until_owned(*[range(3, 4)] * 3)
