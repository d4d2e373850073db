"""The official Python client, synchronous and asynchronous, over every operation that it has."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.clients.calls import Calls, known_operations
from tests.clients.served import CONTRACT, Served
from tests.clients.walk import Walk
from tests.support.daemon import DaemonProcess

# The asynchronous client hands its credentials over in a way that its HTTP library has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]


@pytest.fixture(params=["sync", "async"])
async def client(request: Any, daemon: DaemonProcess) -> AsyncIterator[tuple[Client, bool]]:
    """The client, and whether its calls are awaited."""
    asynchronous = request.param == "async"
    http: Any = AsyncTwilioHttpClient() if asynchronous else TwilioHttpClient()
    client = Client(daemon.account_sid, daemon.auth_token, http_client=http)
    client.taskrouter.base_url = client.api.base_url = daemon.url
    yield client, asynchronous
    await http.close() if asynchronous else http.session.close()


def test_the_client_has_as_many_operations_as_the_contract():
    assert len(known_operations()) == len(CONTRACT) == 61


async def test_every_operation_works_with_every_argument(client, daemon):
    client, asynchronous = client
    served = Served(daemon)
    call = Calls(asynchronous)
    await Walk(call, client.taskrouter.v1).whole()
    assert call.made == known_operations()
    assert served.operations() == CONTRACT


async def test_keys_are_made_listed_changed_and_deleted(client):
    client, asynchronous = client
    call = Calls(asynchronous)
    made = [await call.method(client.new_keys, "create", friendly_name=name) for name in ("One", "Two")]
    assert all(key.secret for key in made)
    listed = await call.listed(client.keys)
    assert {key.sid for key in made} <= {key.sid for key in listed}
    for key in made:
        resource = client.keys(key.sid)
        assert (await call.method(resource, "fetch")).date_created.tzinfo is not None
        assert (await call.method(resource, "update", friendly_name="Three")).friendly_name == "Three"
        assert await call.method(resource, "delete") is True
        with pytest.raises(TwilioRestException) as caught:
            await call.method(resource, "fetch")
        assert (caught.value.status, caught.value.code) == (404, 20404)
