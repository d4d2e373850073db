"""SIGKILL amid event callbacks: every event arrives at least once, in order, whatever the receiver does."""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field

import asyncpg
from aiohttp import web

from tests.crash.load import Load, load_on
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import StartDaemon

SEED = 23
KILLS = 3
HEARD_BETWEEN_KILLS = 150
PATIENCE_S = 60.0
QUICK = {
    "POINTSMAN_CALLBACKS_EVENT_RETRY_FIRST_S": "0.05",
    "POINTSMAN_CALLBACKS_EVENT_RETRY_MAX_S": "0.2",
    "POINTSMAN_CALLBACKS_EVENT_CIRCUIT_PAUSE_MAX_S": "0.2",
    "POINTSMAN_CALLBACKS_EVENT_POLL_INTERVAL_S": "0.2",
    "POINTSMAN_CALLBACKS_EVENT_PENDING_PER_WORKSPACE_MAX": "60",
}


@dataclass
class Hearing:
    """A slow receiver of events that fails and breaks off; `confirmed` are those that it answered well."""

    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    heard: list[dict[str, str]] = field(default_factory=list)
    confirmed: set[int] = field(default_factory=set)
    too_early: list[tuple[int, int]] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)
    progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        sequence = int(request.headers["X-Pointsman-Sequence"])
        assert request.headers["webhook-id"] == form["Sid"]
        self._judge(sequence, form)
        self.heard.append(form | {"sequence": str(sequence)})
        self.progress.set()
        await asyncio.sleep(self.chance.random() * 0.02)
        how = self.chance.random()
        if how < 0.03:
            return web.Response(status=500)
        if how < 0.05 and request.transport is not None:
            request.transport.abort()
        self.confirmed.add(sequence)
        return web.Response(status=204)

    def _judge(self, sequence: int, form: dict[str, str]) -> None:
        """An event may come when the one before it, of its task and of its worker, was confirmed."""
        for name in ("TaskSid", "WorkerSid"):
            if subject := form.get(name):
                before = self.last.get(subject, 0)
                if before < sequence and before and before not in self.confirmed:
                    self.too_early.append((before, sequence))
                self.last[subject] = max(before, sequence)

    async def until_heard(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.heard) < count:
                self.progress.clear()
                await self.progress.wait()


async def hear(load: Load, hearing: Hearing) -> web.AppRunner:
    """Have the events of the load's workspace sent to the receiver."""
    app = web.Application()
    app.router.add_post("/events", hearing.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    await load.post(f"/{load.workspace_sid}", EventCallbackUrl=url)
    return runner


async def kill_amid_deliveries(daemon: DaemonProcess, load: Load, hearing: Hearing) -> None:
    load.start()
    for _ in range(KILLS):
        await hearing.until_heard(len(hearing.heard) + hearing.chance.randint(1, HEARD_BETWEEN_KILLS))
        await asyncio.to_thread(daemon.kill)
        await asyncio.to_thread(daemon.start)
    await hearing.until_heard(len(hearing.heard) + HEARD_BETWEEN_KILLS)
    await load.stop()


async def until_delivered(dsn: str, workspace_sid: str) -> None:
    """Return when nothing is pending."""
    connection = await asyncpg.connect(dsn)
    pending = "SELECT count(*) FROM event_deliveries WHERE workspace_sid = $1 AND status <> 'delivered'"
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if not await connection.fetchval(pending, workspace_sid):
                    return
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def events_since(dsn: str, workspace_sid: str, first: int) -> dict[str, int]:
    """The log from a sequence number on: SIDs and sequence numbers."""
    connection = await asyncpg.connect(dsn)
    log = "SELECT sid, sequence FROM events WHERE workspace_sid = $1 AND sequence >= $2"
    try:
        return {row["sid"]: row["sequence"] for row in await connection.fetch(log, workspace_sid, first)}
    finally:
        await connection.close()


def assert_in_order(heard: list[dict[str, str]]) -> None:
    """What arrived for the first time of each task, and of each worker, came in the order of the log."""
    first_arrivals: dict[str, list[int]] = defaultdict(list)
    for form in heard:
        for name in ("TaskSid", "WorkerSid"):
            own = first_arrivals[f"{name} {form[name]}"] if form.get(name) else []
            if int(form["sequence"]) not in own:
                own.append(int(form["sequence"]))
    assert [subject for subject, own in first_arrivals.items() if own != sorted(own)] == []


async def test_every_event_arrives_in_order_though_the_daemon_is_killed_amid_its_deliveries(
    database: str, start_daemon: StartDaemon
) -> None:
    daemon = await asyncio.to_thread(start_daemon, database_url=database, settings=QUICK)
    hearing = Hearing()
    async with load_on(daemon) as load:
        runner = await hear(load, hearing)
        try:
            await kill_amid_deliveries(daemon, load, hearing)
            await until_delivered(database, load.workspace_sid)
        finally:
            await runner.cleanup()
    assert await asyncio.to_thread(daemon.stop) == 0
    heard = {form["Sid"]: int(form["sequence"]) for form in hearing.heard}
    log = await events_since(database, load.workspace_sid, min(heard.values()))
    assert heard == log, "lost, invented, or with another number"
    assert len({(form["Sid"], form["sequence"]) for form in hearing.heard}) == len(heard)
    assert_in_order(hearing.heard)
    assert hearing.too_early == []
    assert len(hearing.heard) > len(heard), "the receiver and the kills make some arrive twice"
