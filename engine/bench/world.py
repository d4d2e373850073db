"""Sets a scenario's world up over the API: a workspace, its queues, workers and workflows, a backlog."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from engine.bench.errors import BenchError
from engine.bench.http_client import Client, NoAnswer
from engine.bench.job import Ledger
from engine.bench.mix import task_fields
from engine.bench.scenario import Filter, Queue, Scenario, Worker, numbered, numbered_values

AT_ONCE = 16
BULK_TASKS = 1_000
BULK_TRIES = 200
BULK_PAUSE_S = 0.1

Step = Callable[[str, int, int], None]
"""Shows progress: what is made, how many are, how many shall be."""


@dataclass(slots=True, frozen=True)
class World:
    """A workspace that is ready for load; `workflows` has those of each generator process."""

    path: str
    date_created: str
    workflows: tuple[tuple[str, ...], ...]


async def set_up(
    client: Client, scenario: Scenario, callback_urls: list[str], step: Step, *, with_workers: bool
) -> World:
    """Make the world. Without workers nobody takes the tasks. Raises BenchError when a request is refused."""
    workspace = await client.create("/v1/Workspaces", {"FriendlyName": f"bench {scenario.name}"[:64]})
    builder = _Builder(client, scenario, f"/v1/Workspaces/{workspace['sid']}", step)
    await builder.channels()
    queues = await builder.queues()
    if with_workers:
        await builder.workers()
    workflows = [await builder.workflows(queues, url) for url in callback_urls]
    return World(builder.path, str(workspace["date_created"]), tuple(workflows))


async def load_backlog(client: Client, world: World, scenario: Scenario, count: int, step: Step) -> Ledger:
    """Load tasks that nobody can take, in bulk. Returns what was created. Raises BenchError."""
    ledger = Ledger()
    if not count:
        return ledger
    task = scenario.backlog_task
    assert task is not None
    head = client.head(f"{world.path}/Tasks/Bulk", "application/json")
    every = [task_fields(task, n, world.workflows[0]) for n in range(min(task.variants, count))]
    while (done := ledger.created) < count:
        some = [every[n % len(every)] for n in range(done, min(count, done + BULK_TASKS))]
        for sid in await _bulk(client, head, orjson.dumps(some)):
            ledger.create(sid)
        step("waiting tasks", ledger.created, count)
    return ledger


async def _bulk(client: Client, head: bytes, body: bytes) -> list[str]:
    for _ in range(BULK_TRIES):
        try:
            answer = await client.post(head, body)
        except NoAnswer as error:
            raise BenchError(f"loading the backlog: {error}") from None
        if answer.status == 200:
            results = answer.json()
            if results["failed"]:
                raise BenchError(f"loading the backlog: {answer.body[:300].decode(errors='replace')}")
            return [str(result["task"]["sid"]) for result in results["results"]]
        if answer.status not in {429, 503}:
            break
        await asyncio.sleep(BULK_PAUSE_S)
    raise BenchError(f"loading the backlog: {answer.status} {answer.body[:300].decode(errors='replace')}")


@dataclass(slots=True, frozen=True)
class _Builder:
    """Makes the parts of a world below the path of its workspace."""

    client: Client
    scenario: Scenario
    path: str
    step: Step

    async def channels(self) -> None:
        for name in self.scenario.channels:
            await self._create("TaskChannels", {"FriendlyName": name, "UniqueName": name})

    async def queues(self) -> dict[str, str]:
        """Make the queues; returns their SIDs by name."""
        wanted = [(queue, n) for queue in self.scenario.queues for n in range(queue.count)]
        made = await self._all("queues", (self._queue(*each) for each in wanted), len(wanted))
        return {
            numbered(queue.name, n): str(found["sid"]) for (queue, n), found in zip(wanted, made, strict=True)
        }

    async def workers(self) -> None:
        found = await self.client.read(f"{self.path}/Activities?Available=true")
        if not found["activities"]:
            raise BenchError("the workspace has no available activity")
        activity = str(found["activities"][0]["sid"])
        wanted = [(worker, n) for worker in self.scenario.workers for n in range(worker.count)]
        await self._all("workers", (self._worker(activity, *each) for each in wanted), len(wanted))

    async def workflows(self, queues: dict[str, str], callback_url: str) -> tuple[str, ...]:
        """Make the workflows of one process; returns their SIDs."""
        count = self.scenario.workflow.count
        wanted = (self._workflow(queues, callback_url, n) for n in range(count))
        return tuple(str(found["sid"]) for found in await self._all("workflows", wanted, count))

    async def _queue(self, queue: Queue, n: int) -> Any:
        form = {
            "FriendlyName": numbered(queue.name, n),
            "TargetWorkers": numbered(queue.target_workers, n),
            "TaskOrder": queue.order,
            "MaxReservedWorkers": str(queue.max_reserved_workers),
        }
        return await self._create("TaskQueues", form)

    async def _worker(self, activity: str, worker: Worker, n: int) -> None:
        form = {
            "FriendlyName": numbered(worker.name, n),
            "ActivitySid": activity,
            "Attributes": json.dumps(numbered_values(worker.attributes, n % worker.spread)),
        }
        made = await self._create("Workers", form)
        for channel, capacity in worker.capacity.items():
            if capacity != 1:
                form = {"Capacity": str(capacity)}
                await self._create(f"Workers/{made['sid']}/Channels/{channel}", form)

    async def _workflow(self, queues: dict[str, str], callback_url: str, n: int) -> Any:
        form = {
            "FriendlyName": f"workflow {n}",
            "AssignmentCallbackUrl": callback_url,
            "TaskReservationTimeout": str(self.scenario.workflow.reservation_timeout_s),
            "Configuration": json.dumps(_configuration(self.scenario, queues, n)),
        }
        return await self._create("Workflows", form)

    async def _create(self, path: str, form: dict[str, str]) -> Any:
        return await self.client.create(f"{self.path}/{path}", form)

    async def _all(self, what: str, calls: Iterable[Awaitable[Any]], count: int) -> list[Any]:
        """Make all, some at once, in their order."""
        made: list[Any] = []
        some: list[Awaitable[Any]] = []
        for call in calls:
            some.append(call)
            if len(some) == AT_ONCE:
                made += await asyncio.gather(*some)
                some = []
                self.step(what, len(made), count)
        made += await asyncio.gather(*some)
        self.step(what, len(made), count)
        return made


def _configuration(scenario: Scenario, queues: dict[str, str], number: int) -> dict[str, object]:
    filters = [
        _filter(found, number * found.each + k, queues)
        for found in scenario.workflow.filters
        for k in range(found.each)
    ]
    routing: dict[str, object] = {"filters": filters}
    if scenario.workflow.default_queue is not None:
        routing["default_filter"] = {"queue": _sid(queues, scenario.workflow.default_queue, 0)}
    return {"task_routing": routing}


def _filter(found: Filter, n: int, queues: dict[str, str]) -> dict[str, object]:
    targets = []
    for target in found.targets:
        fields = {
            "queue": _sid(queues, target.queue, n),
            "expression": None if target.expression is None else numbered(target.expression, n),
            "priority": target.priority,
            "timeout": target.timeout_s,
        }
        targets.append({name: value for name, value in fields.items() if value is not None})
    return {
        "filter_friendly_name": numbered(found.name, n),
        "expression": numbered(found.expression, n),
        "targets": targets,
    }


def _sid(queues: dict[str, str], name: str, n: int) -> str:
    try:
        return queues[numbered(name, n)]
    except KeyError:
        raise BenchError(f"workflow: there are fewer queues {name!r} than are asked for ({n + 1})") from None
