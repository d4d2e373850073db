"""The receiver of events: one that answers well, late, badly or not at all, and is down for minutes or hours.

Stands where the sender's HTTP client stands, so everything behind it is the real one: its window on the
outbox, its order, its circuit, its retries. What must hold of every event that its workspace wanted:

- it is not sent before its commit, and always with the same SID and sequence number;
- it arrives for the first time when all earlier ones of its task and of its worker were confirmed;
- at the end, with all trouble over, it was confirmed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from random import Random

from engine.callbacks.client import Answer, MoreHeaders
from engine.callbacks.failures import CONNECTION, RETRIEVAL, CallbackFailure
from engine.routing.deliveries import wanted_events
from engine.routing.effects import Changes, Event
from tests.simulation.faults import Weather
from tests.simulation.replay import Finding

DOWN_S = (5.0, 60.0, 600.0, 10_000.0)
_BEHAVIOURS = ("confirms", "is slow", "refuses", "never answers", "confirms and breaks off", "goes down")


class Hearing:
    """All receivers of events of a run.

    Args:
        random: draws what they do.
        weather: counts what they did; while it is calm they are well.
        watch: makes a check; what it raises is a finding.
    """

    def __init__(self, random: Random, weather: Weather, watch: Callable[[Callable[[], None]], None]) -> None:
        self._random = random
        self._weather = weather
        self._watch = watch
        self._weights = [20.0, *(random.choice((0, 0, 0.1, 1.0)) for _ in range(4)), random.choice((0, 0.02))]
        self._patience_s = random.choice((0.01, 0.2, 2.0))
        self._down_until_s = 0.0
        self._wanted: dict[tuple[str, int], Event] = {}
        self._open: dict[tuple[str, str], list[int]] = defaultdict(list)
        """What was not confirmed yet, by workspace and task or worker."""
        self._heard: set[tuple[str, int]] = set()
        self._confirmed: set[tuple[str, int]] = set()

    def written(self, workspace_sid: str, changes: Changes) -> None:
        """Note which events of a batch are wanted."""
        if changes.workspace is None:
            return
        for event in wanted_events(changes.workspace, changes.events):
            self._wanted[workspace_sid, event.sequence] = event
            for subject in _subjects(event):
                self._open[workspace_sid, subject].append(event.sequence)

    def unheard(self, workspace_sid: str) -> list[int]:
        """Return the numbers of the wanted events that were never confirmed."""
        return [number for sid, number in self._wanted.keys() - self._confirmed if sid == workspace_sid]

    async def close(self) -> None:
        """Nothing to close."""

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
        """Take an event in, or fail as the client would report it."""
        assert more_headers is not None
        key = fields["WorkspaceSid"], int(more_headers("token", b"")["X-Pointsman-Sequence"])
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer(key, fields)
        except TimeoutError:
            raise CallbackFailure(RETRIEVAL, f"no answer within {timeout_s:g} s") from None

    async def _answer(self, key: tuple[str, int], fields: Mapping[str, str]) -> Answer:
        how = self._draw()
        if how == "is down":
            raise CallbackFailure(CONNECTION, "no connection")
        await asyncio.sleep(self._random.random() * self._patience_s)
        self._watch(lambda: self._judge(key, fields))
        self._heard.add(key)
        if how != "confirms":
            self._weather.note(f"receiver of events: {how}")
        if how == "refuses":
            raise CallbackFailure(RETRIEVAL, "status 500", 500)
        if how == "is slow":
            await asyncio.sleep(self._random.random() * 20)
        if how == "never answers":
            await asyncio.sleep(1e6)
        self._confirm(key)
        if how == "confirms and breaks off":
            raise CallbackFailure(CONNECTION, "the connection was closed before the answer")
        return Answer(204, "", b"")

    def _draw(self) -> str:
        now_s = asyncio.get_running_loop().time()
        if self._weather.calm:
            self._down_until_s = 0.0
            return "confirms"
        if now_s < self._down_until_s:
            return "is down"
        how = self._random.choices(_BEHAVIOURS, self._weights)[0]
        if how == "goes down":
            self._weather.note("receiver of events: goes down")
            self._down_until_s = now_s + self._random.choice(DOWN_S) * self._random.random()
            return "is down"
        return how

    def _confirm(self, key: tuple[str, int]) -> None:
        if key not in self._confirmed:
            self._confirmed.add(key)
            for subject in _subjects(self._wanted[key]):
                self._open[key[0], subject].remove(key[1])

    def _judge(self, key: tuple[str, int], fields: Mapping[str, str]) -> None:
        workspace_sid, sequence = key
        event = self._wanted.get(key)
        if event is None:
            raise Finding(f"event {sequence} of {workspace_sid} was sent and is not wanted")
        if (event.sid, event.event_type) != (fields["Sid"], fields["EventType"]):
            raise Finding(f"event {sequence} of {workspace_sid} was sent as {fields['Sid']}")
        for subject in () if key in self._heard else _subjects(event):
            first = self._open[workspace_sid, subject][0]
            if first < sequence:
                raise Finding(f"event {sequence} of {subject} was sent before {first} was confirmed")


def _subjects(event: Event) -> list[str]:
    return [sid for sid in (event.task_sid, event.worker_sid) if sid]
