"""Daemons to kill."""

from tests.support.fixtures import open_directory, start_daemon

__all__ = ["open_directory", "start_daemon"]
