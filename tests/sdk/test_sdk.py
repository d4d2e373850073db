"""The unmodified browser SDK against a daemon: `node/*.test.js`."""

from pathlib import Path

import pytest

from tests.clients.node_client import run_node
from tests.support.daemon import DaemonProcess

FILES = Path(__file__).parent / "node"
SUITES = sorted(path.name for path in FILES.glob("*.test.js"))


@pytest.mark.parametrize("suite", SUITES)
def test_the_sdk_passes(modules: Path, daemon: DaemonProcess, suite: str) -> None:
    output = run_node(modules, daemon, "--test", "--test-force-exit", suite, cwd=FILES)
    assert "# fail 0" in output
    assert "# skipped 0" in output
