"""Browser clients at a node that does not own their workspace."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.auth.support import now_s
from tests.bridge.support import Desk
from tests.clients.node_client import node_environment
from tests.cluster.nodes import Nodes
from tests.sdk.test_sdk import FILES, RUN_TIMEOUT_S


@pytest.fixture
async def desk(nodes: Nodes) -> AsyncIterator[Desk]:
    """A workspace of `owner`; its clients come to `other`."""
    async with Desk(nodes.owner) as opened:
        opened.daemon = nodes.other
        yield opened


async def test_a_worker_is_told_and_answers_through_the_wrong_node(desk: Desk) -> None:
    client = await desk.connect()
    read = await desk.call("GET", f"{desk.wk('alice')}/Reservations")
    assert read.payload["contents"] == []
    task, reservation = await desk.offer(Attributes='{"n": 1}')
    assert (await client.next("reservation.created"))["task"]["sid"] == task
    path = f"{desk.wk('alice')}/Reservations/{reservation}"
    accepted = await desk.call("POST", path, {"ReservationStatus": "accepted"})
    assert accepted.payload["reservation_status"] == "accepted"
    assert (await client.next("reservation.accepted"))["sid"] == reservation
    done = await desk.call("POST", f"{desk.ws}/Tasks/{task}", {"AssignmentStatus": "completed"})
    assert done.payload["assignment_status"] == "completed"
    assert (await client.next("reservation.completed"))["sid"] == reservation


async def test_refusals_are_those_of_the_owner(desk: Desk, nodes: Nodes) -> None:
    desk.workers["nobody"] = "WK" + "0" * 32
    for token, status in (("nonsense", 401), (desk.token("nobody"), 403)):
        found = []
        for node in (nodes.owner, nodes.other):
            desk.daemon = node
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await desk.knock(token)
            found.append(caught.value.status)
        assert found == [status] * 2
    answers = []
    for node in (nodes.owner, nodes.other):
        desk.daemon = node
        refused = await desk.call("POST", f"{desk.ws}/Tasks/WT{'0' * 32}", {"AssignmentStatus": "completed"})
        answers.append((refused.status, refused.body))
    assert answers[0] == answers[1]


async def test_a_heartbeat_comes_through(desk: Desk) -> None:
    client = await desk.connect()
    await client.ws.send_str(" ")
    await client.heartbeat()


async def test_closing_reaches_the_owner_and_its_close_reaches_the_client(desk: Desk) -> None:
    first = await desk.connect()
    second = await desk.connect(closeExistingSessions="true", token=desk.token("alice", iat=now_s() + 2))
    assert await first.closed() == (1000, "Closed by a newer session")
    await second.ws.close()
    assert second.ws.close_code == 1000


def test_the_unmodified_sdk_lives_at_the_wrong_node(modules: Path, nodes: Nodes) -> None:
    before = nodes.other.forwarded().get("answered", 0)
    done = subprocess.run(
        ["node", "--test", "--test-force-exit", "life.test.js"],
        cwd=FILES,
        env=node_environment(modules, nodes.other) | {"WORKSPACES_URL": nodes.owner.url},
        check=False,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert nodes.other.forwarded()["answered"] > before
