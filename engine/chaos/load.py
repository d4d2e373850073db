"""A steady load of life cycles over HTTP, which keeps every acknowledged answer.

Every other creation has an Idempotency-Key and is sent again until it is answered; the rest are given up when
their outcome is unknown. Offers come as assignment callbacks: most are accepted by the answer, some over the
API afterwards, some are rejected. Work is driven by offers, not by creations.
"""

import asyncio
import json
import re
import socket
import zlib
from collections.abc import Awaitable, Callable
from random import Random
from urllib.parse import urlencode

from engine.bench.cycles import ACCEPT, NOTHING, REJECT
from engine.bench.http_client import Answer, NoAnswer
from engine.bench.http_receiver import Receiver, Reply, listen
from engine.bench.world import World
from engine.chaos.errors import ChaosError
from engine.chaos.promises import Pauses, Promises
from engine.chaos.route import Route

APPS = 32
OPEN_MAX = 500
"""Acknowledged tasks that are not completed; more are not created."""
WORK_S = (0.005, 0.03)
RETRY_S = 0.03
RETRY_MAX_S = 0.3
RECOVERY_TIMEOUT_S = 90.0
REJECTED_PERCENT = 4
OVER_API_PERCENT = 20
TOPICS = ("sales", "support")
ACCEPT_FORM = b"ReservationStatus=accepted"
COMPLETE_FORM = b"AssignmentStatus=completed&Reason=done"
_SID = re.compile(rb'"sid": ?"(WT[0-9a-f]{32})"')
_ENDED = re.compile(rb'"assignment_status": ?"(completed|canceled)"')


class Load:
    """Apps that create tasks, and workers who take them.

    Args:
        route: where requests go.
        promises: what was acknowledged is kept there.
        pauses: is told of every acknowledged request.
        random: draws the work times.
        rate_per_s: life cycles per second that are begun.
    """

    def __init__(
        self, route: Route, promises: Promises, pauses: Pauses, random: Random, rate_per_s: float
    ) -> None:
        self.open: set[str] = set()
        """Acknowledged tasks that are not completed yet."""
        self._route = route
        self._promises = promises
        self._pauses = pauses
        self._random = random
        self._interval_s = APPS / rate_per_s
        self._tasks_path = ""
        self._workflow = ""
        self._number = 0
        self._running = asyncio.Event()
        self._ending = False
        self._progress = asyncio.Event()
        self._apps: set[asyncio.Task[None]] = set()
        self._works: dict[str, asyncio.Task[None]] = {}
        self._offers: dict[str, tuple[str, bool]] = {}
        self._receivers: set[Receiver] = set()
        self._listener: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._fault: BaseException | None = None

    async def listen(self) -> str:
        """Begin to take callbacks; returns their URL."""
        self._listener = listen("127.0.0.1")
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Receiver(self._offered, self._receivers), sock=self._listener
        )
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/assignment"

    def start(self, world: World) -> None:
        """Begin the load on a world."""
        self._tasks_path = f"{world.path}/Tasks"
        self._workflow = world.workflows[0][0]
        self.resume()
        for _ in range(APPS):
            app = asyncio.create_task(self._create_forever())
            app.add_done_callback(self._look_at)
            self._apps.add(app)

    def resume(self) -> None:
        """Create tasks again."""
        self._pauses.begin()
        self._running.set()

    def pause(self) -> None:
        """Create no tasks for now; those that are there are worked on."""
        self._running.clear()

    async def until_idle(self, timeout_s: float) -> bool:
        """Pause, and return whether all tasks were completed in time."""
        self.pause()
        try:
            async with asyncio.timeout(timeout_s):
                while self.open or self._works:
                    await self._something()
        except TimeoutError:
            return False
        finally:
            self._pauses.end()
        return True

    async def until_acknowledged(self, count: int, timeout_s: float = RECOVERY_TIMEOUT_S) -> None:
        """Return when so many more requests were acknowledged. Raises ChaosError when time is up."""
        wanted = self._promises.acknowledged + count
        try:
            async with asyncio.timeout(timeout_s):
                while self._promises.acknowledged < wanted:
                    await self._something()
        except TimeoutError:
            raise ChaosError(f"nothing was acknowledged for {timeout_s:g} s") from None

    async def close(self) -> None:
        """End everything that is under way."""
        self._ending = True
        under_way = [*self._apps, *self._works.values()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for receiver in tuple(self._receivers):
            receiver.close()

    async def send_late(self, route: Route) -> bool:
        """Have a task created by way of another route; returns whether that was acknowledged."""
        self._number += 1
        answer = await self.told("late", route.post(self._tasks_path, self._form(self._number)))
        if answer is None or answer.status != 201:
            return False
        self._note_created(answer)
        return True

    async def post(self, what: str, path: str, body: bytes, *, key: str = "") -> Answer | None:
        """Send a form and keep its answer; None when there was none."""
        return await self.told(what, self._route.post(path, body, key=key))

    async def told(self, what: str, sent: Awaitable[Answer]) -> Answer | None:
        """Wait for the answer to a request and keep it; None when there is none."""
        try:
            answer = await sent
        except NoAnswer:
            self._promises.other_answers[0] += 1
            return None
        if answer.status < 300:
            self._promises.acknowledged += 1
            self._pauses.acknowledged()
            self._progress.set()
            return answer
        self._promises.other_answers[answer.status] += 1
        if answer.status not in {400, 404, 409, 429, 503, 504}:
            text = answer.body[:200].decode(errors="replace")
            self._promises.unexpected[f"{what}: {answer.status} {text}"] += 1
        if answer.status == 503 and answer.header(b"retry-after") is None:
            self._promises.unexpected[f"{what}: 503 without Retry-After"] += 1
        return answer

    async def _something(self) -> None:
        """Wait for an acknowledged request; raises what went wrong in the load itself."""
        self._progress.clear()
        if self._fault is not None:
            raise self._fault
        await self._progress.wait()

    def _look_at(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._fault = error
            self._progress.set()

    async def _create_forever(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s * self._random.uniform(0.5, 1.5))
            await self._running.wait()
            if len(self.open) < OPEN_MAX:
                self._number += 1
                await self._create(self._number)

    async def _create(self, number: int) -> None:
        """Have a task created; without a key it is sent once."""
        key = f"order-{number}" if number % 2 else ""
        answer = await self._until_told(
            "create", self._tasks_path, self._form(number), key=key, once=not key, told=frozenset({201})
        )
        if answer is None:
            self._promises.unknown += 1
        else:
            self._note_created(answer)

    def _form(self, number: int) -> bytes:
        attributes = json.dumps({"topic": TOPICS[number // 2 % 2], "order": number})
        return urlencode({"WorkflowSid": self._workflow, "Attributes": attributes}).encode()

    def _note_created(self, answer: Answer) -> None:
        [sid] = sids_of(answer)
        self._promises.created.add(sid)
        if sid not in self._promises.completed:
            self.open.add(sid)

    def _offered(self, task: str, reservation: str, reply: Reply) -> None:
        """Answer an assignment callback, the same whenever it comes, and have the task worked on."""
        drawn = zlib.crc32(reservation.encode()) % 100
        if drawn < REJECTED_PERCENT:
            reply(REJECT)
            return
        over_api = drawn < REJECTED_PERCENT + OVER_API_PERCENT
        reply(NOTHING if over_api else ACCEPT)
        if self._ending or task in self._promises.completed:
            return
        self._offers[task] = (reservation, over_api)
        if task not in self._works:
            work = asyncio.create_task(self._work(task))
            work.add_done_callback(self._look_at)
            self._works[task] = work

    async def _work(self, task: str) -> None:
        """Accept the latest offer of a task where that is still to do, work, complete."""
        path = f"{self._tasks_path}/{task}"
        try:
            await asyncio.sleep(self._random.uniform(*WORK_S))
            pauses = _growing()
            while not await self._completed(task, path):
                self._promises.repeated += 1
                await asyncio.sleep(pauses())
        finally:
            self._works.pop(task, None)
            self._offers.pop(task, None)
            self._progress.set()

    async def _completed(self, task: str, path: str) -> bool:
        """Make one attempt; True when the task is completed, or cannot be any more."""
        reservation, over_api = self._offers[task]
        if over_api and reservation not in self._promises.accepted:
            accept = f"{path}/Reservations/{reservation}"
            answer = await self.post("accept", accept, ACCEPT_FORM)
            if answer is not None and answer.status == 200:
                self._promises.accepted.add(reservation)
        key = f"done-{task}" if task[-1] in "02468ace" else ""
        answer = await self.post("complete", path, COMPLETE_FORM, key=key)
        if answer is None:
            return False
        if answer.status == 200:
            self._promises.completed.add(task)
            self.open.discard(task)
            return True
        return answer.status in {400, 404} and await self._ended(task, path)

    async def _ended(self, task: str, path: str) -> bool:
        """Tell whether a task that cannot be completed is so because it has ended, or is not there."""
        try:
            answer = await self._route.client.get(path)
        except NoAnswer:
            return False
        if answer.status != 404 and not _ENDED.search(answer.body):
            return False
        self.open.discard(task)
        return True

    async def _until_told(
        self, what: str, path: str, form: bytes, *, key: str, once: bool, told: frozenset[int]
    ) -> Answer | None:
        """Send until it is answered with one of these statuses, or once; None when it was not."""
        pauses = _growing()
        while True:
            answer = await self.post(what, path, form, key=key)
            if answer is not None and answer.status in told:
                return answer
            await asyncio.sleep(pauses())
            if once or self._ending:
                return None
            self._promises.repeated += 1


def _growing() -> Callable[[], float]:
    """Return a function that tells the next pause before something is sent again."""
    pause_s = RETRY_S / 2

    def following() -> float:
        nonlocal pause_s
        pause_s = min(pause_s * 2, RETRY_MAX_S)
        return pause_s

    return following


def sids_of(answer: Answer) -> list[str]:
    """Return the SIDs of the tasks that an answer tells of."""
    return [found.decode() for found in _SID.findall(answer.body)]
