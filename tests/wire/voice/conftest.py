"""A daemon with a voice gateway."""

import pytest

from tests.support.fixtures import open_directory, running_daemon, start_daemon
from tests.support.voice import serving_gateway
from tests.wire.voice.floor import TIMEOUT_S, Floor

__all__ = ["daemon", "floor", "gateway", "gateway_server", "open_directory", "start_daemon"]


@pytest.fixture(scope="session")
def gateway_server():
    """The gateway of the run."""
    with serving_gateway() as server:
        yield server


@pytest.fixture(scope="session")
def daemon(postgres, gateway_server):
    """A daemon that gives instructions to that gateway."""
    settings = {
        "POINTSMAN_VOICE_GATEWAY_URL": gateway_server.url,
        "POINTSMAN_VOICE_GATEWAY_TIMEOUT_S": str(TIMEOUT_S),
        "POINTSMAN_VOICE_GATEWAY_RESPONSE_BYTES_MAX": "4096",
    }
    with running_daemon(postgres, settings=settings) as process:
        yield process


@pytest.fixture
def gateway(gateway_server):
    """The gateway, which has heard of nothing and accepts what comes."""
    gateway_server.reset()
    return gateway_server


@pytest.fixture
def floor(workspace, http):
    """One worker with a telephone."""
    return Floor(workspace, http)
