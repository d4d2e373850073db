import pytest

from engine.callback_urls import check_callback_url, origin_of, parse_callback_url, public_form


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://example.com",
        "https://example.com/cb?x=1&y=%20",
        "HTTP://EXAMPLE.com:80/cb",
        "http://localhost:9000/cb",
        "http://127.0.0.1/",
        "http://[::1]:9000/cb",
        "http://my_service:8080/hook",
        "http://user:p%40ss@example.com/cb",
        "https://example.com/cb#rc=2&rt=3000",
        "https://bücher.example/straße",
    ],
)
def test_a_callable_url_may_be_saved(text: str) -> None:
    assert check_callback_url(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "example.com/cb",
        "//example.com/cb",
        "/cb",
        "http://",
        "http:///cb",
        "http:cb",
        "https://:443/cb",
        "http://user@/cb",
        "http://example.com:port/",
        "http://example.com:70000/",
        "http://example.com:0/",
        "http://[::1/",
        "http://[zz]/",
        "http://exa mple.com/",
        " http://example.com/",
        "http://example.com/\r\nX-Evil: 1",
        "http://example.com/\x00",
        "http://example.com\\@other/",
        "http://a..b/",
        "http://exam<ple/",
        "http://" + "a" * 64 + ".com/",
        "http://example.com/" + "a" * 5000,
        "http://example.com/\ud800",
    ],
)
def test_what_cannot_be_called_is_refused_with_one_line(text: str) -> None:
    reason = check_callback_url(text)
    assert reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("configured", "sent"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://example.com?x=1", "https://example.com/?x=1"),
        ("https://Example.com:443/a/../b%7e?y=%2f&z=a+b", "https://Example.com:443/a/../b%7e?y=%2f&z=a+b"),
        ("https://user:pw@example.com/cb", "https://example.com/cb"),
        ("https://example.com/cb?x=1#rc=2", "https://example.com/cb?x=1"),
        ("http://[::1]:9000/cb", "http://[::1]:9000/cb"),
        ("https://example.com/straße", "https://example.com/stra%C3%9Fe"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ],
)
def test_what_is_sent_is_what_was_configured_but_for_user_info_and_fragment(
    configured: str, sent: str
) -> None:
    assert parse_callback_url(configured).text == sent


def test_user_info_is_decoded() -> None:
    url = parse_callback_url("http://us%3Aer:p%40ss:word@example.com/")
    assert (url.user, url.password) == ("us:er", "p@ss:word")


def test_the_log_sees_neither_user_info_nor_query() -> None:
    assert public_form("http://user:pw@example.com/cb?key=secret#rc=1") == "http://example.com/cb"
    assert public_form("nonsense") == "invalid"


def test_one_host_and_port_is_one_receiver_however_it_is_written() -> None:
    assert origin_of("http://Example.com/a") == origin_of("http://example.com:80/b") == "example.com:80"
    assert origin_of("https://example.com/") == "example.com:443"
