"""The official Node client as pinned in `node/`: where it is installed, and how its tests are run.

It is installed once per lock file, into the user's cache directory; nothing is written to the source tree.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.daemon import DaemonProcess

FILES = Path(__file__).parent / "node"
PINNED = ("package.json", "package-lock.json")
INSTALL_TIMEOUT_S = 300
RUN_TIMEOUT_S = 120


def node_modules(files: Path = FILES) -> Path:
    """Return the directory of the packages pinned in `files`, installing them when they are not there.

    Skips the test when this machine has no Node. With Node, an installation that fails is a failure.
    """
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"the Node client is not tested: there is no {' and no '.join(missing)} on this machine")
    pinned = b"".join((files / name).read_bytes() for name in PINNED)
    home = _cache() / f"node-{hashlib.sha256(pinned).hexdigest()[:16]}"
    if not (home / "node_modules").is_dir():
        _install(home, files)
    return home / "node_modules"


def _cache() -> Path:
    """Return a directory that outlives the run, in the temporary directory when there is no other."""
    for place in (os.environ.get("XDG_CACHE_HOME"), Path("~/.cache").expanduser(), tempfile.gettempdir()):
        directory = Path(place or os.devnull) / "pointsman-tests"
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            if os.access(directory, os.W_OK):
                return directory
    pytest.fail("no directory to install the Node client into")


def _install(home: Path, files: Path) -> None:
    """Install beside the place and move it there, so that what is there is always complete."""
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        fresh = Path(scratch) / home.name
        fresh.mkdir()
        for name in PINNED:
            shutil.copy(files / name, fresh)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--cache", str(home.parent / "npm")]
        done = _run(["npm", "ci", *options], fresh, dict(os.environ), INSTALL_TIMEOUT_S)
        assert done.returncode == 0, f"npm ci failed\n{done.stdout}\n{done.stderr}"
        with suppress(OSError):  # another process was first
            fresh.rename(home)


def run_node(modules: Path, daemon: DaemonProcess, *arguments: str, cwd: Path = FILES) -> str:
    """Run node with the packages and a daemon in its environment; returns its output, fails with it."""
    done = _run(["node", *arguments], cwd, node_environment(modules, daemon), RUN_TIMEOUT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def node_environment(modules: Path, daemon: DaemonProcess) -> dict[str, str]:
    """Return the environment of a script: this process's, the packages, and where the daemon is."""
    environment = {
        **os.environ,
        "NODE_PATH": str(modules),
        "TASKROUTER_URL": daemon.url,
        "ACCOUNT_SID": daemon.account_sid,
        "AUTH_TOKEN": daemon.auth_token,
        "NO_COLOR": "1",
    }
    for name in ("TWILIO_EDGE", "TWILIO_REGION"):
        environment.pop(name, None)
    return environment


def _run(
    command: list[str], cwd: Path, environment: dict[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment, check=False, capture_output=True, text=True, timeout=timeout_s
    )
