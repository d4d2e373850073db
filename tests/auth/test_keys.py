"""API keys over the API, as the official client manages and uses them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.auth.support import basic, client_of, send
from tests.wire.support import assert_problem


@pytest.fixture
def keys_path(daemon):
    return f"/2010-04-01/Accounts/{daemon.account_sid}/Keys"


@pytest.fixture
def owner(daemon):
    return basic(daemon.account_sid, daemon.auth_token)


def test_a_key_is_created_listed_renamed_and_deleted_by_the_official_client(daemon, client):
    client.api.base_url = daemon.url
    made = client.new_keys.create(friendly_name="phones")
    assert re.fullmatch(r"SK[0-9a-f]{32}", made.sid)
    assert re.fullmatch(r"[A-Za-z0-9]{32}", made.secret)
    assert abs(made.date_created - datetime.now(UTC)) < timedelta(minutes=1)
    assert client.keys(made.sid).fetch().friendly_name == "phones"
    assert client.keys(made.sid).update(friendly_name="fax").friendly_name == "fax"
    assert made.sid in [key.sid for key in client.keys.list()]
    assert client.keys(made.sid).delete()
    with pytest.raises(TwilioRestException) as caught:
        client.keys(made.sid).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)


def test_a_list_pages_forth_and_back(daemon, client):
    client.api.base_url = daemon.url
    made = [client.new_keys.create(friendly_name=f"page {n}").sid for n in range(5)]
    assert [key.sid for key in client.keys.list(page_size=2)] == [key.sid for key in client.keys.list()]
    first = client.keys.page(page_size=2)
    second = first.next_page()
    assert [k.sid for k in second.previous_page()] == [k.sid for k in client.keys.page(page_size=2)]
    for sid in made:
        client.keys(sid).delete()


def test_the_secret_is_told_once_and_dates_are_rfc_2822(daemon, keys_path, owner):
    made = send(daemon, "POST", f"{keys_path}.json", owner, data={"FriendlyName": "once"})
    assert made.status_code == 201
    assert list(made.json()) == ["sid", "friendly_name", "date_created", "date_updated", "secret"]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", made.json()["date_created"])
    one = f"{keys_path}/{made.json()['sid']}"
    assert "secret" not in send(daemon, "GET", f"{one}.json", owner).json()
    assert made.json()["secret"] not in send(daemon, "GET", f"{keys_path}.json?PageSize=1000", owner).text
    assert send(daemon, "DELETE", f"{one}.json", owner).status_code == 204
    assert made.json()["secret"] not in daemon.log()


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_paths_are_served_with_and_without_json(daemon, keys_path, owner, suffix):
    made = send(daemon, "POST", keys_path + suffix, owner).json()
    assert made["friendly_name"] == ""
    one = f"{keys_path}/{made['sid']}{suffix}"
    assert send(daemon, "GET", one, owner).json()["sid"] == made["sid"]
    page = send(daemon, "GET", keys_path + suffix, owner).json()
    assert set(page) == {
        "keys", "first_page_uri", "previous_page_uri", "next_page_uri", "uri", "page", "page_size",
        "start", "end",
    }  # fmt: skip
    assert send(daemon, "POST", one, owner, data={"FriendlyName": "x" * 65}).status_code == 400
    assert send(daemon, "DELETE", one, owner).status_code == 204
    assert_problem(send(daemon, "DELETE", one, owner), 404, 20404)
    assert_problem(send(daemon, "POST", one, owner, data={"FriendlyName": "x"}), 404, 20404)


def test_a_key_signs_in_without_naming_the_account(daemon, key, workspace):
    with_key = client_of(daemon, key.sid, key.secret, daemon.account_sid)
    assert with_key.taskrouter.v1.workspaces(workspace.sid).fetch().account_sid == daemon.account_sid
    made = with_key.taskrouter.v1.workspaces(workspace.sid).workers.create(friendly_name="Ann")
    assert made.delete()
    with_key.http_client.session.close()


def test_a_revoked_key_is_refused_by_the_next_request(daemon, client):
    client.api.base_url = daemon.url
    made = client.new_keys.create()
    header = basic(made.sid, made.secret)
    assert send(daemon, "GET", "/Workspaces", header).status_code == 200
    client.keys(made.sid).delete()
    assert_problem(send(daemon, "GET", "/Workspaces", header), 401, 20003)


def test_a_key_cannot_manage_keys(daemon, key, keys_path):
    header = basic(key.sid, key.secret)
    for method, path in (("GET", ".json"), ("POST", ".json"), ("DELETE", f"/{key.sid}.json")):
        assert_problem(send(daemon, method, keys_path + path, header), 403, 20403)


def test_keys_of_another_account_are_forbidden(daemon, owner):
    path = f"/2010-04-01/Accounts/AC{'9' * 32}/Keys.json"
    assert_problem(send(daemon, "GET", path, owner), 403, 20403)


@pytest.mark.parametrize("secret", ["", "wrong", "a-token-for-tests"])
def test_the_wrong_secret_is_refused(daemon, key, secret):
    assert_problem(send(daemon, "GET", "/Workspaces", basic(key.sid, secret)), 401, 20003)


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Basic", "Basic ", "Basic ???", "Basic YWJj", "Bearer", "Bearer ", "Digest x",
        "Token a.b.c", basic("", ""), basic("SK" + "0" * 32, "x"), basic("AC" + "0" * 32, "x"),
        basic("Token", "not-a-token"), basic("\x00", "\xff"),
    ],
)  # fmt: skip
def test_a_malformed_or_unknown_header_is_401(daemon, header):
    response = send(daemon, "GET", "/Workspaces", header)
    assert_problem(response, 401, 20003)
    assert response.headers["WWW-Authenticate"].startswith("Basic")
