"""The Python client signed in by a token instead of a password, as its credential providers do it."""

from collections.abc import Iterator
from typing import Any

import pytest
from twilio.auth_strategy.auth_strategy import AuthStrategy
from twilio.auth_strategy.auth_type import AuthType
from twilio.base.exceptions import TwilioRestException
from twilio.credential.credential_provider import CredentialProvider
from twilio.http.http_client import TwilioHttpClient
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import TaskRouterGrant
from twilio.jwt.taskrouter.capabilities import WorkerCapabilityToken
from twilio.rest import Client

# Auth tokens are as long as they are.
pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")


class Bearer(AuthStrategy, CredentialProvider):
    """Sends a token that is there already; the client's own providers fetch theirs."""

    def __init__(self, token: str) -> None:
        self._auth_type = AuthType.CLIENT_CREDENTIALS
        self.token = token

    def to_auth_strategy(self) -> "Bearer":
        return self

    def get_auth_string(self) -> str:
        return f"Bearer {self.token}"

    def requires_authentication(self) -> bool:
        return True


@pytest.fixture
def signed_in(daemon: Any) -> Iterator[Any]:
    """A function that makes a client which sends this token."""
    http = TwilioHttpClient(pool_connections=True)

    def sign_in(token: str) -> Client:
        client = Client(credential_provider=Bearer(token), http_client=http)
        client.taskrouter.base_url = daemon.url
        return client

    yield sign_in
    http.session.close()


@pytest.fixture
def key(client: Client, daemon: Any) -> Iterator[Any]:
    client.api.base_url = daemon.url
    made = client.new_keys.create(friendly_name="tokens")
    yield made
    client.keys(made.sid).delete()


def test_an_access_token_signs_the_client_in(signed_in, daemon, workspace, key):
    token = AccessToken(daemon.account_sid, key.sid, key.secret, identity="alice")
    token.add_grant(TaskRouterGrant(workspace_sid=workspace.sid, role="admin"))
    mine = signed_in(token.to_jwt()).taskrouter.v1.workspaces(workspace.sid)
    worker = mine.workers.create(friendly_name="Alice")
    assert [item.sid for item in mine.workers.list(page_size=1)] == [worker.sid]
    assert mine.workers(worker.sid).update(attributes='{"a": 1}').attributes == '{"a": 1}'
    assert mine.workers(worker.sid).delete() is True


def test_a_worker_signs_in_for_itself(signed_in, daemon, workspace):
    alice, bob = (workspace.workers.create(friendly_name=name) for name in ("Alice", "Bob"))
    token = WorkerCapabilityToken(
        account_sid=daemon.account_sid,
        auth_token=daemon.auth_token,
        workspace_sid=workspace.sid,
        worker_sid=alice.sid,
        allow_update_activities=True,
    )
    mine = signed_in(token.to_jwt()).taskrouter.v1.workspaces(workspace.sid)
    (available,) = (item for item in mine.activities.list() if item.available)
    assert mine.workers(alice.sid).update(activity_sid=available.sid).available is True
    assert mine.workers(alice.sid).reservations.list(page_size=1) == []
    for refused in (
        lambda: mine.workers(alice.sid).update(friendly_name="Eve"),
        mine.workers(bob.sid).fetch,
        mine.workers(alice.sid).delete,
    ):
        with pytest.raises(TwilioRestException) as caught:
            refused()
        assert (caught.value.status, caught.value.code) == (403, 20006)
