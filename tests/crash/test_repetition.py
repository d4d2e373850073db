"""SIGKILL amid requests with an Idempotency-Key: repeated after the restart, each was carried out once."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
import requests

from tests.support.daemon import DaemonProcess
from tests.support.fixtures import StartDaemon
from tests.wire.support import Http, eventually

SEED = 11
KILLS = 3
SENDERS = 8
REQUESTS = 120
TASKS_IN_BULK = 3_000


class Client:
    """Sends tasks that bear a number, each with a key of its own."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.http = Http(daemon)
        workspace = self.http.post("/Workspaces", {"FriendlyName": "Crash", "Template": "FIFO"}).json()["sid"]
        self.tasks = f"/Workspaces/{workspace}/Tasks"

    def create(self, number: int) -> str | None:
        """The SID of the task with this number; None when there was no answer, or a 503."""
        headers = {"Idempotency-Key": f"task {number}"}
        return self._sent(self.tasks, {"Attributes": json.dumps({"number": number})}, headers, "sid")

    def create_many(self, count: int) -> dict[int, str] | None:
        """The SIDs of all tasks of one bulk request by their place; None as above."""
        headers = {"Idempotency-Key": "many tasks", "Content-Type": "application/json"}
        body = json.dumps([{"Attributes": {"number": number}} for number in range(count)])
        results = self._sent(f"{self.tasks}/Bulk", body, headers, "results")
        return results and {result["index"]: result["task"]["sid"] for result in results}

    def numbers(self) -> Counter[int]:
        """How many tasks bear each number."""
        found: Counter[int] = Counter()
        path = f"{self.tasks}?PageSize=1000"
        while path:
            page = self.http.get(path).json()
            found.update(json.loads(task["attributes"])["number"] for task in page["tasks"])
            following = page["meta"]["next_page_url"]
            path = following and following.partition("/v1")[2]
        return found

    def _sent(self, path: str, body: Any, headers: dict[str, str], name: str) -> Any:
        try:
            response = self.http.post(path, body, headers=headers)
        except requests.RequestException:
            return None
        return response.json()[name] if response.ok else None


@pytest.fixture
def daemon(database: str, start_daemon: StartDaemon) -> DaemonProcess:
    return start_daemon(database_url=database)


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[Client]:
    client = Client(daemon)
    yield client
    client.http.session.close()


def kill_after(daemon: DaemonProcess, answers: int, under_way: list[Future[str | None]]) -> None:
    """Kill the daemon as soon as so many requests were answered."""
    waiting = set(under_way)
    while len(under_way) - len(waiting) < answers:
        _, waiting = wait(waiting, return_when=FIRST_COMPLETED)
    daemon.kill()


def test_a_task_that_is_sent_again_after_a_kill_is_there_once(daemon: DaemonProcess, client: Client) -> None:
    moments = random.Random(SEED)
    numbers = list(range(KILLS * REQUESTS))
    told: dict[int, str] = {}
    with ThreadPoolExecutor(SENDERS) as pool:
        for part in range(KILLS):
            sent = numbers[part * REQUESTS : (part + 1) * REQUESTS]
            under_way = [pool.submit(client.create, number) for number in sent]
            kill_after(daemon, moments.randint(1, REQUESTS // 2), under_way)
            first = {number: future.result() for number, future in zip(sent, under_way, strict=True)}
            assert None in first.values(), "the kill came too late"
            told |= {number: sid for number, sid in first.items() if sid}
            daemon.start()
        again = dict(zip(numbers, pool.map(client.create, numbers), strict=True))
    assert all(again.values())
    assert {number: again[number] for number in told} == told
    assert client.numbers() == Counter(numbers)


def test_many_tasks_that_are_sent_again_after_a_kill_are_there_once(
    daemon: DaemonProcess, client: Client
) -> None:
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(client.create_many, TASKS_IN_BULK)
        eventually("some of them are there", lambda: client.http.get(client.tasks).json()["tasks"])
        daemon.kill()
        under_way.result()
    daemon.start()
    made = client.create_many(TASKS_IN_BULK)
    assert made is not None
    assert client.create_many(TASKS_IN_BULK) == made
    assert client.numbers() == Counter(range(TASKS_IN_BULK))
