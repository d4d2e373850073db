"""What becomes of a worker whose last socket is gone."""

import asyncio
from collections.abc import Iterator

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.bridge.conftest import SETTINGS
from tests.bridge.support import Desk, eventually
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import running_daemon

ASKED = {"setWorkerOfflineIfDisconnected": "true"}


async def activity(desk: Desk, name: str = "alice") -> str:
    worker = await desk.rest("GET", f"{desk.path}/Workers/{desk.workers[name]}")
    return str(worker["activity_name"])


async def becomes(desk: Desk, expected: str, name: str = "alice") -> None:
    async def probe() -> bool:
        return await activity(desk, name) == expected

    await eventually(f"{name} is {expected}", probe)


async def stays(desk: Desk, expected: str) -> None:
    """Another worker, who leaves now, is moved first if anybody is."""
    witness = await desk.connect("bob", **ASKED)
    await witness.ws.close()
    await becomes(desk, "Offline", "bob")
    assert await activity(desk) == expected


async def test_a_worker_whose_client_asks_for_it_is_set_offline(desk: Desk) -> None:
    client = await desk.connect(**ASKED)
    await client.ws.close()
    await becomes(desk, "Offline")


@pytest.mark.parametrize("query", [{}, {"setWorkerOfflineIfDisconnected": "false"}])
async def test_a_worker_whose_client_does_not_ask_stays(desk: Desk, query: dict[str, str]) -> None:
    client = await desk.connect(**query)
    await client.ws.close()
    await stays(desk, "Available")


async def test_a_worker_who_is_back_in_time_stays(desk: Desk) -> None:
    client = await desk.connect(**ASKED)
    await client.ws.close()
    again = await desk.connect(**ASKED)
    await stays(desk, "Available")
    await again.heartbeat()


async def test_a_worker_stays_while_one_socket_is_left(desk: Desk) -> None:
    left, client = await desk.connect(**ASKED), await desk.connect(**ASKED)
    await client.ws.close()
    await stays(desk, "Available")
    await left.ws.close()
    await becomes(desk, "Offline")


async def test_a_worker_who_comes_back_late_finds_itself_offline_and_is_told_from_then_on(desk: Desk) -> None:
    client = await desk.connect(**ASKED)
    await client.ws.close()
    await becomes(desk, "Offline")
    again = await desk.connect(**ASKED)
    assert (await desk.call("GET", desk.wk("alice"))).payload["activity_name"] == "Offline"
    await desk.call("POST", desk.wk("alice"), {"ActivitySid": desk.activities["Available"]})
    assert (await again.next("worker.activity.update"))["activity_name"] == "Available"


@pytest.fixture(scope="module")
def other_daemon(postgres: EmbeddedPostgres) -> Iterator[DaemonProcess]:
    """A daemon that moves everybody who is gone."""
    settings = SETTINGS | {"POINTSMAN_BRIDGE_DISCONNECT_ACTIVITY": "Unavailable"}
    with running_daemon(postgres, settings=settings) as process:
        yield process


async def test_the_setting_moves_workers_whose_clients_do_not_say(other_daemon: DaemonProcess) -> None:
    async with Desk(other_daemon) as desk:
        client = await desk.connect()
        await client.ws.close()
        await becomes(desk, "Unavailable")
        staying = await desk.connect("bob", setWorkerOfflineIfDisconnected="false")
        await staying.ws.close()
        assert await activity(desk, "bob") == "Available"


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_restart_forgets_nobody(other_daemon: DaemonProcess, how: str) -> None:
    async with Desk(other_daemon) as desk:
        gone, back = await desk.connect(), await desk.connect("bob")
        closed = asyncio.create_task(gone.closed())
        await asyncio.to_thread(getattr(other_daemon, how))
        if how == "stop":
            assert await closed == (1001, "Server is shutting down")
        await asyncio.wait([closed])
        await back.ws.close()
        await asyncio.to_thread(other_daemon.start)
        again = await desk.connect("bob")
        await becomes(desk, "Unavailable")
        assert await activity(desk, "bob") == "Available"
        await again.heartbeat()
