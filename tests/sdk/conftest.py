"""A daemon, and the browser SDK as it is pinned in `node/`."""

from pathlib import Path

import pytest

from tests.clients.node_client import node_modules
from tests.support.fixtures import open_directory, start_daemon

__all__ = ["modules", "open_directory", "start_daemon"]


@pytest.fixture(scope="session")
def modules() -> Path:
    """The installed packages."""
    return node_modules(Path(__file__).parent / "node")
