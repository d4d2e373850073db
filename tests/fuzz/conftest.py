"""Requests made up from the OpenAPI document; the tool for it comes with the dev extra only."""

from importlib.util import find_spec

from tests.support.fixtures import daemon

__all__ = ["daemon"]

collect_ignore_glob = [] if find_spec("schemathesis") else ["test_*.py"]
