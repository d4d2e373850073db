"""A client of the event stream that can be cut off, and what makes events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from tests.auth.support import basic
from tests.support.daemon import DaemonProcess

MILESTONE_S = 20.0


@dataclass
class Block:
    """One block of Server-Sent Events: its fields, and its comments."""

    id: str | None = None
    event: str | None = None
    data: str | None = None
    comments: list[str] = field(default_factory=list)

    @property
    def document(self) -> dict[str, Any]:
        """The JSON of its data."""
        assert self.data is not None
        return dict(json.loads(self.data))


class Client:
    """Requests to one daemon, signed in as its account."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.session = aiohttp.ClientSession(
            headers={"Authorization": basic(daemon.account_sid, daemon.auth_token)},
            connector=aiohttp.TCPConnector(limit=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def post(self, path: str, **fields: str) -> dict[str, Any]:
        async with self.session.post(f"{self.daemon.url}/v1{path}", data=fields) as answer:
            assert answer.status < 300, await answer.text()
            return dict(await answer.json())

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        async with self.session.get(f"{self.daemon.url}/v1{path}", params=query) as answer:
            assert answer.status == 200, await answer.text()
            return dict(await answer.json())

    async def delete(self, path: str) -> None:
        async with self.session.delete(f"{self.daemon.url}/v1{path}") as answer:
            assert answer.status == 204, await answer.text()

    async def workspace(self, template: str = "FIFO") -> str:
        """Make a workspace and return its path below /v1."""
        made = await self.post("/Workspaces", FriendlyName="Followed", Template=template)
        return f"/Workspaces/{made['sid']}"

    async def task(self, base: str) -> str:
        """Make a task and return its SID."""
        return str((await self.post(f"{base}/Tasks", Attributes='{"language": "en"}'))["sid"])

    async def tasks(self, base: str, count: int, padding: int = 0) -> None:
        """Make many tasks at once."""
        items = [{"Attributes": {"n": n, "text": "x" * padding}} for n in range(count)]
        async with self.session.post(f"{self.daemon.url}/v1{base}/Tasks/Bulk", json=items) as answer:
            assert (await answer.json())["created"] == count

    @asynccontextmanager
    async def stream(
        self, base: str, *, headers: dict[str, str] | None = None, **query: Any
    ) -> AsyncIterator["Stream"]:
        """Follow a workspace's events; when the context ends, the connection is cut."""
        answer = await self.session.get(
            f"{self.daemon.url}/v1{base}/Events/Stream",
            params=query,
            headers=headers or {},
            timeout=aiohttp.ClientTimeout(total=None),
        )
        try:
            yield Stream(answer)
        finally:
            answer.close()


class Stream:
    """An answer that goes on."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def line(self) -> str | None:
        """Return the next line; None when there are no more."""
        async with asyncio.timeout(MILESTONE_S):
            raw = await self.answer.content.readline()
        return raw.decode() if raw else None

    async def block(self) -> Block | None:
        """Return the next block; None at the end."""
        block = Block()
        while (line := await self.line()) is not None:
            text = line.rstrip("\n")
            if not text:
                return block
            name, _, value = text.partition(": ")
            if not name:
                block.comments.append(value)
            elif name in {"id", "event", "data"}:
                assert getattr(block, name) is None, text
                setattr(block, name, value)
        return None

    async def event(self) -> Block:
        """Return the next block with data."""
        while True:
            block = await self.block()
            assert block is not None, "the stream has ended"
            if block.data is not None:
                return block

    async def events(self, count: int) -> list[dict[str, Any]]:
        """Return the next events."""
        return [(await self.event()).document for _ in range(count)]

    async def until(self, event_type: str) -> list[dict[str, Any]]:
        """Return the events up to the first of a type, with it."""
        found = []
        while not found or found[-1]["event_type"] != event_type:
            found.append((await self.event()).document)
        return found

    async def json_line(self) -> dict[str, Any]:
        """Return the next JSON line that is not blank."""
        while True:
            line = await self.line()
            assert line is not None, "the stream has ended"
            if line.strip():
                return dict(json.loads(line))
