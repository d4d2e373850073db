"""Life cycles of tasks, one call each, for benchmarks that need them as a steady background."""

import asyncio
import json
import socket

import aiohttp
import orjson
from aiohttp import web

from tests.support.daemon import ACCOUNT_SID, AUTH_TOKEN

ATTRIBUTES = json.dumps({"skill": "billing", "language": "en", "customer": "CU1234567890"})
WORKERS = 20
CAPACITY = 50


def client() -> aiohttp.ClientSession:
    """A session of the account, with as many connections as it wants."""
    authorization = aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)
    return aiohttp.ClientSession(
        headers={"Authorization": authorization}, connector=aiohttp.TCPConnector(limit=0)
    )


async def post(session: aiohttp.ClientSession, url: str, data: dict[str, str]) -> dict[str, object]:
    """POST a form and return the JSON of a 2xx answer."""
    async with session.post(url, data=data) as answer:
        body = await answer.read()
        assert answer.status < 300, (answer.status, body)
        return orjson.loads(body)


async def new_workspace(session: aiohttp.ClientSession, url: str) -> str:
    """Make a workspace from the FIFO template and return its URL."""
    body = await post(session, f"{url}/v1/Workspaces", {"FriendlyName": "bench", "Template": "FIFO"})
    return str(body["url"])


class LifeCycles:
    """The step creates a task, waits for its assignment callback, and completes it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url
        self.workspace = ""
        self.accepted: dict[str, asyncio.Event] = {}
        self.runner: web.AppRunner | None = None

    async def prepare(self) -> "LifeCycles":
        """Make the receiver of callbacks, a workspace and its workers; returns itself."""
        app = web.Application()
        app.router.add_post("/assign", self._assign)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(self.runner, listener).start()
        callback_url = f"http://127.0.0.1:{listener.getsockname()[1]}/assign"
        self.workspace = await new_workspace(self.session, self.url)
        async with self.session.get(f"{self.workspace}/Workflows") as answer:
            workflow = (await answer.json())["workflows"][0]["url"]
        await post(self.session, workflow, {"AssignmentCallbackUrl": callback_url})
        async with self.session.get(f"{self.workspace}/Activities?Available=true") as answer:
            available = (await answer.json())["activities"][0]["sid"]
        for number in range(WORKERS):
            form = {"FriendlyName": f"worker {number}", "ActivitySid": available}
            worker = await post(self.session, f"{self.workspace}/Workers", form)
            await post(self.session, f"{worker['url']}/Channels/default", {"Capacity": str(CAPACITY)})
        return self

    async def _assign(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.accepted.setdefault(str(form["TaskSid"]), asyncio.Event()).set()
        return web.json_response({"instruction": "accept"})

    async def __call__(self) -> None:
        task = await post(self.session, f"{self.workspace}/Tasks", {"Attributes": ATTRIBUTES})
        sid = str(task["sid"])
        event = self.accepted.setdefault(sid, asyncio.Event())
        await event.wait()
        while True:
            form = {"AssignmentStatus": "completed", "Reason": "done"}
            async with self.session.post(f"{self.workspace}/Tasks/{sid}", data=form) as answer:
                await answer.read()
                if answer.status == 200:
                    break
                # The answer to the callback may still be on its way through the inbox.
                assert answer.status == 400, answer.status
        del self.accepted[sid]

    async def close(self) -> None:
        assert self.runner is not None
        await self.runner.cleanup()
