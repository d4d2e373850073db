"""A large world made fast: the store writes what the core makes, and SQL copies the waiting tasks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from engine.clock import wall_clock_ms
from engine.database_start import migrate_patiently, open_pools
from engine.ownership import Lease
from engine.routing import commands as c
from engine.routing.core import WorkspaceCore
from engine.settings import DatabaseSettings
from engine.sids import time_ordered_sids
from engine.storage.store import PostgresStore
from tests.support.daemon import ACCOUNT_SID

BATCH_COMMANDS = 2_000
FILTERS_EACH = 5
CAPACITY = 20
LANGUAGES = 50
DAY_S = 86_400
LEASE_S = 3_600.0
CUSTOMER = "CU0000000000"
"""Stands in the attributes of a task to be copied; each copy has another number."""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tasks' AND indexname <> 'tasks_pkey'"
COPY_TASKS = Path(__file__).with_name("copy_tasks.sql").read_text(encoding="utf-8")


@dataclass(slots=True, frozen=True)
class Sizes:
    """How much there is of what; each workflow has five queues of its own."""

    workers: int
    workflows: int

    @property
    def queues(self) -> int:
        """How many queues there are, beside the one of those who are not there."""
        return FILTERS_EACH * self.workflows


@dataclass(slots=True, frozen=True)
class Built:
    """A workspace in the database; nobody owns it."""

    sid: str
    workflows: tuple[str, ...]


async def build(dsn: str, sizes: Sizes, callback_url: str) -> Built:
    """Make the schema and the world, and in every workflow three tasks that nobody can take."""
    await migrate_patiently(dsn, 30.0)
    new_sid = time_ordered_sids()
    workspace_sid = new_sid("WS")
    core = WorkspaceCore.create(
        workspace_sid, ACCOUNT_SID, friendly_name="scale", new_sid=new_sid, now_ms=wall_clock_ms()
    )
    plan = _Plan(core, new_sid, sizes, callback_url)
    async with await open_pools(dsn, DatabaseSettings()) as database:
        store = PostgresStore(database)
        lease = await store.create_workspace("builder", LEASE_S, core.take_changes())
        for number, command in enumerate(plan.commands()):
            core.handle(command, wall_clock_ms())
            if number % BATCH_COMMANDS == BATCH_COMMANDS - 1:
                await _write(store, lease, core)
        await _write(store, lease, core)
        await store.release(lease)
    return Built(workspace_sid, tuple(plan.workflow_sids))


async def _write(store: PostgresStore, lease: Lease, core: WorkspaceCore) -> None:
    while core.match(wall_clock_ms(), 10_000):
        pass
    await store.commit(lease, core.take_changes())


async def copy_tasks(dsn: str, built: Built, count: int) -> None:
    """Let `count` tasks wait: copies of those made with the world, each with a customer of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
        indexes = await connection.fetch(INDEXES)
        async with connection.transaction():
            for index in indexes:
                await connection.execute(f"DROP INDEX {index['indexname']}")
            await connection.execute(COPY_TASKS, built.sid, count, CUSTOMER, timeout=600)
            await connection.execute(
                "UPDATE workspaces SET sequence = sequence + $2 WHERE workspace_sid = $1", built.sid, count
            )
            for index in indexes:
                await connection.execute(index["indexdef"], timeout=600)
        await connection.execute("VACUUM ANALYZE tasks", timeout=600)
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()


class _Plan:
    """The commands that make the world, in their order."""

    def __init__(self, core: WorkspaceCore, new_sid: Any, sizes: Sizes, callback_url: str) -> None:
        self.new_sid = new_sid
        self.sizes = sizes
        self.callback_url = callback_url
        self.available = next(a.sid for a in core.board.state.activities.values() if a.available)
        self.queue_sids = [new_sid("WQ") for _ in range(sizes.queues)]
        self.workflow_sids = [new_sid("WW") for _ in range(sizes.workflows)]

    def commands(self) -> Iterator[c.Command]:
        night = self.new_sid("WQ")
        yield c.CreateTaskQueue(night, "night shift", 'shift == "night"')
        for n, sid in enumerate(self.queue_sids):
            yield c.CreateTaskQueue(sid, f"queue {n}", f'skill == {n} AND shift == "day"')
        for n in range(self.sizes.workers):
            yield from self._worker(n)
        for n, sid in enumerate(self.workflow_sids):
            text = json.dumps(self._routing(n, night))
            yield c.CreateWorkflow(sid, f"workflow {n}", text, self.callback_url)
        for n, sid in enumerate(self.workflow_sids):
            yield from self._tasks(n, sid)

    def _worker(self, n: int) -> Iterator[c.Command]:
        sid = self.new_sid("WK")
        attributes = {
            "skill": n % self.sizes.queues,
            "shift": "day",
            "level": n % 5,
            "languages": [f"l{n % 7}"],
            "contact_uri": f"client:worker{n}",
        }
        yield c.CreateWorker(sid, f"worker {n}", json.dumps(attributes), self.available)
        yield c.UpdateWorkerChannel(sid, "default", capacity=CAPACITY)

    def _routing(self, n: int, night: str) -> dict[str, Any]:
        mine = range(n * FILTERS_EACH, (n + 1) * FILTERS_EACH)
        by_level = {"queue": self.queue_sids[mine[0]], "expression": "worker.level >= task.level"}
        by_language = {"queue": self.queue_sids[mine[1]], "expression": "worker.languages HAS task.language"}
        filters = [
            {"expression": 'topic == "night"', "targets": [{"queue": night}]},
            {"expression": 'topic == "level"', "targets": [by_level]},
            {"expression": 'topic == "language"', "targets": [by_language]},
            *(
                {"expression": f"skill == {skill}", "targets": [{"queue": self.queue_sids[skill]}]}
                for skill in mine
            ),
        ]
        return {"task_routing": {"filters": filters, "default_filter": {"queue": night}}}

    def _tasks(self, n: int, workflow_sid: str) -> Iterator[c.Command]:
        for topic in ("night", "level", "language"):
            attributes = {
                "topic": topic,
                "language": f"x{n % LANGUAGES}",
                "level": 10 + n % 10,
                "customer": CUSTOMER,
                "from": "+15550000000",
                "subject": "An order that did not arrive and is asked about",
                "called_before": True,
            }
            yield c.CreateTask(
                self.new_sid("WT"), json.dumps(attributes), workflow_sid=workflow_sid, timeout_s=7 * DAY_S
            )
