"""What the commit of a batch costs: CPU of the daemon's side, CPU of PostgreSQL, and time.

`python -m tests.bench.commits [--cycles N …] [--creates N …] [--tasks N]` drives a core as the runtime does
and commits what it changed to an embedded PostgreSQL, fsync on. A batch of `cycles` holds, for each of its N
life cycles, one creation, one accept of an earlier task and one completion of a still earlier one; a batch
of `creates` N creations that nobody takes. Only the commit is measured. One line of JSON per kind and size.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from engine.allocator import keep_freed_memory
from engine.routing import commands as c
from engine.routing.core import WorkspaceCore
from engine.routing.effects import Changes
from engine.routing.entities import TaskStatus
from engine.sids import time_ordered_sids
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from engine.storage.partitions import ensure_partitions
from engine.storage.pool import Database
from engine.storage.store import PostgresStore
from tests.routing.world import ACCOUNT

ATTRIBUTES = json.dumps({"topic": "billing", "language": "en", "customer": "CU1234567890"})
WORKERS = 20
WARM_UP = 30
LEASE_S = 3600.0


def main() -> None:
    """Measure every kind and size that the arguments name."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cycles", type=int, nargs="*", default=[1, 5, 20, 50])
    arguments.add_argument("--creates", type=int, nargs="*", default=[1, 20])
    arguments.add_argument("--tasks", type=int, default=6_000, help="so many tasks of each kind and size")
    options = arguments.parse_args()
    keep_freed_memory()
    uvloop.run(measure(options.cycles, options.creates, options.tasks))


async def measure(cycles: list[int], creates: list[int], tasks: int) -> None:
    """Print the figures of each size."""
    directory = Path(tempfile.mkdtemp(prefix="pm-"))
    server = EmbeddedPostgres(directory)
    try:
        await server.start()
        await migrate(server.dsn)
        async with await Database.open(server.dsn) as database:
            async with database.committing() as connection:
                await ensure_partitions(connection, now_ms())
            for kind, sizes in (("cycles", cycles), ("creates", creates)):
                for size in sizes:
                    figures = await commits(database, server.pid or 0, kind == "cycles", size, tasks)
                    sys.stdout.write(json.dumps({kind: size, **figures}) + "\n")
                    sys.stdout.flush()
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(slots=True)
class Traffic:
    """A core with its workers; `batch` is what the runtime does between two commits."""

    taken: bool
    """Whether workers have room for everybody, or for nobody."""
    new_sid: Any = field(default_factory=time_ordered_sids)
    core: WorkspaceCore = field(init=False)
    offered: deque[tuple[str, str]] = field(default_factory=deque)
    accepted: deque[str] = field(default_factory=deque)

    def make(self) -> Changes:
        """Make the workspace; returns what is to be created."""
        workspace_sid = self.new_sid("WS")
        self.core = WorkspaceCore.create(
            workspace_sid, ACCOUNT, friendly_name="bench", new_sid=self.new_sid, now_ms=now_ms()
        )
        state = self.core.board.state
        available = next(a.sid for a in state.activities.values() if a.available)
        queue = self.new_sid("WQ")
        configuration = json.dumps({"task_routing": {"default_filter": {"queue": queue}}})
        self._handle(c.CreateTaskQueue(queue, "queue"))
        self._handle(c.CreateWorkflow(self.new_sid("WW"), "flow", configuration, "http://127.0.0.1/assign"))
        for number in range(WORKERS):
            sid = self.new_sid("WK")
            attributes = json.dumps({"skills": ["billing", "orders"], "name": f"worker {number}"})
            self._handle(c.CreateWorker(sid, f"worker {number}", attributes, available))
            self._handle(c.UpdateWorkerChannel(sid, "default", capacity=100 if self.taken else 0))
        return self.core.take_changes()

    def batch(self, size: int) -> Changes:
        """Complete, accept and create `size` tasks each, as far as there are any."""
        now = now_ms()
        self.core.advance(now, 1000)
        for task_sid in _first(self.accepted, size):
            self._handle(c.UpdateTask(task_sid, assignment_status=TaskStatus.COMPLETED, reason="done"))
        for task_sid, reservation_sid in _first(self.offered, size):
            self._handle(c.AssignmentInstructed(reservation_sid, "accept"))
            self.accepted.append(task_sid)
        for _ in range(size):
            self._handle(c.CreateTask(self.new_sid("WT"), ATTRIBUTES))
        while self.core.match(now, 1000):
            pass
        changes = self.core.take_changes()
        self.offered.extend((call.task_sid, call.reservation_sid) for call in changes.callbacks)
        return changes

    def _handle(self, command: c.Command) -> None:
        self.core.handle(command, now_ms())


def _first(waiting: deque[Any], size: int) -> Iterator[Any]:
    for _ in range(min(size, len(waiting))):
        yield waiting.popleft()


async def commits(
    database: Database, postmaster: int, taken: bool, size: int, tasks: int
) -> dict[str, float]:
    """Return microseconds per task, and milliseconds per batch, over enough batches for `tasks`."""
    store, traffic = PostgresStore(database), Traffic(taken)
    lease = await store.create_workspace("bench", LEASE_S, traffic.make())
    for _ in range(WARM_UP):
        await store.commit(lease, traffic.batch(size))
    batches = max(tasks // size, 50)
    ours_s, took_ms = 0.0, []
    before_s = postgres_cpu_s(postmaster)
    for _ in range(batches):
        changes = traffic.batch(size)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        await store.commit(lease, changes)
        ours_s += time.process_time() - began_cpu_s
        took_ms.append((time.perf_counter() - began_s) * 1000)
    after_s = postgres_cpu_s(postmaster)
    postgres_s = sum(spent_s - before_s.get(pid, 0.0) for pid, spent_s in after_s.items())
    done = batches * size
    return {
        "ours_us_per_task": round(ours_s / done * 1e6, 1),
        "postgres_us_per_task": round(postgres_s / done * 1e6, 1),
        "ours_us_per_batch": round(ours_s / batches * 1e6),
        "postgres_us_per_batch": round(postgres_s / batches * 1e6),
        "p50_ms": round(statistics.median(took_ms), 2),
        "p95_ms": round(sorted(took_ms)[int(batches * 0.95)], 2),
    }


def postgres_cpu_s(postmaster: int) -> dict[str, float]:
    """Return the CPU seconds of each of the server's processes."""
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii").split()
    return {pid: _spent_s(Path(f"/proc/{pid}/schedstat")) for pid in children}


def _spent_s(schedstat: Path) -> float:
    try:
        return int(schedstat.read_text(encoding="ascii").split()[0]) / 1e9
    except FileNotFoundError:
        return 0.0


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main()
