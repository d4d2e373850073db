"""An owner that dies or freezes amid requests that came through another node, or hands over what it has."""

import asyncio
import json
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.bridge.support import Desk
from tests.bridge.test_presence import ASKED, becomes
from tests.cluster.nodes import Nodes, running_nodes

SENDERS = 8
TASKS = 160


@pytest.fixture(scope="module")
def mortal(postgres: EmbeddedPostgres) -> Iterator[Nodes]:
    with running_nodes(postgres, POINTSMAN_BRIDGE_DISCONNECT_GRACE_S="1") as running:
        yield running


@pytest.fixture
def pair(mortal: Nodes) -> Nodes:
    """Two nodes that live; the test may end the owner."""
    if not mortal.owner.running:
        mortal.owner.start(wait=False)
        mortal.owner.listening()
    return mortal


@pytest.fixture
async def desk(pair: Nodes) -> AsyncIterator[Desk]:
    async with Desk(pair.owner) as opened:
        yield opened


def test_an_owner_killed_amid_requests_loses_none_and_makes_none_twice(pair: Nodes) -> None:
    path = pair.workspace()
    begun = threading.Barrier(SENDERS + 1, timeout=30)
    answered = Counter[int]()

    def send(sender: int) -> None:
        for number in range(sender, TASKS, SENDERS):
            if number // SENDERS == 3:
                begun.wait()
            fields = {"Attributes": json.dumps({"number": number})}
            status = 0
            while status != 201:
                key = {"Idempotency-Key": str(number)}
                made = pair(pair.other, "POST", f"{path}/Tasks", fields, headers=key)
                status = made.status_code
                assert status in {201, 503}, made.text
                answered[status] += 1

    with ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(send, sender) for sender in range(SENDERS)]
        begun.wait()
        pair.owner.kill()
        for sender in sending:
            sender.result()
    assert answered[201] == TASKS
    listed = pair(pair.other, "GET", f"{path}/Tasks?PageSize=1000").json()["tasks"]
    assert Counter(json.loads(task["attributes"])["number"] for task in listed) == Counter(range(TASKS))


def test_an_owner_that_stops_amid_requests_hands_them_over_without_a_failure(pair: Nodes) -> None:
    path = pair.workspace()
    stopping = threading.Event()

    def send(sender: int) -> list[int]:
        statuses: list[int] = []
        while len(statuses) < 3 or not stopping.is_set():
            statuses.append(pair(pair.other, "POST", f"{path}/Tasks", {"Attributes": "{}"}).status_code)
        return statuses

    with ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(send, sender) for sender in range(SENDERS)]
        pair.other.wait_until(lambda: pair.other.forwarded().get("answered", 0) > SENDERS, "requests pass")
        pair.owner.stop()
        stopping.set()
        statuses = Counter(status for sender in sending for status in sender.result())
    assert set(statuses) == {201}
    listed = pair(pair.other, "GET", f"{path}/Tasks?PageSize=1000").json()
    assert len(listed["tasks"]) == min(statuses[201], 1000)


def test_a_request_at_a_frozen_owner_that_dies_is_unknown_or_repeated(pair: Nodes) -> None:
    path = pair.workspace()
    assert pair(pair.other, "POST", f"{path}/Tasks", {"Attributes": "{}"}).status_code == 201
    pair.owner.signal(signal.SIGSTOP)

    def send(headers: dict[str, str]) -> Any:
        return pair(pair.other, "POST", f"{path}/Tasks", {"Attributes": "{}"}, headers=headers)

    with ThreadPoolExecutor(2) as pool:
        plain = pool.submit(send, {})
        keyed = pool.submit(send, {"Idempotency-Key": "one"})
        pair.other.wait_until(lambda: pair.other.forwards_under_way() == 2, "both are sent")
        pair.owner.kill()
        refused, made = plain.result(), keyed.result()
    assert refused.status_code == 503
    assert "unknown whether" in refused.json()["message"]
    assert refused.headers["Retry-After"]
    while made.status_code == 503:
        made = send({"Idempotency-Key": "one"})
    assert made.status_code == 201
    assert send({"Idempotency-Key": "one"}).json()["sid"] == made.json()["sid"]
    listed = pair(pair.other, "GET", f"{path}/Tasks").json()["tasks"]
    assert len(listed) == 2


async def test_clients_follow_a_workspace_that_is_handed_over(pair: Nodes, desk: Desk) -> None:
    direct = await desk.connect(**ASKED)
    desk.daemon = pair.other
    relayed = await desk.connect("bob", **ASKED)
    await asyncio.to_thread(pair.owner.stop)
    assert (await direct.closed())[0] in {1001, 1012}
    assert (await relayed.closed())[0] in {1001, 1012}
    back = await desk.connect("bob", **ASKED)
    task, _ = await desk.offer("bob")
    assert (await back.next("reservation.created"))["task"]["sid"] == task
    await becomes(desk, "Offline", "alice")
    await becomes(desk, "Available", "bob")


async def test_clients_of_a_killed_owner_find_the_next_one(pair: Nodes, desk: Desk) -> None:
    await desk.connect(**ASKED)
    desk.daemon = pair.other
    relayed = await desk.connect("bob")
    await asyncio.to_thread(pair.owner.kill)
    assert await relayed.closed() == (1012, "The workspace was loaded again")
    back = await desk.connect("bob")
    task, _ = await desk.offer("bob")
    assert (await back.next("reservation.created"))["task"]["sid"] == task
    await becomes(desk, "Offline", "alice")
