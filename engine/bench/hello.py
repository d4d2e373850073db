"""The framework's limit: an aiohttp handler that reads a form and answers JSON, in a process of its own."""

import asyncio
import multiprocessing
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection

import orjson
import uvloop
from aiohttp import web

from engine.bench.errors import BenchError

START_TIMEOUT_S = 30.0


def serve(pipe: Connection) -> None:
    """Serve on a free port, which is sent through the pipe, until killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    app = web.Application()
    app.router.add_post("/Tasks", _handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    await web.SockSite(runner, listener).start()
    pipe.send(listener.getsockname()[1])
    await asyncio.Event().wait()


async def _handle(request: web.Request) -> web.Response:
    form = await request.post()
    body = orjson.dumps({"sid": "WT" + "0" * 32, "attributes": form["Attributes"]})
    return web.Response(body=body, content_type="application/json", status=201)


@asynccontextmanager
async def hello_server() -> AsyncIterator[str]:
    """Run the server; hands over its base URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), name="hello", daemon=True)
    await asyncio.to_thread(process.start)
    theirs.close()
    try:
        if not await asyncio.to_thread(ours.poll, START_TIMEOUT_S):
            raise BenchError("the trivial handler did not start")
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.close()
        process.terminate()
        await asyncio.to_thread(process.join)
        process.close()
