"""A daemon that faults are done to: started, stopped, killed, frozen, its clock set."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from engine.bench.http_client import Client, NoAnswer
from engine.chaos.clock import ClockFile
from engine.chaos.errors import ChaosError
from engine.chaos.protocol import ENDED, START, STARTED
from engine.quickstart.daemon_process import SOURCE, Daemon, complaints, environ_of

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
COMPLAINTS = 4
COMPLAINT_CHARS_MAX = 400
_POLL_S = 0.02


class Node:
    """One daemon of the stage; it keeps its address and its data directory when it is started again.

    Args:
        name: what it is called in reports.
        directory: where its data and its log are; made if it is missing.
        address: where it listens, and the account.
        dsn: its database.
        settings: further environment variables.
        keep_launcher: whether its modules stay loaded for the next start.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        address: Daemon,
        dsn: str,
        settings: dict[str, str],
        *,
        keep_launcher: bool = False,
    ) -> None:
        directory.mkdir(mode=0o711, exist_ok=True)
        self.name = name
        self.address = address
        self.clock = ClockFile(directory / "clock")
        self.pid: int | None = None
        """The daemon's process id while it runs."""
        self._log = directory / "daemon.log"
        port = address.base_url.rpartition(":")[2]
        serve = ("serve", "--host", "127.0.0.1", "--port", port)
        place = ("--data-dir", str(directory / "data"), "--database-url", dsn)
        self._command = (sys.executable, "-m", "engine.chaos.launcher", str(self.clock.path), *serve, *place)
        self._environ = environ_of(address) | settings
        self._keep_launcher = keep_launcher
        self._launcher: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; returns as soon as its process is there. Raises ChaosError."""
        assert self.pid is None, "it runs already"
        if self._launcher is None:
            self._launcher = await self._launch()
        assert self._launcher.stdin is not None
        self._launcher.stdin.write(START)
        self.pid = int(await self._told(STARTED))

    async def until_listening(self, path: str = "/readyz") -> None:
        """Return when it answers a GET of `path` with 200. Raises ChaosError when it takes too long."""
        limit_s = time.monotonic() + START_TIMEOUT_S
        async with Client(self.address.base_url) as client:
            while time.monotonic() < limit_s:
                with suppress(NoAnswer):
                    if (await client.get(path)).status == 200:
                        return
                await asyncio.sleep(_POLL_S)
        raise self.failure(f"was not ready after {START_TIMEOUT_S:g} s")

    async def kill(self) -> None:
        """End it with SIGKILL; returns when it is gone."""
        self.signal(signal.SIGKILL)
        await self._ended()

    async def stop(self) -> None:
        """End it with SIGTERM. Raises ChaosError when it does not end well, or not in time."""
        self.signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self._ended(), STOP_TIMEOUT_S)
        except TimeoutError:
            raise self.failure(f"did not end {STOP_TIMEOUT_S:g} s after SIGTERM") from None
        if code != 0:
            raise self.failure(f"ended with code {code} after SIGTERM")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has just ended."""
        assert self.pid is not None, "it does not run"
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def close(self) -> None:
        """Make sure that nothing of it is left."""
        if self.pid is not None:
            self.signal(signal.SIGCONT)
            await self.kill()
        await self._dismiss()

    def memory_bytes(self) -> int | None:
        """Return its resident memory; None when that cannot be told here."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        except OSError:
            return None
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def failure(self, what: str) -> ChaosError:
        """Return the error that says what it did."""
        return ChaosError(f"daemon {self.name} {what}")

    def complaints(self) -> list[str]:
        """Return the end of what it complained about in its log."""
        return [f"{self.name}: {line[:COMPLAINT_CHARS_MAX]}" for line in complaints(self._log)[-COMPLAINTS:]]

    async def _launch(self) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self._command,
                cwd=SOURCE,
                env=self._environ,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    async def _told(self, word: str) -> str:
        """Return what the launcher tells next after this word."""
        assert self._launcher is not None
        assert self._launcher.stdout is not None
        line = (await self._launcher.stdout.readline()).decode()
        if not line.startswith(word):
            raise self.failure(f"could not be started: {line!r}")
        return line.removeprefix(word).strip()

    async def _ended(self) -> int:
        code = int(await self._told(ENDED))
        self.pid = None
        if not self._keep_launcher:
            await self._dismiss()
        return code

    async def _dismiss(self) -> None:
        launcher, self._launcher = self._launcher, None
        if launcher is None:
            return
        assert launcher.stdin is not None
        launcher.stdin.close()
        await launcher.wait()
