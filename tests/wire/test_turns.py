"""Requests that keep a workspace busy take turns."""

import asyncio

import pytest

from engine.api.turns import Turns
from engine.errors import Overloaded


async def test_turns_of_one_key_come_one_after_the_other_and_few_wait():
    turns = Turns(waiting_max=2)
    inside, arrived, release = [], asyncio.Event(), asyncio.Event()

    async def request(name):
        async with turns.take("WS1"):
            inside.append(name)
            arrived.set()
            await release.wait()
            inside.append(f"{name} left")

    requests = [asyncio.create_task(request(name)) for name in "abc"]
    await arrived.wait()
    with pytest.raises(Overloaded):
        async with turns.take("WS1"):
            pass
    async with turns.take("WS2"):
        assert inside == ["a"]
    requests[1].cancel()
    release.set()
    await asyncio.gather(*requests, return_exceptions=True)
    assert inside == ["a", "a left", "c", "c left"]
    async with turns.take("WS1"):
        pass
