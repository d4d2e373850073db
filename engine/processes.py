"""`pointsman serve --processes N`: one parent that serves nothing, and N processes that share a port.

Theory of operation
-------------------
Each process is a node like any other: it has its own name, its own leases, its own loops, and an internal
listener for the others, by default a unix socket in the data directory. What there is once per host is the
parent's: the embedded PostgreSQL, the migrations, the credentials, the port.

A process that ends is started again, with growing pauses; its siblings take its workspaces over meanwhile.
One that cannot even start the first time ends everything: the fault is in the settings or the machine, and
the process has told what it is. When the parent is told to stop, all are, and it waits for them; when the
parent is gone, they end at once.
"""

import asyncio
import hashlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from engine.addresses import UNIX_PATH_BYTES_MAX, parse_address
from engine.credentials import ensure_credentials
from engine.daemon import event_loop_factory, show_credentials, stop_on_signal
from engine.database_start import embedded, migrate_patiently, open_pools
from engine.errors import SettingsError
from engine.logs import get_logger
from engine.process_link import STOP, Place, orders
from engine.settings import Settings
from engine.shared_port import SharedPort
from engine.storage.accounts import Accounts

log = get_logger()

PAUSE_FIRST_S = 0.1
PAUSE_MAX_S = 5.0
SETTLED_S = 10.0
"""A process that has lived for so long is started again without a pause."""
KILL_AFTER_S = 20.0
"""How long after its drain should be over a process that stops is killed."""
CONNECTIONS_SPARE = 12
"""Connections to the embedded server beside those of the processes."""


class ProcessFailed(Exception):
    """A process has ended with this code before it ever served."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code if code > 0 else 1


def run(settings: Settings) -> int:
    """Run `cluster.processes` processes until SIGTERM or SIGINT; returns the exit code.

    Raises PointsmanError or OSError when there is nothing to start them with.
    """
    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    stopping = stop_on_signal()
    async with AsyncExitStack() as stack:
        port = SharedPort(settings.server.host, settings.server.port)
        stack.callback(port.close)
        dsn = await _prepare(settings, stack)
        with _addresses(settings) as addresses:
            given = _common(settings, dsn, port.port)
            parent = Parent(given, addresses, stopping)
            try:
                await parent.run()
            except ProcessFailed as failed:
                return failed.code
    return 0


async def _prepare(settings: Settings, stack: AsyncExitStack) -> str:
    """Make the database ready and the account known; returns the DSN."""
    dsn = settings.database.url
    if not dsn:
        per_process = settings.database.commit_connections_max + settings.database.read_connections_max
        server = embedded(settings, settings.cluster.processes * per_process + CONNECTIONS_SPARE)
        stack.push_async_callback(server.stop)
        dsn = await server.start()
    await migrate_patiently(dsn, settings.database.start_timeout_s)
    async with await open_pools(dsn, settings.database) as database:
        credentials = await ensure_credentials(settings, Accounts(database))
    show_credentials(credentials, settings)
    return dsn


def _common(settings: Settings, dsn: str, port: int) -> Settings:
    """Return the settings that all processes share."""
    return settings.model_copy(
        update={
            "server": settings.server.model_copy(update={"port": port}),
            "database": settings.database.model_copy(update={"url": dsn}),
        }
    )


@contextmanager
def _addresses(settings: Settings) -> Iterator[list[str]]:
    """Yield where the internal listeners of the processes are."""
    numbers = range(settings.cluster.processes)
    listen = settings.cluster.listen
    if not listen:
        with _socket_directory(settings.database.data_dir) as directory:
            yield [str(directory / f"{number}.sock") for number in numbers]
    elif listen.startswith("/"):
        yield [f"{listen}.{number}" for number in numbers]
    else:
        yield [_later_port(listen, number) for number in numbers]


def _later_port(address: str, number: int) -> str:
    first = parse_address(address)
    if not first.port or first.port + number > 65_535:
        raise SettingsError(f"cluster.listen {address}: each process needs a port, from this one on")
    return str(replace(first, port=first.port + number))


@contextmanager
def _socket_directory(data_dir: Path) -> Iterator[Path]:
    """Yield a directory for sockets: in the data directory, or where their paths are short enough."""
    usual = data_dir.absolute() / "nodes"
    longest = os.fsencode(usual / "63.sock")
    if len(longest) <= UNIX_PATH_BYTES_MAX:
        usual.mkdir(parents=True, exist_ok=True, mode=0o700)
        usual.chmod(0o700)
        yield usual
        return
    digest = hashlib.sha256(os.fsencode(usual)).hexdigest()[:12]
    with tempfile.TemporaryDirectory(prefix=f"pointsman-{digest}-", dir="/tmp") as elsewhere:
        yield Path(elsewhere)


class Parent:
    """Starts the processes, starts those again that end, and stops them all.

    Args:
        settings: what all of them share.
        addresses: where their internal listeners are.
        stopping: set when everything is to stop.
    """

    def __init__(self, settings: Settings, addresses: list[str], stopping: asyncio.Event) -> None:
        self._settings = settings
        self._addresses = addresses
        self._stopping = stopping
        self._children: dict[int, Child] = {}

    async def run(self) -> None:
        """Return when all have ended after `stopping` was set. Raises ProcessFailed."""
        keeping = [
            asyncio.create_task(self._keep(number), name=f"process-{number}")
            for number in range(len(self._addresses))
        ]
        stop = asyncio.create_task(self._stopping.wait(), name="stop")
        try:
            await asyncio.wait([stop, *keeping], return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            for child in self._children.values():
                child.stop()
            await self._in_time(keeping)
        finally:
            stop.cancel()
            for child in self._children.values():
                child.kill()
        for kept in keeping:
            await kept

    async def _in_time(self, keeping: list[asyncio.Task[None]]) -> None:
        """Wait until all have ended; those that take far too long are killed."""
        _, late = await asyncio.wait(
            keeping, timeout=2 * self._settings.server.shutdown_drain_s + KILL_AFTER_S
        )
        if late:
            for child in self._children.values():
                child.kill()
            await asyncio.wait(late)

    async def _keep(self, number: int) -> None:
        pauses, has_listened = 0, False
        while not self._stopping.is_set():
            began_s = time.monotonic()
            child = self._children[number] = await Child.start(self._orders(number))
            log.info("process.started", process=number, pid=child.pid)
            code = await child.ended()
            if self._stopping.is_set():
                break
            has_listened = has_listened or child.has_listened
            if not has_listened:
                raise ProcessFailed(code)
            log.warning("process.ended", process=number, pid=child.pid, code=code)
            pauses = 0 if time.monotonic() - began_s > SETTLED_S else pauses + 1
            with suppress(TimeoutError):
                async with asyncio.timeout(_pause_s(pauses)):
                    await self._stopping.wait()

    def _orders(self, number: int) -> bytes:
        settings, advertised = self._settings, self._settings.cluster.advertise
        if advertised and not advertised.startswith("/"):
            advertised = _later_port(advertised, number)
        elif advertised:
            advertised = f"{advertised}.{number}"
        cluster = settings.cluster.model_copy(
            update={"listen": self._addresses[number], "advertise": advertised}
        )
        given = settings.model_copy(update={"cluster": cluster})
        return orders(given, Place(number, tuple(self._addresses)))


def _pause_s(pauses: int) -> float:
    return min(PAUSE_MAX_S, PAUSE_FIRST_S * 2.0 ** (pauses - 1)) if pauses else 0.0


class Child:
    """One running process.

    Args:
        process: it.
        reader: what it tells.
        writer: what it is told.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = process.pid
        self.has_listened = False
        self._process = process
        self._writer = writer
        self._listening = asyncio.create_task(self._read(reader), name=f"process-link-{process.pid}")

    @classmethod
    async def start(cls, told: bytes) -> "Child":
        """Start a process in a session of its own: Ctrl-C in a terminal is the parent's."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "engine", "serve-process", "--link", str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(told)
        return cls(process, reader, writer)

    async def ended(self) -> int:
        """Wait for its end and return the exit code, negative for a signal."""
        code = await self._process.wait()
        await self._listening
        self._writer.close()
        return code

    def stop(self) -> None:
        """Have it drain and end."""
        with suppress(OSError):
            self._writer.write(STOP)

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            self.has_listened = bool(await reader.read(1))
            await reader.read()
