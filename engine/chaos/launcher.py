"""Starts daemons for the faults: `python -m engine.chaos.launcher CLOCK serve …`.

The process loads the daemon's modules and waits. For each byte on standard input it forks a daemon, tells its
process id on standard output, and, when that daemon has ended, how. So a restart costs what the daemon's own
start costs, and a thousand of them do not cost a thousand times the loading of Python modules. The daemon's
clock is that of the file CLOCK. Everything ends with whoever holds the other end of standard input.
"""

import contextlib
import os
import runpy
import signal
import sys
import threading
from pathlib import Path

import engine.daemon as _loaded_in_advance
from engine.chaos.clock import shift
from engine.chaos.protocol import ENDED, START, STARTED

PROGRAM = "pointsman"


def main() -> None:
    """Start a daemon for every byte that comes, one after the other."""
    assert _loaded_in_advance
    shift(Path(sys.argv[1]))
    while os.read(0, 1) == START:
        pid = os.fork()
        if pid == 0:
            _serve()
        _tell(f"{STARTED} {pid}")
        _, status = os.waitpid(pid, 0)
        _tell(f"{ENDED} {os.waitstatus_to_exitcode(status)}")


def _serve() -> None:
    """Be a daemon: its output goes to the log, and it ends when nobody holds standard input any more."""
    os.dup2(2, 1)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.argv = [PROGRAM, *sys.argv[2:]]
    runpy.run_module("engine", run_name="__main__")


def _end_with_starter() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _tell(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
