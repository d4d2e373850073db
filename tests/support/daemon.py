"""A real daemon in a process of its own, for tests that speak HTTP to it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
AUTH_TOKEN = "a-token-for-tests"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.02


class DaemonFailedError(AssertionError):
    """The daemon did not do what was waited for; the message ends with its log."""


class DaemonProcess:
    """Starts, watches, stops and kills `python -m engine serve`.

    Args:
        directory: where the log and (unless given) the data directory are.
        database_url: DSN; None runs the embedded PostgreSQL in the data directory.
        data_dir: data directory; None takes `directory/data`. It survives restarts.
        settings: further environment variables, such as POINTSMAN_RUNTIME_INBOX_COMMANDS_MAX.
        config: a TOML file given by --config.
        host: the address it listens on.
        prefix: what the command is run by, such as a program that enters a network namespace.
    """

    def __init__(
        self,
        directory: Path,
        *,
        database_url: str | None = None,
        data_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        config: Path | None = None,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.data_dir = data_dir or directory / "data"
        self.log_path = directory / "daemon.log"
        self.account_sid = ACCOUNT_SID
        self.auth_token = AUTH_TOKEN
        self.port = 0
        self.database_url = database_url
        self._settings = dict(settings or {})
        self._config = config
        self._host = host
        self._prefix = prefix
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def url(self) -> str:
        """Base URL; known once the daemon listens, and the same after a restart."""
        assert self.port, "the daemon was not started"
        return f"http://{self._host}:{self.port}"

    @property
    def runs(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Process id of the running daemon."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and not seen to end."""
        return self._process is not None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *, wait: bool = True) -> Self:
        """Start it, or start it again; with `wait` return when it is ready."""
        assert self._process is None, "it runs already"
        self.directory.mkdir(parents=True, exist_ok=True)
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=self.directory, env=self._environment(), stdout=log, stderr=log
            )
        if wait:
            try:
                self.wait_until_ready()
            except BaseException:
                self.close()
                raise
        return self

    def wait_until_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return when /readyz answers 200."""
        self.wait_until(lambda: bool(self.port or self._find_port()), "it listens", timeout_s)
        self.wait_until(lambda: self.status("/readyz") == 200, "/readyz answers 200", timeout_s)

    def wait_until(
        self, condition: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S
    ) -> None:
        """Return when `condition` holds; fail when it does not in time or the daemon has ended."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if self._process is None or self._process.poll() is not None:
                raise DaemonFailedError(f"the daemon ended while waiting until {what}\n{self.log()}")
            if time.monotonic() > deadline_s:
                raise DaemonFailedError(f"not within {timeout_s} s: {what}\n{self.log()}")
            time.sleep(POLL_S)

    def status(self, path: str) -> int:
        """GET a path without credentials and return the status; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for its end and return the exit code."""
        assert self._process is not None
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise DaemonFailedError(f"the daemon did not end within {timeout_s} s\n{self.log()}") from None
        self._process = None
        return code

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, then wait; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self) -> int:
        """SIGKILL, then wait; returns the exit code."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def close(self) -> None:
        """Make sure that no process is left."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def log(self) -> str:
        """Everything it wrote since the last start."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def events(self, name: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the log events since the last start, all or those of one name."""
        for line in self.log().splitlines():
            if not line.startswith("{"):
                continue
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            if name is None or event.get("event") == name:
                yield event

    def _find_port(self) -> int:
        for event in self.events("server.listening"):
            self.port = int(event["port"])
        return self.port

    def _command(self) -> list[str]:
        command = [*self._prefix, sys.executable, "-m", "engine", "serve"]
        command += ["--host", self._host, "--port", str(self.port)]
        command += ["--data-dir", str(self.data_dir)]
        if self.database_url is not None:
            command += ["--database-url", self.database_url]
        if self._config is not None:
            command += ["--config", str(self._config)]
        return command

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "POINTSMAN_ACCOUNT_SID": self.account_sid,
            "POINTSMAN_AUTH_TOKEN": self.auth_token,
            "POINTSMAN_LOGGING_FORMAT": "json",
            **self._settings,
        }
