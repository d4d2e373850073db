"""Clients and workspaces on the run's daemon."""

from collections.abc import Iterator

import pytest
from twilio.rest import Client
from twilio.rest.taskrouter.v1.workspace import WorkspaceInstance

from tests.support.daemon import DaemonProcess
from tests.support.fixtures import daemon, open_directory, start_daemon
from tests.wire.support import Http, Receiver, official_client, start_receiver

__all__ = ["base", "client", "daemon", "http", "open_directory", "receiver", "start_daemon", "workspace"]


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[Client]:
    """The official client."""
    client = official_client(daemon)
    yield client
    client.http_client.session.close()


@pytest.fixture
def http(daemon: DaemonProcess) -> Iterator[Http]:
    """Raw HTTP with credentials."""
    http = Http(daemon)
    yield http
    http.session.close()


@pytest.fixture
def workspace(client: Client) -> Iterator[WorkspaceInstance]:
    """A workspace of this test's own, made by the FIFO template."""
    workspace = client.taskrouter.v1.workspaces.create(friendly_name="Support centre", template="FIFO")
    yield workspace
    workspace.delete()


@pytest.fixture
def base(workspace: WorkspaceInstance) -> str:
    """The path of the workspace below /v1."""
    return f"/Workspaces/{workspace.sid}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of callbacks."""
    receiver, server = start_receiver()
    yield receiver
    server.shutdown()
    server.server_close()
