"""A daemon for the occasion: a real child process on a free port with a throw-away data directory."""

import asyncio
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

import engine
from engine.errors import PointsmanError

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15
POLL_S = 0.05
COMPLAINTS_MAX = 10
SOURCE = Path(engine.__file__).parents[1]
"""Where `-m engine` finds this very package."""
KEPT_VARIABLES = ("POINTSMAN_DATABASE_BIN_DIR", "POINTSMAN_DATABASE_RUN_AS")
"""Settings of the user that tell how to run the embedded database; all others are left out."""


@dataclass(slots=True, frozen=True)
class Daemon:
    """A running daemon and the credentials it was given."""

    base_url: str
    account_sid: str
    auth_token: str
    pid: int | None = None
    """Its process id; known once it was started."""


@asynccontextmanager
async def daemon(flags: tuple[str, ...] = ()) -> AsyncIterator[Daemon]:
    """Start a daemon, hand it over when it is ready, stop it and remove its data.

    `flags` are further ones for `serve`. The user's POINTSMAN_ variables do not reach it.

    Raises PointsmanError when it does not become ready; a PointsmanError of the caller passes through. Both
    end with what the daemon complained about, because its log goes with its data.
    """
    directory = throw_away_directory()
    try:
        started = Daemon(f"http://127.0.0.1:{free_port()}", *new_credentials())
        log = directory / "daemon.log"
        process = await _spawn(started, directory / "data", log, flags)
        try:
            await _ready(started, process)
            yield replace(started, pid=process.pid)
        except PointsmanError as error:
            raise PointsmanError("\n".join([str(error), *complaints(log)])) from error
        finally:
            await _stop(process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def throw_away_directory(prefix: str = "pointsman-") -> Path:
    """Make a directory among the temporary ones and return it."""
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    directory.chmod(0o711)  # as root the embedded database runs under another account and must get in
    return directory


def new_credentials() -> tuple[str, str]:
    """Return the SID and the auth token of an account that nobody has."""
    return "AC" + secrets.token_hex(16), secrets.token_hex(16)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _spawn(
    daemon: Daemon, data_dir: Path, log: Path, further: tuple[str, ...]
) -> asyncio.subprocess.Process:
    port = daemon.base_url.rpartition(":")[2]
    flags = ("--host", "127.0.0.1", "--port", port, "--data-dir", str(data_dir), *further)
    with log.open("wb") as out:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "engine",
            "serve",
            *flags,
            cwd=SOURCE,
            env=environ_of(daemon),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def environ_of(daemon: Daemon) -> dict[str, str]:
    """Return the environment of a daemon with these credentials."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("POINTSMAN_") or name in KEPT_VARIABLES
    }
    return ours | {
        "POINTSMAN_ACCOUNT_SID": daemon.account_sid,
        "POINTSMAN_AUTH_TOKEN": daemon.auth_token,
        "POINTSMAN_LOGGING_FORMAT": "json",
    }


async def _ready(daemon: Daemon, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S), ClientSession(timeout=ClientTimeout(total=2)) as session:
            while process.returncode is None:
                if await _answers(session, f"{daemon.base_url}/readyz"):
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise PointsmanError(f"the daemon was not ready after {START_TIMEOUT_S} s") from None
    raise PointsmanError(f"the daemon ended with code {process.returncode}")


async def _answers(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except (ClientError, TimeoutError):
        return False


def complaints(log: Path) -> list[str]:
    """Return the last lines of a daemon's log that are no mere information."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line for line in lines if '"level":"info"' not in line][-COMPLAINTS_MAX:]


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End the daemon, at once when it takes too long or the user insists."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
