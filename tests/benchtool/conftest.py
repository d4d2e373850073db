"""A daemon for benchmarks against one that runs already."""

from tests.support.fixtures import daemon

__all__ = ["daemon"]
