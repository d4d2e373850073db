"""Daemons whose streams show in a test's time what takes minutes otherwise."""

from collections.abc import AsyncIterator, Iterator

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.stream.support import Client
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import open_directory, running_daemon, start_daemon

__all__ = ["base", "client", "daemon", "open_directory", "start_daemon", "tight", "tight_client"]

HEARTBEAT_S = 0.4
RING_EVENTS = 20
READERS = 40


@pytest.fixture(scope="session")
def daemon(postgres: EmbeddedPostgres) -> Iterator[DaemonProcess]:
    """A daemon with a quick heart."""
    settings = {"POINTSMAN_STREAM_HEARTBEAT_S": str(HEARTBEAT_S)}
    with running_daemon(postgres, settings=settings) as process:
        yield process


@pytest.fixture(scope="session")
def tight(postgres: EmbeddedPostgres) -> Iterator[DaemonProcess]:
    """A daemon that keeps hardly anything in memory, waits for nobody, and takes few readers."""
    settings = {
        "POINTSMAN_STREAM_RING_EVENTS_MAX": str(RING_EVENTS),
        "POINTSMAN_STREAM_SEND_BUFFER_BYTES_MAX": "8192",
        "POINTSMAN_STREAM_SEND_TIMEOUT_S": "1",
        "POINTSMAN_STREAM_HEARTBEAT_S": "1",
        "POINTSMAN_STREAM_READERS_MAX": str(READERS),
        "POINTSMAN_STREAM_READERS_PER_ACCOUNT_MAX": str(READERS - 10),
    }
    with running_daemon(postgres, settings=settings) as process:
        yield process


@pytest.fixture
async def client(daemon: DaemonProcess) -> AsyncIterator[Client]:
    async with Client(daemon) as client:
        yield client


@pytest.fixture
async def tight_client(tight: DaemonProcess) -> AsyncIterator[Client]:
    async with Client(tight) as client:
        yield client


@pytest.fixture
async def base(client: Client) -> str:
    """The path of a workspace of this test's own."""
    return await client.workspace()
