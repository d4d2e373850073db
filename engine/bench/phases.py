"""Runs one phase: processes, world, backlog, load, audit."""

import asyncio
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from engine.bench.audit import audit
from engine.bench.collector import Collector
from engine.bench.generators import Generator, generators
from engine.bench.hello import hello_server
from engine.bench.http_client import Client, NoAnswer
from engine.bench.job import Job, Ledger
from engine.bench.scenario import Phase, Scenario
from engine.bench.target import CpuSeconds, Target, used_between
from engine.bench.world import World, load_backlog, set_up

START_S = 0.3
SHOW_S = 0.25
POINTS_MAX = 600
"""A longer phase has longer intervals, so that memory and report do not grow with it."""


class Progress(Protocol):
    """Shows what is going on."""

    def step(self, what: str, done: int, total: int) -> None:
        """Show how far a preparation is."""

    def load(self, phase: Phase, collector: Collector, elapsed_s: float) -> None:
        """Show how far the load is."""

    def say(self, text: str) -> None:
        """Say one thing."""


@dataclass(slots=True, frozen=True)
class Where:
    """Where callbacks are received, and by how many processes load is made."""

    processes: int
    host: str
    announced_host: str
    keep: bool


async def run_phase(
    target: Target, scenario: Scenario, phase: Phase, where: Where, progress: Progress
) -> dict[str, Any]:
    """Run a phase and return its part of the report. Raises BenchError when it cannot be run."""
    async with (
        generators(where.processes, where.host, where.announced_host) as processes,
        target.client() as client,
    ):
        await target.check(client)
        urls = [each.callback_url for each in processes]
        through = phase.kind == "cycles"
        world = await set_up(client, scenario, urls, progress.step, with_workers=through)
        try:
            drive = Drive(target, scenario, phase, f"{world.path}/Tasks", world.workflows)
            return await drive.measure(client, processes, world, progress)
        finally:
            if not where.keep:
                with suppress(NoAnswer):
                    await client.delete(world.path)


@dataclass(slots=True, frozen=True)
class Drive:
    """Load on an address: `tasks_path` is where tasks are POSTed, `workflows` those of each process."""

    target: Target
    scenario: Scenario
    phase: Phase
    tasks_path: str
    workflows: tuple[tuple[str, ...], ...]

    async def measure(
        self, client: Client, processes: list[Generator], world: World, progress: Progress
    ) -> dict[str, Any]:
        """Load the backlog, run, audit. Returns the phase's part of the report."""
        begin_s = time.monotonic()
        ledger = await load_backlog(client, world, self.scenario, self.phase.backlog, progress.step)
        load_s = time.monotonic() - begin_s
        collector, cpu_s, told = await self.run(client, processes, progress)
        ledger.add(told)
        cycles = self.phase.kind == "cycles"
        found = await audit(client, world, ledger, cycles=cycles, step=progress.step)
        return report(self.phase, len(processes), collector, cpu_s, ledger) | {
            "backlog_load_s": round(load_s, 2),
            "audit": asdict(found),
        }

    async def run(
        self, client: Client, processes: list[Generator], progress: Progress
    ) -> tuple[Collector, CpuSeconds, Ledger]:
        """Have all processes do their part; returns what was measured, used and acknowledged."""
        every_s = interval_s(self.phase)
        begin_s = time.monotonic() + START_S
        jobs = [self._job(number, len(processes), begin_s, every_s) for number in range(len(processes))]
        collector = Collector(round(self.phase.seconds / every_s), every_s, self.phase.backlog)
        showing = asyncio.create_task(_show(self.phase, collector, begin_s, progress))
        measuring = asyncio.create_task(_cpu(self.target, client, jobs[0]))
        ledger = Ledger()
        try:
            for told in await asyncio.gather(
                *(process.run(job, collector.add) for process, job in zip(processes, jobs, strict=True))
            ):
                ledger.add(told)
            cpu_s = await measuring
        finally:
            showing.cancel()
            measuring.cancel()
            await asyncio.wait([showing, measuring])
        collector.finish()
        return collector, cpu_s, ledger

    def _job(self, number: int, count: int, begin_s: float, every_s: float) -> Job:
        return Job(
            base_url=self.target.base_url,
            account_sid=self.target.account_sid,
            auth_token=self.target.auth_token,
            tasks_path=self.tasks_path,
            workflows=self.workflows[number],
            tasks=tuple(self.scenario.tasks),
            answers=self.scenario.answers,
            phase=self.phase,
            share=1 / count,
            number=number,
            seed=self.scenario.seed,
            begin_s=begin_s,
            interval_s=every_s,
        )


async def run_hello(scenario: Scenario, phase: Phase, where: Where, progress: Progress) -> dict[str, Any]:
    """Run the creates of a phase flat out on the trivial handler. Returns its part of the report."""
    plain = phase.model_copy(update={"name": "hello", "kind": "creates", "rate_per_s": None, "backlog": 0})
    async with (
        hello_server() as url,
        generators(where.processes, where.host, where.announced_host) as processes,
    ):
        target = Target(url, "AC" + "0" * 32, "hello")
        drive = Drive(target, scenario, plain, "/Tasks", ((),) * len(processes))
        async with target.client() as client:
            collector, cpu_s, ledger = await drive.run(client, processes, progress)
    cpu_s = {"generator": cpu_s["generator"]}
    return report(plain, len(processes), collector, cpu_s, ledger)


def interval_s(phase: Phase) -> float:
    """Return how long an interval is: a second, a tenth of a short phase, more in a very long one."""
    return max(min(1.0, phase.seconds / 10), phase.seconds / POINTS_MAX)


async def _show(phase: Phase, collector: Collector, begin_s: float, progress: Progress) -> None:
    while True:
        await asyncio.sleep(SHOW_S)
        progress.load(phase, collector, time.monotonic() - begin_s)


async def _cpu(target: Target, client: Client, job: Job) -> CpuSeconds:
    await asyncio.sleep(max(0.0, job.measure_s - time.monotonic()))
    before = await target.cpu_s(client)
    await asyncio.sleep(max(0.0, job.end_s - time.monotonic()))
    return used_between(before, await target.cpu_s(client))


def report(
    phase: Phase, processes: int, collector: Collector, cpu_s: CpuSeconds, ledger: Ledger
) -> dict[str, Any]:
    """Return what is told of a phase; times in milliseconds unless their name says otherwise."""
    operations = "completed" if phase.kind == "cycles" else "created"
    count = collector.counts[operations]
    return {
        "name": phase.name,
        "kind": phase.kind,
        "rate_per_s": phase.rate_per_s,
        "concurrency": None if phase.rate_per_s else phase.concurrency,
        "processes": processes,
        "warmup_s": phase.warmup_s,
        "seconds": phase.seconds,
        "backlog": phase.backlog,
        "created": collector.counts["created"],
        "created_per_s": round(collector.counts["created"] / phase.seconds, 1),
        "completed": collector.counts["completed"],
        "completed_per_s": round(collector.counts["completed"] / phase.seconds, 1),
        "rejected": collector.counts["rejected"],
        "early": collector.counts["complete_early"] + collector.counts["accept_early"],
        "latency_ms": collector.latencies(),
        "errors": dict(collector.errors),
        "unfinished": ledger.unfinished,
        "stray_callbacks": ledger.stray_callbacks,
        "cpu_s": cpu_s,
        "cpu_ms_per_operation": {
            name: None if used is None or not count else round(used * 1000 / count, 4)
            for name, used in cpu_s.items()
        },
        "points": collector.points,
    }
