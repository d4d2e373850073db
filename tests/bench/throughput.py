"""A daemon over HTTP: creates and life cycles per second, beside those of a trivial handler."""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import orjson
import uvloop
from aiohttp import web

from tests.support.daemon import ACCOUNT_SID, AUTH_TOKEN, DaemonProcess
from tests.support.fixtures import make_open_directory

ATTRIBUTES = json.dumps({"skill": "billing", "language": "en", "customer": "CU1234567890"})
WORKERS = 20
CAPACITY = 50


def main() -> None:
    """Run the three measurements and print one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--concurrency", type=int, default=64)
    options = arguments.parse_args()
    figures = uvloop.run(measure(options.seconds, options.concurrency))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


async def measure(seconds: float, concurrency: int) -> dict[str, object]:
    """Measure everything with the same generator and return the figures."""
    directory = make_open_directory()
    try:
        with DaemonProcess(directory) as daemon:
            creates, create_cpu_ms = await measured(
                daemon, lambda c: create_only(c, daemon.url), seconds, concurrency
            )
            cycles, cycle_cpu_ms = await measured(
                daemon, lambda c: LifeCycles(c, daemon.url).prepare(), seconds, concurrency
            )
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    trivial = await trivial_per_second(seconds, concurrency)
    return {
        "creates_per_s": round(creates),
        "create_daemon_cpu_ms": round(create_cpu_ms, 3),
        "life_cycles_per_s": round(cycles),
        "life_cycle_daemon_cpu_ms": round(cycle_cpu_ms, 3),
        "trivial_handler_per_s": round(trivial),
        "creates_over_trivial": round(creates / trivial, 3),
        "concurrency": concurrency,
        "seconds": seconds,
    }


Step = Callable[[], Awaitable[None]]


async def measured(
    daemon: DaemonProcess,
    make: Callable[[aiohttp.ClientSession], Awaitable[Step]],
    seconds: float,
    concurrency: int,
) -> tuple[float, float]:
    """Return operations per second and daemon CPU milliseconds per operation."""
    async with client() as session:
        step = await make(session)
        before_s = cpu_seconds(daemon.pid)
        count, elapsed_s = await flat_out(step, seconds, concurrency)
        used_s = cpu_seconds(daemon.pid) - before_s
        if isinstance(step, LifeCycles):
            await step.close()
    return count / elapsed_s, used_s * 1000 / count


async def flat_out(step: Step, seconds: float, concurrency: int) -> tuple[int, float]:
    """Run `step` over and over in `concurrency` tasks; returns how often and for how long."""
    count = 0
    start_s = time.monotonic()
    end_s = start_s + seconds

    async def loop() -> None:
        nonlocal count
        while time.monotonic() < end_s:
            await step()
            count += 1

    await asyncio.gather(*(loop() for _ in range(concurrency)))
    return count, time.monotonic() - start_s


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


async def create_only(session: aiohttp.ClientSession, url: str) -> Step:
    """Prepare a workspace without workers; the step creates a task."""
    workspace = await new_workspace(session, url)

    async def step() -> None:
        await post(session, f"{workspace}/Tasks", {"Attributes": ATTRIBUTES})

    return step


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


async def trivial_per_second(seconds: float, concurrency: int) -> float:
    """Return what a handler that only reads the form and renders JSON reaches."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=trivial_server, args=(queue,), daemon=True)
    process.start()
    try:
        port = queue.get(timeout=30)
        async with client() as session:

            async def step() -> None:
                await post(session, f"http://127.0.0.1:{port}/", {"Attributes": ATTRIBUTES})

            count, elapsed_s = await flat_out(step, seconds, concurrency)
    finally:
        process.terminate()
        process.join()
    return count / elapsed_s


def trivial_server(queue: "multiprocessing.Queue[int]") -> None:
    """Serve the trivial handler until killed."""

    async def handle(request: web.Request) -> web.Response:
        form = await request.post()
        body = orjson.dumps({"sid": "WT" + "0" * 32, "attributes": form["Attributes"]})
        return web.Response(body=body, content_type="application/json", status=201)

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listener).start()
        queue.put(listener.getsockname()[1])
        await asyncio.Event().wait()

    uvloop.run(serve())


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
