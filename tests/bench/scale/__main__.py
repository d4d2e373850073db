"""A daemon with very many waiting tasks: how soon it is ready, what a task takes, how long a new one waits.

`python -m tests.bench.scale [--waiting N] [--workers N] [--workflows N] [--rate R] [--seconds S]`
makes the world in an embedded PostgreSQL (fsync on), starts a real daemon on it without and with the waiting
tasks, kills it, starts it again, and then lets tasks come at a rate that are taken at once while the others
wait. Prints one JSON document; progress goes to standard error.
"""

import argparse
import json
import shutil
import sys
import time
from contextlib import AsyncExitStack, redirect_stdout
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from engine.bench.cpu import tree_cpu_s
from engine.bench.generators import Generator, generators
from engine.bench.phases import Drive, Phase, report
from engine.bench.scenario import Scenario
from engine.bench.target import Target
from engine.storage.embedded import EmbeddedPostgres
from tests.bench.scale.world import FILTERS_EACH, Built, Sizes, build, copy_tasks
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import make_open_directory

READY_S = 300.0
DATABASE = "pointsman"
SETTLE_S = 3.0
TOLD = ("created_per_s", "completed_per_s", "latency_ms", "errors", "unfinished", "cpu_ms_per_operation")


class Silent:
    """Shows nothing of what the generator does."""

    def step(self, what: str, done: int, total: int) -> None:
        """Say nothing."""

    def load(self, phase: Phase, collector: Any, elapsed_s: float) -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--waiting", type=int, default=100_000)
    arguments.add_argument("--workers", type=int, default=15_000)
    arguments.add_argument("--workflows", type=int, default=1_000)
    arguments.add_argument("--rate", type=float, default=300.0)
    arguments.add_argument("--seconds", type=float, default=30.0)
    options = arguments.parse_args()
    with redirect_stdout(sys.stderr):
        figures = uvloop.run(measure(options))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    sizes = Sizes(options.workers, options.workflows)
    directory = make_open_directory()
    server = EmbeddedPostgres(directory / "postgres", ours=directory)
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        stack.push_async_callback(server.stop)
        await server.start()
        dsn = await _new_database(server)
        (generator,) = await stack.enter_async_context(generators(1, "127.0.0.1", "127.0.0.1"))
        said = time.monotonic()
        built = await build(dsn, sizes, generator.callback_url)
        _say(f"{sizes}: made in {time.monotonic() - said:.1f} s")
        daemon = DaemonProcess(directory / "daemon", database_url=dsn)
        stack.callback(daemon.close)
        empty = _started(daemon)
        daemon.stop()
        said = time.monotonic()
        await copy_tasks(dsn, built, options.waiting)
        _say(f"{options.waiting} waiting tasks: made in {time.monotonic() - said:.1f} s")
        full = _started(daemon)
        daemon.kill()
        again = _started(daemon)
        figures = {
            "waiting": options.waiting,
            "workers": sizes.workers,
            "queues": sizes.queues,
            "workflows": sizes.workflows,
            "empty": empty,
            "full": full,
            "after_sigkill": again,
            "bytes_per_waiting_task": _per_task(empty, full, options.waiting),
        }
        if options.rate:
            figures["load"] = await _load(daemon, generator, built, server, options)
            figures["rss_mb_after_load"] = _memory_mb(daemon.pid)["VmRSS"]
        daemon.stop(60.0)
        return figures


async def _new_database(server: EmbeddedPostgres) -> str:
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
    return server.dsn_of(DATABASE)


def _started(daemon: DaemonProcess) -> dict[str, float]:
    """Start the daemon; return how long that took until it was ready, and what it holds then."""
    began_s = time.monotonic()
    daemon.start(wait=False)
    daemon.wait_until_ready(READY_S)
    ready_s = time.monotonic() - began_s
    cpu_s = tree_cpu_s([daemon.pid]) or 0.0
    time.sleep(SETTLE_S)
    memory_mb = _memory_mb(daemon.pid)
    figures = {
        "ready_s": round(ready_s, 2),
        "cpu_s": round(cpu_s, 2),
        "rss_mb": memory_mb["VmRSS"],
        "peak_rss_mb": memory_mb["VmHWM"],
    }
    _say(f"started: {figures}")
    return figures


def _per_task(empty: dict[str, float], full: dict[str, float], waiting: int) -> int:
    return round((full["rss_mb"] - empty["rss_mb"]) * 2**20 / max(waiting, 1))


def _memory_mb(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    found = {line.split(":")[0]: line.split() for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return {name: round(int(fields[1]) / 1024, 1) for name, fields in found.items()}


async def _load(
    daemon: DaemonProcess,
    generator: Generator,
    built: Built,
    server: EmbeddedPostgres,
    options: argparse.Namespace,
) -> dict[str, Any]:
    scenario = Scenario.model_validate(
        {
            "name": "scale",
            "queues": [{"name": "queue"}],
            "workers": [{"name": "worker"}],
            "workflow": {"count": len(built.workflows)},
            "tasks": [
                {
                    "variants": FILTERS_EACH * options.workflows,
                    "attributes": {"topic": "day", "skill": "{n}", "customer": "CU1234567890"},
                }
            ],
            "phases": [
                {"name": "load", "rate_per_s": options.rate, "seconds": options.seconds, "warmup_s": 5}
            ],
        }
    )
    target = Target(
        daemon.url, daemon.account_sid, daemon.auth_token, daemon_pid=daemon.pid, postgres_pid=server.pid
    )
    tasks_path = f"/v1/Workspaces/{built.sid}/Tasks"
    drive = Drive(target, scenario, scenario.phases[0], tasks_path, (built.workflows,))
    async with target.client() as client:
        collector, cpu_s, ledger = await drive.run(client, [generator], Silent())
    told = report(scenario.phases[0], 1, collector, cpu_s, ledger)
    wanted = (
        "created_per_s",
        "completed_per_s",
        "latency_ms",
        "errors",
        "unfinished",
        "cpu_ms_per_operation",
    )
    return {name: told[name] for name in wanted}


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
