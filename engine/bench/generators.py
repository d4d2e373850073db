"""The generator processes of one phase, as the parent holds them."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from engine.bench import generator
from engine.bench.errors import BenchError
from engine.bench.job import Job, Ledger
from engine.bench.measures import Interval

_STOP_S = 5.0


@dataclass(slots=True, frozen=True)
class Generator:
    """One process, and the URL of its receiver."""

    process: BaseProcess
    pipe: Connection
    callback_url: str

    async def run(self, job: Job, on_interval: Callable[[Interval], None]) -> Ledger:
        """Have a job done. Raises BenchError when the process ends before it is."""
        self.pipe.send(job)
        while True:
            message = await asyncio.to_thread(_receive, self.pipe)
            if isinstance(message, Ledger):
                return message
            if not isinstance(message, Interval):
                raise BenchError(f"a generator process ended with code {self.process.exitcode}")
            on_interval(message)


@asynccontextmanager
async def generators(count: int, host: str, announced_host: str) -> AsyncIterator[list[Generator]]:
    """Start generator processes; they are ended when the block is left.

    `host` is the address that they receive callbacks on, `announced_host` what the daemon is told.
    """
    context = multiprocessing.get_context("spawn")
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for number in range(count):
            ours, theirs = context.Pipe()
            process: BaseProcess = context.Process(
                target=generator.run,
                args=(theirs, host, announced_host),
                name=f"generator-{number}",
                daemon=True,
            )
            await asyncio.to_thread(process.start)
            theirs.close()
            started.append((process, ours))
        yield [Generator(process, pipe, await _url(process, pipe)) for process, pipe in started]
    finally:
        for process, pipe in started:
            pipe.close()
            process.terminate()
        for process, _ in started:
            await asyncio.to_thread(process.join, _STOP_S)
            if process.is_alive():
                process.kill()
                await asyncio.to_thread(process.join)
            process.close()


async def _url(process: BaseProcess, pipe: Connection) -> str:
    url = await asyncio.to_thread(_receive, pipe)
    if isinstance(url, OSError):
        raise BenchError(f"callbacks cannot be received: {url}; give an address of this machine with --host")
    if not isinstance(url, str):
        raise BenchError(f"a generator process did not start (code {process.exitcode})")
    return url


def _receive(pipe: Connection) -> object:
    try:
        return pipe.recv()
    except (EOFError, OSError):
        return None
