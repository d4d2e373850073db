"""The unmodified browser SDK while the daemon is stopped, killed and started again."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.clients.node_client import node_environment
from tests.sdk.test_sdk import FILES
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import running_daemon

TIMEOUT_S = 60


@pytest.fixture
def daemon(postgres: EmbeddedPostgres) -> Iterator[DaemonProcess]:
    with running_daemon(postgres) as process:
        yield process


def test_the_sdk_is_ready_again_with_what_it_had(modules: Path, daemon: DaemonProcess) -> None:
    with subprocess.Popen(
        ["node", "restart.js"],
        cwd=FILES,
        env=node_environment(modules, daemon),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        daemon.stop()
        assert client.stdout.readline() == "disconnected: Server is shutting down\n"
        daemon.start()
        assert told(client.stdout) == "ready\n"
        daemon.kill()
        daemon.start()
        line = told(client.stdout)
        assert line == "ready\n", line + client.stdout.read()
        client.stdin.write("go on\n")
        client.stdin.flush()
        assert client.stdout.readline() == "completed\n"
        assert client.wait(TIMEOUT_S) == 0


def told(lines: Iterator[str]) -> str:
    """Return the next line that tells of no failed attempt to connect."""
    return next(line for line in lines if not line.startswith("disconnected: "))
