"""What counts as a plain request: read strictly, all else is the HTTP library's."""

import pytest

from engine.api.heads import HEAD_BYTES_MAX, Heads, Plain

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
LINES = f"Host: router\r\nAuthorization: Basic QQ==\r\n{FORM}"


def read(text: str, *, trust_forwarded: bool = False) -> Plain | None:
    return Heads(16_384, trust_forwarded).read(text.encode("latin-1"))


def request(lines: str = LINES, body: str = "A=1", line: str = "POST /v1/x HTTP/1.1") -> str:
    return f"{line}\r\n{lines}Content-Length: {len(body)}\r\n\r\n{body}"


def test_a_plain_request_is_told_with_what_decides_about_it():
    plain = read(request(LINES + "accept:*/*\r\nConnection: Keep-Alive\r\n"))
    assert isinstance(plain, Plain)
    assert (plain.method, plain.target, plain.body) == ("POST", "/v1/x", b"A=1")
    headers = plain.headers
    assert (headers.authorization, headers.root) == ("Basic QQ==", "http://router")
    assert (headers.content_type, headers.simple) == ("application/x-www-form-urlencoded", True)


def test_what_follows_a_request_is_left_for_the_next_one():
    text = request()
    plain = read(f"{text}GET /v1/y HTTP/1.1\r\nHost: router\r\n\r\n")
    assert isinstance(plain, Plain)
    assert plain.data == text.encode()


def test_a_request_without_a_body_has_none():
    plain = read("GET /v1/x?A=1 HTTP/1.1\r\nHost: router\r\n\r\n")
    assert isinstance(plain, Plain)
    assert (plain.target, plain.body) == ("/v1/x?A=1", b"")


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_it_is_told_how_much_of_the_body_is_missing(missing):
    text = request()
    plain = read(text[: len(text) - missing])
    assert isinstance(plain, Plain)
    assert (plain.missing, plain.body) == (missing, b"A=1"[: 3 - missing])


NOT_PLAIN = {
    "half a head": request()[:40],
    "a blank line first": "\r\n" + request(),
    "another version": request(line="POST /v1/x HTTP/1.0"),
    "a lower-case method": request(line="post /v1/x HTTP/1.1"),
    "another method": request(line="PUT /v1/x HTTP/1.1"),
    "an absolute target": request(line="POST http://router/v1/x HTTP/1.1"),
    "two spaces": request(line="POST  /v1/x HTTP/1.1"),
    "a byte beyond ASCII in the target": request(line="POST /v1/\xe4 HTTP/1.1"),
    "no header": "GET /v1/x HTTP/1.1\r\n\r\n",
    "no host": request(FORM),
    "a host that is none": request("Host: a b\r\n"),
    "two hosts": request("Host: a\r\nHost: b\r\n"),
    "two logins": request(LINES + "Authorization: Basic Qg==\r\n"),
    "two content types": request(LINES + FORM),
    "two lengths": request(LINES + "Content-Length: 3\r\n"),
    "a length that is no number": "POST /v1/x HTTP/1.1\r\nHost: router\r\nContent-Length: +3\r\n\r\nA=1",
    "a list of lengths": "POST /v1/x HTTP/1.1\r\nHost: router\r\nContent-Length: 3, 3\r\n\r\nA=1",
    "chunks": request(LINES + "Transfer-Encoding: chunked\r\n"),
    "a wish to switch": request(LINES + "Upgrade: websocket\r\n"),
    "the connection's end": request(LINES + "Connection: close\r\n"),
    "a body that waits to be asked for": request(LINES + "Expect: 100-continue\r\n"),
    "a space before the colon": request(LINES + "Accept : a\r\n"),
    "a folded line": request(LINES + "Accept: a\r\n b\r\n"),
    "a line feed of its own": request(LINES + "Accept: a\nX: b\r\n"),
    "a carriage return of its own": request(LINES + "Accept: a\rb\r\n"),
    "NUL": request(LINES + "Accept: a\x00b\r\n"),
    "a byte beyond ASCII": request(LINES + "Accept: \xe4\r\n"),
    "a long head": request(LINES + f"Accept: {'a' * HEAD_BYTES_MAX}\r\n"),
    "many lines": request(LINES + "Accept: a\r\n" * 64),
    "no HTTP": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("what", NOT_PLAIN)
def test_what_is_not_plain_is_left_to_the_http_library(what):
    assert read(NOT_PLAIN[what]) is None


@pytest.mark.parametrize(
    "line", ["Idempotency-Key: a", "If-Match: 3", "Content-Encoding: gzip", "X-Pointsman-Peer: a"]
)
def test_what_asks_for_more_is_plain_but_not_simple(line):
    plain = read(request(f"{LINES}{line}\r\n"))
    assert isinstance(plain, Plain)
    assert not plain.headers.simple


@pytest.mark.parametrize(("trusted", "root"), [(True, "https://public"), (False, "http://router")])
def test_forwarded_headers_decide_about_urls_where_they_are_trusted(trusted, root):
    lines = LINES + "X-Forwarded-Proto: https\r\nX-Forwarded-Host: public, inner\r\n"
    plain = read(request(lines), trust_forwarded=trusted)
    assert isinstance(plain, Plain)
    assert plain.headers.root == root


def test_no_line_is_taken_that_the_http_library_would_refuse():
    heads = Heads(100, trust_forwarded=False)
    assert isinstance(heads.read(request("Host: router\r\n").encode()), Plain)
    assert heads.read(request(f"Host: router\r\nAccept: {'a' * 100}\r\n").encode()) is None
