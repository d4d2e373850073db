"""A daemon with short times, and a workspace of each test's own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.bridge.support import Desk
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import open_directory, running_daemon, start_daemon

__all__ = ["open_directory", "start_daemon"]

SETTINGS = {
    "POINTSMAN_BRIDGE_HEARTBEAT_S": "0.4",
    "POINTSMAN_BRIDGE_EVENT_DELAY_S": "0.2",
    "POINTSMAN_BRIDGE_OWN_EVENT_DELAY_S": "0.3",
    "POINTSMAN_BRIDGE_TOKEN_GRACE_S": "0.1",
    "POINTSMAN_BRIDGE_DISCONNECT_GRACE_S": "0.5",
    "POINTSMAN_BRIDGE_SOCKETS_PER_WORKER_MAX": "5",
    "POINTSMAN_BRIDGE_CALL_BYTES_MAX": "20000",
    "POINTSMAN_BRIDGE_FRAMES_PENDING_MAX": "32",
    "POINTSMAN_CREDENTIALS_REFRESH_INTERVAL_S": "0.3",
}


@pytest.fixture(scope="session")
def daemon(postgres: EmbeddedPostgres) -> Iterator[DaemonProcess]:
    with running_daemon(postgres, settings=SETTINGS) as process:
        yield process


@pytest.fixture
async def desk(daemon: DaemonProcess) -> AsyncIterator[Desk]:
    async with Desk(daemon) as opened:
        yield opened
