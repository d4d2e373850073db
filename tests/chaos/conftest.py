"""Nodes whose history the audit is shown."""

from tests.runtime.conftest import make_node, node
from tests.support.fixtures import open_directory

__all__ = ["make_node", "node", "open_directory"]
