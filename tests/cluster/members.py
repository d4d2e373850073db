"""Three nodes on one database, whose workspaces move; and a client that retries."""

import asyncio
import json
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import contains
from typing import Any

import asyncpg
from aiohttp import ClientError, ClientSession, ClientTimeout, encode_basic_auth

from tests.cluster.nodes import Node
from tests.crash.audit import LOG
from tests.support.fixtures import make_open_directory

OWNERS = """
    SELECT l.owner, count(*) AS workspaces
    FROM workspace_leases AS l JOIN workspaces AS w ON w.workspace_sid = l.workspace_sid
    WHERE l.expires_at > now() AND w.date_deleted_ms IS NULL GROUP BY l.owner
"""
RETRY_S = 0.05
LOOK_S = 0.2
PATIENCE_S = 60.0


@dataclass
class Members:
    """Nodes and their database."""

    dsn: str
    nodes: list[Node]

    def live(self) -> list[Node]:
        return [node for node in self.nodes if node.runs]

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        return await execute(self.dsn, query, *values)

    async def owners(self) -> dict[str, int]:
        """How many workspaces each node has."""
        return {row["owner"]: row["workspaces"] for row in await self.rows(OWNERS)}

    async def until_owned(self, *shares: range) -> dict[str, int]:
        """Return the owners once the nodes have so many workspaces, those with most of them first."""
        shown: dict[str, int] = {}
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            shown = await self.owners()
            sizes = sorted(shown.values(), reverse=True)
            if len(sizes) == len(shares) and all(map(contains, shares, sizes)):
                return shown
            await asyncio.sleep(LOOK_S)
        raise AssertionError(f"not {shares}: {shown}")

    async def owner_of(self, workspace_sid: str) -> Node:
        (row,) = await self.rows("SELECT owner FROM workspace_leases WHERE workspace_sid = $1", workspace_sid)
        return next(node for node in self.nodes if node.name == row["owner"])


@contextmanager
def running_members(dsn: str, count: int, **settings: str) -> Iterator[Members]:
    """Run nodes that start at the same moment; `settings` are environment variables of all."""
    root = make_open_directory()
    given = {"POINTSMAN_CLUSTER_BALANCE": "true", **settings}
    nodes = [Node(root, f"node-{number}", dsn, given) for number in range(count)]
    try:
        for node in nodes:
            node.start(wait=False)
        for node in nodes:
            node.wait_until_ready()
        yield Members(dsn, nodes)
    finally:
        for node in nodes:
            node.close()
        shutil.rmtree(root, ignore_errors=True)


@dataclass
class Client:
    """Creates tasks with an Idempotency-Key each, at one node after the other, and retries what fails."""

    members: Members
    session: ClientSession
    created: dict[str, set[str]] = field(default_factory=dict)
    """The SIDs of tasks by workspace."""
    retries: Counter[int] = field(default_factory=Counter)
    """Answers that were retried, by status; 0 is no answer."""
    _name: str = field(default_factory=lambda: secrets.token_hex(8))
    _numbers: int = 0
    _progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def workspaces(self, count: int) -> list[str]:
        made = []
        for number in range(count):
            body = await self.post("", {"FriendlyName": f"Centre {number}", "Template": "FIFO"})
            made.append(body["sid"])
            self.created[body["sid"]] = set()
        return made

    async def task(self, workspace_sid: str) -> None:
        body = await self.post(f"/{workspace_sid}/Tasks", {"Attributes": json.dumps({"n": self._numbers})})
        assert body["sid"] not in self.created[workspace_sid], "one task for two keys"
        self.created[workspace_sid].add(body["sid"])
        self._progress.set()

    async def tasks_in(self, workspace_sid: str, count: int) -> None:
        """Return when so many tasks of a workspace were acknowledged."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.created[workspace_sid]) < count:
                self._progress.clear()
                await self._progress.wait()

    async def post(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        """POST until it is answered with success; fails on any other refusal than "not now"."""
        self._numbers += 1
        key = {"Idempotency-Key": f"{self._name}-{self._numbers}"}
        number = self._numbers
        async with asyncio.timeout(PATIENCE_S):
            while True:
                live = self.members.live()
                node = live[number % len(live)]
                status, body = await self._attempt(f"{node.url}/v1/Workspaces{path}", form, key)
                if status in {200, 201}:
                    return body
                assert status in {0, 503}, body
                self.retries[status] += 1
                number += 1
                await asyncio.sleep(RETRY_S)

    async def _attempt(self, url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        try:
            async with self.session.post(url, data=form, headers=headers) as answer:
                return answer.status, await answer.json(content_type=None)
        except (ClientError, OSError, TimeoutError):
            return 0, None

    async def adopt_all(self) -> None:
        """Take the workspaces that are there for this client's."""
        alive = "SELECT workspace_sid FROM workspaces WHERE date_deleted_ms IS NULL"
        self.created = {row["workspace_sid"]: set() for row in await self.members.rows(alive)}

    async def delete_all(self) -> None:
        """Delete this client's workspaces."""
        while self.created:
            workspace_sid, _ = self.created.popitem()
            url = f"{self.members.nodes[0].url}/v1/Workspaces/{workspace_sid}"
            async with self.session.delete(url) as answer:
                assert answer.status == 204, await answer.text()

    async def audit(self) -> None:
        """What was acknowledged is there once, nothing else is, and no log has a gap."""
        for workspace_sid, created in self.created.items():
            tasks = await self.members.rows("SELECT sid FROM tasks WHERE workspace_sid = $1", workspace_sid)
            assert {row["sid"] for row in tasks} == created
            (log,) = await self.members.rows(LOG, workspace_sid)
            assert (log["first"], log["numbers"], log["last"]) == (1, log["lines"], log["lines"])


def client_session(node: Node) -> ClientSession:
    """A session with the credentials of the tests."""
    headers = {"Authorization": encode_basic_auth(node.account_sid, node.auth_token)}
    return ClientSession(headers=headers, timeout=ClientTimeout(total=10))


async def execute(dsn: str, statement: str, *values: Any) -> list[asyncpg.Record]:
    """Run one statement and return its rows."""
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()
