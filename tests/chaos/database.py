"""A PostgreSQL whose data directory, environment and network are the scenario's to spoil."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals

from engine.storage.server_binaries import account_to_run_as, find_bin_dir, reachable_bin_dir
from engine.storage.server_process import clean_environment
from tests.chaos.programs import Program, ScenarioError, wait_for

START_S = 120.0
SETTINGS = {"shared_buffers": "64MB", "max_connections": "60", "log_line_prefix": "%m [%p] "}


class Server:
    """One PostgreSQL; fsync and synchronous_commit are on.

    Args:
        directory: where its log, its programs and its socket go; reachable by the account that runs it.
        data_dir: its data; None takes `directory/data`. Its parent is given to the account.
        host: the address it listens on.
        port: its port.
        settings: in addition to those above.
        environment: of the server alone, not of initdb.
        prefix: what the server is run by.
    """

    def __init__(
        self,
        directory: Path,
        *,
        data_dir: Path | None = None,
        host: str = "127.0.0.1",
        port: int,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.data_dir = data_dir or directory / "database" / "data"
        self.dsn = f"postgresql://postgres@{host}:{port}/postgres"
        self._directory = directory
        self._account = account_to_run_as(None)
        self._bin_dir = reachable_bin_dir(
            find_bin_dir(None), lambda: directory, self._account, clean_environment()
        )
        options = {
            **SETTINGS,
            "listen_addresses": host,
            "port": str(port),
            "unix_socket_directories": str(self.data_dir.parent),
            **(settings or {}),
        }
        command = [*prefix, *self._as_account(), str(self._bin_dir / "postgres"), "-D", str(self.data_dir)]
        command += [f"-c{name}={value}" for name, value in options.items()]
        self.program = Program("postgres", command, directory, environment=environment)

    def start(self) -> None:
        """Make the cluster if there is none, start the server, and wait until it answers."""
        self.data_dir.parent.mkdir(mode=0o700, exist_ok=True)
        if self._account is not None:
            os.chown(self.data_dir.parent, self._account.uid, self._account.gid)
        if not self.data_dir.exists():
            self._initialise()
        self.program.start()
        wait_for(self.ready, f"PostgreSQL is ready: {self.program.log}", START_S)

    def ready(self) -> bool:
        """Tell whether the server says that it takes connections. Raises ScenarioError when it ended."""
        if not self.program.running():
            raise ScenarioError(f"PostgreSQL ended: {self.program.log_tail()}")
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def stop(self) -> None:
        """End it."""
        self.program.stop(Signals.SIGINT)

    def _initialise(self) -> None:
        command = [
            *self._as_account(), str(self._bin_dir / "initdb"), "--pgdata", str(self.data_dir),
            "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C",
            "--data-checksums",
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=clean_environment(), cwd="/"
        )
        if done.returncode:
            raise ScenarioError(f"initdb: {done.stderr or done.stdout}")
        with (self.data_dir / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 trust\n")

    def _as_account(self) -> list[str]:
        if self._account is None:
            return []
        name = self._account.name
        return ["setpriv", "--reuid", name, "--regid", name, "--clear-groups", "--pdeathsig", "KILL"]
