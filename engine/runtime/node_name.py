"""The name under which this process owns leases.

A daemon that comes back after a crash should take its workspaces back at once instead of waiting for its own
leases to run out; two daemons that run at the same time must never share a name. Both hold when the name is
kept in a file of the data directory and belongs to whoever holds that file's lock: the system drops the lock
with the process, however it ended, and keeps it while the process is merely stopped.
"""

import contextlib
import os
import secrets
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

if sys.platform != "win32":
    import fcntl

FILE = "node"


class NodeName:
    """A name that no other living process has; the same as last time when the directory allows it.

    Args:
        number: which of the processes that share the directory it is.
        directory: where the name is kept. When it cannot be written, or another process has its name, a
            name for this run only is made.
    """

    def __init__(self, directory: Path, number: int = 0) -> None:
        self._handle = _locked(directory / (f"{FILE}-{number}" if number else FILE))
        self.name = _new_name() if self._handle is None else _kept_name(self._handle)

    def close(self) -> None:
        """Let go of the name."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _new_name() -> str:
    return f"{socket.gethostname()}-{secrets.token_hex(6)}"


def _locked(file: Path) -> int | None:
    """Open the file and lock it for the life of the process; None when that is not possible."""
    if sys.platform == "win32":
        return None
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _kept_name(handle: int) -> str:
    with contextlib.suppress(UnicodeDecodeError):
        name = os.pread(handle, 256, 0).decode("ascii").strip()
        if name:
            return name
    name = _new_name()
    os.ftruncate(handle, 0)
    os.pwrite(handle, name.encode("ascii", "replace"), 0)
    return name
