"""One run of the embedded PostgreSQL: the cluster on disk, the lock that guards it, the child process.

Everything here blocks and is called from a thread, except `spawn`: the wish "tell me when my parent dies" is
tied to the thread that forks, so it runs on the thread that lives as long as the daemon.

The lock is an flock that every postgres process inherits: it is free only when none of an earlier server's
processes is left, zombies and recycled pids notwithstanding. Who holds it may remove `postmaster.pid`.

A daemon started as root may keep its data where the account that runs PostgreSQL cannot get to by path (below
/root, or in somebody's private temporary directory). On Linux the account then gets the state directory as an
open descriptor and names its files through it, `/proc/self/fd/N/data`: no mode outside our directory changes.
"""

import asyncio
import concurrent.futures
import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from engine.storage.server_binaries import Account, DatabaseStartError, run_tool, server_version

PORT = "5432"
"""Only names the socket file: there is no TCP."""

_SOCKET_PATH_BYTES_MAX = 85
_SHORTEST = Path(os.sep) / "tmp"
"""Where a socket goes whose path would be too long anywhere else."""
_LOG_BYTES_MAX = 16 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
_BUILTIN_COLLATION_SINCE = 17
_WAL_SEGMENT_MB = "4"
"""A commit that needs another log file waits until it is made: 40 ms for one of the usual 16 MB."""

SETTINGS: Mapping[str, str] = {
    # Durability keeps PostgreSQL's defaults: fsync, full_page_writes and synchronous_commit stay on.
    "listen_addresses": "",
    "port": PORT,
    "shared_buffers": "128MB",
    "max_connections": "60",
    "max_wal_size": "1GB",
    # Log files are used again instead of made anew while commits wait.
    "min_wal_size": "256MB",
    # Else the kernel writes what came in at once 30 s later in one go, and commits wait for it: a fifth of a
    # second at 300 tasks/s, behind 100,000 that were loaded before.
    "backend_flush_after": "256kB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] ",
}

_start_detached = partial(
    subprocess.Popen[str], stdin=subprocess.DEVNULL, cwd="/", umask=0o077, start_new_session=True
)


def clean_environment() -> dict[str, str]:
    """Return our environment without what would steer PostgreSQL or its locale."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


class StateDirectory:
    """The embedded server's files: `data/`, `run/` (the socket), `postgres.lock` and `postgres.log`.

    Args:
        path: the directory.
        account: who runs PostgreSQL in place of root; None = we do.
        ours: the outermost directory whose mode is ours to change; None = `path`.
    """

    def __init__(self, path: Path, account: Account | None, ours: Path | None = None) -> None:
        self.path = path
        self.account = account
        self.ours = ours or path
        self.data = path / "data"
        self.log = path / "postgres.log"
        self.socket_dir = path / "run"
        """Where the socket is; known once prepared."""
        self.inherited: tuple[int, ...] = ()
        """Descriptors that the account's processes must inherit to find the directory."""

    def prepare(self) -> None:
        """Make the directories, with their owners and modes.

        Raises DatabaseStartError when the account that runs PostgreSQL cannot get there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._let_account_enter()
            self.socket_dir = self._socket_dir()
            self._private_dir(self.socket_dir)
        except OSError as error:
            raise DatabaseStartError(f"the data directory {self.path} cannot be used: {error}") from error

    def seen(self, path: Path) -> Path:
        """Return the path by which the processes of the account find one of our files."""
        if not self.inherited:
            return path
        return Path(f"/proc/self/fd/{self.inherited[0]}") / path.relative_to(self.path)

    def binaries_dir(self) -> Path:
        """Return where a copy of the server's programs can be kept so that the account can run them."""
        if not self.inherited:
            return self.path
        directory = Path(tempfile.gettempdir()) / f"{self._short_name()}-bin"
        directory.mkdir(mode=0o755, exist_ok=True)
        if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
            raise DatabaseStartError(f"{directory} belongs to somebody else: remove it")
        return directory

    def take_lock(self) -> int | None:
        """Take the lock; returns its descriptor, or None while a postgres process lives here."""
        descriptor = os.open(self.path / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def initialise(self, bin_dir: Path, environment: Mapping[str, str]) -> None:
        """Make the cluster if there is none. Needs the lock. Raises DatabaseStartError."""
        if self.data.exists():
            return
        unfinished = self.data.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a start that was cut off
        self._private_dir(unfinished)
        command: list[str | Path] = [
            bin_dir / "initdb", "--pgdata", self.seen(unfinished), "--username", "postgres",
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--data-checksums",
            "--wal-segsize", _WAL_SEGMENT_MB,
            *_collation(server_version(bin_dir, environment)),
        ]  # fmt: skip
        answer = run_tool(command, self.account, environment, self.inherited)
        if answer.returncode != 0:
            raise DatabaseStartError(f"initdb failed: {_one_line(answer.stderr or answer.stdout)}")
        unfinished.rename(self.data)

    def clear_remains(self) -> None:
        """Remove what a killed server left behind. Needs the lock."""
        socket = self.socket_dir / f".s.PGSQL.{PORT}"
        for left in (self.data / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")):
            left.unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_MAX:
            self.log.replace(self.log.with_name("postgres.log.1"))

    def log_tail(self) -> str:
        """Return the end of the server's log as one line."""
        try:
            return _one_line(self.log.read_bytes()[-2000:].decode(errors="replace"))
        except OSError:
            return "no log"

    def _socket_dir(self) -> Path:
        usual = self.path / "run"
        if not self.inherited and _holds_a_socket(usual):
            return usual
        run = Path("/run") if self.account else Path(os.environ.get("XDG_RUNTIME_DIR", ""))
        for base in (run, Path(tempfile.gettempdir())):
            place = base / self._short_name()
            if place.is_absolute() and os.access(base, os.W_OK) and _holds_a_socket(place):
                return place
        return _SHORTEST / self._short_name()

    def _short_name(self) -> str:
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return f"pointsman-{os.geteuid()}-{digest}"

    def _private_dir(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        if path.is_symlink() or path.stat().st_uid not in self._owners():
            raise DatabaseStartError(f"{path} belongs to somebody else: remove it")
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)
        path.chmod(0o700)

    def _owners(self) -> set[int]:
        return {os.geteuid(), self.account.uid} if self.account else {os.geteuid()}

    def _let_account_enter(self) -> None:
        """Open what is ours for passing through; the rest of the path is the operator's business."""
        if self.account is None:
            return
        for directory in (self.path, *self.path.parents):
            if self.account.may_enter(directory):
                continue
            if directory.is_relative_to(self.ours):
                directory.chmod(directory.stat().st_mode | 0o011)
            elif Path("/proc/self/fd").is_dir():
                self.inherited = self.inherited or (os.open(self.path, os.O_RDONLY | os.O_DIRECTORY),)
            else:
                raise DatabaseStartError(
                    f"PostgreSQL runs as {self.account.name}, who may not enter {directory}: choose a data "
                    "directory elsewhere (such as /var/lib/pointsman), or give the address of a database"
                )

    def close(self) -> None:
        """Close what was opened for the account's processes, and remove a socket directory elsewhere."""
        if self.socket_dir.parent != self.path:
            with contextlib.suppress(OSError):
                self.socket_dir.rmdir()
        for descriptor in self.inherited:
            os.close(descriptor)
        self.inherited = ()


class ServerProcess:
    """A running `postgres`, our direct child: reaped by a thread of its own, awaited from any loop."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._exit: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._exit.set_running_or_notify_cancel()  # nobody who stops waiting may cancel it
        threading.Thread(target=self._reap, name="reap postgres", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """False once the child was reaped."""
        return not self._exit.done()

    async def exited(self) -> int:
        """Wait for the end; returns the exit status, negative for a signal."""
        return await asyncio.wrap_future(self._exit)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the child has ended."""
        self._process.send_signal(number)

    def _reap(self) -> None:
        self._exit.set_result(self._process.wait())


def spawn(
    state: StateDirectory,
    bin_dir: Path,
    settings: Mapping[str, str],
    environment: Mapping[str, str],
    lock: int,
) -> ServerProcess:
    """Start `postgres` as a direct child that inherits `lock`; our copy of it is closed in any case.

    The child has a session of its own (Ctrl-C in a terminal is not for it) and gets SIGINT, a clean fast
    shutdown, when the calling thread dies.
    """
    command = [
        str(bin_dir / "postgres"),
        "-D",
        str(state.seen(state.data)),
        *(f"-c{name}={value}" for name, value in settings.items()),
        f"-cunix_socket_directories={state.socket_dir}",
        "-cunix_socket_permissions=0700",
    ]
    options = state.account.process_options() if state.account else {}
    if sys.platform == "linux":
        options["preexec_fn"] = _signal_on_parent_death()
    try:
        with state.log.open("ab") as log:
            state.log.chmod(0o600)
            process = _start_detached(
                command,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=(lock, *state.inherited),
                **options,
            )
    finally:
        os.close(lock)
    return ServerProcess(process)


def _signal_on_parent_death() -> Callable[[], None]:
    """Make the function that runs between fork and exec, after the change of user, which would undo it."""
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT.value)
        if os.getppid() != parent:
            os._exit(1)

    return arm


def _collation(version: str) -> list[str]:
    """Ask for the built-in collation where there is one: the host's C library cannot break an index."""
    if int(version.partition(".")[0]) < _BUILTIN_COLLATION_SINCE:
        return []
    return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def _one_line(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-4:])


def _holds_a_socket(directory: Path) -> bool:
    """Tell whether the path of a socket in there is short enough for the operating system."""
    return len(os.fsencode(directory)) <= _SOCKET_PATH_BYTES_MAX
