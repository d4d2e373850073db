"""What the wire tests share: the official client, raw HTTP, and a receiver of callbacks."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import requests
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.support.daemon import DaemonProcess

FACTS = json.loads((Path(__file__).parent / "contract_facts.json").read_text())
MILESTONE_S = 15.0
POLL_S = 0.01

T = TypeVar("T")


def eventually(what: str, probe: Callable[[], T | None], timeout_s: float = MILESTONE_S) -> T:
    """Return the first true value of `probe`; fail naming the milestone when there is none in time."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(POLL_S)


def official_client(daemon: DaemonProcess, token: str | None = None) -> Client:
    """The twilio client, unmodified but for the base URL."""
    client = Client(
        daemon.account_sid, token or daemon.auth_token, http_client=TwilioHttpClient(pool_connections=True)
    )
    client.taskrouter.base_url = daemon.url
    return client


class Http:
    """Raw requests below /v1, signed in."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.session = requests.Session()
        self.session.auth = (daemon.account_sid, daemon.auth_token)

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, f"{self.daemon.url}/v1{path}", timeout=30, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def post(self, path: str, data: Any = None, **options: Any) -> requests.Response:
        return self("POST", path, data=data, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return self("DELETE", path, **options)


def assert_problem(response: requests.Response, status: int, code: int) -> str:
    """The answer is an error of this status and code in the documented form; returns its message."""
    assert response.status_code == status, response.text
    body = response.json()
    assert list(body) == ["code", "message", "more_info", "status"]
    assert (body["code"], body["status"]) == (code, status), body
    assert body["more_info"].endswith(f"/{code}")
    assert response.headers["Content-Type"] == "application/json"
    return str(body["message"])


@dataclass
class Received:
    """One callback as it arrived."""

    path: str
    form: dict[str, str]
    headers: dict[str, str]


@dataclass
class Receiver:
    """An HTTP server that records callbacks and answers what `answer` makes of them."""

    answer: Callable[[Received], Any] = lambda _: {}
    calls: list[Received] = field(default_factory=list)
    url: str = ""

    def named(self, event_type: str) -> list[Received]:
        """The event callbacks of one type."""
        return [call for call in self.calls if call.form.get("EventType") == event_type]


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)))
        call = Received(self.path, form, dict(self.headers))
        self.receiver.calls.append(call)
        body = json.dumps(self.receiver.answer(call)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        return


def start_receiver() -> tuple[Receiver, ThreadingHTTPServer]:
    """Start a receiver on a free port; the caller shuts the server down."""
    receiver = Receiver()
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    return receiver, server
