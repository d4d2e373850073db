"""Life cycles per second of 1, 2 and 4 nodes on one PostgreSQL, with 8 busy workspaces.

On one machine all nodes share its cores. `--cores-per-node 0.2` (root only) gives each node that share of a
core, as if it had a small machine of its own: it shows how nodes add up. Without it the figures show what the
machine can do in all, and `cpu_ms_per_cycle` who uses its cores.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from cryptography.fernet import Fernet
from rich.console import Console

from engine.bench.audit import audit
from engine.bench.cpu import tree_cpu_s
from engine.bench.generators import Generator, generators
from engine.bench.http_client import Client
from engine.bench.machine import machine
from engine.bench.measures import OFFER
from engine.bench.phases import Drive
from engine.bench.progress import Shown
from engine.bench.scenario import Phase, Scenario
from engine.bench.scenario_file import load_scenario
from engine.bench.target import Target
from engine.bench.world import Step, World, set_up
from engine.storage.embedded import EmbeddedPostgres
from tests.bench.cgroup import cpu_share
from tests.support.daemon import ACCOUNT_SID, AUTH_TOKEN, DaemonProcess
from tests.support.fixtures import make_open_directory

WORKSPACES = 8
DATABASE = "pointsman"
SETTLE_S = 3.0
"""Nodes that have just joined know each other after that."""


def main() -> None:
    """Print one JSON document; progress goes to standard error."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    arguments.add_argument("--cores-per-node", type=float)
    arguments.add_argument("--concurrency", type=int, default=16, help="life cycles at once per workspace")
    arguments.add_argument("--seconds", type=float, default=15.0)
    arguments.add_argument("--warmup-s", type=float, default=5.0)
    options = arguments.parse_args()
    sys.stdout.write(json.dumps(uvloop.run(measure(options)), indent=2) + "\n")


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure every number of nodes, each with a database of its own."""
    runs = [await _measure_nodes(count, options) for count in options.nodes]
    for run in runs:
        run["over_first"] = round(run["cycles_per_s"] / runs[0]["cycles_per_s"], 2)
    return {"machine": machine(), "cores_per_node": options.cores_per_node, "runs": runs}


async def _measure_nodes(count: int, options: argparse.Namespace) -> dict[str, Any]:
    directory = make_open_directory()
    server = EmbeddedPostgres(directory / "postgres", ours=directory)
    try:
        await server.start()
        await _create_database(server.dsn)
        with _running(directory, server.dsn_of(DATABASE), count, options.cores_per_node) as nodes:
            await asyncio.sleep(SETTLE_S)
            return {"nodes": count} | await _measured(nodes, server, options)
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def _create_database(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()


@contextmanager
def _running(
    directory: Path, dsn: str, count: int, cores_per_node: float | None
) -> Iterator[list[DaemonProcess]]:
    """Run nodes that know each other, each in a group of its own when it shall have a share of a core."""
    shared = {"POINTSMAN_CREDENTIALS_KEY": Fernet.generate_key().decode()}
    with ExitStack() as stack:
        nodes = []
        for number in range(count):
            own = directory / f"node{number}"
            own.mkdir(mode=0o711)
            settings = shared | {"POINTSMAN_CLUSTER_LISTEN": str(own / "peers.sock")}
            node = stack.enter_context(DaemonProcess(own, database_url=dsn, settings=settings))
            if cores_per_node is not None:
                stack.enter_context(cpu_share(cores_per_node)).write_text(str(node.pid))
            nodes.append(node)
        yield nodes


@dataclass(slots=True, frozen=True)
class Load:
    """What is driven at one workspace, through the node that made it."""

    drive: Drive
    client: Client
    generator: Generator
    world: World


async def _measured(
    nodes: list[DaemonProcess], server: EmbeddedPostgres, options: argparse.Namespace
) -> dict[str, Any]:
    scenario = load_scenario("cycles")
    phase = Phase(
        name="cycles", concurrency=options.concurrency, warmup_s=options.warmup_s, seconds=options.seconds
    )
    with Shown(Console(stderr=True)) as progress:
        async with _loads(nodes, scenario, phase, progress.step) as loads:
            before = _cpu_s(nodes, server)
            told = await asyncio.gather(
                *(load.drive.run(load.client, [load.generator], progress) for load in loads)
            )
            used = [now - then for now, then in zip(_cpu_s(nodes, server), before, strict=True)]
            audits = [
                await audit(load.client, load.world, ledger, cycles=True, step=progress.step)
                for load, (_, _, ledger) in zip(loads, told, strict=True)
            ]
    cycles = sum(ledger.completed for _, _, ledger in told)
    return {
        "cycles_per_s": round(sum(c.counts["completed"] for c, _, _ in told) / phase.seconds, 1),
        "create_to_callback_p50_ms": sorted(c.percentile_ms(OFFER, 50) or 0.0 for c, _, _ in told),
        "cpu_ms_per_cycle": {
            name: round(seconds * 1000 / cycles, 3)
            for name, seconds in zip(("daemons", "postgres", "generators"), used, strict=True)
        },
        "audits_ok": all(found.ok for found in audits),
    }


@asynccontextmanager
async def _loads(
    nodes: list[DaemonProcess], scenario: Scenario, phase: Phase, step: Step
) -> AsyncIterator[list[Load]]:
    async with AsyncExitStack() as stack:
        processes = await stack.enter_async_context(generators(WORKSPACES, "127.0.0.1", "127.0.0.1"))
        loads = []
        for number, generator in enumerate(processes):
            target = Target(nodes[number % len(nodes)].url, ACCOUNT_SID, AUTH_TOKEN)
            client = await stack.enter_async_context(target.client())
            world = await set_up(client, scenario, [generator.callback_url], step, with_workers=True)
            drive = Drive(target, scenario, phase, f"{world.path}/Tasks", world.workflows)
            loads.append(Load(drive, client, generator, world))
        yield loads


def _cpu_s(nodes: list[DaemonProcess], server: EmbeddedPostgres) -> tuple[float, float, float]:
    """Return the CPU seconds used so far by the nodes, PostgreSQL, and the generators with this process."""
    assert server.pid is not None
    daemons = [node.pid for node in nodes]
    used = [
        tree_cpu_s(daemons),
        tree_cpu_s([server.pid]),
        tree_cpu_s([os.getpid()], without=frozenset([*daemons, server.pid])),
    ]
    return tuple(seconds or 0.0 for seconds in used)


if __name__ == "__main__":
    main()
