"""Time passes when everybody waits; a killed process does nothing more."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.simulation.virtual_time import Deadlock, Killed, Process, VirtualTimeLoop


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def test_a_year_of_waiting_takes_no_time_and_ends_to_the_millisecond() -> None:
    async def main() -> float:
        for _ in range(365):
            await asyncio.sleep(86_400.001)
        return asyncio.get_running_loop().time()

    began_s = time.perf_counter()
    assert run(main()) == pytest.approx(365 * 86_400.001, abs=1e-3)
    assert time.perf_counter() - began_s < 1.0


def test_timers_fire_in_the_order_of_their_time() -> None:
    async def main() -> list[int]:
        fired: list[int] = []

        async def wait(seconds: int) -> None:
            await asyncio.sleep(seconds)
            fired.append(seconds)

        await asyncio.gather(*(wait(seconds) for seconds in (3, 1, 2)))
        return fired

    assert run(main()) == [1, 2, 3]


def test_waiting_for_nobody_is_an_error_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    loop = VirtualTimeLoop()
    waiting = loop.create_task(main())
    with pytest.raises(Deadlock):
        loop.run_until_complete(waiting)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(waiting)
    loop.close()


def test_a_killed_process_ends_what_its_tasks_started_and_tells_its_callers() -> None:
    async def main() -> list[str]:
        done: list[str] = []

        async def child() -> None:
            await asyncio.sleep(1)
            done.append("child")

        async def parent() -> None:
            kept = asyncio.create_task(child())
            await kept
            done.append("parent")

        process = Process("node")
        call = asyncio.create_task(process.call(parent()))
        await asyncio.sleep(0.5)
        await process.kill()
        await asyncio.sleep(5)
        with pytest.raises(Killed):
            await call
        with pytest.raises(Killed):
            await process.call(parent())
        return done

    assert run(main()) == []
