"""Which scheme and host the URLs of an answer have (clients §1.5)."""

import pytest
from aiohttp.test_utils import make_mocked_request

from engine.api.roots import root_of

FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "router.example.org"}


def root(headers, public_url="", trust_forwarded=False):
    return root_of(make_mocked_request("GET", "/", headers=headers), public_url, trust_forwarded)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost", "a.b.c.example.org", "[::1]:8080", "taskrouter_1"]
)
def test_the_host_that_was_asked(host):
    assert root({"Host": host}) == f"http://{host}"


def test_a_public_url_wins():
    assert (
        root({"Host": "x", **FORWARDED}, "https://public.example.org/", True) == "https://public.example.org"
    )


def test_forwarded_headers_count_only_when_trusted():
    assert root({"Host": "x", **FORWARDED}) == "http://x"
    assert root({"Host": "x", **FORWARDED}, trust_forwarded=True) == "https://router.example.org"
    chain = {"Host": "x", "X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "first.example, second"}
    assert root(chain, trust_forwarded=True) == "https://first.example"


@pytest.mark.parametrize("host", ["", "a b", "evil/path", "x:port", "user@host", 'a"b'])
def test_a_forwarded_host_that_is_none_is_not_repeated(host):
    assert root({"Host": "x", "X-Forwarded-Host": host}, trust_forwarded=True) == "http://x"


def test_a_forwarded_scheme_is_http_or_https():
    assert root({"Host": "x", "X-Forwarded-Proto": "gopher"}, trust_forwarded=True) == "http://x"


@pytest.mark.parametrize("host", ["a b", "evil/path", "x:port", "user@host", 'a"b'])
def test_instead_of_a_bad_host_the_address_that_was_connected_to(http, base, host):
    assert http.get(base, headers={"Host": host}).json()["url"] == f"{http.daemon.url}/v1{base}"
