"""What a node makes of the rows: who lives, who owns what, and whose turn it is to take something over."""

import asyncio
import socket
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from engine.cluster.ports import Peer
from engine.cluster.view import DEAD_S, TURN_S, ClusterView, Me
from engine.ownership import Lease
from engine.runtime.ports import Claim
from engine.storage.cluster import ClusterRows, Look, NodeRow
from engine.storage.pool import Database
from engine.storage.store import PostgresStore
from tests.storage.builders import changes, workspace

HOST = "host"
TTL_S = 60.0


@dataclass
class Told:
    """A follower that remembers what it was told."""

    workspaces: set[str] = field(default_factory=set)
    free: set[str] = field(default_factory=set)

    def remember(self) -> None: ...

    def compare(self, workspace_sids: Collection[str]) -> None:
        self.workspaces = set(workspace_sids)

    def reconsider(self, workspace_sids: Iterable[str]) -> None:
        self.free = set(workspace_sids)


class CountedRows(ClusterRows):
    """The rows, and how often they were looked at."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.looks = 0
        self.looking = asyncio.Event()

    async def look(self, digest: str) -> Look:
        self.looks += 1
        self.looking.set()
        return await super().look(digest)


class World:
    """The rows, views of them, and listeners at sockets."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.rows = CountedRows(database)
        self.store = PostgresStore(database)
        self.now_s = 1_000.0
        self._directory = directory
        self._listeners: dict[str, socket.socket] = {}

    def view(self, name: str = "me", *, clustered: bool = True) -> ClusterView:
        view = ClusterView(self.rows, Me(name, HOST, clustered), 0.5, lambda: self.now_s)
        view.follow(Told())
        return view

    async def join(self, name: str, *, state: str = "serving", listens: bool = True) -> NodeRow:
        row = NodeRow(name, HOST, str(self._directory / name), state, 0.0, 0, "1")
        if listens:
            self.listen(name)
        await self.rows.beat(row, begins=True)
        return row

    def listen(self, name: str) -> None:
        listener = self._listeners[name] = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._directory / name))
        listener.listen()

    def die(self, name: str) -> None:
        """Refuse connections, as the system does when the process is gone."""
        self._listeners.pop(name).close()

    def close(self) -> None:
        for listener in self._listeners.values():
            listener.close()

    async def age(self, name: str, seconds: float) -> None:
        async with self.database.committing() as connection:
            await connection.execute(
                "UPDATE nodes SET seen_at = now() - make_interval(secs => $2) WHERE node_name = $1",
                name,
                seconds,
            )

    async def owned_by(self, owner: str, ttl_s: float = TTL_S) -> Lease:
        return await self.store.create_workspace(owner, ttl_s, changes(workspace()))


@pytest.fixture
def world(pools: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(pools, tmp_path_factory.mktemp("w"))
    yield made
    made.close()


async def test_a_look_gives_the_leases_only_when_something_has_changed_hands(world: World) -> None:
    lease = await world.owned_by("one")
    first = await world.rows.look("")
    assert first.leases is not None
    assert first.leases.keys() == {lease.workspace_sid}
    assert await world.store.renew([lease], 2 * TTL_S)
    assert (await world.rows.look(first.digest)).leases is None
    given = await world.store.transfer_lease(lease, "two", TTL_S)
    assert given == replace(lease, owner="two", epoch=2)
    second = await world.rows.look(first.digest)
    assert second.leases is not None
    assert second.leases[lease.workspace_sid].owner == "two"
    await world.store.release(given)
    third = await world.rows.look(second.digest)
    assert third.leases is not None
    assert not third.leases[lease.workspace_sid].live


async def test_a_lease_changes_hands_only_as_it_was_seen(world: World) -> None:
    lease = await world.owned_by("one")
    assert await world.store.acquire(lease.workspace_sid, "one", TTL_S)
    assert await world.store.transfer_lease(lease, "two", TTL_S) is None


async def test_another_living_node_owns_what_its_lease_says(world: World) -> None:
    theirs, ours = await world.owned_by("other"), await world.owned_by("me")
    row = await world.join("other")
    view = world.view()
    await view.refresh()
    assert view.owner_of(theirs.workspace_sid) == Peer("other", row.address)
    assert view.owner_lives(theirs.workspace_sid)
    assert view.claim(theirs.workspace_sid) is None
    assert view.owner_of(ours.workspace_sid) is None
    assert view.claim(ours.workspace_sid) == Claim()
    assert view.owner_of("WS" + "0" * 32) is None


async def test_a_node_that_refuses_connections_is_gone_at_once(world: World) -> None:
    theirs = await world.owned_by("other")
    await world.join("other")
    view = world.view()
    await view.refresh()
    world.die("other")
    await view.refresh()
    assert view.owner_of(theirs.workspace_sid) is None
    assert view.claim(theirs.workspace_sid) == Claim("other", theirs)


async def test_a_silent_node_keeps_what_it_has_until_the_lease_expires(world: World) -> None:
    theirs = await world.owned_by("other")
    await world.join("other")
    await world.age("other", 10 * DEAD_S)
    view = world.view()
    await view.refresh()
    assert not view.owner_lives(theirs.workspace_sid)
    assert view.claim(theirs.workspace_sid) is None
    await world.store.release(theirs)
    await view.refresh()
    assert view.claim(theirs.workspace_sid) == Claim("other")


@pytest.mark.parametrize("state", ["starting", "draining"])
async def test_a_node_that_starts_or_stops_is_not_gone_for_not_listening(world: World, state: str) -> None:
    theirs = await world.owned_by("other")
    await world.join("other", state=state, listens=False)
    view = world.view()
    await view.refresh()
    assert view.claim(theirs.workspace_sid) is None


async def test_a_socket_of_another_machine_says_nothing(world: World) -> None:
    theirs = await world.owned_by("other")
    row = await world.join("other", listens=False)
    await world.rows.beat(replace(row, host="elsewhere"))
    view = world.view()
    await view.refresh()
    assert view.claim(theirs.workspace_sid) is None
    assert view.owner_of(theirs.workspace_sid) is None
    assert view.heirs() == []


async def test_a_port_that_refuses_says_something_only_once_a_beat_was_missed(world: World) -> None:
    theirs = await world.owned_by("other")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    row = await world.join("other", listens=False)
    await world.rows.beat(replace(row, address=address))
    view = world.view()
    await view.refresh()
    assert view.claim(theirs.workspace_sid) is None
    await world.age("other", 2.0)
    await view.refresh()
    assert view.claim(theirs.workspace_sid) == Claim("other", theirs)


async def test_what_is_free_goes_to_one_node_first_and_to_the_others_later(world: World) -> None:
    leases = [await world.owned_by("nobody", ttl_s=-1.0) for _ in range(12)]
    for name in ("me", "other"):
        await world.join(name)
    views = [world.view(name) for name in ("me", "other")]
    for view in views:
        await view.refresh()
    for lease in leases:
        claims = [view.claim(lease.workspace_sid) for view in views]
        assert sorted(claims, key=str) == sorted([None, Claim("nobody")], key=str)
    world.now_s += TURN_S
    assert all(view.claim(lease.workspace_sid) for view in views for lease in leases)


async def test_a_node_without_a_listener_takes_what_nobody_else_does(world: World) -> None:
    free = await world.owned_by("nobody", ttl_s=-1.0)
    standby = world.view("standby", clustered=False)
    await standby.refresh()
    assert standby.claim(free.workspace_sid) == Claim("nobody")
    await world.join("other")
    await standby.refresh()
    assert standby.claim(free.workspace_sid) is None
    world.now_s += TURN_S
    assert standby.claim(free.workspace_sid) == Claim("nobody")


async def test_a_draining_node_claims_nothing_and_is_nobodys_heir(world: World) -> None:
    await world.owned_by("nobody", ttl_s=-1.0)
    ours = await world.owned_by("me")
    await world.join("other", state="draining")
    view = world.view()
    await view.refresh()
    assert view.heirs() == []
    view.draining = True
    assert view.claim(ours.workspace_sid) is None


async def test_who_waits_is_told_of_a_change_and_of_nothing_else(world: World) -> None:
    lease = await world.owned_by("one")
    view = world.view()
    await view.refresh()
    waiting = asyncio.create_task(view.changed())
    await view.refresh()
    assert not waiting.done()
    await world.store.transfer_lease(lease, "two", TTL_S)
    await view.refresh()
    await asyncio.wait_for(waiting, 5)


async def test_calls_during_a_look_share_the_next_one(world: World) -> None:
    view = world.view()
    first = asyncio.create_task(view.refresh())
    await world.rows.looking.wait()
    await asyncio.gather(first, *(view.refresh() for _ in range(20)))
    assert world.rows.looks == 2


async def test_the_follower_hears_of_workspaces_of_others(world: World) -> None:
    view, told = world.view(), Told()
    view.follow(told)
    lease = await world.owned_by("other", ttl_s=-1.0)
    await view.refresh()
    assert told.workspaces == told.free == {lease.workspace_sid}
