"""The disk of an embedded database is full: `python -m tests.chaos.disk_full`. Needs root.

The daemon's data directory is a small file system of its own. Under load it is filled up, and room is made
after a while, several times. The daemon has to refuse what it cannot make durable, stay alive whatever
becomes of the server, lose nothing, and go on by itself when there is room. In every second round the log of
the server is made to need room too: then it ends, and cannot start again before there is some.
"""

import argparse
import asyncio
import contextlib
import errno
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from engine.storage.connecting import connect
from tests.chaos.audit import audit, clean
from tests.chaos.load import Load, load_on
from tests.chaos.machine import report, resident_mib, say, scratch
from tests.chaos.programs import ScenarioError, exit_on_signals, run
from tests.support.daemon import DaemonProcess

SIZE_MIB = 384
STEADY = 200
RECOVERY_S = 120.0
FULL_S = 180.0
BLOCK = bytes(65_536)


class Disk:
    """A file system that can be filled up."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ballast = directory / "ballast"

    @property
    def dsn(self) -> str:
        """The database of a daemon whose data directory this is."""
        sockets = quote(str(self.directory / "postgres" / "run"))
        return f"postgresql://postgres@/postgres?host={sockets}&port=5432"

    def fill(self) -> None:
        """Take all the room there is."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(BLOCK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def make_room(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(directory: Path) -> Iterator[Disk]:
    """Mount a small file system. Raises ScenarioError when that is not allowed."""
    if os.geteuid() != 0:
        raise ScenarioError("mounting a file system needs root")
    directory.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=0711", "pointsman-chaos", directory)
    try:
        yield Disk(directory)
    finally:
        run("umount", "--lazy", directory)


async def main(options: argparse.Namespace) -> int:
    """Fill and make room; returns the exit code."""
    with scratch(options.keep) as directory, small_disk(directory / "disk") as disk:
        with DaemonProcess(directory / "daemon", data_dir=disk.directory) as daemon:
            figures = await play(options, disk, daemon)
            disk.make_room()
            figures["daemon_exit"] = daemon.stop()
        shutil.copy(disk.directory / "postgres" / "postgres.log", directory)
    report("disk full", figures)
    return 0 if clean(figures["audit"]) and not figures["answers"]["unexpected"] else 1


async def play(options: argparse.Namespace, disk: Disk, daemon: DaemonProcess) -> dict[str, Any]:
    """Several times full under one load, then the audit."""
    rounds = []
    async with load_on(lambda: [daemon.url], rate=options.rate) as load:
        load.start()
        for number in range(options.rounds):
            await load.until_acknowledged(STEADY, RECOVERY_S)
            rounds.append(await once(options, disk, daemon, load, ending=number % 2 == 1))
            say(str(rounds[-1]))
        await load.until_acknowledged(STEADY, RECOVERY_S)
        await load.stop()
        found = await audit(disk.dsn, load.workspace_sid, load.answers)
    return {"rate": options.rate, "rounds": rounds, "answers": load.answers.summary(), "audit": found}


async def once(
    options: argparse.Namespace, disk: Disk, daemon: DaemonProcess, load: Load, *, ending: bool
) -> dict[str, Any]:
    """Fill the disk, keep it full for a while after the first refusals, make room."""
    outcomes, began_s = load.answers.outcomes.copy(), time.monotonic()
    exits = sum(1 for _ in daemon.events("database.exited"))
    await asyncio.to_thread(disk.fill)
    refused_s = await until_refused(disk, load, outcomes["503"]) - began_s
    if ending:
        await until_ended(disk, daemon, exits)
    status = []
    until_s = time.monotonic() + options.seconds
    while time.monotonic() < until_s:
        await asyncio.to_thread(disk.fill)
        status.append(await asyncio.to_thread(daemon.status, "/healthz"))
        await asyncio.sleep(0.5)
    memory_mib = resident_mib(daemon.pid)
    room_s = time.monotonic()
    await asyncio.to_thread(disk.make_room)
    first_s = await load.until_acknowledged(1, RECOVERY_S) - room_s
    await load.until_acknowledged(STEADY, RECOVERY_S)
    return {
        "refused_after_s": round(refused_s, 2),
        "acknowledged_again_after_room_s": round(first_s, 2),
        "server_ended": sum(1 for _ in daemon.events("database.exited")) - exits,
        "alive_all_the_time": set(status) == {200},
        "memory_mib": round(memory_mib, 1),
        "outcomes": dict(load.answers.outcomes - outcomes),
    }


async def until_refused(disk: Disk, load: Load, before: int) -> float:
    """Wait for the first 503; what frees itself meanwhile is filled up again. Returns the moment."""
    async with asyncio.timeout(FULL_S):
        while load.answers.outcomes["503"] == before:
            await asyncio.to_thread(disk.fill)
            await asyncio.sleep(0.1)
    return time.monotonic()


async def until_ended(disk: Disk, daemon: DaemonProcess, before: int) -> None:
    """Use up the room that the server has set aside for its log, until it ends for want of more."""
    async with asyncio.timeout(FULL_S):
        while sum(1 for _ in daemon.events("database.exited")) == before:
            await asyncio.to_thread(disk.fill)
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                connection = await connect(disk.dsn, timeout=5.0)
                try:
                    await connection.execute(
                        "SELECT pg_logical_emit_message(true, 'chaos', 'x')", timeout=5.0
                    )
                    await connection.execute("SELECT pg_switch_wal()", timeout=5.0)
                finally:
                    connection.terminate()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m tests.chaos.disk_full", description=__doc__.partition("\n")[0]
    )
    made.add_argument("--rounds", type=int, default=3, help="how often the disk is filled (3)")
    made.add_argument("--seconds", type=float, default=10.0, help="how long it stays full (10)")
    made.add_argument("--rate", type=float, default=200.0, help="creations per second (200)")
    made.add_argument("--keep", action="store_true", help="keep the logs")
    return made


if __name__ == "__main__":
    exit_on_signals()
    try:
        sys.exit(asyncio.run(main(parser().parse_args())))
    except ScenarioError as problem:
        sys.exit(f"{problem}")
