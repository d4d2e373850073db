"""CPU of whole life cycles in the routing core alone: create, match, accept as instructed, complete.

`python -m tests.bench.routing.life_cycles [--cycles N] [--batch N] [--rounds N] [--profile]` carries tasks
through in batches of so many commands, taken from the core as a workspace loop does it. A line per round:
microseconds of CPU per life cycle for each kind of command, for matching, for taking the changes, and for
making JSON of the events as the commit does. The world is that of the scenario `cycles`.
"""

import argparse
import cProfile
import json
import pstats
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import count
from typing import Any

import orjson

from engine.routing import commands as c
from engine.routing.core import WorkspaceCore
from engine.routing.effects import AssignmentCallback
from engine.routing.entities import TaskStatus
from engine.sids import time_ordered_sids

QUEUES = {
    "billing": 'skills HAS "billing"',
    "technical": 'skills HAS "technical" AND level >= 2',
    "everybody": "1==1",
}
WORKERS = ((["billing"], 1, 8), (["technical"], 3, 8), (["billing", "technical"], 2, 4))
TOPICS = ("billing",) * 4 + ("technical",) * 4 + ("orders",) * 2
START_MS = 1_700_000_000_000
BATCH_EVERY_MS = 5
JSON = "events as JSON"


class LifeCycles:
    """A workspace, and the commands that its tasks need next, oldest first."""

    def __init__(self, batch: int) -> None:
        self.new_sid = time_ordered_sids()
        self.now_ms = START_MS
        self.share = max(batch // 3, 1)
        self.spent_s: Counter[str] = Counter()
        self.core = WorkspaceCore.create(
            self.new_sid("WS"),
            self.new_sid("AC"),
            friendly_name="bench",
            new_sid=self.new_sid,
            now_ms=START_MS,
        )
        self._numbers = count()
        self._answers: deque[tuple[c.Command, str]] = deque()
        self._completions: deque[c.Command] = deque()
        self.workflow_sid = self._set_up()
        self.core.take_changes()

    def _set_up(self) -> str:
        queues = {name: self.new_sid("WQ") for name in QUEUES}
        for name, expression in QUEUES.items():
            self._do(c.CreateTaskQueue(queues[name], name, expression))
        filters = [
            {"expression": f'topic == "{name}"', "targets": [{"queue": queues[name]}]}
            for name in ("billing", "technical")
        ]
        routing = {"task_routing": {"filters": filters, "default_filter": {"queue": queues["everybody"]}}}
        workflow_sid = self.new_sid("WW")
        self._do(c.CreateWorkflow(workflow_sid, "workflow", json.dumps(routing), "http://127.0.0.1:9/assign"))
        available = next(a.sid for a in self.core.board.state.activities.values() if a.available)
        for skills, level, number in WORKERS:
            attributes = json.dumps({"skills": skills, "level": level})
            for each in range(number):
                sid = self.new_sid("WK")
                self._do(c.CreateWorker(sid, f"{skills} {each}", attributes, available))
                self._do(c.UpdateWorkerChannel(sid, "default", capacity=10_000))
        return workflow_sid

    def _do(self, command: c.Command) -> None:
        self.core.handle(command, self.now_ms)

    def run(self, cycles: int) -> None:
        """Carry so many tasks through; a batch has creates, answers and completions of three generations."""
        begun = done = 0
        while done < cycles:
            creates = [self._create() for _ in range(min(self.share, cycles - begun))]
            answers = _first(self._answers, self.share)
            completions = _first(self._completions, self.share)
            begun += len(creates)
            done += len(completions)
            self._completions.extend(
                c.UpdateTask(task_sid, assignment_status=TaskStatus.COMPLETED) for _, task_sid in answers
            )
            callbacks = self._batch(creates, [command for command, _ in answers], completions)
            self._answers.extend(
                (c.AssignmentInstructed(callback.reservation_sid, "accept"), callback.task_sid)
                for callback in callbacks
            )

    def _create(self) -> c.Command:
        number = next(self._numbers)
        attributes = {"topic": TOPICS[number % 10], "language": "en", "customer": f"CU{number:010}"}
        return c.CreateTask(self.new_sid("WT"), json.dumps(attributes), workflow_sid=self.workflow_sid)

    def _batch(
        self, creates: list[c.Command], answers: list[c.Command], completions: list[c.Command]
    ) -> list[AssignmentCallback]:
        self.now_ms += BATCH_EVERY_MS
        core, now_ms = self.core, self.now_ms
        self._timed("advance", lambda: core.advance(now_ms, 1_000))
        self._timed("create", lambda: [core.handle(command, now_ms) for command in creates])
        self._timed("accept", lambda: [core.handle(command, now_ms) for command in answers])
        self._timed("complete", lambda: [core.handle(command, now_ms) for command in completions])
        self._timed("match", lambda: core.match(now_ms, 10_000))
        changes = self._timed("take", core.take_changes)
        self._timed("take", core.next_deadline_ms)
        self._timed(JSON, lambda: orjson.dumps(changes.events))
        return list(changes.callbacks)

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        began_s = time.process_time()
        result = work()
        self.spent_s[name] += time.process_time() - began_s
        return result


def _first(waiting: deque[Any], most: int) -> list[Any]:
    return [waiting.popleft() for _ in range(min(most, len(waiting)))]


def main() -> None:
    """Measure, or profile."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cycles", type=int, default=5_000)
    arguments.add_argument("--batch", type=int, default=60)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--profile", action="store_true")
    options = arguments.parse_args()
    cycles = LifeCycles(options.batch)
    cycles.run(500)
    if options.profile:
        with cProfile.Profile() as profile:
            cycles.run(options.cycles)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        return
    for _ in range(options.rounds):
        cycles.spent_s.clear()
        cycles.run(options.cycles)
        figures = {name: round(s * 1e6 / options.cycles, 1) for name, s in cycles.spent_s.items()}
        figures["core"] = round(sum(figures.values()) - figures[JSON], 1)
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
