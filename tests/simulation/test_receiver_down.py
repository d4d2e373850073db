"""A receiver of events that is down for ten minutes of virtual time, while events keep coming."""

import asyncio
from collections.abc import Mapping

from engine.callbacks.client import Answer, MoreHeaders
from engine.callbacks.event_callbacks import EventCallbacks
from engine.callbacks.failures import CONNECTION, CallbackFailure
from engine.callbacks.limits import CallbackLimits
from engine.routing.effects import Changes
from tests.callbacks.receiver import a_workspace, an_event
from tests.simulation.memory_store import MemoryStore
from tests.simulation.virtual_time import VirtualTimeLoop

DOWN_S = 600.0
PER_S = 6
TASKS = 50
START_MS = 1_700_000_000_000


class Down:
    """Refuses connections until it is back, and then takes 10 ms for each event."""

    def __init__(self) -> None:
        self.refused = 0
        self.heard: list[tuple[str, int]] = []
        self.held_most = 0

    async def post(
        self,
        url: str,
        fields: Mapping[str, str],
        account_sid: str,
        timeout_s: float,
        *,
        body_matters: bool,
        more_headers: MoreHeaders | None = None,
    ) -> Answer:
        if now_s() < DOWN_S:
            self.refused += 1
            raise CallbackFailure(CONNECTION, "no connection")
        await asyncio.sleep(0.01)
        assert more_headers is not None
        self.heard.append((fields["ResourceSid"], int(more_headers("", b"")["X-Pointsman-Sequence"])))
        return Answer(204, "", b"")

    async def close(self) -> None:
        return


class Callbacks(EventCallbacks):
    """The sender, on that receiver."""

    def use(self, receiver: Down) -> None:
        self._make_client = lambda: receiver

    @property
    def held(self) -> int:
        """How many deliveries are in memory."""
        return self._held


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def ten_minutes(receiver: Down, limits: CallbackLimits) -> tuple[int, float]:
    """Commit events all the time; returns how many, and how long the backlog took when it was back."""
    store = MemoryStore()
    callbacks = Callbacks(store, limits, lambda _: "token", lambda: START_MS + round(now_s() * 1000))
    callbacks.use(receiver)
    await callbacks.start()
    workspace = a_workspace(event_callback_url="http://events.test/")
    lease = await store.create_workspace("me", 1e6, Changes(workspace=workspace))
    callbacks.recovered(workspace, [])
    sequence = 0
    while now_s() < DOWN_S:
        events = [
            an_event(
                number,
                event_date_ms=START_MS + round(now_s() * 1000),
                task_sid=f"WT{number % TASKS:032x}",
                resource_sid=f"WT{number % TASKS:032x}",
            )
            for number in range(sequence + 1, sequence + PER_S + 1)
        ]
        sequence += PER_S
        changes = Changes(workspace=workspace, events=events)
        await store.commit(lease, changes)
        callbacks.committed(workspace, changes)
        await asyncio.sleep(1)
        if now_s() > 30:
            receiver.held_most = max(receiver.held_most, callbacks.held)
    back_s = now_s()
    await until_delivered(store, workspace.sid)
    took_s = now_s() - back_s
    await callbacks.stop(1.0)
    return sequence, took_s


async def until_delivered(store: MemoryStore, workspace_sid: str) -> None:
    """Return when nothing is pending; fail when that takes more than ten minutes."""
    async with asyncio.timeout(600):
        while True:
            if not store.deliveries[workspace_sid].pending:
                return
            await asyncio.sleep(1)


def test_the_backlog_of_ten_minutes_arrives_in_order_soon_after_the_receiver_is_back() -> None:
    receiver, limits = Down(), CallbackLimits()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        events, took_s = runner.run(ten_minutes(receiver, limits))
    assert {sequence for _, sequence in receiver.heard} == set(range(1, events + 1))
    for task in {task for task, _ in receiver.heard}:
        own = [sequence for each, sequence in receiver.heard if each == task]
        assert own == sorted(own)
    assert took_s < limits.event_circuit_pause_max_s + 60
    assert receiver.refused < 10 * limits.event_circuit_failures, "it is spared while it is down"
    most_held = limits.event_circuit_window + limits.event_concurrent_per_host_max
    assert receiver.held_most <= most_held, "the backlog waits in the database"
