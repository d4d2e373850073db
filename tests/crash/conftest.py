"""Daemons to stop and kill, and a receiver that keeps them waiting."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.fixtures import open_directory, start_daemon

__all__ = ["HangingReceiver", "open_directory", "receiver_that_hangs", "start_daemon"]


@dataclass
class HangingReceiver:
    """Takes connections and never answers."""

    url: str
    called: threading.Event


@pytest.fixture
def receiver_that_hangs() -> Iterator[HangingReceiver]:
    connections: list[socket.socket] = []
    called = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connections.append(connection)
                called.set()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield HangingReceiver(f"http://127.0.0.1:{server.getsockname()[1]}/", called)
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    for connection in connections:
        connection.close()
