"""Answers are waited for equally long, by one timer."""

import asyncio

import pytest

from engine.errors import Unavailable
from engine.runtime.waiting import Waiting
from tests.simulation.virtual_time import VirtualTimeLoop

PATIENCE_S = 30.0


def too_late() -> Unavailable:
    return Unavailable("too late")


def run(scenario) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())


def future() -> "asyncio.Future[str]":
    return asyncio.get_running_loop().create_future()


def test_each_is_waited_for_as_long_as_the_patience_lasts():
    async def scenario() -> None:
        loop, waiting = asyncio.get_running_loop(), Waiting(PATIENCE_S, too_late)
        began_s = loop.time()
        first = future()
        waiting.watch(first)
        await asyncio.sleep(10)
        second = future()
        waiting.watch(second)
        for each, after_s in ((first, PATIENCE_S), (second, PATIENCE_S + 10)):
            with pytest.raises(Unavailable, match="too late"):
                await each
            assert loop.time() - began_s == pytest.approx(after_s)

    run(scenario)


def test_what_was_answered_or_given_up_is_left_alone():
    async def scenario() -> None:
        waiting = Waiting(PATIENCE_S, too_late)
        answered, given_up, open_ = future(), future(), future()
        for each in (answered, given_up, open_):
            waiting.watch(each)
        answered.set_result("here")
        given_up.cancel()
        with pytest.raises(Unavailable):
            await open_
        assert await answered == "here"
        assert given_up.cancelled()

    run(scenario)


def test_one_who_comes_after_all_others_are_gone_is_waited_for_as_well():
    async def scenario() -> None:
        waiting = Waiting(PATIENCE_S, too_late)
        for _ in range(2):
            late = future()
            waiting.watch(late)
            with pytest.raises(Unavailable):
                await late
            await asyncio.sleep(2 * PATIENCE_S)

    run(scenario)


def test_what_was_answered_is_not_kept():
    async def scenario() -> None:
        waiting = Waiting(PATIENCE_S, too_late)
        for _ in range(100):
            answered = future()
            waiting.watch(answered)
            answered.set_result("here")
        assert len(waiting) <= 1

    run(scenario)
