"""One task's life as its application and its worker see it: create, offer, answer, work, complete."""

import asyncio
import re
import time
from random import Random

from engine.bench import measures
from engine.bench.http_client import Client, NoAnswer
from engine.bench.http_receiver import Reply
from engine.bench.job import Job, Ledger
from engine.bench.measures import Recorder
from engine.bench.mix import Mix
from engine.bench.scenario import Range

ACCEPT = b'{"instruction": "accept"}'
REJECT = b'{"instruction": "reject"}'
NOTHING = b"{}"
EARLY_RETRY_S = 0.002
EARLY_MAX_S = 10.0
EARLY_CALLBACKS_MAX = 10_000
REFUSED_PAUSE_S = 0.05
ACCEPT_SAMPLE = 50
"""One in so many accepts by callback is watched until it shows in the API."""
_COMPLETE = b"AssignmentStatus=completed&Reason=done"
_ACCEPT_FORM = b"ReservationStatus=accepted"
_SID = re.compile(rb'"sid": ?"(WT[0-9a-f]{32})"')


class Cycle:
    """A task that was or is being created."""

    __slots__ = ("accepted", "answered_s", "from_s", "offered_s", "over_api", "reservation")

    def __init__(self, from_s: float) -> None:
        self.from_s = from_s
        self.offered_s = 0.0
        self.answered_s = 0.0
        self.reservation = ""
        self.over_api = False
        self.accepted: asyncio.Future[None] | None = None


class Cycles:
    """Creates tasks and carries them through; its callbacks arrive at `offered`."""

    def __init__(self, job: Job, client: Client, recorder: Recorder) -> None:
        self.ledger = Ledger()
        self._job = job
        self._client = client
        self._record = recorder
        self._random = Random(f"{job.seed}/{job.number}")
        self._mix = Mix(job.tasks, job.workflows, self._random)
        self._head = client.head(job.tasks_path)
        self._open: dict[str, Cycle] = {}
        self._early: dict[str, list[tuple[str, Reply, float]]] = {}
        self._through = job.phase.kind == "cycles"
        self._accepts = 0

    def close(self) -> Ledger:
        """Return what is to be said at the end."""
        self.ledger.unfinished = len(self._open)
        self.ledger.stray_callbacks = sum(len(offers) for offers in self._early.values())
        return self.ledger

    async def one(self, intended_s: float) -> None:
        """Carry one task through; what goes wrong is counted, not raised.

        `intended_s` is when it was to be sent; sent earlier (timers are coarse), it counts from the sending.
        """
        now_s = time.monotonic()
        cycle = Cycle(min(intended_s, now_s))
        if self._job.phase.rate_per_s:
            self._record.time(measures.LAG, now_s - cycle.from_s)
        sid = await self._create(cycle)
        if sid is None or not self._through:
            return
        cycle.accepted = asyncio.get_running_loop().create_future()
        self._open[sid] = cycle
        for reservation, reply, at_s in self._early.pop(sid, ()):
            self._offer(sid, cycle, reservation, reply, at_s)
        await cycle.accepted
        self._accepts += 1
        if cycle.over_api:
            await self._accept_over_api(sid, cycle)
        elif self._accepts % ACCEPT_SAMPLE == 0:
            await self._watch_accept(sid, cycle)
        await asyncio.sleep(self._drawn_s(self._job.answers.work_ms))
        await self._complete(sid, cycle)

    def offered(self, task: str, reservation: str, reply: Reply) -> None:
        """Take an assignment callback in: of a task of ours, or of one whose 201 is still on its way."""
        now_s = time.monotonic()
        cycle = self._open.get(task)
        if cycle is not None:
            self._offer(task, cycle, reservation, reply, now_s)
        elif len(self._early) < EARLY_CALLBACKS_MAX:
            self._early.setdefault(task, []).append((reservation, reply, now_s))

    async def _create(self, cycle: Cycle) -> str | None:
        try:
            answer = await self._client.post(self._head, self._mix.draw())
        except asyncio.CancelledError:
            self.ledger.unknown += 1
            raise
        except NoAnswer as error:
            self.ledger.unknown += 1
            self._record.error(f"create {error}")
            await asyncio.sleep(REFUSED_PAUSE_S)
            return None
        found = _SID.search(answer.body) if answer.status == 201 else None
        if found is None:
            self.ledger.unknown += answer.status >= 500
            self._record.error(f"create {answer.status}")
            await asyncio.sleep(REFUSED_PAUSE_S)
            return None
        sid = found[1].decode()
        self._record.time(measures.CREATE, time.monotonic() - cycle.from_s)
        self._record.count("created")
        self.ledger.create(sid)
        return sid

    def _offer(self, task: str, cycle: Cycle, reservation: str, reply: Reply, at_s: float) -> None:
        if not cycle.offered_s:
            cycle.offered_s = at_s
            self._record.time(measures.OFFER, at_s - cycle.from_s)
            self._record.count("offered")
        if cycle.reservation and cycle.reservation != reservation:
            self.ledger.assigned_twice += 1
            self.note(f"{task} was accepted by {cycle.reservation} and offered as {reservation}")
        think_s = self._drawn_s(self._job.answers.think_ms)
        if think_s:
            asyncio.get_running_loop().call_later(think_s, self._answer, cycle, reservation, reply)
        else:
            self._answer(cycle, reservation, reply)

    def _answer(self, cycle: Cycle, reservation: str, reply: Reply) -> None:
        answers = self._job.answers
        if answers.reject and self._random.random() < answers.reject:
            self._record.count("rejected")
            reply(REJECT)
            return
        over_api = bool(answers.accept_over_api) and self._random.random() < answers.accept_over_api
        reply(NOTHING if over_api else ACCEPT)
        cycle.answered_s = time.monotonic()
        cycle.over_api = over_api
        cycle.reservation = reservation
        if cycle.accepted is not None and not cycle.accepted.done():
            cycle.accepted.set_result(None)

    async def _accept_over_api(self, sid: str, cycle: Cycle) -> None:
        path = f"{self._job.tasks_path}/{sid}/Reservations/{cycle.reservation}"
        if await self._until_done("accept", path, _ACCEPT_FORM):
            self._record.time(measures.ACCEPT, time.monotonic() - cycle.answered_s)

    async def _watch_accept(self, sid: str, cycle: Cycle) -> None:
        path = f"{self._job.tasks_path}/{sid}/Reservations/{cycle.reservation}"
        limit_s = cycle.answered_s + EARLY_MAX_S
        while time.monotonic() < limit_s:
            try:
                answer = await self._client.get(path)
            except NoAnswer as error:
                self._record.error(f"accept {error}")
                return
            if answer.status == 200 and answer.json()["reservation_status"] == "accepted":
                self._record.time(measures.ACCEPT, time.monotonic() - cycle.answered_s)
                return
            await asyncio.sleep(EARLY_RETRY_S / 2)
        self._record.error("accept not seen")

    async def _complete(self, sid: str, cycle: Cycle) -> None:
        begin_s = time.monotonic()
        if not await self._until_done("complete", f"{self._job.tasks_path}/{sid}", _COMPLETE):
            self.ledger.completed_unknown += 1
            return
        now_s = time.monotonic()
        self._record.time(measures.COMPLETE, now_s - begin_s)
        self._record.time(measures.CYCLE, now_s - cycle.from_s)
        self._record.count("completed")
        self.ledger.complete(sid)
        del self._open[sid]

    async def _until_done(self, what: str, path: str, form: bytes) -> bool:
        """POST until it is answered 200; a 400 is tried again, as the accept may be on its way."""
        head = self._client.head(path)
        limit_s = time.monotonic() + EARLY_MAX_S
        while True:
            try:
                answer = await self._client.post(head, form)
            except NoAnswer as error:
                self._record.error(f"{what} {error}")
                return False
            if answer.status == 200:
                return True
            early = answer.status == 400
            self._record.count(f"{what}_early") if early else self._record.error(f"{what} {answer.status}")
            if time.monotonic() > limit_s or answer.status not in {400, 429, 503}:
                self.note(f"{what}: {answer.status} {answer.body[:200].decode(errors='replace')}")
                return False
            await asyncio.sleep(EARLY_RETRY_S if early else REFUSED_PAUSE_S)

    def _drawn_s(self, times: Range) -> float:
        if not times.max:
            return 0.0
        return (times.min + (times.max - times.min) * self._random.random()) / 1000

    def note(self, problem: str) -> None:
        """Keep a problem for the report, up to ten."""
        if len(self.ledger.problems) < 10:
            self.ledger.problems.append(problem)
