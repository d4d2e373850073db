"""Cost of one routing decision against the size of the backlog, beside a naive scan of the same backlog.

`python -m tests.bench.routing [--waiting N …] [--workers N …] [--classes N …]` prints one line per
combination. A decision is what happens when a worker becomes free: the pass of the matcher, with the
reservation, its event and its callback. `choice` is the same pass up to the choice of the pair, before
anything is changed.
"""

import argparse
import gc
import itertools
import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial

from engine.routing import commands as c
from engine.routing.core import WorkspaceCore
from engine.routing.entities import ReservationStatus, Task, Worker
from engine.routing.matching import choose_workers
from tests.routing.world import ACCOUNT, START_MS, WORKSPACE, sids

SKILLS_PER_WORKER = 5
DECISIONS = 1_000
HEADER = (
    "waiting workers classes | choice µs p50 p99 | decision µs p50 p99 | task change µs p50 p99 "
    "| worker change µs p50 p99 | naive hit µs p50 | naive miss ms | bytes/task"
)


def main() -> None:
    """Measure every combination that the arguments name."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--waiting", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    arguments.add_argument("--workers", type=int, nargs="+", default=[200, 2_000])
    arguments.add_argument("--classes", type=int, nargs="+", default=[10, 600])
    arguments.add_argument("--explosion", type=int, help="so many tasks, each wanting another worker")
    options = arguments.parse_args()
    say(HEADER)
    if options.explosion:
        say(explosion(options.explosion, max(options.workers)))
        return
    for classes, workers, waiting in itertools.product(options.classes, options.workers, options.waiting):
        say(Backlog(waiting, workers, classes).measure())


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Backlog:
    """A workspace whose workers have no capacity and whose tasks therefore wait."""

    expression = "worker.skills HAS task.skill"

    def __init__(self, waiting: int, workers: int, classes: int) -> None:
        self.sizes = (waiting, workers, classes)
        self.classes = classes
        self.new_sid = sids()
        self.now_ms = START_MS
        self.core = WorkspaceCore.create(
            WORKSPACE, ACCOUNT, friendly_name="bench", new_sid=self.new_sid, now_ms=self.now_ms
        )
        self.state = self.core.board.state
        self._add_workers(workers)
        before_bytes = resident_bytes()
        self._add_tasks(waiting)
        self.bytes_per_task = (resident_bytes() - before_bytes) // waiting
        gc.collect()
        gc.freeze()

    def _add_workers(self, count: int) -> None:
        available = next(a.sid for a in self.state.activities.values() if a.available)
        queue = self.new_sid("WQ")
        target = {"queue": queue, "expression": self.expression}
        filters = [{"expression": "1==1", "targets": [target]}]
        configuration = json.dumps({"task_routing": {"filters": filters}})
        self.do(c.CreateTaskQueue(queue, "queue"))
        self.do(c.CreateWorkflow(self.new_sid("WW"), "workflow", configuration, "http://127.0.0.1/callback"))
        for number in range(count):
            sid = self.new_sid("WK")
            self.do(c.CreateWorker(sid, f"worker {number}", self._skills(number), available))
            self.do(c.UpdateWorkerChannel(sid, "default", capacity=0))

    def _skills(self, number: int) -> str:
        skills = [f"s{(number * 7 + step * 131) % self.classes}" for step in range(SKILLS_PER_WORKER)]
        return json.dumps({"skills": skills, "name": f"worker {number}"})

    def _add_tasks(self, count: int) -> None:
        for number in range(count):
            attributes = json.dumps(
                {"skill": f"s{number * 31 % self.classes}", "customer": f"CU{number:09d}"}
            )
            self.now_ms += 1
            self.do(c.CreateTask(self.new_sid("WT"), attributes, priority=number % 5))

    def do(self, command: c.Command) -> None:
        """Handle a command and forget what is to be written."""
        self.core.handle(command, self.now_ms)
        self.core.take_changes()

    def measure(self) -> str:
        """Return the line of figures."""
        choices: list[float] = []
        decisions: list[float] = []
        for worker in itertools.islice(itertools.cycle(list(self.state.workers.values())), DECISIONS):
            choices.append(self._choice(worker))
            decisions.append(self._decision(worker))
        tasks = list(itertools.islice(self.state.tasks.values(), DECISIONS))
        task_changes = [self._task_change(task, number) for number, task in enumerate(tasks)]
        workers = list(itertools.islice(self.state.workers.values(), 200))
        worker_changes = [self._worker_change(worker, number) for number, worker in enumerate(workers)]
        naive_hit, naive_miss = self._naive()
        waiting, workers_count, classes = self.sizes
        return (
            f"{waiting:7} {workers_count:7} {classes:7} | {spread(choices)} | {spread(decisions)} "
            f"| {spread(task_changes)} | {spread(worker_changes)} "
            f"| {naive_hit * 1e6:8.1f} | {naive_miss * 1e3:7.1f} | {self.bytes_per_task}"
        )

    def _choice(self, worker: Worker) -> float:
        self.do(c.UpdateWorkerChannel(worker.sid, "default", capacity=1))
        board = self.core.board

        def choose() -> None:
            heads = [(class_.waiting.head(), class_) for class_ in board.eligibility.dirty.values()]
            head, class_ = min(
                ((head, class_) for head, class_ in heads if head is not None), key=lambda pair: pair[0]
            )
            choose_workers(board, class_, board.state.tasks[head[-1]], self.now_ms)

        return seconds(choose)

    def _decision(self, worker: Worker) -> float:
        """Time the pass for the worker that `_choice` freed, then give the task back to the line's end."""
        took_s = seconds(lambda: self.core.match(self.now_ms, 100))
        self.core.take_changes()
        (reservation,) = worker.reservations.values()
        self.do(c.UpdateWorkerChannel(worker.sid, "default", capacity=0))
        self.do(c.UpdateReservation(reservation.sid, ReservationStatus.REJECTED, reservation.task_sid))
        self.state.tasks[reservation.task_sid].refusals.clear()
        while self.core.match(self.now_ms, 100):
            pass
        self.core.take_changes()
        return took_s

    def _task_change(self, task: Task, number: int) -> float:
        attributes = json.dumps({"skill": f"s{number % self.classes}", "customer": "changed"})
        command = c.UpdateTask(task.sid, attributes=attributes)
        return seconds(lambda: self.do(command))

    def _worker_change(self, worker: Worker, number: int) -> float:
        command = c.UpdateWorker(worker.sid, attributes=self._skills(number + 1))
        return seconds(lambda: self.do(command))

    def _naive(self) -> tuple[float, float]:
        """Time a scan of all waiting tasks in order: the first that fits a worker, and when none fits."""
        eligibility = self.core.board.eligibility
        entries = []
        for task in self.state.tasks.values():
            class_ = eligibility.class_of(task.sid)
            if class_ is not None:
                entries.append((eligibility.order_key(task, class_), class_.demand.residual))
        entries.sort(key=lambda entry: entry[0])

        def scan(environment: dict[str, object]) -> None:
            for _, residual in entries:
                if residual is None or residual.evaluate(environment):
                    return

        some = list(itertools.islice(self.state.workers.values(), 50))
        hits = sorted(seconds(partial(scan, worker.environment)) for worker in some)
        return hits[len(hits) // 2], seconds(lambda: scan({"worker": {"skills": []}}))


class Explosion(Backlog):
    """Every task wants one worker by name: as many classes as there are different wishes."""

    expression = "worker.name == task.wanted AND worker.skills != task.customer"

    def _add_tasks(self, count: int) -> None:
        self.took_s: list[float] = []
        for number in range(count):
            attributes = json.dumps({"wanted": f"worker {number}", "customer": number})
            command = c.CreateTask(self.new_sid("WT"), attributes)
            self.took_s.append(seconds(partial(self.do, command)))


def explosion(tasks: int, workers: int) -> str:
    """Return the cost of a create and of a worker's change when every task is a class of its own."""
    backlog = Explosion(tasks, workers, workers)
    some = list(itertools.islice(backlog.state.workers.values(), 200))
    changes = [backlog._worker_change(worker, number) for number, worker in enumerate(some)]
    classes = sum(1 for _ in backlog.core.board.eligibility.classes())
    return (
        f"{tasks} tasks, {workers} workers, {classes} classes | create µs {spread(backlog.took_s)} "
        f"| worker change µs {spread(changes)} | {backlog.bytes_per_task} bytes/task"
    )


def seconds(work: Callable[[], object]) -> float:
    """Return how much CPU time `work` takes: waiting for a core is not its fault."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def spread(samples: list[float]) -> str:
    """Return median and p99 in microseconds."""
    ordered = sorted(samples)
    return f"{ordered[len(ordered) // 2] * 1e6:7.1f} {ordered[int(len(ordered) * 0.99)] * 1e6:8.1f}"


def resident_bytes() -> int:
    """Return the peak resident size; it only grows, as the backlog does."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


main()
