"""A whole system in virtual time: nodes, database, clients, webhooks and everything that goes wrong.

One seed decides everything. A run is a number of simulated days over several workspaces. Clients come in
bursts and stay away for seconds to hours; meanwhile nodes crash, restart, lose their database or their leases.
At the end of each day everything is repaired and nobody asks for anything: then every workspace must be served
again, every callback sent, every promise kept.
"""

import asyncio
import hashlib
import logging
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import count
from random import Random
from typing import Any

import orjson
import structlog

from engine.errors import Overloaded, PointsmanError, StoreUnavailable
from engine.ownership import Lease
from engine.routing import commands as c
from engine.routing import invariants
from engine.routing.commands import Command
from engine.routing.core import WorkspaceCore
from engine.routing.effects import AssignmentCallback, Changes
from engine.routing.entities import TaskOrder, Workspace
from engine.routing.errors import RoutingError
from engine.routing.limits import RoutingLimits
from engine.runtime.limits import RuntimeLimits
from tests.simulation.faults import NodeStore, Weather
from tests.simulation.image import differences, image
from tests.simulation.ledger import Ledger
from tests.simulation.memory_store import MemoryStore
from tests.simulation.node import Node
from tests.simulation.replay import Finding
from tests.simulation.traffic import Traffic
from tests.simulation.virtual_time import Killed, VirtualTimeLoop
from tests.simulation.watched import watched_cores
from tests.simulation.webhooks import Webhooks

START_MS = 1_700_000_000_000
DAY_S = 86_400.0
ACCOUNT = f"AC{1:032x}"
PAUSES_S = (1, 10, 60, 300, 1_800, 7_200)
GAPS_S = (0.0, 0.0, 0.0, 0.001, 0.1, 1.0, 5.0)
STEPS_KEPT = 40
_BY_THE_MINUTE = ("class ", "waits where", "deadline TIME_OF_DAY")


@dataclass(slots=True)
class Report:
    """What a run did."""

    seed: int
    workspace_days: float = 0.0
    commands: int = 0
    steps: int = 0
    commits: int = 0
    events: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    history: str = ""
    finding: str | None = None
    last_steps: list[str] = field(default_factory=list)


def simulate(seed: int, days: float, *, on_day: Callable[[float], None] = lambda _days: None) -> Report:
    """Run one seed. `on_day` is told the days that have passed since it was last told.

    A finding ends the run and stands in the report.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_simulate(seed, days, on_day))


async def _simulate(seed: int, days: float, on_day: Callable[[float], None]) -> Report:
    simulation = Simulation(seed)
    with watched_cores(), _heard_logs(simulation.hear):
        running = asyncio.create_task(simulation.run(days, on_day))
        found = asyncio.create_task(simulation.found.wait())
        await asyncio.wait([running, found], return_when=asyncio.FIRST_COMPLETED)
        simulation.look_at_end_of(running)
        for task in (running, found):
            task.cancel()
        await simulation.close()
    return simulation.report


@contextmanager
def _heard_logs(hear: Callable[[str, structlog.typing.EventDict], None]) -> Iterator[None]:
    """Give what the product logs to `hear`, from warnings on."""

    def processor(_logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        hear(method, event)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[processor],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


class Simulation:
    """One run. Also the watcher of its nodes."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"{seed}/world")
        self._weather = Weather(Random(f"{seed}/weather"))
        self.report = Report(seed, injected=self._weather.injected)
        self.found = asyncio.Event()
        self._limits = _draw_limits(self._random)
        self._routing_limits = _draw_routing_limits(self._random)
        self._store = MemoryStore()
        self._store.on_commit = self._written
        self._ledger = Ledger(self._store, self._routing_limits)
        self._mint = self._sid_factory()
        self._start_ms = START_MS + self._random.randrange(7 * 86_400_000)
        self._steps_ms = 0
        self._stepped_at_s = -1e9
        self._hash = hashlib.sha256()
        self._steps: deque[str] = deque(maxlen=STEPS_KEPT)
        self._nodes: list[Node] = []
        self._workspaces: list[str] = []
        self._opened_at_s: dict[str, float] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._traffic = Traffic(Random(f"{seed}/clients"), self._store, self._mint, self.now_ms)
        self._webhooks = Webhooks(
            Random(f"{seed}/webhooks"),
            note=self._weather.note,
            posted=self._posted,
            asked=self._ledger.asked,
            rest=self._ask_later,
            activity=self._traffic.activity,
        )
        self._lost: set[str] = set()

    # Clock, history, findings

    def now_ms(self) -> int:
        """Return the wall clock, which may be set forward now and then."""
        return self._start_ms + self._steps_ms + int(self._now_s() * 1000 + 0.001)

    def note_finding(self, what: str) -> None:
        """Keep the first finding."""
        if self.report.finding is None:
            self.report.finding = what
            self.report.last_steps = list(self._steps)
            self.found.set()

    def look_at_end_of(self, running: asyncio.Task[None]) -> None:
        """Note how the run ended, if it did."""
        error = running.exception() if running.done() else None
        if isinstance(error, Finding):
            self.note_finding(str(error))
        elif error is not None:
            self.note_finding("".join(traceback.format_exception(error)))

    def hear(self, method: str, event: structlog.typing.EventDict) -> None:
        """Take in a line of the product's log: an exception in it is a finding."""
        name = event["event"]
        if method == "exception" or event.get("exc_info"):
            self.note_finding(f"logged {name}: {traceback.format_exc()}")
        if name == "callback.outcome_lost":
            self._lost.add(event["reservation_sid"])
        self.report.answers[f"log: {name}"] += 1

    def _step(self, text: str) -> None:
        line = f"{self._now_s():.6f} {text}"
        self.report.steps += 1
        self._steps.append(line)
        self._hash.update(line.encode())

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _sid_factory(self) -> Callable[[str], str]:
        numbers = count()
        random = Random(f"{self.report.seed}/sids")

        def mint(prefix: str) -> str:
            ms = int(self._now_s() * 1000) if self._nodes else 0
            return f"{prefix}{START_MS + ms:012x}{next(numbers):010x}{random.getrandbits(40):010x}"

        return mint

    # Watching

    def committed(self, node: Node, workspace: Workspace, changes: Changes) -> None:
        """A batch is durable and about to be published: the rows must be the live state."""
        self._watch(lambda: self._compare(node, workspace.sid))
        self._ledger.may_send(changes.callbacks)

    def recovered(self, node: Node, workspace: Workspace, callbacks: list[AssignmentCallback]) -> None:
        """A workspace was loaded."""
        self._step(f"{node.owner} loaded {workspace.sid}")
        self._opened_at_s[workspace.sid] = self._now_s()
        self._ledger.may_send(callbacks)

    def _watch(self, check: Callable[[], None]) -> None:
        try:
            check()
        except AssertionError as failure:
            text = str(failure) if isinstance(failure, Finding) else traceback.format_exc()
            self.note_finding(text)
            raise

    def _written(self, workspace_sid: str, changes: Changes) -> None:
        self.report.commits += 1
        self.report.events += len(changes.events)
        for event in changes.events:
            values = [getattr(event, item.name) for item in fields(event)]
            self._hash.update(orjson.dumps(values))
        names = [event.event_type for event in changes.events]
        self._step(f"written to {workspace_sid}: {' '.join(names)}")
        self._watch(lambda: self._ledger.written(workspace_sid, changes))

    def _posted(self, sent: dict[str, str], url: str) -> None:
        self._step(f"posted {sent['ReservationSid']} to {url}")
        self._watch(lambda: self._ledger.posted(sent, url))

    def _compare(self, node: Node, workspace_sid: str) -> None:
        core = node.core_of(workspace_sid)
        if core is None or core.deleted:
            return
        now_ms = node.batch_ms(workspace_sid)
        if not node.has_more(workspace_sid):
            invariants.check(core.board, now_ms)
        rows = self._store.live_rows(workspace_sid)
        assert rows is not None
        loaded = WorkspaceCore.load(rows, new_sid=self._mint, now_ms=now_ms, limits=self._routing_limits)
        lines = differences(image(core.board, durable=True), image(loaded.board, durable=True))
        if node.has_more(workspace_sid):
            # Tasks whose minute is over still wait by the old one, until the next batch.
            lines = [line for line in lines if not line.startswith(_BY_THE_MINUTE)]
        if lines:
            raise Finding("live and loaded differ:\n" + "\n".join(lines))

    def _check_punctual(self) -> None:
        """Nothing that is due may be more than a second late where a workspace is served in peace."""
        now_s = self._now_s()
        if now_s < self._stepped_at_s + self._limits.lease_renew_s + 15.0:
            return
        for workspace_sid in self._workspaces:
            if self._serving_in_peace(workspace_sid) and now_s > self._opened_at_s[workspace_sid] + 1.0:
                late = self._ledger.replays[workspace_sid].overdue(self.now_ms())
                if late:
                    raise Finding("late: " + "; ".join(late))

    def _serving_in_peace(self, workspace_sid: str) -> bool:
        if self._ledger.replays[workspace_sid].deleted:
            return False
        held = self._store.leases[workspace_sid]
        lease = Lease(workspace_sid, held.owner, held.epoch)
        nodes = [node for node in self._nodes if node.lease_of(workspace_sid) == lease]
        return len(nodes) == 1 and workspace_sid not in nodes[0].store.committing

    # Nodes

    async def _start_node(self, owner: str) -> None:
        """Start a node, as often as it takes. One that crashes meanwhile is started again by who crashed it."""
        while True:
            node = self._make_node(owner)
            self._nodes.append(node)
            try:
                await node.start(self._webhooks)
            except StoreUnavailable:
                self._nodes.remove(node)
                await node.process.kill()
                await asyncio.sleep(1.0)
            except Killed:
                return
            else:
                self._step(f"{owner} started")
                return

    def _make_node(self, owner: str) -> Node:
        def crash() -> None:
            asyncio.get_running_loop().call_soon(self._begin, self._crash(node))

        node = Node(
            owner,
            NodeStore(self._store, self._weather, crash, self._usurp),
            limits=self._limits,
            routing_limits=self._routing_limits,
            new_sid=self._mint,
            clock=self.now_ms,
            random=Random(f"{self.report.seed}/{owner}").random,
            watcher=self,
        )
        return node

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.note_finding("".join(traceback.format_exception(error)))

    async def _crash(self, node: Node) -> None:
        """Kill a node and start it again after a while."""
        if node not in self._nodes:
            return
        self._nodes.remove(node)
        self._step(f"{node.owner} crashes")
        await node.process.kill()
        await asyncio.sleep(0.0 if self._weather.calm else self._random.choice((0.0, 0.5, 5.0, 60.0)))
        await self._start_node(node.owner)

    async def _restart(self, node: Node) -> None:
        """Stop a node in good order and start it again."""
        self._nodes.remove(node)
        self._step(f"{node.owner} stops")
        try:
            await node.stop()
        except Killed:
            await node.process.kill()
        await self._start_node(node.owner)

    async def _usurp(self, workspace_sid: str) -> None:
        """Let another owner take the workspace, do a batch of its own and go away."""
        held = self._store.leases[workspace_sid]
        held.expires_s = self._now_s()
        lease = await self._store.acquire(workspace_sid, "usurper", 1.0)
        rows = self._store.live_rows(workspace_sid)
        if lease is None or rows is None:
            return
        self._step(f"the usurper takes {workspace_sid}")
        now_ms = self.now_ms()
        core = WorkspaceCore.load(rows, new_sid=self._mint, now_ms=now_ms, limits=self._routing_limits)
        while core.advance(now_ms, 1_000):
            pass
        for _ in range(self._random.randrange(3)):
            command = self._traffic.draw(workspace_sid)
            self._ledger.asked(command)
            try:
                core.handle(command, now_ms)
            except RoutingError:
                continue
        while core.match(now_ms, 1_000):
            pass
        changes = core.take_changes()
        if changes:
            await self._store.commit(lease, changes)
        await self._store.release(lease)

    # Clients

    def _ask(self, workspace_sid: str, command: Command) -> None:
        """Send a command to some node, as a client of its own."""
        self.report.commands += 1
        self._ledger.asked(command)
        self._begin(self._client(workspace_sid, command))

    def _ask_later(self, workspace_sid: str, command: Command, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._ledger.asked(command)
        loop.call_later(delay_s, self._ask, workspace_sid, command)

    async def _client(self, workspace_sid: str, command: Command) -> None:
        """One client's request, repeated elsewhere or later when its outcome is unknown."""
        for attempt in range(3):
            outcome = await self._request(workspace_sid, command)
            if outcome != "unknown":
                return
            await asyncio.sleep(self._random.random() * 2)
            if type(command).__name__.startswith("Create"):
                # The API mints the SID: a repeated creation is another one.
                command = replace(command, sid=self._mint(command.sid[:2]))  # type: ignore[union-attr, call-arg]
            elif attempt == 2 or self._random.random() < 0.5:
                return

    async def _request(self, workspace_sid: str, command: Command) -> str:
        if not self._nodes:
            return "unknown"
        node = self._random.choice(self._nodes)
        serving = [other for other in self._nodes if other.loop_of(workspace_sid) is not None]
        if serving and self._random.random() < 0.8:
            node = serving[0]
        if isinstance(command, c.AssignmentInstructed | c.AssignmentCallbackFailed):
            work = node.service.submit_internal(workspace_sid, command)
        else:
            work = node.service.submit(ACCOUNT, workspace_sid, command)
        outcome, told = await self._outcome(node, work)
        self.report.answers[outcome] += 1
        self._step(f"{command} → {outcome}: {told}")
        if outcome == "done":
            self._watch(lambda: self._ledger.acknowledged(workspace_sid, command, told))
        return outcome

    async def _outcome(self, node: Node, work: Any) -> tuple[str, Any]:
        try:
            return "done", await node.call(work)
        except RoutingError as refusal:
            return "refused", f"{type(refusal).__name__} {refusal.code} {refusal.message}"
        except Killed:
            return "unknown", "the connection broke"
        except Overloaded as error:
            return "unknown", f"{error}"
        except PointsmanError as error:
            return "unknown", f"{type(error).__name__} {error}"

    async def _create_workspace(self) -> None:
        """Create a workspace and furnish it."""
        options = {
            "friendly_name": f"workspace {len(self._workspaces)}",
            "multi_task_enabled": self._random.random() < 0.75,
            "prioritize_queue_order": self._random.choice(list(TaskOrder)),
            "template": self._random.choice(("NONE", "FIFO")),
        }
        while True:
            if self._nodes:
                node = self._random.choice(self._nodes)
                outcome, view = await self._outcome(node, node.service.create_workspace(ACCOUNT, **options))
                self._step(f"create workspace → {outcome}: {view}")
                if outcome == "done":
                    break
            await asyncio.sleep(1.0)
        self._workspaces.append(view.sid)
        self._opened_at_s[view.sid] = self._now_s()
        for command in self._traffic.furnish(view.sid):
            self.report.commands += 1
            self._ledger.asked(command)
            await self._client(view.sid, command)

    # The run

    async def run(self, days: float, on_day: Callable[[float], None]) -> None:
        """Simulate; raises Finding."""
        asyncio.get_running_loop().set_exception_handler(self._unhandled)
        for number in range(self._random.choice((1, 1, 2))):
            await self._start_node(f"node-{number}")
        for _ in range(self._random.choice((1, 2, 3))):
            await self._create_workspace()
        whole, rest = divmod(days, 1.0)
        for length in [1.0] * int(whole) + ([rest] if rest else []):
            await self._day(self._now_s() + length * DAY_S)
            self.report.workspace_days += length * len(self._workspaces)
            on_day(length)
        self.report.history = self._hash.hexdigest()

    async def _day(self, until_s: float) -> None:
        self._weather.calm = False
        while self._now_s() < until_s:
            await self._burst()
            pause_s = self._random.choice(PAUSES_S) * self._random.random() * 2
            await asyncio.sleep(min(pause_s, max(until_s - self._now_s(), 0.0)))
            self._look()
            if self._random.random() < 0.1:
                await self._trouble()
        await self._repair()

    async def _burst(self) -> None:
        gap_s = self._random.choice(GAPS_S)
        for _ in range(self._random.choice((1, 3, 10, 40))):
            workspace_sid = self._random.choice(self._workspaces)
            if self._ledger.replays[workspace_sid].deleted:
                continue
            self._ask(workspace_sid, self._traffic.draw(workspace_sid))
            if gap_s or self._random.random() < 0.2:
                await asyncio.sleep(gap_s)
                self._look()

    def _look(self) -> None:
        self._check_punctual()

    async def _trouble(self) -> None:
        """Something happens that no single call brings about."""
        weather, random = self._weather, self._random
        kind = random.choice(("crash", "restart", "outage", "partition", "clock", "theft", "replaced workspace"))
        if not self._nodes:
            return
        node = random.choice(self._nodes)
        weather.note(kind)
        self._step(f"{kind} at {node.owner}")
        duration_s = random.choice((1.0, 8.0, 30.0, 120.0)) * random.random()
        if kind == "crash":
            self._begin(self._crash(node))
        elif kind == "restart":
            self._begin(self._restart(node))
        elif kind == "outage":
            weather.away_until_s = self._now_s() + duration_s
        elif kind == "partition":
            node.store.cut_off_until_s = self._now_s() + duration_s
        elif kind == "clock":
            self._steps_ms += random.choice((1, 500, 10_000, 3_600_000))
            self._stepped_at_s = self._now_s()
        elif kind == "theft":
            await self._usurp(random.choice(self._workspaces))
        elif random.random() < 0.2:
            workspace_sid = random.choice(self._workspaces)
            if not self._ledger.replays[workspace_sid].deleted:
                self._ask(workspace_sid, c.DeleteWorkspace())
                await self._create_workspace()

    async def _repair(self) -> None:
        """Stop all trouble and look whether everything comes right by itself."""
        self._weather.calm = True
        self._weather.away_until_s = 0.0
        for node in self._nodes:
            node.store.cut_off_until_s = 0.0
        limits = self._limits
        patience_s = 2 * (limits.lease_ttl_s + limits.reload_backoff_max_s + limits.request_timeout_s) + 60.0
        await asyncio.sleep(patience_s)
        self._look()
        for workspace_sid in self._workspaces:
            if not self._ledger.replays[workspace_sid].deleted:
                self._check_recovered(workspace_sid)
        self._ledger.check_promises()

    def _check_recovered(self, workspace_sid: str) -> None:
        owners = [node.owner for node in self._nodes if node.loop_of(workspace_sid) is not None]
        if len(owners) != 1:
            raise Finding(f"{workspace_sid} is served by {owners} although nothing is wrong any more")
        recent_ms = self.now_ms() - 60_000
        for callback in self._store.callbacks(workspace_sid):
            sid = callback.reservation_sid
            if callback.date_created_ms < recent_ms and sid not in self._lost:
                sent = self._ledger.times_sent(sid)
                raise Finding(f"the callback of {sid} waits since {callback.date_created_ms}, sent {sent} times")

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        text = "".join(traceback.format_exception(error)) if error else ""
        self.note_finding(f"{context.get('message')}\n{text}")

    async def close(self) -> None:
        """End every process."""
        for task in list(self._under_way):
            task.cancel()
        for node in self._nodes:
            await node.process.kill()


def _draw_limits(random: Random) -> RuntimeLimits:
    ttl_s = random.choice((15.0, 60.0, 60.0, 300.0))
    return RuntimeLimits(
        inbox_commands_max=random.choice((3, 30, 10_000, 10_000)),
        batch_commands_max=random.choice((1, 3, 1_000, 1_000)),
        deadlines_max=random.choice((1, 3, 1_000, 1_000)),
        match_decisions_max=random.choice((1, 3, 1_000, 1_000)),
        commit_timeout_s=5.0,
        lease_ttl_s=ttl_s,
        lease_renew_s=ttl_s / 3,
        lease_margin_s=ttl_s / 10,
        reload_backoff_max_s=random.choice((2.0, 30.0)),
        discovery_interval_s=random.choice((15.0, 120.0)),
    )


def _draw_routing_limits(random: Random) -> RoutingLimits:
    return RoutingLimits(
        assignment_count_max=random.choice((3, 1_000)),
        assigned_s_max=random.choice((300, 86_400)),
        idle_classes_max=random.choice((1, 4_096)),
        bindings_per_target_max=random.choice((1, 16_384)),
        ready_scan_max=random.choice((1, 64)),
    )
