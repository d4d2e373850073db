"""Faults from outside: twice the load that the daemon can take, a clock that jumps."""

import asyncio
import time
from dataclasses import dataclass

import orjson

from engine.chaos.audit import open_tasks
from engine.chaos.errors import ChaosError
from engine.chaos.load import OPEN_MAX, sids_of
from engine.chaos.route import Route
from engine.chaos.stage import Stage
from engine.chaos.world import OVERLOAD

TASKS_PER_REQUEST = 250
REQUEST_TIMEOUT_S = 30.0
TASK_TIMEOUT_S = 5
MEASURE_S = 3.0
MEASURE_CONCURRENCY = 3
GONE_TIMEOUT_S = 90.0
MEMORY_GROWTH_MAX_BYTES = 1024**3
JUMP_S = 3600
JUMP_REQUESTS = 600


@dataclass(slots=True)
class _Flood:
    """Requests for many tasks each, which nobody takes and which end by themselves after a while."""

    stage: Stage
    route: Route
    path: str
    body: bytes
    offered: int = 0
    accepted: int = 0
    refused: int = 0
    """Requests that were answered 503."""
    memory_bytes: int = 0

    async def send(self) -> None:
        self.offered += TASKS_PER_REQUEST
        sent = self.route.post(self.path, self.body, content_type="application/json")
        answer = await self.stage.load.told("bulk", sent)
        if answer is not None and answer.status == 200:
            sids = sids_of(answer)
            self.accepted += len(sids)
            self.stage.promises.created.update(sids)
        elif answer is not None and answer.status == 503:
            self.refused += 1

    async def flat_out(self, seconds: float, concurrency: int) -> float:
        """Send as fast as it is answered; returns the tasks accepted per second."""
        began_s = time.monotonic()
        before = self.accepted

        async def sender() -> None:
            while time.monotonic() < began_s + seconds:
                await self.send()

        await asyncio.gather(*(sender() for _ in range(concurrency)))
        return (self.accepted - before) / (time.monotonic() - began_s)

    async def at_rate(self, seconds: float, tasks_per_s: float) -> None:
        """Send at a rate, whatever becomes of it."""
        began_s = time.monotonic()
        sent: list[asyncio.Task[None]] = []
        while (elapsed_s := time.monotonic() - began_s) < seconds:
            if len(sent) * TASKS_PER_REQUEST <= elapsed_s * tasks_per_s:
                sent.append(asyncio.create_task(self.send()))
            self.memory_bytes = max(self.memory_bytes, self.stage.node.memory_bytes() or 0)
            await asyncio.sleep(TASKS_PER_REQUEST / tasks_per_s / 4)
        await asyncio.gather(*sent)


async def overload(stage: Stage) -> str:
    """Twice as many tasks as it can take: refused ones are told so, memory stays bounded, and it recovers."""
    before_bytes = stage.node.memory_bytes() or 0
    route = Route(REQUEST_TIMEOUT_S)
    await route.add(stage.node.address)
    try:
        flood = _Flood(stage, route, f"{stage.world.path}/Tasks/Bulk", _body(stage))
        capacity = await flood.flat_out(MEASURE_S, MEASURE_CONCURRENCY)
        flood.offered = flood.accepted = flood.refused = 0
        await flood.at_rate(stage.overload_s, 2 * capacity)
    finally:
        await route.close()
    gone_s = await _until_gone(stage)
    grown_bytes = flood.memory_bytes - before_bytes
    if grown_bytes > MEMORY_GROWTH_MAX_BYTES:
        raise ChaosError(f"memory grew by {grown_bytes / 2**20:.0f} MiB under overload")
    offered, accepted = (count / stage.overload_s for count in (flood.offered, flood.accepted))
    return (
        f"takes {capacity:,.0f} tasks/s; {offered:,.0f}/s offered, {accepted:,.0f}/s accepted, "
        f"{flood.refused} requests refused with Retry-After, memory +{grown_bytes / 2**20:.0f} MiB at most, "
        f"backlog gone after {gone_s:.0f} s"
    )


def _body(stage: Stage) -> bytes:
    """Return the body of a request for many tasks."""
    workflow = stage.world.workflows[0][0]
    task = {"WorkflowSid": workflow, "Attributes": {"topic": OVERLOAD}, "Timeout": TASK_TIMEOUT_S}
    return orjson.dumps([task] * TASKS_PER_REQUEST)


async def _until_gone(stage: Stage) -> float:
    """Wait until the tasks of the overload have timed out; returns how long it took, in seconds."""
    began_s = time.monotonic()
    while await open_tasks(stage.dsn, stage.workspace_sid) > OPEN_MAX:
        await asyncio.sleep(0.2)
        if time.monotonic() - began_s > GONE_TIMEOUT_S:
            raise ChaosError(f"the backlog of the overload was not gone after {GONE_TIMEOUT_S:g} s")
    return time.monotonic() - began_s


async def clock_forward(stage: Stage) -> str:
    """The daemon's clock jumps an hour ahead."""
    return await _jump(stage, JUMP_S)


async def clock_back(stage: Stage) -> str:
    """The daemon's clock jumps an hour back."""
    return await _jump(stage, -JUMP_S)


async def _jump(stage: Stage, seconds: int) -> str:
    clock = stage.node.clock
    clock.set(clock.offset_s + seconds)
    await stage.load.until_acknowledged(JUMP_REQUESTS)
    return f"the daemon's clock is now {clock.offset_s / 3600:+g} h from PostgreSQL's"
