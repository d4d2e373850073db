"""Two nodes for all tests that leave them alive."""

from collections.abc import Iterator

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.cluster.nodes import Nodes, running_nodes
from tests.sdk.conftest import modules

__all__ = ["modules", "nodes"]


@pytest.fixture(scope="session")
def nodes(postgres: EmbeddedPostgres) -> Iterator[Nodes]:
    with running_nodes(postgres, POINTSMAN_BRIDGE_HEARTBEAT_S="0.4") as running:
        yield running
