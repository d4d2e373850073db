"""What is no HTTP request, or stops in the middle, on a raw connection."""

import base64
import json
import socket
import urllib.request

import pytest

from tests.support.daemon import DaemonProcess
from tests.wire.support import eventually

TIMEOUT_S = 10.0
SECRET = "very-secret-" * 2_000


@pytest.fixture
def head(daemon: DaemonProcess, base: str) -> str:
    """The beginning of a request, without its method."""
    login = base64.b64encode(f"{daemon.account_sid}:{daemon.auth_token}".encode()).decode()
    return f" /v1{base}/Tasks HTTP/1.1\r\nHost: router\r\nAuthorization: Basic {login}\r\n"


def send(daemon: DaemonProcess, text: str) -> tuple[int, dict[str, str], str]:
    """Send bytes and read up to the end of the connection; returns status, headers and body."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(text.encode("latin1"))
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    top, _, body = received.decode().partition("\r\n\r\n")
    first, *lines = top.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


LINE = "/v1/Workspaces HTTP/1.1\r\nHost: router\r\n"
BROKEN = {
    "no request line": "hello\r\n\r\n",
    "an unknown method": f"BREW {LINE}\r\n",
    "NUL in the path": "GET /v1/Workspaces/\x00 HTTP/1.1\r\nHost: router\r\n\r\n",
    "no host": "GET /v1/Workspaces HTTP/1.1\r\n\r\n",
    "a length that is no number": f"POST {LINE}Content-Length: abc\r\n\r\n",
    "two lengths": f"POST {LINE}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a length and chunks": f"POST {LINE}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a long request line": f"GET /v1/Workspaces?FriendlyName={SECRET} HTTP/1.1\r\nHost: router\r\n\r\n",
    "a long header": f"GET {LINE}Authorization: Basic {SECRET}\r\n\r\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_not_http_is_refused_like_anything_else_and_quoted_nowhere(daemon, what):
    status, headers, body = send(daemon, BROKEN[what])
    problem = json.loads(body)
    assert (status, problem["status"], problem["code"]) == (400, 400, 20001)
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Request-Id"].startswith("RQ")
    assert "secret" not in body
    assert "very-secret" not in daemon.log()
    assert "aiohttp.server" not in daemon.log()


def test_a_body_that_is_cut_off_is_no_fault_of_the_server(daemon, base, head):
    for path, length in (("Tasks", 20), ("Tasks/Bulk", 20)):
        start = f"POST{head}Content-Length: {length}\r\n\r\n[".replace("/Tasks HTTP", f"/{path} HTTP")
        before = answered(daemon, path)
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=TIMEOUT_S) as connection:
            connection.sendall(start.encode())
        eventually("the request is over", lambda path=path, before=before: answered(daemon, path) > before)
    assert not list(daemon.events("request.failed"))


def answered(daemon: DaemonProcess, path: str) -> float:
    """How many requests to a path of a workspace were answered 400."""
    label = f'{{method="POST",route="/v1/Workspaces/{{WS}}/{path}",status="400"}} '
    with urllib.request.urlopen(f"{daemon.url}/metrics", timeout=TIMEOUT_S) as answer:
        lines = answer.read().decode().splitlines()
    counts = [line.partition(label)[2] for line in lines if f"request_seconds_count{label}" in line]
    return float(counts[0]) if counts else 0.0
