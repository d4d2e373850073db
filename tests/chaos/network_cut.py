"""Nodes are cut off, from the database or from each other: `python -m tests.chaos.network_cut`. Needs root.

Two nodes, one database and the clients are hosts of their own, in network namespaces; packets between two of
them vanish for a while. Clients reach both nodes all the time.

    database  the owner of the workspace does not reach the database: the other node must take over when the
              lease has run out; the node that is cut off must say so (503), acknowledge nothing and show
              nothing that has changed since
    peer      the other node does not reach the owner: it must go on to answer reads, refuse writes that it
              cannot hand on (503), and leave the workspace where it is

In both it must be of use again when the cut is healed.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos.audit import audit, clean
from tests.chaos.database import Server
from tests.chaos.load import Load, load_on
from tests.chaos.machine import report, say, scratch
from tests.chaos.network import HERE, Host, network
from tests.chaos.programs import ScenarioError, exit_on_signals, wait_for
from tests.support.daemon import DaemonProcess

DATABASE_PORT = 5432
INTERNAL_PORT = 8081
KEY = "Y2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2g="
STEADY = 100
RECOVERY_S = 90.0
LOOK_EVERY_S = 0.25


@dataclass(slots=True, frozen=True)
class Cut:
    """Two hosts that do not hear each other, and the node that is looked at meanwhile."""

    hosts: tuple[Host, Host]
    watched: DaemonProcess

    def make(self, cut: bool) -> None:
        """Cut them, or heal the cut."""
        for host in self.hosts:
            host.isolate(cut)


class Watch:
    """Looks at one node: what it answers, how fast, and whether that is the present."""

    def __init__(self, load: Load, url: str) -> None:
        self.reads: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.stale = 0
        self._slowest_s = 0.0
        self._load = load
        self._url = url
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    async def stop(self) -> dict[str, Any]:
        """End; returns the figures."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return {
            "reads": dict(self.reads),
            "writes": dict(self.writes),
            "stale_reads": self.stale,
            "slowest_answer_s": round(self._slowest_s, 2),
        }

    async def _read(self) -> None:
        """Fetch the task acknowledged last: it has to be there, and completed if that was acknowledged."""
        answers = self._load.answers
        while True:
            sid = next(reversed(answers.created))
            completed = sid in answers.completed
            began_s = time.monotonic()
            path = f"/v1/Workspaces/{self._load.workspace_sid}/Tasks/{sid}"
            outcome, body = await self._load.attempt(
                "GET", f"{self._url}{path}", None, expected=(200, 404, 503)
            )
            self._slowest_s = max(self._slowest_s, time.monotonic() - began_s)
            self.reads[outcome] += 1
            gone = outcome == "404"
            if gone or (outcome == "200" and completed and body["assignment_status"] != "completed"):
                self.stale += 1
            await asyncio.sleep(LOOK_EVERY_S)

    async def _write(self) -> None:
        while True:
            began_s = time.monotonic()
            self.writes[await self._load.create_at(self._url)] += 1
            self._slowest_s = max(self._slowest_s, time.monotonic() - began_s)
            await asyncio.sleep(LOOK_EVERY_S)


async def main(options: argparse.Namespace) -> int:
    """Cut, watch, heal; returns the exit code."""
    with ExitStack() as stack:
        directory = stack.enter_context(scratch(options.keep))
        database, *nodes = stack.enter_context(network("db", "a", "b"))
        server = Server(directory, host=database.address, port=DATABASE_PORT, prefix=database.prefix)
        stack.callback(server.stop)
        await asyncio.to_thread(server.start)
        daemons = [node_on(host, server.dsn, directory) for host in nodes]
        for daemon in daemons:
            stack.callback(daemon.close)
            await asyncio.to_thread(daemon.start)
        cut = {
            "database": Cut((database, nodes[0]), daemons[0]),
            "peer": Cut((nodes[0], nodes[1]), daemons[1]),
        }[options.between]
        figures = await play(options, server, cut, daemons)
    report(f"network cut, {options.between}", figures)
    return 0 if clean(figures["audit"]) and honest(figures) else 1


def node_on(host: Host, dsn: str, directory: Path) -> DaemonProcess:
    """A node of its own on a host."""
    settings = {
        "POINTSMAN_CREDENTIALS_KEY": KEY,
        "POINTSMAN_CLUSTER_LISTEN": f"{host.address}:{INTERNAL_PORT}",
    }
    place = directory / host.port_name
    return DaemonProcess(place, database_url=dsn, settings=settings, host=host.address, prefix=host.prefix)


async def play(
    options: argparse.Namespace, server: Server, cut: Cut, daemons: list[DaemonProcess]
) -> dict[str, Any]:
    """The workspace is made at the first node, which so owns it."""
    urls = [daemon.url for daemon in daemons]
    async with load_on(lambda: urls, rate=options.rate, callback_host=HERE) as load:
        load.start()
        await load.until_acknowledged(STEADY, RECOVERY_S)
        owned = owns(load, daemons[0])
        during = await cut_for(options.seconds, cut, load)
        healed = await heal(cut, load)
        await load.stop()
        found = await audit(server.dsn, load.workspace_sid, load.answers)
    taken = any(daemons[1].events("workspace.loaded"))
    return {
        "rate": options.rate,
        "first_node_owned_it": owned,
        "second_node_took_it": taken,
        "cut": during,
        "healed": healed,
        "answers": load.answers.summary(),
        "audit": found,
    }


async def cut_for(seconds: float, cut: Cut, load: Load) -> dict[str, Any]:
    """Cut, and look at the node concerned until the load goes on and the time is over."""
    say("cut")
    cut_s = time.monotonic()
    cut.make(True)
    watch = Watch(load, cut.watched.url)
    unready = asyncio.create_task(until_status(cut.watched, 503, seconds))
    await load.until_acknowledged(STEADY, RECOVERY_S)
    unready_s = await unready
    await asyncio.sleep(max(0.0, cut_s + seconds - time.monotonic()))
    pause_s = load.answers.worst_pause_s(cut_s, time.monotonic())
    return {
        "pause_s": round(pause_s, 2),
        "unready_after_s": None if unready_s is None else round(unready_s - cut_s, 2),
        "watched_node": await watch.stop(),
    }


async def heal(cut: Cut, load: Load) -> dict[str, Any]:
    """Heal the cut, and wait until the node concerned is of use again."""
    say("heal")
    healed_s = time.monotonic()
    cut.make(False)
    watch = Watch(load, cut.watched.url)
    reads_s = await until_counted(watch.reads, "200") - healed_s
    writes_s = await until_counted(watch.writes, "201") - healed_s
    ready_s = await until_status(cut.watched, 200, RECOVERY_S)
    await load.until_acknowledged(STEADY, RECOVERY_S)
    return {
        "reads_after_s": round(reads_s, 2),
        "writes_after_s": round(writes_s, 2),
        "ready_after_s": None if ready_s is None else round(ready_s - healed_s, 2),
        "pause_s": round(load.answers.worst_pause_s(healed_s, time.monotonic()), 2),
        "watched_node": await watch.stop(),
    }


def owns(load: Load, daemon: DaemonProcess) -> bool:
    """Tell whether that node made the workspace, and so owns it."""
    made = [event["workspace_sid"] for event in daemon.events("workspace.created")]
    return load.workspace_sid in made


async def until_status(daemon: DaemonProcess, status: int, timeout_s: float) -> float | None:
    """Wait until /readyz answers so; returns the moment, or None when it does not in time."""
    there = partial(_answers, daemon, status)
    try:
        await asyncio.to_thread(wait_for, there, f"/readyz answers {status}", timeout_s)
    except ScenarioError:
        return None
    return time.monotonic()


def _answers(daemon: DaemonProcess, status: int) -> bool:
    return daemon.status("/readyz") == status


async def until_counted(counter: Counter[str], outcome: str) -> float:
    """Wait until an outcome was seen; returns the moment."""
    await asyncio.to_thread(wait_for, lambda: counter[outcome] > 0, f"{outcome} is answered", RECOVERY_S)
    return time.monotonic()


def honest(figures: dict[str, Any]) -> bool:
    """Tell whether the node concerned promised nothing it could not keep and showed nothing old."""
    during, after = figures["cut"]["watched_node"], figures["healed"]["watched_node"]
    return (
        not during["stale_reads"]
        and not after["stale_reads"]
        and not figures["answers"]["unexpected"]
        and during["writes"].keys() <= {"503"}
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m tests.chaos.network_cut", description=__doc__.partition("\n")[0]
    )
    made.add_argument("between", nargs="?", choices=("database", "peer"), default="database")
    made.add_argument("--seconds", type=float, default=40.0, help="how long the cut lasts at least (40)")
    made.add_argument("--rate", type=float, default=100.0, help="creations per second (100)")
    made.add_argument("--keep", action="store_true", help="keep the logs")
    return made


if __name__ == "__main__":
    exit_on_signals()
    try:
        sys.exit(asyncio.run(main(parser().parse_args())))
    except ScenarioError as problem:
        sys.exit(f"{problem}")
