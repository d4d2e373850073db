"""What a daemon has answered, as its own metrics tell."""

import re
import urllib.request

from engine.api.routes import ROUTES
from tests.support.daemon import DaemonProcess
from tests.wire.support import FACTS

OPERATION_IDS = {fact["id"] for fact in FACTS["operations"]}
_COUNT = re.compile(
    r'pointsman_request_seconds_count\{method="(\w+)",route="([^"]+)",status="(\d+)"\} ([\d.]+)'
)
CONTRACT = {(route.method, route.path) for route in ROUTES if route.operation.id in OPERATION_IDS}
"""The operations of the contract, as the daemon routes them."""


class Served:
    """Which operations were answered with a success since this was made."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self._daemon = daemon
        self._before = self._counts()

    def operations(self) -> set[tuple[str, str]]:
        """Return method and path template of each."""
        before, now = self._before, self._counts()
        return {
            (method, route)
            for (method, route, status), count in now.items()
            if status[0] == "2"
            and route.startswith("/v1/")
            and count > before.get((method, route, status), 0)
        }

    def _counts(self) -> dict[tuple[str, str, str], float]:
        with urllib.request.urlopen(f"{self._daemon.url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {(method, route, status): float(n) for method, route, status, n in _COUNT.findall(text)}
