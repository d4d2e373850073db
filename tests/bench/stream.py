"""Thousands of readers of one workspace's event stream: how late they are told, and what they cost."""

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from tests.auth.support import basic
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import make_open_directory

_DATE = re.compile(rb'"event_date_ms":(\d+)')
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
CONNECTING = 50
SETTLE_S = 3.0
STALL_S = 60.0


class Reader(asyncio.Protocol):
    """Counts the events that arrive, and notes how old the newest of each arrival is."""

    def __init__(self, request: bytes, ages_ms: list[float]) -> None:
        self.request, self.ages_ms = request, ages_ms
        self.events = 0
        self.lost = False
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            assert data.startswith(b"HTTP/1.1 200"), data[:200]
            self.ready.set_result(None)
        came = data.count(b"\nevent: ")
        if came:
            self.events += came
            found = _DATE.search(data, data.rfind(b'"event_date_ms"'))
            if found:
                self.ages_ms.append(time.time() * 1000 - int(found[1]))

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_kb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KB


def percentile(values: list[float], part: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * part))], 1) if values else 0.0


async def connect(daemon: DaemonProcess, path: str, count: int, ages_ms: list[float]) -> list[Reader]:
    login = basic(daemon.account_sid, daemon.auth_token)
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {login}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    readers: list[Reader] = []
    while len(readers) < count:
        made = await asyncio.gather(
            *(
                loop.create_connection(lambda: Reader(request, ages_ms), "127.0.0.1", daemon.port)
                for _ in range(min(CONNECTING, count - len(readers)))
            )
        )
        readers += [reader for _, reader in made]
        await asyncio.gather(*(reader.ready for _, reader in made))
    return readers


async def window(
    daemon: DaemonProcess,
    readers: list[Reader],
    ages_ms: list[float],
    seconds: float,
    work: Callable[[], Awaitable[None]],
) -> dict[str, Any]:
    """Do some work for a while, wait until all is told, and say what that came to."""
    await asyncio.sleep(SETTLE_S)
    ages_ms.clear()
    before, cpu, began_s = sum(reader.events for reader in readers), cpu_s(daemon.pid), time.perf_counter()
    await work()
    took_s = time.perf_counter() - began_s
    used = cpu_s(daemon.pid) - cpu
    await asyncio.sleep(SETTLE_S)
    return {
        "events_told_per_s": round((sum(reader.events for reader in readers) - before) / took_s),
        "age_p50_ms": percentile(ages_ms, 0.5),
        "age_p99_ms": percentile(ages_ms, 0.99),
        "age_max_ms": percentile(ages_ms, 1.0),
        "daemon_cpu": round(used / took_s, 2),
        "lost": sum(reader.lost for reader in readers),
        "uneven": len({reader.events for reader in readers}) > 1,
    }


async def measure(daemon: DaemonProcess, count: int, seconds: float, rates: list[float]) -> None:
    headers = {"Authorization": basic(daemon.account_sid, daemon.auth_token)}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def post(path: str, **fields: str) -> dict[str, Any]:
            async with session.post(f"{daemon.url}{path}", data=fields) as answer:
                assert answer.status == 201, await answer.text()
                return dict(await answer.json())

        sid = (await post("/v1/Workspaces", FriendlyName="Bench", Template="FIFO"))["sid"]
        base = f"/v1/Workspaces/{sid}"
        await post(f"{base}/Tasks", Attributes="{}")
        alone_kb = memory_kb(daemon.pid)
        ages_ms: list[float] = []
        took_s = time.perf_counter()
        readers = await connect(daemon, f"{base}/Events/Stream", count, ages_ms)
        took_s = time.perf_counter() - took_s
        tell("connecting", readers=count, per_s=round(count / took_s))
        tell(
            "memory",
            kb_per_reader=round((memory_kb(daemon.pid) - alone_kb) / count, 1),
            daemon_mb=memory_kb(daemon.pid) // 1024,
        )

        async def nothing() -> None:
            await asyncio.sleep(seconds)

        tell("silent", **await window(daemon, readers, ages_ms, seconds, nothing))
        for rate in rates:

            async def create(rate: float = rate) -> None:
                began_s = time.perf_counter()
                for n in range(round(rate * seconds)):
                    await asyncio.sleep(max(0.0, began_s + n / rate - time.perf_counter()))
                    await post(f"{base}/Tasks", Attributes='{"language": "en"}')

            tell(f"{rate:g} tasks/s", **await window(daemon, readers, ages_ms, seconds, create))
        tell("memory", daemon_mb=memory_kb(daemon.pid) // 1024)
        tell("stalled", **await stall(daemon, readers, session, f"{daemon.url}{base}/Tasks/Bulk"))


async def stall(
    daemon: DaemonProcess, readers: list[Reader], session: aiohttp.ClientSession, bulk: str
) -> dict[str, Any]:
    """Let nobody read any more, make many events, and see what the daemon holds until all are dropped."""
    for reader in readers:
        reader.transport.pause_reading()
    peak_kb = memory_kb(daemon.pid)
    began_s = time.perf_counter()
    items = [{"Attributes": {"text": "x" * 2_000}}] * 500
    async with session.post(bulk, json=items) as answer:
        assert answer.status == 200
    opened = len(readers)
    while opened and time.perf_counter() - began_s < STALL_S:
        await asyncio.sleep(0.2)
        peak_kb = max(peak_kb, memory_kb(daemon.pid))
        async with session.get(f"{daemon.url}/metrics") as answer:
            found = re.search(r"^pointsman_stream_readers ([\d.]+)$", await answer.text(), re.MULTILINE)
        opened = int(float(found[1])) if found else 0
    return {
        "peak_mb": peak_kb // 1024,
        "left": opened,
        "all_dropped_after_s": round(time.perf_counter() - began_s, 1),
        "after_mb": memory_kb(daemon.pid) // 1024,
    }


def tell(what: str, **figures: Any) -> None:
    sys.stdout.write(json.dumps({"what": what, **figures}) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rates", type=float, nargs="*", default=[1.0, 5.0, 20.0], help="tasks per second")
    asked = parser.parse_args()
    needed = asked.readers + 200
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed * 2, hard), hard))
    directory = make_open_directory()
    try:
        with DaemonProcess(directory) as daemon, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(daemon, asked.readers, asked.seconds, asked.rates))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
