"""Child processes with their logs, which end with us."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import Signals
from types import FrameType
from typing import Any

POLL_S = 0.05
_PR_SET_PDEATHSIG = 1


class ScenarioError(Exception):
    """The scenario cannot be played; the message says why."""


class Program:
    """A program that is started, and perhaps killed and started again.

    Args:
        name: names its log.
        command: program and arguments.
        directory: where the log goes.
        environment: in addition to ours.
        account: who runs it; None is us.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        directory: Path,
        *,
        environment: Mapping[str, str] | None = None,
        account: str | None = None,
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._command = [str(part) for part in command]
        self._environment = {**os.environ, **(environment or {})}
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it."""
        options: dict[str, Any] = {"preexec_fn": _end_with_parent()}
        if self._account is not None:
            options |= {"user": self._account, "group": self._account, "extra_groups": []}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd="/",
                start_new_session=True,
                **options,
            )

    def running(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.poll() is None

    def send(self, number: Signals) -> None:
        """Send it a signal."""
        if self.running():
            assert self._process is not None
            self._process.send_signal(number)

    def stop(self, number: Signals = Signals.SIGTERM, patience_s: float = 20.0) -> None:
        """End it, by force if it does not obey."""
        if self._process is None:
            return
        self.send(number)
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def log_tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


def _end_with_parent() -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, Signals.SIGKILL.value)


def exit_on_signals() -> None:
    """Let SIGTERM and SIGINT unwind the scenario, so that everything it made is taken away again."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (Signals.SIGTERM, Signals.SIGINT):
        signal.signal(number, leave)


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float) -> float:
    """Return after how many seconds `condition` holds. Raises ScenarioError when it does not in time."""
    began_s = time.monotonic()
    while not condition():
        if time.monotonic() - began_s > timeout_s:
            raise ScenarioError(f"not within {timeout_s:g} s: {what}")
        time.sleep(POLL_S)
    return time.monotonic() - began_s


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run(*command: str | Path) -> str:
    """Run a command to its end and return what it prints. Raises ScenarioError when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ScenarioError(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
