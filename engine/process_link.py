"""How a process of `serve --processes` and the one that started it speak: over a socket of their own.

Down the socket come, as one line of JSON, the settings and the process's place among its siblings, and later
one byte when all of them are to stop. Up comes one byte when requests are served. The end of the socket is
the end of the other side, however it came about: a process whose parent is gone ends at once, since what it
has acknowledged is durable and nobody would look after it.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from engine.settings import Settings

STOP = b"s"
LISTENING = b"l"
_LINE_BYTES_MAX = 1 << 20


@dataclass(slots=True, frozen=True)
class Place:
    """Which of the processes this is, and where the internal listener of each of them is, by number."""

    number: int
    addresses: tuple[str, ...]

    def siblings(self) -> dict[int, str]:
        """Return the addresses of the others."""
        return {number: address for number, address in enumerate(self.addresses) if number != self.number}


def orders(settings: Settings, place: Place) -> bytes:
    """Return the line that makes a process what it is."""
    told: dict[str, Any] = {"number": place.number, "addresses": place.addresses}
    return orjson.dumps({**told, "settings": settings.model_dump(mode="json")}) + b"\n"


class ParentLink:
    """A process's end of the socket.

    Args:
        fd: the open socket; what it is to be is read from it at once.
    """

    def __init__(self, fd: int) -> None:
        self.all_stop = False
        """Whether all processes of this parent are stopping."""
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)
        with self._socket.makefile("rb", buffering=0) as lines:
            told = orjson.loads(lines.readline(_LINE_BYTES_MAX))
        self.place = Place(told["number"], tuple(told["addresses"]))
        self.settings = Settings.model_validate(told["settings"])
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return what an event loop watches."""
        return self._socket.fileno()

    def listening(self) -> None:
        """Tell the parent that requests are served."""
        self._socket.send(LISTENING)

    def read(self, stop: Callable[[], None]) -> None:
        """Take in what the parent says, once there is something to read."""
        try:
            said = self._socket.recv(1)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said != STOP:
            os._exit(1)
        self.all_stop = True
        stop()
