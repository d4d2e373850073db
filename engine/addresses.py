"""Where a node takes what other nodes send it: a host and a port, or a unix socket."""

import ipaddress
import re
from dataclasses import dataclass

UNIX_PATH_BYTES_MAX = 103
"""What every system takes for the path of a unix socket."""

_TCP = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")


@dataclass(slots=True, frozen=True)
class Address:
    """`path` is that of a unix socket; it is empty when there is a host and a port."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def everywhere(self) -> bool:
        """Whether it is every interface of a machine: to listen on, not to be reached at."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `host:port`, `[IPv6]:port` or the absolute path of a unix socket. Raises ValueError."""
    if text.startswith("/"):
        if len(text.encode()) > UNIX_PATH_BYTES_MAX:
            raise ValueError(f"the path of a unix socket may have {UNIX_PATH_BYTES_MAX} bytes")
        return Address(path=text)
    match = _TCP.fullmatch(text)
    if match is None or int(match["port"]) > 65_535:
        raise ValueError('an address such as "10.0.0.5:8081" or "/run/pointsman/node.sock" is needed')
    return Address(match["host"].strip("[]"), int(match["port"]))
