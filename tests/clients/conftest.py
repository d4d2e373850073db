"""A daemon and its official clients."""

from tests.support.fixtures import daemon
from tests.wire.conftest import base, client, http, receiver, workspace

__all__ = ["base", "client", "daemon", "http", "receiver", "workspace"]
