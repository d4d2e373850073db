"""Two daemons on one database: `owner` owns the workspaces that the tests make, `other` is asked for them."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import requests

from engine.storage.embedded import EmbeddedPostgres
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import make_open_directory

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
TIMEOUT_S = 60.0

_databases = (f"nodes_{n}" for n in count(1))
_FORWARDED = re.compile(r'pointsman_forwarded_requests_total\{outcome="(\w+)",peer="[^"]+"\} ([\d.]+)')

_UNDER_WAY = re.compile(r"\npointsman_forwards_under_way ([\d.]+)")


class Node(DaemonProcess):
    """A node that takes requests of the others at a socket with its name."""

    def __init__(self, root: Path, name: str, dsn: str, settings: dict[str, str]) -> None:
        self.name = name
        self.socket = root / f"{name}.sock"
        given = {
            "POINTSMAN_CREDENTIALS_KEY": KEY,
            "POINTSMAN_CLUSTER_LISTEN": str(self.socket),
            "POINTSMAN_CLUSTER_BALANCE": "false",
            **settings,
        }
        super().__init__(root / name, database_url=dsn, settings=given)
        self.data_dir.mkdir(parents=True)
        (self.data_dir / "node").write_text(name)

    def listening(self) -> "Node":
        """Return when it answers; ready it need not be."""
        self.wait_until(lambda: bool(self.port or self._find_port()), "it listens")
        self.wait_until(lambda: self.status("/healthz") == 200, "it answers")
        return self

    def forwarded(self) -> dict[str, float]:
        """How many requests it has sent on, by outcome."""
        return {outcome: float(n) for outcome, n in _FORWARDED.findall(self._metrics())}

    def forwards_under_way(self) -> float:
        """How many requests at other nodes it waits for."""
        return float(_UNDER_WAY.findall(self._metrics())[0])

    def _metrics(self) -> str:
        return requests.get(f"{self.url}/metrics", timeout=10).text


@dataclass
class Nodes:
    """Both nodes, and one HTTP session."""

    owner: Node
    other: Node
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.auth = (self.owner.account_sid, self.owner.auth_token)

    def __call__(self, node: Node, method: str, path: str, data: Any = None, **options: Any) -> Any:
        """Send a request below /v1/Workspaces to a node."""
        url = f"{node.url}/v1/Workspaces{path}"
        return self.session.request(method, url, data=data, timeout=TIMEOUT_S, **options)

    def workspace(self) -> str:
        """Make a workspace at `owner`; returns its path."""
        made = self(self.owner, "POST", "", {"FriendlyName": "Centre", "Template": "FIFO"})
        assert made.status_code == 201, made.text
        return f"/{made.json()['sid']}"


@contextmanager
def running_nodes(postgres: EmbeddedPostgres, **settings: str) -> Iterator[Nodes]:
    """Run both over a database of their own; `settings` are environment variables of both."""
    database = next(_databases)
    asyncio.run(_execute(postgres.dsn, f"CREATE DATABASE {database}"))
    root, dsn = make_open_directory(), postgres.dsn_of(database)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        owner, other = (Node(root, name, dsn, settings) for name in ("owner", "other"))
        for node in (owner, other):
            stack.callback(node.close)
            node.start(wait=False)
        nodes = Nodes(owner.listening(), other.listening())
        stack.callback(nodes.session.close)
        yield nodes


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
