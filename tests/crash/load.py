"""A support centre under load over HTTP, which remembers what it was promised."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from tests.support.daemon import DaemonProcess

CREATORS = 8
COMPLETERS = 2
PAUSE_S = 0.01


@dataclass
class Promises:
    """What the daemon acknowledged, by its HTTP answers."""

    created: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)
    offered: list[tuple[int, str]] = field(default_factory=list)
    """The reservations of assignment callbacks, with the number of the daemon's start."""
    statuses: dict[int, int] = field(default_factory=dict)


class Load:
    """Creates tasks, accepts each by its assignment callback and completes it, until stopped.

    Refused connections and 5xx answers are what a client sees of a crash: it goes on with the next.
    """

    def __init__(self, daemon: DaemonProcess, session: ClientSession, callback_url: str) -> None:
        self.promises = Promises()
        self.workspace_sid = ""
        self.starts = 1
        self._daemon = daemon
        self._session = session
        self._callback_url = callback_url
        self._accepted: asyncio.Queue[str] = asyncio.Queue()
        self._progress = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def set_up(self) -> None:
        """Make a workspace whose tasks are accepted by callback, with two available workers."""
        workspace = await self.post("", FriendlyName="Crash", Template="FIFO")
        self.workspace_sid = workspace["sid"]
        base = f"/{self.workspace_sid}"
        activities = (await self.get(f"{base}/Activities"))["activities"]
        available = next(activity["sid"] for activity in activities if activity["available"])
        workflow = (await self.get(f"{base}/Workflows"))["workflows"][0]["sid"]
        await self.post(f"{base}/Workflows/{workflow}", AssignmentCallbackUrl=self._callback_url)
        for name in ("Alice", "Bob"):
            worker = await self.post(f"{base}/Workers", FriendlyName=name, ActivitySid=available)
            await self.post(f"{base}/Workers/{worker['sid']}/Channels/default", Capacity="20")

    def start(self) -> None:
        """Begin the load."""
        jobs = [self._create() for _ in range(CREATORS)] + [self._complete() for _ in range(COMPLETERS)]
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def stop(self) -> None:
        """End the load."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until_created(self, number: int, timeout_s: float = 60.0) -> None:
        """Return when that many creations were acknowledged."""
        async with asyncio.timeout(timeout_s):
            while len(self.promises.created) < number:
                self._progress.clear()
                await self._progress.wait()

    async def post(self, path: str, **form: str) -> dict[str, str]:
        status, body = await self._call("POST", path, form)
        assert status in {200, 201}, (path, status, body)
        return body

    async def get(self, path: str) -> dict[str, list[dict[str, str]]]:
        status, body = await self._call("GET", path, None)
        assert status == 200, (path, status, body)
        return body

    async def status_of(self, task_sid: str) -> int:
        """The HTTP status of fetching a task."""
        return (await self._call("GET", f"/{self.workspace_sid}/Tasks/{task_sid}", None))[0]

    async def callback(self, request: web.Request) -> web.Response:
        """Answer an assignment callback: accept."""
        form = await request.post()
        task_sid = str(form["TaskSid"])
        self.promises.offered.append((self.starts, str(form["ReservationSid"])))
        self._accepted.put_nowait(task_sid)
        return web.json_response({"instruction": "accept"})

    async def _create(self) -> None:
        path = f"/{self.workspace_sid}/Tasks"
        while True:
            status, body = await self._attempt(path, {"Attributes": json.dumps({"kind": "crash"})})
            if status == 201:
                self.promises.created.add(body["sid"])
                self._progress.set()

    async def _complete(self) -> None:
        while True:
            task_sid = await self._accepted.get()
            path = f"/{self.workspace_sid}/Tasks/{task_sid}"
            status, _ = await self._attempt(path, {"AssignmentStatus": "completed"})
            if status == 200:
                self.promises.completed.add(task_sid)
            elif status != 404 and task_sid not in self.promises.completed:
                self._accepted.put_nowait(task_sid)  # not assigned yet, or the daemon is away

    async def _attempt(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, str]]:
        try:
            status, body = await self._call("POST", path, form)
        except (ClientError, OSError, TimeoutError):
            status, body = 0, {}
        self.promises.statuses[status] = self.promises.statuses.get(status, 0) + 1
        if status not in {200, 201}:
            await asyncio.sleep(PAUSE_S)
        return status, body

    async def _call(self, method: str, path: str, form: dict[str, str] | None) -> tuple[int, dict]:
        url = f"{self._daemon.url}/v1/Workspaces{path}"
        async with self._session.request(method, url, data=form) as answer:
            return answer.status, await answer.json(content_type=None)


@asynccontextmanager
async def load_on(daemon: DaemonProcess) -> AsyncIterator[Load]:
    """A load whose workspace is set up, with its receiver of callbacks."""
    app = web.Application()
    runner = web.AppRunner(app, access_log=None)
    credentials = b64encode(f"{daemon.account_sid}:{daemon.auth_token}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    async with ClientSession(headers=headers, timeout=ClientTimeout(total=10)) as session:
        load = Load(daemon, session, "")
        app.router.add_post("/assignment", load.callback)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        load._callback_url = f"http://127.0.0.1:{runner.addresses[0][1]}/assignment"
        try:
            await load.set_up()
            yield load
        finally:
            await load.stop()
            await runner.cleanup()
