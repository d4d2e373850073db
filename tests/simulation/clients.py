"""What clients send, what they do when they do not learn what became of it, and what is noted of it all."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Any

from engine.errors import PointsmanError
from engine.routing import commands as c
from engine.routing.commands import Command
from engine.routing.entities import TaskOrder
from engine.routing.errors import RoutingError
from engine.sids import SidFactory
from tests.simulation.cluster import Cluster
from tests.simulation.journal import Journal
from tests.simulation.ledger import Ledger
from tests.simulation.node import Node
from tests.simulation.virtual_time import Killed

ACCOUNT = f"AC{1:032x}"
CREATIONS = (
    c.CreateActivity,
    c.CreateTask,
    c.CreateTaskChannel,
    c.CreateTaskQueue,
    c.CreateTransfer,
    c.CreateWorker,
    c.CreateWorkflow,
)


class Clients:
    """All clients of a run.

    Args:
        random: draws their nodes, their patience, and what workspaces are created like.
        cluster: the nodes they ask.
        ledger: holds every command asked for against what comes of it.
        journal: the run's diary.
        new_sid: mints SIDs, as the API does.
    """

    def __init__(
        self, random: Random, cluster: Cluster, ledger: Ledger, journal: Journal, new_sid: SidFactory
    ) -> None:
        self._random = random
        self._cluster = cluster
        self._ledger = ledger
        self._journal = journal
        self._new_sid = new_sid

    def ask(self, workspace_sid: str, command: Command) -> None:
        """Send a command to some node, as a client of its own."""
        self._journal.report.commands += 1
        self._ledger.asked(command)
        self._cluster.begin(self._send(workspace_sid, command))

    def ask_later(self, workspace_sid: str, command: Command, delay_s: float) -> None:
        """Do so after a while."""
        self._ledger.asked(command)
        asyncio.get_running_loop().call_later(delay_s, self.ask, workspace_sid, command)

    async def carry_out(self, workspace_sid: str, command: Command) -> None:
        """Send a command and wait until its client is done with it."""
        self._journal.report.commands += 1
        self._ledger.asked(command)
        await self._send(workspace_sid, command)

    async def create_workspace(self, friendly_name: str) -> str:
        """Create a workspace, as often as it takes; returns its SID."""
        options: dict[str, Any] = {
            "friendly_name": friendly_name,
            "multi_task_enabled": self._random.random() < 0.75,
            "prioritize_queue_order": self._random.choice(list(TaskOrder)),
            "template": self._random.choice(("NONE", "FIFO")),
        }
        outcome, view = "unknown", None
        while outcome != "done":
            if self._cluster.nodes:
                node = self._random.choice(self._cluster.nodes)
                outcome, view = await outcome_of(node, node.service.create_workspace(ACCOUNT, **options))
                self._journal.step(f"create workspace → {outcome}: {view}")
            await asyncio.sleep(0.0 if outcome == "done" else 1.0)
        assert view is not None
        return str(view.sid)

    async def _send(self, workspace_sid: str, command: Command) -> None:
        """One client's request, repeated elsewhere or later when its outcome is unknown."""
        for _ in range(3):
            outcome = await self._request(workspace_sid, command)
            if outcome != "unknown":
                return
            await asyncio.sleep(self._random.random() * 2)
            if isinstance(command, CREATIONS):
                # The API mints the SID: a repeated creation is another one.
                command = replace(command, sid=self._new_sid(command.sid[:2]))
            elif self._random.random() < 0.5:
                return

    async def _request(self, workspace_sid: str, command: Command) -> str:
        if not self._cluster.nodes:
            return "unknown"
        node = self._random.choice(self._cluster.nodes)
        serving = self._cluster.serving(workspace_sid)
        if serving and self._random.random() < 0.8:
            node = serving[0]
        if isinstance(command, c.AssignmentInstructed | c.AssignmentCallbackFailed):
            work = node.service.submit_internal(workspace_sid, command)
        else:
            work = node.service.submit(ACCOUNT, workspace_sid, command)
        outcome, told = await outcome_of(node, work)
        self._journal.report.answers[outcome] += 1
        self._journal.step(f"{command} → {outcome}: {told}")
        if outcome == "done":
            self._journal.watch(lambda: self._ledger.acknowledged(workspace_sid, command, told))
        return outcome


async def outcome_of(node: Node, work: Any) -> tuple[str, Any]:
    """Return what became of a request, and its answer or the reason."""
    try:
        return "done", await node.call(work)
    except RoutingError as refusal:
        return "refused", f"{type(refusal).__name__} {refusal.code} {refusal.message}"
    except Killed:
        return "unknown", "the connection broke"
    except PointsmanError as error:
        return "unknown", f"{type(error).__name__} {error}"
