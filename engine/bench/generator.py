"""A generator process: hosts the receiver of its callbacks, creates load, sends what it measured.

The parent reads from the pipe: the receiver's URL, an Interval each second, a Ledger at the end; and writes
one Job. The process ends by itself, or with its parent.
"""

import asyncio
import signal
import socket
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from random import Random

import uvloop

from engine.bench.cycles import Cycles
from engine.bench.http_client import Client
from engine.bench.http_receiver import Receiver, listen
from engine.bench.job import Job
from engine.bench.measures import Recorder

IN_FLIGHT_MAX = 4_000
"""Life cycles under way at once at a rate; those due later wait, and count from when they were due."""
EARLY_S = 0.0006
"""Timers have milliseconds: what is due within half of one is sent now."""


def run(pipe: Connection, host: str, announced_host: str) -> None:
    """Be a generator process; the parent ends it with SIGTERM when it is interrupted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        opened = listen(host)
    except OSError as error:
        pipe.send(error)
        return
    with opened as listener:
        address = f"[{announced_host}]" if ":" in announced_host else announced_host
        pipe.send(f"http://{address}:{listener.getsockname()[1]}/assignment")
        with suppress(EOFError):
            uvloop.run(_work(pipe.recv(), pipe, listener))


async def _work(job: Job, pipe: Connection, listener: socket.socket) -> None:
    recorder = Recorder()
    receivers: set[Receiver] = set()
    async with Client(job.base_url, job.account_sid, job.auth_token) as client:
        cycles = Cycles(job, client, recorder)
        server = await asyncio.get_running_loop().create_server(
            lambda: Receiver(cycles.offered, receivers), sock=listener
        )
        ticker = asyncio.create_task(_tick(job, recorder, pipe))
        await asyncio.sleep(max(0.0, job.begin_s - time.monotonic()))
        under_way = await (_at_a_rate if job.phase.rate_per_s else _flat_out)(job, cycles)
        await _drain(job, cycles, under_way)
        ticker.cancel()
        await asyncio.wait([ticker])
        pipe.send(recorder.take(_index(job)))
        pipe.send(cycles.close())
        server.close()
        for receiver in tuple(receivers):
            receiver.close()
        await asyncio.sleep(0)


async def _flat_out(job: Job, cycles: Cycles) -> set[asyncio.Task[None]]:
    """Keep `concurrency` life cycles under way until the end. Returns what is still under way."""

    async def app() -> None:
        while (now_s := time.monotonic()) < job.end_s:
            await cycles.one(now_s)

    count = max(1, round(job.phase.concurrency * job.share))
    apps = {asyncio.create_task(app()) for _ in range(count)}
    await asyncio.sleep(max(0.0, job.end_s - time.monotonic()))
    return apps


async def _at_a_rate(job: Job, cycles: Cycles) -> set[asyncio.Task[None]]:
    """Begin life cycles when they are due, whatever became of those before. Returns what is under way."""
    assert job.phase.rate_per_s is not None
    rate_per_s = job.phase.rate_per_s * job.share
    random = Random(f"arrivals/{job.seed}/{job.number}")
    under_way: set[asyncio.Task[None]] = set()
    room = asyncio.Semaphore(IN_FLIGHT_MAX)

    def done(task: asyncio.Task[None]) -> None:
        under_way.discard(task)
        room.release()
        _check(task, cycles)

    even = job.phase.arrivals == "even"
    due_s = job.begin_s + job.number * job.share / rate_per_s
    while due_s < job.end_s:
        await _until(due_s)
        await room.acquire()
        task = asyncio.create_task(cycles.one(due_s))
        under_way.add(task)
        task.add_done_callback(done)
        due_s += 1 / rate_per_s if even else random.expovariate(rate_per_s)
    return under_way


async def _until(due_s: float) -> None:
    """Sleep until it is nearly time; timers may end early."""
    pause_s = due_s - time.monotonic()
    if pause_s > EARLY_S:
        await asyncio.sleep(pause_s)
        await _until(due_s)


async def _drain(job: Job, cycles: Cycles, under_way: set[asyncio.Task[None]]) -> None:
    """Wait for what is under way, as long as the phase allows."""
    left = set(under_way)
    if not left:
        return
    _, late = await asyncio.wait(left, timeout=job.phase.drain_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for task in left:
        _check(task, cycles)


def _check(task: asyncio.Task[None], cycles: Cycles) -> None:
    """Let a fault of the generator show in the report."""
    if not task.cancelled() and (error := task.exception()):
        cycles.ledger.faults += 1
        cycles.note(f"fault of the generator: {error!r}")


async def _tick(job: Job, recorder: Recorder, pipe: Connection) -> None:
    """Send away what was measured at the end of each interval; negative indexes are the warm-up."""
    while True:
        index = _index(job)
        await asyncio.sleep(job.measure_s + (index + 1) * job.interval_s - time.monotonic())
        pipe.send(recorder.take(index))


def _index(job: Job) -> int:
    return int((time.monotonic() + 0.001 - job.measure_s) // job.interval_s)
