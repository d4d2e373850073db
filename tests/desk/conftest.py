"""A daemon, a workspace of each test's own, and a browser."""

from collections.abc import AsyncIterator, Iterator

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.bridge.support import Desk
from tests.desk.browser import Browser, find_chromium, opened_browser
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import open_directory, running_daemon, start_daemon

__all__ = ["open_directory", "start_daemon"]

SETTINGS = {"POINTSMAN_CREDENTIALS_REFRESH_INTERVAL_S": "0.3"}


@pytest.fixture(scope="module")
def daemon(postgres: EmbeddedPostgres) -> Iterator[DaemonProcess]:
    with running_daemon(postgres, settings=SETTINGS) as process:
        yield process


@pytest.fixture
async def desk(daemon: DaemonProcess) -> AsyncIterator[Desk]:
    async with Desk(daemon) as opened:
        yield opened


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is."""
    return find_chromium()


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with opened_browser(chromium) as opened:
        yield opened
