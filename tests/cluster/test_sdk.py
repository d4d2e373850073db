"""The unmodified browser SDK, whose node does not own its workspace."""

import subprocess
from pathlib import Path

from tests.clients.node_client import node_environment
from tests.cluster.nodes import Nodes
from tests.sdk.test_sdk import FILES, RUN_TIMEOUT_S


def test_the_life_of_a_task_passes_through_the_wrong_node(modules: Path, nodes: Nodes) -> None:
    before = nodes.other.forwarded().get("answered", 0)
    done = subprocess.run(
        ["node", "--test", "--test-force-exit", "life.test.js"],
        cwd=FILES,
        env=node_environment(modules, nodes.other) | {"WORKSPACES_URL": nodes.owner.url},
        check=False,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert nodes.other.forwarded()["answered"] > before
