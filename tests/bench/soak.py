"""A daemon's memory over an hour, with a receiver of events that never answers and many readers of the log.

Tasks come at a steady pace and live their whole life. One reader in twenty goes to sleep now and then; when
that is too long it is dropped, and resumes. Every reader counts the gaps and repetitions: there must be none.
"""

import argparse
import asyncio
import json
import re
import resource
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg
import uvloop

from engine.storage.embedded import EmbeddedPostgres
from tests.bench.life_cycles import LifeCycles, client, post
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import make_open_directory

SLEEPER_EVERY = 20
SLEEP_S = 240.0
AWAKE_EVENTS = 500
WARM_UP = 0.25
"""The share of the time after which memory should have stopped growing."""
_MB = 1024 * 1024
_ID = re.compile(rb"(?:^|\n)id: ?(\d+)\r?\n")


def main() -> None:
    """Run and print one JSON document; progress goes to standard error."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=60.0)
    arguments.add_argument("--readers", type=int, default=200)
    arguments.add_argument("--tasks-per-s", type=float, default=2.0)
    arguments.add_argument("--sample-s", type=float, default=15.0)
    options = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures = uvloop.run(soak(options))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


@dataclass(slots=True)
class Reader:
    """One reader of the stream, which resumes where it was whenever the stream ends."""

    workspace: str
    session: aiohttp.ClientSession
    sleeper: bool
    sleeps_at: int = 200
    last: int = 0
    events: int = 0
    wrong: int = 0
    ended: int = 0

    async def run(self) -> None:
        """Read for ever."""
        while True:
            with suppress(aiohttp.ClientError, ConnectionError):
                await self._read()
            self.ended += 1
            await asyncio.sleep(0.5)

    async def _read(self) -> None:
        headers = {"Last-Event-ID": str(self.last)}
        url = f"{self.workspace}/Events/Stream"
        forever = aiohttp.ClientTimeout(total=None)
        async with self.session.get(url, headers=headers, timeout=forever) as answer:
            assert answer.status == 200, await answer.text()
            rest = b""
            async for chunk in answer.content.iter_any():
                rest = self._take(rest + chunk)
                if self.sleeper and self.events >= self.sleeps_at:
                    self.sleeps_at = self.events + AWAKE_EVENTS
                    await asyncio.sleep(SLEEP_S)

    def _take(self, text: bytes) -> bytes:
        end = 0
        for found in _ID.finditer(text):
            sequence, end = int(found[1]), found.end() - 1
            self.wrong += sequence != self.last + 1
            self.last = sequence
            self.events += 1
        return text[end:]


@dataclass(slots=True)
class Load:
    """Life cycles at a steady pace."""

    cycles: LifeCycles
    per_s: float
    done: int = 0
    failed: int = 0
    under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Begin one after the other, whatever becomes of them."""
        while True:
            task = asyncio.create_task(self._one())
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)
            await asyncio.sleep(1 / self.per_s)

    async def _one(self) -> None:
        try:
            async with asyncio.timeout(60):
                await self.cycles()
            self.done += 1
        except (aiohttp.ClientError, AssertionError, TimeoutError):
            self.failed += 1


async def soak(options: argparse.Namespace) -> dict[str, object]:
    """Run everything and return the figures."""
    directory = make_open_directory()
    dead = await asyncio.start_server(_never_answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{dead.sockets[0].getsockname()[1]}/events"
    try:
        with DaemonProcess(directory) as daemon:
            async with client() as session:
                cycles = await LifeCycles(session, daemon.url).prepare()
                await post(session, cycles.workspace, {"EventCallbackUrl": url})
                figures = await _soak(daemon, session, cycles, options)
                await cycles.close()
    finally:
        dead.close()
        shutil.rmtree(directory, ignore_errors=True)
    return figures


async def _soak(
    daemon: DaemonProcess, session: aiohttp.ClientSession, cycles: LifeCycles, options: argparse.Namespace
) -> dict[str, object]:
    readers = [
        Reader(cycles.workspace, session, number % SLEEPER_EVERY == 0) for number in range(options.readers)
    ]
    load = Load(cycles, options.tasks_per_s)
    jobs = [asyncio.create_task(job.run()) for job in (load, *readers)]
    samples = await _sampled(daemon, readers, load, options)
    for job in (*jobs, *load.under_way):
        job.cancel()
    await asyncio.gather(*jobs, *load.under_way, return_exceptions=True)
    first = int(len(samples) * WARM_UP)
    return {
        "minutes": options.minutes,
        "readers": options.readers,
        "tasks": load.done,
        "tasks_failed": load.failed,
        "events_read": sum(reader.events for reader in readers),
        "gaps_or_repetitions": sum(reader.wrong for reader in readers),
        "streams_ended": sum(reader.ended for reader in readers),
        "deliveries_pending": await _pending(daemon),
        "rss_mb": {
            "start": samples[0],
            "after_warm_up": samples[first],
            "end": samples[-1],
            "most": max(samples),
        },
        "rss_growth_after_warm_up_mb_per_h": round(_slope(samples[first:], options.sample_s) * 3600, 2),
        "rss_samples_mb": samples,
    }


async def _sampled(
    daemon: DaemonProcess, readers: list[Reader], load: Load, options: argparse.Namespace
) -> list[float]:
    """Take the daemon's resident memory in MB every so many seconds, until the time is over."""
    samples = []
    end_s = time.monotonic() + options.minutes * 60
    while time.monotonic() < end_s:
        await asyncio.sleep(options.sample_s)
        samples.append(_rss_mb(daemon.pid))
        told = sum(reader.events for reader in readers)
        sys.stderr.write(f"{samples[-1]:7.1f} MB  {load.done:7} tasks  {told:9} events told\n")
    return samples


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return round(pages * resource.getpagesize() / _MB, 1)


def _slope(values: list[float], step_s: float) -> float:
    """Return the growth per second of the line that fits best."""
    count = len(values)
    if count < 2:
        return 0.0
    mean_x, mean_y = (count - 1) / 2, sum(values) / count
    spread = sum((x - mean_x) ** 2 for x in range(count))
    return sum((x - mean_x) * (y - mean_y) for x, y in enumerate(values)) / spread / step_s


async def _pending(daemon: DaemonProcess) -> int:
    """Count what waits for the dead receiver, in the database that the daemon runs."""
    server = EmbeddedPostgres(daemon.data_dir / "postgres")
    connection = await asyncpg.connect(await server.start())
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM event_deliveries WHERE status = 'pending'"
        )
        return count
    finally:
        await connection.close()
        await server.stop()


async def _never_answer(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass


if __name__ == "__main__":
    main()
