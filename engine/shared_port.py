"""A TCP port that several processes listen on at once."""

import socket
import time

from engine.errors import SettingsError

RETRY_S = 2.0
"""How long processes of an earlier life, whose parent is gone, may take to let go of the port."""
_PAUSE_S = 0.05


class SharedPort:
    """Holds a port for processes that listen on it with `SO_REUSEPORT`; it accepts nothing itself.

    Args:
        host: address or name to listen on.
        port: port; 0 takes a free one.

    Raises:
        SettingsError: this system cannot share a port.
        OSError: the port is taken by somebody else.
    """

    def __init__(self, host: str, port: int) -> None:
        if not hasattr(socket, "SO_REUSEPORT"):
            raise SettingsError("cluster.processes: this system cannot share a port between processes")
        self._sockets: list[socket.socket] = []
        self.port = port
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, _, _, _, address in infos:
                self._hold(socket.AddressFamily(family), (address[0], self.port, *address[2:]))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the port."""
        for each in self._sockets:
            each.close()

    def _hold(self, family: socket.AddressFamily, address: tuple[object, ...]) -> None:
        _until_free(family, address)
        held = _bound(family, address, shared=True)
        self._sockets.append(held)
        self.port = held.getsockname()[1]


def _until_free(family: socket.AddressFamily, address: tuple[object, ...]) -> None:
    """Return when nobody listens there: sharing alone would let us in beside somebody else's processes."""
    until_s = time.monotonic() + RETRY_S
    while True:
        try:
            _bound(family, address, shared=False).close()
        except OSError:
            if time.monotonic() >= until_s:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _bound(family: socket.AddressFamily, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        reason = (error.strerror or str(error)).lower()
        raise OSError(error.errno, f"cannot listen on {address[0]} port {address[1]}: {reason}") from None
    return bound
