"""The unmodified browser SDK against a daemon: `node/*.test.js`.

The suites run at the same time, because one of them waits for 65 s of silence.
"""

import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.clients.node_client import node_environment
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import running_daemon

FILES = Path(__file__).parent / "node"
SUITES = sorted(path.name for path in FILES.glob("*.test.js"))
IDLE_MS = 65_000
RUN_TIMEOUT_S = 240
SETTINGS = {"POINTSMAN_BRIDGE_DISCONNECT_GRACE_S": "2", "POINTSMAN_BRIDGE_TOKEN_GRACE_S": "1"}

Runs = dict[str, "Future[subprocess.CompletedProcess[str]]"]


@pytest.fixture(scope="module")
def daemon(postgres: EmbeddedPostgres) -> Iterator[DaemonProcess]:
    with running_daemon(postgres, settings=SETTINGS) as process:
        yield process


@pytest.fixture(scope="module")
def runs(modules: Path, daemon: DaemonProcess) -> Iterator[Runs]:
    """Every suite, started."""
    environment = node_environment(modules, daemon) | {"IDLE_MS": str(IDLE_MS)}

    def run(suite: str) -> subprocess.CompletedProcess[str]:
        command = ["node", "--test", "--test-force-exit", suite]
        return subprocess.run(
            command,
            cwd=FILES,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
        )

    with ThreadPoolExecutor(len(SUITES)) as pool:
        yield {suite: pool.submit(run, suite) for suite in SUITES}


@pytest.mark.parametrize("suite", SUITES)
def test_the_sdk_passes(runs: Runs, suite: str) -> None:
    done = runs[suite].result()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert "# skipped 0" in done.stdout
