"""A whole system in virtual time: nodes, database, clients, webhooks and everything that goes wrong.

One seed decides everything. A run is a number of simulated days over several workspaces. Clients come in
bursts and stay away for seconds to hours; meanwhile nodes crash, restart, lose their database or leases. At
the end of each day everything is repaired and nobody asks for anything: then every workspace must be served
again, every callback sent, every promise kept.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count
from random import Random

from engine.routing import commands as c
from engine.routing import invariants
from engine.routing.commands import Command
from engine.routing.core import WorkspaceCore
from engine.routing.effects import AssignmentCallback, Changes
from engine.routing.entities import Workspace
from engine.sids import SidFactory
from tests.simulation.clients import ACCOUNT, Clients, outcome_of
from tests.simulation.cluster import Cluster, draw_limits, draw_routing_limits
from tests.simulation.faults import Weather
from tests.simulation.hearing import Hearing
from tests.simulation.image import differences, image
from tests.simulation.journal import Journal, Report
from tests.simulation.ledger import Ledger
from tests.simulation.memory_store import MemoryStore
from tests.simulation.node import Node
from tests.simulation.recount import Recount, check_present
from tests.simulation.repeating import Repeaters
from tests.simulation.replay import Finding
from tests.simulation.traffic import Traffic
from tests.simulation.virtual_time import VirtualTimeLoop
from tests.simulation.watched import watched_cores
from tests.simulation.webhooks import Webhooks

START_MS = 1_700_000_000_000
DAY_S = 86_400.0
PAUSES_S = (1, 10, 60, 300, 1_800, 7_200)
GAPS_S = (0.0, 0.0, 0.0, 0.001, 0.1, 1.0, 5.0)
BURSTS = (1, 3, 10, 40)
CLOCK_STEPS_MS = (1, 500, 10_000, 3_600_000, -500, -3_000, -600_000)
TROUBLE_S = (1.0, 8.0, 30.0, 120.0)
TROUBLES = ("crash", "restart", "outage", "partition", "clock", "theft", "workspace")
SENDING_MS = 10_000
"""How long a callback may take from its commit, or from the loading of its workspace, to its receiver."""
RECOUNTED_EVERY = 25
"""After so many commits the real-time figures are counted again from the rows."""
_BY_THE_MINUTE = ("class ", "waits where", "deadline TIME_OF_DAY")


def simulate(seed: int, days: float, *, on_day: Callable[[float], None] = lambda _days: None) -> Report:
    """Run one seed. `on_day` is told the days that have passed since it was last told.

    A finding ends the run and stands in the report.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_simulate(seed, days, on_day))


async def _simulate(seed: int, days: float, on_day: Callable[[float], None]) -> Report:
    simulation = Simulation(seed)
    journal = simulation.journal
    with watched_cores(), journal.hearing_logs():
        running = asyncio.create_task(simulation.run(days, on_day))
        found = asyncio.create_task(journal.found.wait())
        await asyncio.wait([running, found], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            journal.watch_end(running)
        report = journal.close()
        for task in (running, found):
            task.cancel()
        await simulation.cluster.close()
    return report


class Simulation:
    """One run. Also the watcher of its nodes."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"{seed}/world")
        self._weather = Weather(Random(f"{seed}/weather"))
        self.journal = Journal(seed, self._weather.injected)
        limits, routing_limits = draw_limits(self._random), draw_routing_limits(self._random)
        self._start_ms = START_MS + self._random.randrange(7 * 86_400_000)
        self._stepped_ms = 0
        self._stepped_at_s = -1e9
        self._store = MemoryStore()
        self._store.on_commit = self._written
        self._ledger = Ledger(self._store, routing_limits)
        self._mint = _sid_factory(seed)
        self._traffic = Traffic(Random(f"{seed}/clients"), self._store, self._mint, self.now_ms)
        self._hearing = Hearing(Random(f"{seed}/hearing"), self._weather, self.journal.watch)
        self.cluster = Cluster(
            seed,
            Random(f"{seed}/cluster"),
            store=self._store,
            weather=self._weather,
            ledger=self._ledger,
            journal=self.journal,
            traffic=self._traffic,
            webhooks=self._make_webhooks(seed),
            hearing=self._hearing,
            watcher=self,
            limits=limits,
            routing_limits=routing_limits,
            new_sid=self._mint,
            now_ms=self.now_ms,
        )
        self._clients = Clients(self._random, self.cluster, self._ledger, self.journal, self._mint)
        self._repeaters = Repeaters(
            Random(f"{seed}/repeaters"),
            cluster=self.cluster,
            store=self._store,
            ledger=self._ledger,
            journal=self.journal,
            new_sid=self._mint,
            outcome=outcome_of,
            account_sid=ACCOUNT,
        )
        self._workspaces: list[str] = []
        self._opened_at_s: dict[str, float] = {}
        self._recounts: dict[str, Recount] = {}

    def now_ms(self) -> int:
        """Return the wall clock, which is set forward or back now and then."""
        return self._start_ms + self._stepped_ms + int(_now_s() * 1000 + 0.001)

    def _make_webhooks(self, seed: int) -> Webhooks:
        return Webhooks(
            Random(f"{seed}/webhooks"),
            note=self._weather.note,
            posted=self._posted,
            asked=self._ledger.asked,
            rest=self._rest,
            activity=self._traffic.activity,
        )

    def _rest(self, workspace_sid: str, command: Command, delay_s: float) -> None:
        self._clients.ask_later(workspace_sid, command, delay_s)

    # Watching

    def committed(self, node: Node, workspace: Workspace, changes: Changes) -> None:
        """A batch is durable and about to be published: the rows must be the live state."""
        self.journal.watch(lambda: self._compare(node, workspace.sid))
        self._ledger.may_send(changes.callbacks)

    def recovered(self, node: Node, workspace: Workspace, callbacks: list[AssignmentCallback]) -> None:
        """A workspace was loaded."""
        self.journal.step(f"{node.owner} loaded {workspace.sid}")
        self._opened_at_s[workspace.sid] = _now_s()
        self._ledger.may_send(callbacks)

    def _written(self, workspace_sid: str, changes: Changes) -> None:
        self.journal.written(workspace_sid, changes.events)
        self.journal.watch(lambda: self._ledger.written(workspace_sid, changes))
        self._hearing.written(workspace_sid, changes)
        self._recounts.setdefault(workspace_sid, Recount(workspace_sid)).take(changes.events)

    def _posted(self, sent: dict[str, str], url: str) -> None:
        self.journal.step(f"posted {sent['ReservationSid']} to {url}")
        self.journal.watch(lambda: self._ledger.posted(sent, url))

    def _compare(self, node: Node, workspace_sid: str) -> None:
        core = node.core_of(workspace_sid)
        if core is None or core.deleted:
            return
        now_ms, has_more = node.batch_ms(workspace_sid), node.has_more(workspace_sid)
        if not has_more:
            invariants.check(core.board, now_ms)
        rows = self._store.live_rows(workspace_sid)
        assert rows is not None
        limits = self.cluster.routing_limits
        loaded = WorkspaceCore.load(rows, new_sid=self._mint, now_ms=now_ms, limits=limits)
        lines = differences(image(core.board, durable=True), image(loaded.board, durable=True))
        if has_more:
            # Tasks whose minute is over still wait by the old one, until the next batch.
            lines = [line for line in lines if not line.startswith(_BY_THE_MINUTE)]
        if lines:
            raise Finding("live and loaded differ:\n" + "\n".join(lines))
        if self.journal.report.commits % RECOUNTED_EVERY == 0:
            self._recount(core, workspace_sid, now_ms)

    def _recount(self, core: WorkspaceCore, workspace_sid: str, now_ms: int) -> None:
        rows = self._store.live_rows(workspace_sid)
        assert rows is not None
        check_present(core, rows, now_ms)

    def _look(self) -> None:
        """Where a workspace is served in peace, nothing is over a second late and no callback unsent."""
        now_s = _now_s()
        if now_s < self._stepped_at_s + self.cluster.limits.lease_renew_s + 15.0:
            return
        for workspace_sid in self._open_workspaces():
            if self.cluster.owner_in_peace(workspace_sid) is None:
                continue
            peace_s = now_s - self._opened_at_s[workspace_sid]
            late = self._ledger.replays[workspace_sid].overdue(self.now_ms()) if peace_s > 1.0 else []
            if late:
                raise Finding("late: " + "; ".join(late))
            sent_by_ms = self.now_ms() - SENDING_MS
            if peace_s > SENDING_MS / 1000 and (unsent := self._ledger.unsent(workspace_sid, sent_by_ms)):
                raise Finding(f"the callbacks of {', '.join(unsent)} were never sent")

    def _open_workspaces(self) -> list[str]:
        return [sid for sid in self._workspaces if not self._ledger.replays[sid].deleted]

    async def _open_workspace(self) -> None:
        """Create a workspace and furnish it."""
        sid = await self._clients.create_workspace(f"workspace {len(self._workspaces)}")
        self._workspaces.append(sid)
        self._opened_at_s.setdefault(sid, _now_s())
        for command in self._traffic.furnish(sid):
            await self._clients.carry_out(sid, command)

    # The run

    async def run(self, days: float, on_day: Callable[[float], None]) -> None:
        """Simulate; raises Finding."""
        asyncio.get_running_loop().set_exception_handler(self.journal.unhandled)
        for number in range(self._random.choice((1, 1, 2))):
            await self.cluster.start_node(f"node-{number}")
        for _ in range(self._random.choice((1, 3, 4))):
            await self._open_workspace()
        whole, rest = divmod(days, 1.0)
        for length in [1.0] * int(whole) + ([rest] if rest else []):
            await self._day(_now_s() + length * DAY_S)
            self.journal.report.workspace_days += length * len(self._open_workspaces())
            on_day(length)

    async def _day(self, until_s: float) -> None:
        self._weather.calm = False
        while _now_s() < until_s:
            await self._burst()
            pause_s = self._random.choice(PAUSES_S) * self._random.random() * 2
            await asyncio.sleep(min(pause_s, max(until_s - _now_s(), 0.0)))
            self._look()
            if self._random.random() < 0.1:
                await self._trouble()
        await self._repair()

    async def _burst(self) -> None:
        gap_s = self._random.choice(GAPS_S)
        for _ in range(self._random.choice(BURSTS)):
            workspace_sid = self._random.choice(self._open_workspaces())
            self._clients.ask(workspace_sid, self._traffic.draw(workspace_sid))
            self._repeaters.maybe_ask(workspace_sid, partial(self._traffic.new_task, workspace_sid))
            if gap_s or self._random.random() < 0.2:
                await asyncio.sleep(gap_s)
                self._look()

    async def _trouble(self) -> None:
        """Something happens that no single call brings about."""
        random, now_s = self._random, _now_s()
        if not self.cluster.nodes:
            return
        node, kind = random.choice(self.cluster.nodes), random.choice(TROUBLES)
        duration_s = random.choice(TROUBLE_S) * random.random()
        self._weather.note(kind)
        self.journal.step(f"{kind} at {node.owner}")
        if kind == "crash":
            self.cluster.begin(self.cluster.crash(node))
        elif kind == "restart":
            self.cluster.begin(self.cluster.restart(node))
        elif kind == "outage":
            self._weather.away_until_s = now_s + duration_s
        elif kind == "partition":
            node.store.cut_off_until_s = now_s + duration_s
        elif kind == "clock":
            step_ms = random.choice(CLOCK_STEPS_MS)
            self._stepped_ms += step_ms
            self._stepped_at_s = now_s
        elif kind == "theft":
            await self.cluster.usurp(random.choice(self._open_workspaces()))
        elif random.random() < 0.2:
            deleted = random.choice(self._open_workspaces())
            await self._open_workspace()
            self._clients.ask(deleted, c.DeleteWorkspace())

    async def _repair(self) -> None:
        """Stop all trouble and look whether everything comes right by itself."""
        self._weather.calm = True
        self._weather.away_until_s = 0.0
        for node in self.cluster.nodes:
            node.store.cut_off_until_s = 0.0
        limits = self.cluster.limits
        await asyncio.sleep(
            60.0 + 2 * (limits.lease_ttl_s + limits.reload_backoff_max_s + limits.request_timeout_s)
        )
        self._look()
        for workspace_sid in self._open_workspaces():
            self._check_recovered(workspace_sid)
            self._check_statistics(workspace_sid)
        for workspace_sid in self._workspaces:
            self._check_heard(workspace_sid)
        self._ledger.check_promises()
        self._repeaters.check()

    def _check_heard(self, workspace_sid: str) -> None:
        """Every wanted event was delivered, of deleted workspaces too, unless there is nobody to hear it."""
        if not self._store.workspace(workspace_sid).event_callback_url:
            return
        if left := self._hearing.unheard(workspace_sid):
            raise Finding(f"events {sorted(left)[:10]} of {workspace_sid} were never delivered")
        if pending := list(self._store.deliveries[workspace_sid].pending):
            raise Finding(f"events {pending[:10]} of {workspace_sid} are pending though they were delivered")

    def _check_statistics(self, workspace_sid: str) -> None:
        self._recounts[workspace_sid].check_sums()
        for node in self.cluster.serving(workspace_sid):
            core = node.core_of(workspace_sid)
            if core is not None:
                self._recount(core, workspace_sid, node.batch_ms(workspace_sid))

    def _check_recovered(self, workspace_sid: str) -> None:
        owners = [node.owner for node in self.cluster.serving(workspace_sid)]
        if len(owners) != 1:
            raise Finding(f"{workspace_sid} is served by {owners} although nothing is wrong any more")
        recent_ms = self.now_ms() - 60_000
        for callback in self._store.callbacks(workspace_sid):
            sid = callback.reservation_sid
            if callback.date_created_ms < recent_ms and sid not in self.journal.lost_outcomes:
                raise Finding(f"the outcome of the callback of {sid} was never taken in")


def _sid_factory(seed: int) -> SidFactory:
    """Make a factory like `engine.sids.time_ordered_sids`, without its clock and its chance."""
    numbers = count()
    random = Random(f"{seed}/sids")

    def mint(prefix: str) -> str:
        ms = START_MS + int(_now_s() * 1000)
        return f"{prefix}{ms:012x}{next(numbers):010x}{random.getrandbits(40):010x}"

    return mint


def _now_s() -> float:
    return asyncio.get_running_loop().time()
