"""Clients, workspaces and API keys on the run's daemon."""

from collections.abc import Iterator
from typing import Any

import pytest
from twilio.rest import Client

from tests.support.daemon import DaemonProcess
from tests.support.fixtures import daemon, open_directory, start_daemon
from tests.wire.conftest import base, client, http, receiver, workspace

__all__ = [
    "base",
    "client",
    "daemon",
    "http",
    "key",
    "open_directory",
    "receiver",
    "start_daemon",
    "workspace",
]


@pytest.fixture
def key(client: Client, daemon: DaemonProcess) -> Iterator[Any]:
    """An API key of the account, with its secret."""
    client.api.base_url = daemon.url
    made = client.new_keys.create(friendly_name="for tests")
    yield made
    client.api.v2010.account.keys(made.sid).delete()
