"""The disk under the database becomes slow: `python -m tests.chaos.slow_disk`. Needs a C compiler.

A small library that the server is started with delays fsync and fdatasync. First they take what they take;
then so much longer that a commit takes a second, a hundred times what 99 of 100 do on a quiet machine; then
longer than the daemon waits for a commit; then what they took at first. The daemon has to answer what it can
and refuse the rest, keep its memory and its leases, and come back.
"""

import argparse
import asyncio
import mmap
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.chaos.audit import audit, clean
from tests.chaos.database import Server
from tests.chaos.load import Load, load_on
from tests.chaos.machine import report, resident_mib, say, scratch
from tests.chaos.metrics import commits_between, read
from tests.chaos.programs import ScenarioError, exit_on_signals, free_ports, run, wait_for
from tests.support.daemon import DaemonProcess

SOURCE = Path(__file__).with_name("slow_sync.c")
STUCK_US = 8_000_000
"""Longer than runtime.commit_timeout_s and than half a lease."""
STEADY = 200
RECOVERY_S = 90.0


class Disk:
    """How long a sync takes, shared with every process of the server."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("cc") is None:
            raise ScenarioError("there is no C compiler: `apt-get install gcc libc6-dev`")
        self._file = directory / "slow_sync"
        self._file.write_bytes(bytes(8))
        library = directory / "slow_sync.so"
        run("cc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE)
        for path in (self._file, library):
            path.chmod(0o644 if path is self._file else 0o755)
        self.environment = {"LD_PRELOAD": str(library), "SLOW_SYNC": str(self._file)}

    def take(self, delay_us: int) -> None:
        """Let each sync take so much longer."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            shared[:8] = delay_us.to_bytes(8, sys.byteorder)


async def main(options: argparse.Namespace) -> int:
    """Slow the disk down and let it go again; returns the exit code."""
    with ExitStack() as stack:
        directory = stack.enter_context(scratch(options.keep))
        disk = Disk(directory)
        [port] = free_ports(1)
        server = Server(directory, port=port, environment=disk.environment)
        stack.callback(server.stop)
        stack.callback(disk.take, 0)
        await asyncio.to_thread(server.start)
        daemon = DaemonProcess(directory / "daemon", database_url=server.dsn)
        stack.callback(daemon.close)
        await asyncio.to_thread(daemon.start)
        figures = await play(options, server, disk, daemon)
    report("slow disk", figures)
    return 0 if clean(figures["audit"]) and not figures["answers"]["unexpected"] else 1


async def play(
    options: argparse.Namespace, server: Server, disk: Disk, daemon: DaemonProcess
) -> dict[str, Any]:
    """The phases under one load, then the audit."""
    phases = {}
    async with load_on(lambda: [daemon.url], rate=options.rate, creators=options.creators) as load:
        load.start()
        await load.until_acknowledged(STEADY, RECOVERY_S)
        phases["before"] = await phase(load, daemon, options.seconds / 2)
        for name, delay, seconds in (
            ("slow", round(options.delay_ms * 1000), options.seconds),
            ("stuck", STUCK_US, options.seconds),
            ("after", 0, options.seconds / 2),
        ):
            say(f"{name}: a sync takes {delay / 1000:g} ms longer")
            disk.take(delay)
            phases[name] = {"delay_ms": delay / 1000, **await phase(load, daemon, seconds)}
        ready_s = await until_ready(daemon)
        await load.stop()
        found = await audit(server.dsn, load.workspace_sid, load.answers)
    return {
        "creators": options.creators,
        "rate": options.rate,
        "phases": phases,
        "ready_after_s": round(ready_s, 2),
        "answers": load.answers.summary(),
        "audit": found,
    }


async def phase(load: Load, daemon: DaemonProcess, seconds: float) -> dict[str, Any]:
    """So many seconds of load; returns what they were like."""
    before = await asyncio.to_thread(read, daemon.url)
    outcomes, began_s = load.answers.outcomes.copy(), time.monotonic()
    load.answers.slowest_s = 0.0
    largest_mib = 0.0
    while time.monotonic() < began_s + seconds:
        largest_mib = max(largest_mib, resident_mib(daemon.pid))
        await asyncio.sleep(0.25)
    after = await asyncio.to_thread(read, daemon.url)
    acknowledged = sum(moment > began_s for moment in load.answers.acknowledged_s)
    return {
        **commits_between(before, after),
        "creates_per_s": round(acknowledged / (time.monotonic() - began_s), 1),
        "pause_s": round(load.answers.worst_pause_s(began_s, time.monotonic()), 2),
        "slowest_answer_s": round(load.answers.slowest_s, 2),
        "outcomes": dict(load.answers.outcomes - outcomes),
        "leases_lost": change(before.values, after.values, "pointsman_leases_lost_total"),
        "commit_failures": change(before.values, after.values, "pointsman_commit_failures_total"),
        "memory_mib": round(largest_mib, 1),
    }


def change(before: dict[str, float], after: dict[str, float], name: str) -> int:
    """How much a counter rose."""
    return round(after.get(name, 0.0) - before.get(name, 0.0))


async def until_ready(daemon: DaemonProcess) -> float:
    """How long it takes until /readyz answers 200."""
    began_s = time.monotonic()
    await asyncio.to_thread(wait_for, lambda: daemon.status("/readyz") == 200, "it is ready", RECOVERY_S)
    return time.monotonic() - began_s


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m tests.chaos.slow_disk", description=__doc__.partition("\n")[0]
    )
    made.add_argument(
        "--seconds", type=float, default=40.0, help="how long each of the slow phases lasts (40)"
    )
    made.add_argument("--rate", type=float, default=300.0, help="creations per second at most (300)")
    made.add_argument("--creators", type=int, default=200, help="clients that create (200)")
    made.add_argument("--delay-ms", type=float, default=500.0, help="how much longer a sync takes (500)")
    made.add_argument("--keep", action="store_true", help="keep the logs")
    return made


if __name__ == "__main__":
    exit_on_signals()
    try:
        sys.exit(asyncio.run(main(parser().parse_args())))
    except ScenarioError as problem:
        sys.exit(f"{problem}")
