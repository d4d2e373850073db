"""A workspace made over REST, its workers' tokens, and a client of the event bridge without the SDK."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from multidict import CIMultiDictProxy

from tests.auth.support import ACCESS_HEADER, access, basic, sign
from tests.support.daemon import DaemonProcess

MILESTONE_S = 20.0
QUIET_S = 0.6
"""How long nothing has to come, to be sure that it does not: longer than events are delayed."""


async def eventually(what: str, probe: Callable[[], Awaitable[bool]]) -> None:
    """Return when `probe` says so; fail naming the milestone when it does not in time."""
    try:
        async with asyncio.timeout(MILESTONE_S):
            while True:
                if await probe():
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {MILESTONE_S} s: {what}") from None


@dataclass
class Answer:
    """The answer to a call."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]

    @property
    def payload(self) -> Any:
        """What a call that succeeded brought."""
        assert self.status == 200, self.body
        assert list(self.body) == ["payload"]
        return self.body["payload"]


@dataclass
class Client:
    """An open websocket."""

    ws: aiohttp.ClientWebSocketResponse
    heartbeats: int = 0
    frames: list[dict[str, Any]] = field(default_factory=list)

    async def read(self, timeout_s: float = MILESTONE_S) -> dict[str, Any]:
        """Return the next frame that is not a heartbeat."""
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self.ws.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, message
                if message.data.strip():
                    return dict(json.loads(message.data))
                self.heartbeats += 1

    async def next(self, event_type: str) -> Any:
        """Return the payload of the next event of a type; others before it are passed over."""
        while True:
            frame = await self.read()
            self.frames.append(frame)
            if frame["event_type"] == event_type:
                return frame["payload"]

    async def quiet(self) -> list[str]:
        """Return the types of events that come within QUIET_S."""
        found = []
        try:
            while True:
                found.append((await self.read(QUIET_S))["event_type"])
        except TimeoutError:
            return found

    async def closed(self) -> tuple[int | None, str]:
        """Return code and reason of the close that the server sends."""
        async with asyncio.timeout(MILESTONE_S):
            while True:
                message = await self.ws.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return int(message.data), str(message.extra)
                if message.type in {
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.CLOSING,
                    aiohttp.WSMsgType.ERROR,
                }:
                    return self.ws.close_code, ""

    async def heartbeat(self) -> None:
        """Return after the next heartbeat."""
        async with asyncio.timeout(MILESTONE_S):
            message = await self.ws.receive()
            assert message.type is aiohttp.WSMsgType.TEXT
            assert not message.data.strip()


class Desk:
    """A workspace with workers, and calls and sockets in their names."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.session = aiohttp.ClientSession()
        self.workers: dict[str, str] = {}
        self.activities: dict[str, str] = {}
        self.key: Any = None
        self.sid = self.queue = self.workflow = ""
        self._open: list[aiohttp.ClientWebSocketResponse] = []

    async def __aenter__(self) -> Self:
        try:
            await self._make()
        except BaseException:
            await self.session.close()
            raise
        return self

    async def _make(self) -> None:
        self.key = await self.rest("POST", self._accounts + "/Keys.json", FriendlyName="bridge")
        self.sid = (await self.rest("POST", "/v1/Workspaces", FriendlyName="Desk"))["sid"]
        listed = await self.rest("GET", f"{self.path}/Activities")
        self.activities = {each["friendly_name"]: each["sid"] for each in listed["activities"]}
        self.queue = (await self.rest("POST", f"{self.path}/TaskQueues", FriendlyName="Everyone"))["sid"]
        routing = {"task_routing": {"default_filter": {"queue": self.queue}}}
        fields = {"FriendlyName": "Main", "Configuration": json.dumps(routing)}
        self.workflow = (await self.rest("POST", f"{self.path}/Workflows", **fields))["sid"]
        for name in ("alice", "bob"):
            await self.hire(name)

    async def __aexit__(self, *_: object) -> None:
        for ws in self._open:
            await ws.close()
        await self.session.close()

    @property
    def path(self) -> str:
        """The path of the workspace in the REST API."""
        return f"/v1/Workspaces/{self.sid}"

    @property
    def ws(self) -> str:
        """The workspace as calls name it."""
        return f"Workspaces/{self.sid}"

    def wk(self, name: str) -> str:
        """A worker as calls name it."""
        return f"{self.ws}/Workers/{self.workers[name]}"

    @property
    def _accounts(self) -> str:
        return f"/2010-04-01/Accounts/{self.daemon.account_sid}"

    async def hire(self, name: str) -> str:
        """Add a worker who is available."""
        fields = {"FriendlyName": name, "ActivitySid": self.activities["Available"]}
        made = await self.rest("POST", f"{self.path}/Workers", **fields)
        self.workers[name] = made["sid"]
        return str(made["sid"])

    async def rest(self, method: str, path: str, **fields: Any) -> Any:
        """Call the REST API; returns the document."""
        headers = {"Authorization": basic(self.daemon.account_sid, self.daemon.auth_token)}
        body = {"data": fields} if fields else {}
        async with self.session.request(method, self.daemon.url + path, headers=headers, **body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status != 204 else None

    def token(self, name: str, role: str = "worker", **claims: Any) -> str:
        """An access token as the helper libraries make it; `claims` replaces what it says."""
        sid = self.workers.get(name, "")
        told = access(self.key["sid"], self.daemon.account_sid, self.sid, role, sid) | claims
        return sign(told, self.key["secret"], ACCESS_HEADER)

    async def connect(self, name: str = "alice", token: str | None = None, **query: str) -> Client:
        """Open a socket and take its first message, which must be init."""
        client = await self.knock(token or self.token(name), **query)
        assert (await client.read())["event_type"] == "init"
        return client

    async def knock(self, token: str, **query: str) -> Client:
        """Open a socket."""
        asked = {"token": token, "closeExistingSessions": "false", "clientVersion": "2.1.1", **query}
        ws = await self.session.ws_connect(f"{self.daemon.url}/v1/wschannels", params=asked, autoping=True)
        self._open.append(ws)
        return Client(ws)

    async def call(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        *,
        name: str = "alice",
        token: str | None = None,
        **headers: str,
    ) -> Answer:
        """Make a call as the SDK does."""
        envelope = {"url": url, "method": method, "params": dict(params or {})}
        envelope["token"] = self.token(name) if token is None else token
        return await self.post(json.dumps(envelope).encode(), **headers)

    async def post(self, raw: bytes, **headers: str) -> Answer:
        """Send a body, named a form as the SDK names it."""
        given = {"Content-Type": "application/x-www-form-urlencoded", "apiVersion": "v1"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        url = f"{self.daemon.url}/v1/wschannels"
        async with self.session.post(url, data=raw, headers=given) as response:
            return Answer(response.status, json.loads(await response.text()), response.headers)

    async def offer(self, name: str = "alice", **fields: Any) -> tuple[str, str]:
        """Make a task for one worker alone; returns the task's SID and that of its reservation."""
        fields = {"RoutingTarget": self.workers[name], "WorkflowSid": self.workflow, **fields}
        task = await self.rest("POST", f"{self.path}/Tasks", **fields)
        async with asyncio.timeout(MILESTONE_S):
            while True:
                path = f"{self.path}/Tasks/{task['sid']}/Reservations"
                if found := (await self.rest("GET", path))["reservations"]:
                    return task["sid"], found[-1]["sid"]
