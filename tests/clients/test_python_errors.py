"""What the official Python client makes of refusals, dates, and another way to reach the daemon."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

NOBODY = "0" * 32
TOKYO = timezone(timedelta(hours=9))


class LocalHttpClient(TwilioHttpClient):
    """Sends to a server what is meant for the hosted service."""

    def __init__(self, base: str) -> None:
        super().__init__(pool_connections=True)
        self.base = urlsplit(base)

    def request(self, method: str, url: str, *positional: Any, **named: Any) -> Any:
        parts = urlsplit(url)
        if str(parts.hostname).endswith(".twilio.com"):
            url = urlunsplit((self.base.scheme, self.base.netloc, parts.path, parts.query, ""))
        return super().request(method, url, *positional, **named)


def test_an_http_client_reaches_the_daemon_too(daemon, workspace):
    http = LocalHttpClient(daemon.url)
    client = Client(daemon.account_sid, daemon.auth_token, http_client=http)
    assert client.taskrouter.v1.workspaces(workspace.sid).fetch().sid == workspace.sid
    for number in range(3):
        workspace.workers.create(friendly_name=f"Worker {number}")
    workers = client.taskrouter.v1.workspaces(workspace.sid).workers
    assert len(workers.list(page_size=1)) == 3
    http.session.close()


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [("fetch", {}), ("update", {"priority": 1}), ("delete", {})],
)
def test_a_refusal_has_status_code_and_message(workspace, verb, arguments):
    with pytest.raises(TwilioRestException) as caught:
        getattr(workspace.tasks(f"WT{NOBODY}"), verb)(**arguments)
    error = caught.value
    assert (error.status, error.code) == (404, 20404)
    path = f"/Workspaces/{workspace.sid}/Tasks/WT{NOBODY}"
    assert error.msg == f"Unable to {verb} record: The requested resource {path} was not found"


def test_a_refused_create_tells_why(workspace):
    with pytest.raises(TwilioRestException) as caught:
        workspace.tasks.create(attributes={"a": 1})  # the client writes a dict as its keys
    assert (caught.value.status, caught.value.code) == (400, 20001)
    assert "Attributes" in caught.value.msg


def test_a_refused_list_is_not_taken_for_a_problem_of_rfc_9457(workspace):
    with pytest.raises(TwilioException, match="Unable to fetch page") as caught:
        workspace.tasks.list(page_size=1, assignment_status="waiting")
    assert not isinstance(caught.value, TwilioServiceException | TwilioRestException)


def test_wrong_credentials_are_told(daemon):
    client = Client(daemon.account_sid, "wrong", http_client=TwilioHttpClient(pool_connections=True))
    client.taskrouter.base_url = daemon.url
    with pytest.raises(TwilioRestException) as caught:
        client.taskrouter.v1.workspaces(f"WS{NOBODY}").fetch()
    assert (caught.value.status, caught.value.code) == (401, 20003)
    client.http_client.session.close()


def test_an_update_with_nothing_answers_the_resource(workspace):
    worker = workspace.workers.create(friendly_name="Alice")
    assert workspace.workers(worker.sid).update().friendly_name == "Alice"
    assert workspace.update().friendly_name == workspace.friendly_name


def test_if_match_of_an_update_is_compared(workspace):
    task = workspace.tasks.create()
    with pytest.raises(TwilioRestException) as caught:
        workspace.tasks(task.sid).update(priority=1, if_match="77")
    assert (caught.value.status, caught.value.code) == (412, 20412)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (datetime(2026, 1, 31, 9, tzinfo=UTC), datetime(2026, 1, 31, 9, tzinfo=UTC)),
        # The client drops the time zone and the fraction.
        (datetime(2026, 1, 31, 9, 0, 0, 999_999, tzinfo=TOKYO), datetime(2026, 1, 31, 9, tzinfo=UTC)),
        ("2026-01-31T09:00:00+09:00", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_dates_are_what_the_client_sends(workspace, given, meant):
    task = workspace.tasks.create(virtual_start_time=given)
    assert task.virtual_start_time == meant


def test_every_date_of_an_answer_is_one(workspace):
    for resource in (workspace, workspace.activities.list(limit=1)[0], workspace.tasks.create()):
        assert resource.date_created.utcoffset() == timedelta(0)
        assert resource.date_updated >= resource.date_created
    event = workspace.events.list(limit=1)[0]
    assert abs(event.event_date.timestamp() * 1_000 - event.event_date_ms) < 1_000


def test_a_limit_above_the_largest_page_is_clamped(workspace):
    assert len(workspace.activities.list(limit=5_000)) == 3
    assert len(workspace.activities.list(limit=5_000, page_size=5_000)) == 3
