"""Clients that create tasks, one or many in a request, with an idempotency key, and repeat it.

They repeat after an answer too, at any node. Whatever happens meanwhile, each task of a request is made once
at the most, every answer is the same, and what was answered is there.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import orjson

from engine.routing.commands import CreateTask
from engine.routing.effects import Kind
from engine.runtime.once import Once, Outcome
from engine.sids import SidFactory
from tests.simulation.cluster import Cluster
from tests.simulation.journal import Journal
from tests.simulation.ledger import Ledger
from tests.simulation.memory_store import MemoryStore
from tests.simulation.node import Node
from tests.simulation.replay import Finding

REPETITIONS = 6
PAUSES_S = (0.0, 0.1, 2.0, 30.0, 600.0)
PATHS = {False: "/Tasks", True: "/Tasks/Bulk"}


@dataclass(slots=True)
class Request:
    """A request with a key: its tasks, the SIDs they were tried under, and what was answered of each."""

    workspace_sid: str
    key: str
    tasks: list[CreateTask]
    bulk: bool
    tried: list[list[str]] = field(default_factory=list)
    answered: dict[int, str | None] = field(default_factory=dict)
    """The SID of a task, or None when it was refused."""

    @property
    def path(self) -> str:
        """What it is sent to."""
        return PATHS[self.bulk]

    def hear(self, told: dict[int, str | None]) -> None:
        """Take an answer in. Raises Finding when an earlier one said something else of a task."""
        for index, sid in told.items():
            before = self.answered.get(index)
            if before is not None and before != sid:
                raise Finding(f"the request with key {self.key} was answered {before}, then {sid}")
            self.answered[index] = sid


Outcomes = Callable[[Node, Any], Any]


class Repeaters:
    """All such clients of a run.

    Args:
        random: draws their sizes, nodes and pauses.
        cluster: the nodes they ask.
        store: what they are held against.
        ledger: told of every task that was acknowledged.
        journal: the run's diary.
        new_sid: mints SIDs, as the API does for each attempt.
        outcome: carries a request out at a node and tells what became of it.
        account_sid: whose workspaces they are.
    """

    def __init__(
        self,
        random: Random,
        *,
        cluster: Cluster,
        store: MemoryStore,
        ledger: Ledger,
        journal: Journal,
        new_sid: SidFactory,
        outcome: Outcomes,
        account_sid: str,
    ) -> None:
        self.chance = random.choice((0.0, 0.02, 0.05))
        """How many ordinary requests are accompanied by such a one."""
        self._random = random
        self._cluster = cluster
        self._store = store
        self._ledger = ledger
        self._journal = journal
        self._new_sid = new_sid
        self._outcome = outcome
        self._account_sid = account_sid
        self._requests: list[Request] = []

    def maybe_ask(self, workspace_sid: str, draw: Callable[[], CreateTask | None]) -> None:
        """Let a client come, now and then."""
        if self._random.random() >= self.chance:
            return
        bulk = self._random.random() < 0.5
        drawn = [draw() for _ in range(self._random.choice((1, 3, 8)) if bulk else 1)]
        if tasks := [task for task in drawn if task is not None]:
            request = Request(workspace_sid, f"key-{len(self._requests)}", tasks, bulk, [[] for _ in tasks])
            self._requests.append(request)
            self._cluster.begin(self._send(request))

    def check(self) -> None:
        """Hold every request against the rows. Raises Finding."""
        for request in self._requests:
            if self._ledger.replays[request.workspace_sid].deleted:
                continue
            there = self._store.workspaces[request.workspace_sid].tables[Kind.TASK]
            for index, tried in enumerate(request.tried):
                made = [sid for sid in tried if sid in there]
                answered = request.answered.get(index)
                if len(made) > 1 or (answered is not None and made != [answered]):
                    raise Finding(f"{request.key} made {made} of task {index}; {answered} was answered")

    async def _send(self, request: Request) -> None:
        for _ in range(REPETITIONS):
            if self._cluster.nodes:
                await self._attempt(request, self._random.choice(self._cluster.nodes))
            await asyncio.sleep(self._random.choice(PAUSES_S) * self._random.random())

    async def _attempt(self, request: Request, node: Node) -> None:
        self._journal.report.commands += 1
        work = self._bulk(node, request) if request.bulk else self._single(node, request)
        outcome, told = await self._outcome(node, work)
        self._journal.report.answers[f"with a key: {outcome}"] += 1
        self._journal.step(f"{request.key}, {len(request.tasks)} tasks → {outcome}: {told}")
        if outcome == "done":
            self._journal.watch(lambda: self._acknowledged(request, told))

    def _acknowledged(self, request: Request, told: dict[int, str | None]) -> None:
        first = {index: sid for index, sid in told.items() if request.answered.get(index) is None}
        request.hear(told)
        for index, sid in first.items():
            if sid is not None:
                made = replace(request.tasks[index], sid=sid)
                self._ledger.acknowledged(request.workspace_sid, made, None)

    async def _single(self, node: Node, request: Request) -> dict[int, str | None]:
        once = self._once(request)
        kept = await node.service.submit_once(
            self._account_sid, request.workspace_sid, self._next_try(request, 0), once
        )
        return _read(kept)

    async def _bulk(self, node: Node, request: Request) -> dict[int, str | None]:
        def remaining(parts: list[bytes]) -> dict[int, CreateTask]:
            known = {index for part in parts for index in _read(part)}
            return {
                index: self._next_try(request, index)
                for index in range(len(request.tasks))
                if index not in known
            }

        once = self._once(request)
        known, outcomes = await node.service.submit_all_once(
            self._account_sid, request.workspace_sid, remaining, once
        )
        told = {index: sid for part in (*known, *once.answers) for index, sid in _read(part).items()}
        lost = {index for index, outcome in outcomes.items() if isinstance(outcome, Exception)}
        return {index: sid for index, sid in told.items() if sid is None or index not in lost}

    def _next_try(self, request: Request, index: int) -> CreateTask:
        task = replace(request.tasks[index], sid=self._new_sid("WT"))
        request.tried[index].append(task.sid)
        return task

    def _once(self, request: Request) -> Once:
        return Once(request.workspace_sid, request.path, request.key, b"same", _keep)


def _keep(outcomes: Sequence[Outcome]) -> bytes | None:
    """Render a part of the answer; of refusals alone nothing is kept, as in the API."""
    if all(outcome.error is not None for outcome in outcomes):
        return None
    return orjson.dumps(
        {str(outcome.index): None if outcome.error else outcome.result.sid for outcome in outcomes}
    )


def _read(part: bytes) -> dict[int, str | None]:
    return {int(index): sid for index, sid in orjson.loads(part).items()}
