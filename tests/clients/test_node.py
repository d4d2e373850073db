"""The official Node client over every operation, with its errors, tokens and signatures: `node/*.test.js`."""

from pathlib import Path

import pytest

from tests.clients.node_client import FILES, node_modules, run_node
from tests.clients.served import CONTRACT, Served

SUITES = sorted(path.name for path in FILES.glob("*.test.js"))


@pytest.fixture(scope="module")
def modules() -> Path:
    return node_modules()


@pytest.mark.parametrize("suite", SUITES)
def test_the_client_passes(modules, daemon, suite):
    served = Served(daemon)
    output = run_node(modules, daemon, "--test", suite)
    assert "# fail 0" in output
    assert "# skipped 0" in output
    if suite == "operations.test.js":
        assert served.operations() == CONTRACT
