import asyncio

import pytest

from engine.errors import Overloaded, Unavailable
from engine.routing.commands import CreateTask
from engine.runtime.inbox import Envelope, Inbox


def envelope(name: str) -> Envelope:
    return Envelope(CreateTask(sid=name), asyncio.get_running_loop().create_future())


async def test_a_full_inbox_refuses_at_once_and_keeps_what_it_has() -> None:
    inbox = Inbox(2)
    first, second = envelope("1"), envelope("2")
    inbox.put(first, second)
    with pytest.raises(Overloaded) as refusal:
        inbox.put(envelope("3"))
    assert refusal.value.retry_after_s >= 1
    assert inbox.take(10) == [first, second]


async def test_commands_that_belong_together_go_in_together_or_not_at_all() -> None:
    inbox = Inbox(2)
    inbox.put(envelope("1"))
    with pytest.raises(Overloaded):
        inbox.put(envelope("2"), envelope("3"))
    assert len(inbox) == 1


async def test_a_batch_takes_the_oldest_and_leaves_the_rest() -> None:
    inbox = Inbox(5)
    envelopes = [envelope(str(number)) for number in range(5)]
    inbox.put(*envelopes)
    assert inbox.take(3) == envelopes[:3]
    assert inbox.take(3) == envelopes[3:]
    assert inbox.take(3) == []


async def test_putting_wakes_the_consumer_also_between_its_clear_and_its_look() -> None:
    inbox = Inbox(1)
    inbox.wakeup.clear()
    inbox.put(envelope("1"))
    assert inbox.wakeup.is_set()


async def test_everything_that_waits_can_be_refused() -> None:
    inbox = Inbox(2)
    waiting = [envelope("1"), envelope("2")]
    inbox.put(*waiting)
    inbox.refuse_all(Unavailable("gone"))
    assert len(inbox) == 0
    for one in waiting:
        with pytest.raises(Unavailable):
            await one.future


async def test_an_answer_to_a_caller_that_went_away_is_dropped() -> None:
    gone = envelope("1")
    gone.future.cancel()
    gone.resolve("too late")
    gone.refuse(Unavailable("too late"))
    assert gone.future.cancelled()
