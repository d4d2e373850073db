"""A support centre under load over HTTP that knows what it was promised, when, and by which answers.

Each creation has an Idempotency-Key and is sent again, to the next node if there are several, until it is
answered 201: what a careful client does. Tasks are accepted by their assignment callbacks and completed.
"""

import asyncio
import itertools
import json
import time
import uuid
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

from tests.support.daemon import ACCOUNT_SID, AUTH_TOKEN

CREATORS = 16
COMPLETERS = 8
ATTEMPT_S = 12.0
"""How long a client waits for an answer; every limit of the daemon is below it but the one for requests."""
PAUSE_S = 0.1
REFUSED, SILENT = "refused", "no answer"


@dataclass
class Answers:
    """What the clients saw."""

    created: dict[str, int] = field(default_factory=dict)
    """Number of the creation by the SID that its 201 told."""
    completed: set[str] = field(default_factory=set)
    acknowledged_s: list[float] = field(default_factory=list)
    """When each creation was acknowledged, by the monotonic clock."""
    outcomes: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def worst_pause_s(self, from_s: float, until_s: float) -> float:
        """The longest time between two acknowledgements in a span."""
        moments = [from_s, *(moment for moment in self.acknowledged_s if from_s < moment < until_s), until_s]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))

    def summary(self) -> dict[str, Any]:
        """The figures, for a report."""
        return {
            "acknowledged": len(self.created),
            "completions_acknowledged": len(self.completed),
            "outcomes": dict(self.outcomes),
            "unexpected": self.unexpected[:5],
            "slowest_answer_s": round(self.slowest_s, 2),
        }


class Load:
    """The clients of one workspace.

    Args:
        urls: the nodes; asked at each attempt, since a restart may change them.
        session: has the credentials.
        rate: creations per second at most.
        creators: how many clients create.
    """

    def __init__(
        self, urls: Callable[[], Sequence[str]], session: ClientSession, rate: float, creators: int = CREATORS
    ) -> None:
        self.answers = Answers()
        self.workspace_sid = ""
        self.callback_url = ""
        self._urls = urls
        self._session = session
        self._creators = creators
        self._every_s = creators / rate
        self._numbers = itertools.count(1)
        self._accepted: asyncio.Queue[str] = asyncio.Queue()
        self._progress = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def set_up(self, workers: int = 4, capacity: int = 50) -> None:
        """Make a workspace whose tasks are accepted by callback."""
        workspace = await self._must("POST", "", FriendlyName="Chaos", Template="FIFO")
        self.workspace_sid = workspace["sid"]
        base = f"/{self.workspace_sid}"
        activities = (await self._must("GET", f"{base}/Activities"))["activities"]
        available = next(activity["sid"] for activity in activities if activity["available"])
        [workflow, *_] = (await self._must("GET", f"{base}/Workflows"))["workflows"]
        await self._must(
            "POST", f"{base}/Workflows/{workflow['sid']}", AssignmentCallbackUrl=self.callback_url
        )
        for number in range(workers):
            form = {"FriendlyName": f"Worker {number}", "ActivitySid": available}
            worker = await self._must("POST", f"{base}/Workers", **form)
            await self._must(
                "POST", f"{base}/Workers/{worker['sid']}/Channels/default", Capacity=str(capacity)
            )

    def start(self) -> None:
        """Begin."""
        jobs = [self._create() for _ in range(self._creators)]
        jobs += [self._complete() for _ in range(COMPLETERS)]
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def stop(self) -> None:
        """End; what is under way is not counted as promised."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until_acknowledged(self, more: int, timeout_s: float) -> float:
        """Wait for so many more creations; returns the moment of the first of them."""
        before = len(self.answers.acknowledged_s)
        async with asyncio.timeout(timeout_s):
            while len(self.answers.acknowledged_s) < before + more:
                self._progress.clear()
                await self._progress.wait()
        return self.answers.acknowledged_s[before]

    async def attempt(
        self,
        method: str,
        url: str,
        form: dict[str, str] | None,
        key: str = "",
        expected: Collection[int] = (200, 201, 503),
    ) -> tuple[str, Any]:
        """One request; returns its outcome, such as "201" or why there is none, and the document."""
        began_s = time.monotonic()
        headers = {"Idempotency-Key": key} if key else {}
        try:
            async with self._session.request(method, url, data=form, headers=headers) as answer:
                body = await answer.json(content_type=None)
                outcome = str(answer.status)
                if answer.status not in expected:
                    self.answers.unexpected.append(f"{method} {url}: {answer.status} {str(body)[:200]}")
        except TimeoutError:
            outcome, body = SILENT, None
        except (ClientError, OSError):
            outcome, body = REFUSED, None
        self.answers.outcomes[outcome] += 1
        self.answers.slowest_s = max(self.answers.slowest_s, time.monotonic() - began_s)
        return outcome, body

    async def create_at(self, url: str) -> str:
        """One creation at one node, without another try; returns its outcome."""
        number = next(self._numbers)
        form = {"Attributes": json.dumps({"order": number})}
        path = f"/v1/Workspaces/{self.workspace_sid}/Tasks"
        outcome, body = await self.attempt("POST", f"{url}{path}", form)
        if outcome == "201":
            self.answers.created[body["sid"]] = number
        return outcome

    async def callback(self, request: web.Request) -> web.Response:
        """Answer an assignment callback: accept."""
        form = await request.post()
        self._accepted.put_nowait(str(form["TaskSid"]))
        return web.json_response({"instruction": "accept"})

    async def _must(self, method: str, path: str, **form: str) -> dict[str, Any]:
        url = f"{self._urls()[0]}/v1/Workspaces{path}"
        async with asyncio.timeout(60):
            while True:
                outcome, body = await self.attempt(method, url, form or None)
                if outcome in {"200", "201"}:
                    return body
                assert outcome in {"503", REFUSED}, (path, outcome, body)
                await asyncio.sleep(PAUSE_S)

    async def _create(self) -> None:
        while True:
            due_s = time.monotonic() + self._every_s
            number, key = next(self._numbers), uuid.uuid4().hex
            form = {"Attributes": json.dumps({"order": number})}
            body = await self._until_created(form, key)
            self.answers.created[body["sid"]] = number
            self.answers.acknowledged_s.append(time.monotonic())
            self._progress.set()
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    async def _complete(self) -> None:
        while True:
            task_sid = await self._accepted.get()
            path = f"/{self.workspace_sid}/Tasks/{task_sid}"
            if await self._completed(path):
                self.answers.completed.add(task_sid)

    async def _completed(self, path: str) -> bool:
        """Complete a task, which may not have been accepted yet when this is first asked (400).

        Returns False for one that is gone (404): completed by an attempt whose answer was lost.
        """
        form = {"AssignmentStatus": "completed"}
        for url in self._in_turn():
            outcome, _ = await self.attempt(
                "POST", f"{url}/v1/Workspaces{path}", form, expected=(200, 400, 404, 503)
            )
            if outcome in {"200", "404"}:
                return outcome == "200"
            await asyncio.sleep(PAUSE_S)
        return False

    async def _until_created(self, form: dict[str, str], key: str) -> dict[str, Any]:
        for url in self._in_turn():
            path = f"/v1/Workspaces/{self.workspace_sid}/Tasks"
            # A node may not have heard of the workspace yet (404).
            outcome, body = await self.attempt("POST", f"{url}{path}", form, key, (201, 404, 503))
            if outcome == "201":
                return body
            await asyncio.sleep(PAUSE_S)
        return {}

    def _in_turn(self) -> Iterator[str]:
        """The nodes, one after the other, for ever."""
        while True:
            yield from self._urls()


@asynccontextmanager
async def load_on(
    urls: Callable[[], Sequence[str]],
    *,
    rate: float,
    creators: int = CREATORS,
    callback_host: str = "127.0.0.1",
) -> AsyncIterator[Load]:
    """A load whose workspace is set up, with its receiver of callbacks; stopped at the end."""
    runner = web.AppRunner(app := web.Application(), access_log=None)
    credentials = b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    async with ClientSession(
        headers={"Authorization": f"Basic {credentials}"},
        timeout=ClientTimeout(total=ATTEMPT_S),
        connector=TCPConnector(limit=0),
    ) as session:
        load = Load(urls, session, rate, creators)
        app.router.add_post("/assignment", load.callback)
        await runner.setup()
        await web.TCPSite(runner, callback_host, 0).start()
        load.callback_url = f"http://{callback_host}:{runner.addresses[0][1]}/assignment"
        try:
            await load.set_up()
            yield load
        finally:
            await load.stop()
            await runner.cleanup()
