"""A voice gateway on a real socket, which answers as the test says and keeps what it was told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from multidict import MultiDict
from twilio.request_validator import RequestValidator

ACCEPTED: dict[str, Any] = {"status": "accepted", "call_sid": "CA" + "c" * 32}
PATIENCE_S = 10.0


@dataclass
class Order:
    """One instruction as it arrived."""

    path: str
    form: MultiDict[str]
    headers: dict[str, str]

    @property
    def fields(self) -> dict[str, str | list[str]]:
        """The form, with a list where a name repeats."""
        whole = {name: self.form.getall(name) for name in self.form}
        return {name: values[0] if len(values) == 1 else values for name, values in whole.items()}


Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class GatewayServer:
    """`answer` makes the JSON of an order's answer, or a function that writes the whole response."""

    answer: Callable[[Order], dict[str, Any] | Reply] = lambda _: ACCEPTED
    orders: list[Order] = field(default_factory=list)
    base: str = ""
    arrived: threading.Condition = field(default_factory=threading.Condition)
    path = "/voice?from=pointsman&n=1"

    @property
    def url(self) -> str:
        """What the daemon is configured with."""
        return self.base + self.path

    def reset(self) -> None:
        """Forget the orders; accept what comes."""
        self.orders.clear()
        self.answer = lambda _: ACCEPTED

    def has(self, count: int) -> list[Order]:
        """Wait until so many orders have arrived."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.orders) >= count, PATIENCE_S), self.orders
        return self.orders

    def assert_signed(self, order: Order, auth_token: str) -> None:
        """The official library takes the order for genuine, and would not with another token."""
        signature = order.headers["X-Twilio-Signature"]
        assert RequestValidator(auth_token).validate(self.base + order.path, order.form, signature)
        assert not RequestValidator("another").validate(self.base + order.path, order.form, signature)


class _Handler(BaseHTTPRequestHandler):
    server_state: GatewayServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = MultiDict(parse_qsl(text, keep_blank_values=True, strict_parsing=True))
        order = Order(self.path, form, dict(self.headers))
        state = self.server_state
        with state.arrived:
            state.orders.append(order)
            state.arrived.notify_all()
        reply = state.answer(order)
        try:
            if callable(reply):
                reply(self)
            else:
                responding(json.dumps(reply))(self)
        except ConnectionError:
            # The daemon has had enough of an answer that was too long or too slow.
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        return


def responding(body: str, status: int = 200, content_type: str = "application/json", **headers: str) -> Reply:
    """Make a reply of a status, a body and headers (`_` in their names is a hyphen)."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        raw = body.encode()
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(raw)

    return reply


@contextmanager
def serving_gateway() -> Iterator[GatewayServer]:
    """Run a gateway on a free port."""
    gateway = GatewayServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_state": gateway}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    gateway.base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
