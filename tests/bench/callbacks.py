"""CPU time of this process per callback: the HTTP request alone, and all of an assignment callback.

The receiver is a process of its own, answers at once and is not counted. `request` is a signed form, sent and
answered over a kept connection; `callback` is the same from its commit on: line, task, log event, metrics,
and the outcome handed to a workspace that takes it at once.
"""

import argparse
import asyncio
import gc
import json
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import uvloop

from engine import logs
from engine.bench.http_receiver import Receiver, Reply, listen
from engine.callbacks.client import CallbackClient
from engine.callbacks.dispatcher import CallbackDispatcher
from engine.callbacks.limits import CallbackLimits
from engine.routing.commands import Command
from engine.routing.effects import AssignmentCallback, Changes
from engine.routing.entities import TaskOrder, Workspace
from engine.settings import LoggingSettings

ACCOUNT = "AC" + "0" * 32
TOKEN = "a" * 32
WARM_UP = 1_000
WORKER = json.dumps({"skills": ["billing", "sales"], "languages": ["en", "de"], "contact_uri": "client:anna"})


def fields_of(number: int) -> dict[str, str]:
    """Return what an assignment callback tells, of usual size."""
    task = {"skill": "billing", "language": "en", "customer": "CU1234567890", "number": number}
    return {
        "Timestamp": "1700000000",
        "AccountSid": ACCOUNT,
        "WorkspaceSid": "WS" + "1" * 32,
        "WorkflowSid": "WW" + "1" * 32,
        "TaskQueueSid": "WQ" + "1" * 32,
        "WorkerSid": f"WK{number % 100:032x}",
        "WorkerName": f"worker {number % 100}",
        "WorkerAttributes": WORKER,
        "TaskSid": f"WT{number:032x}",
        "TaskAttributes": json.dumps(task),
        "TaskAge": "0",
        "TaskPriority": "0",
        "ReservationSid": f"WR{number:032x}",
    }


class Requests:
    """Sends with the client alone, `concurrency` at a time."""

    def __init__(self, url: str, concurrency: int) -> None:
        self._url = url
        self._concurrency = concurrency
        self._client = CallbackClient(CallbackLimits(), lambda _: TOKEN)

    async def __call__(self, count: int) -> None:
        """Send so many."""
        numbers = iter(range(count))

        async def sender() -> None:
            for number in numbers:
                await self._client.post(self._url, fields_of(number), ACCOUNT, 5.0, body_matters=True)

        await asyncio.gather(*(sender() for _ in range(self._concurrency)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class Callbacks:
    """Has the dispatcher send what a batch commits: as many as were answered since the last one."""

    def __init__(self, url: str, concurrency: int) -> None:
        self._url = url
        self._concurrency = concurrency
        self._dispatcher = CallbackDispatcher(CallbackLimits(), lambda _: TOKEN, self._submit)
        self._workspace = Workspace(
            sid="WS" + "1" * 32,
            account_sid=ACCOUNT,
            friendly_name="bench",
            event_callback_url="",
            events_filter=None,
            multi_task_enabled=True,
            prioritize_queue_order=TaskOrder.FIFO,
            default_activity_sid=None,
            timeout_activity_sid=None,
            date_created_ms=0,
            date_updated_ms=0,
        )
        self._wanted = self._sent = self._done = 0
        self._finished = asyncio.Event()

    async def __call__(self, count: int) -> None:
        """Send so many."""
        if not self._wanted:
            await self._dispatcher.start()
        self._wanted += count
        self._finished.clear()
        self._commit()
        await self._finished.wait()

    async def close(self) -> None:
        """Close the connections."""
        await self._dispatcher.stop(5.0)

    async def _submit(self, _workspace_sid: str, _command: Command) -> None:
        self._done += 1
        self._commit()
        if self._done == self._wanted:
            self._finished.set()

    def _commit(self) -> None:
        stop = min(self._wanted, self._done + self._concurrency)
        callbacks = [self._callback(number) for number in range(self._sent, stop)]
        self._sent = max(self._sent, stop)
        if callbacks:
            self._dispatcher.committed(self._workspace, Changes(callbacks=callbacks))

    def _callback(self, number: int) -> AssignmentCallback:
        fields = fields_of(number)
        return AssignmentCallback(
            reservation_sid=fields["ReservationSid"],
            task_sid=fields["TaskSid"],
            worker_sid=fields["WorkerSid"],
            workflow_sid=fields["WorkflowSid"],
            url=self._url,
            fallback_url="",
            date_created_ms=0,
            fields=fields,
        )


KINDS: dict[str, Callable[[str, int], Any]] = {"request": Requests, "callback": Callbacks}


def cpu_s() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measured(work: Callable[[int], Awaitable[None]], count: int) -> dict[str, float]:
    """Return what a callback took; making its fields is not counted, as the core does that."""
    began_s, began_cpu_s = time.monotonic(), cpu_s()
    await work(count)
    took_s, took_cpu_s = time.monotonic() - began_s, cpu_s() - began_cpu_s
    began_cpu_s = cpu_s()
    for number in range(count):
        fields_of(number)
    took_cpu_s -= cpu_s() - began_cpu_s
    return {"cpu_us": took_cpu_s / count * 1e6, "per_s": count / took_s}


async def serve() -> None:
    """Be the receiver: tell the port on standard output, answer until killed."""

    def accept(_task: str, _reservation: str, reply: Reply) -> None:
        reply(b'{"instruction": "accept"}')

    everybody: set[Receiver] = set()
    with listen("127.0.0.1") as listener:
        await asyncio.get_running_loop().create_server(lambda: Receiver(accept, everybody), sock=listener)
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


@asynccontextmanager
async def receiver() -> AsyncIterator[str]:
    """Run the receiver in a process of its own and yield its URL."""
    command = [sys.executable, "-m", "tests.bench.callbacks", "--serve"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/assign"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def compare(count: int, rounds: int, concurrency: int) -> dict[str, Any]:
    """Measure each kind several times, in turn, and return their medians."""
    figures: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    async with receiver() as url:
        works = {kind: make(url, concurrency) for kind, make in KINDS.items()}
        for work in works.values():
            await work(WARM_UP)
        gc.collect()
        gc.freeze()
        for _ in range(rounds):
            for kind, work in works.items():
                figures[kind].append(await measured(work, count))
        for work in works.values():
            await work.close()
    return {
        kind: {name: round(statistics.median(each[name] for each in found), 1) for name in found[0]}
        for kind, found in figures.items()
    }


def main() -> None:
    """Print the figures as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="callbacks in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=20, help="callbacks under way")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve())
        return
    with Path("/dev/null").open("w") as nowhere:
        logs.configure(LoggingSettings(format="json"), nowhere)
        figures = uvloop.run(compare(options.count, options.rounds, options.concurrency))
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
