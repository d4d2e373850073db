"""Whatever happens in a workspace, its frames are such that the SDK can take them, in their order.

The simulator's traffic, with its races, transfers, deletions and lost commits, is told to a client of every
worker, which knows what the SDK knows and so notices what the SDK would throw on.
"""

import json
from collections import defaultdict
from typing import Any

import pytest

from engine.bridge.events import Frame, translate
from engine.routing.effects import AssignmentCallback, Changes
from engine.routing.entities import Workspace
from tests.bridge.test_calls import CHANNEL, FLAT, TASK, WORKER
from tests.simulation.node import Node
from tests.simulation.simulation import Simulation, simulate

TRANSFER = {
    *("account_sid", "workspace_sid", "sid", "task_sid", "transfer_type", "transfer_mode", "transfer_to"),
    *("transfer_status", "date_created", "date_updated", "initiating_reservation_sid"),
    *("initiating_worker_sid", "initiating_queue_sid", "initiating_workflow_sid"),
}
OPTIONAL = {"task_transfer", "active_outgoing_task_transfer", "canceled_reason_code"}
GOES_ON = {"reservation.accepted", "reservation.wrapup"}


class Clients:
    """What a client of each worker knows: its open reservations, and which of them came by transfer."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, bool]] = defaultdict(dict)
        self.frames = 0

    def read(self, node: Node, workspace_sid: str) -> None:
        """Read the state anew, as after a reconnection."""
        self.known.clear()
        core = node.core_of(workspace_sid)
        assert core is not None
        for each in core.board.state.reservations.values():
            self.known[each.worker_sid][each.sid] = each.transfer_sid is not None

    def take(self, frame: Frame) -> None:
        """Take a frame as the SDK does."""
        self.frames += 1
        message = json.loads(frame.text())
        event_type, payload = message["event_type"], message["payload"]
        if event_type.startswith("reservation.") and event_type != "reservation.failed":
            self._take_reservation(frame.worker_sid, event_type, payload)
        elif event_type.startswith("task.transfer-"):
            assert set(payload) - {"transfer_failed_reason"} == TRANSFER
            assert payload["initiating_worker_sid"] == frame.worker_sid
        elif event_type.startswith(("task.", "reservation.")):
            assert set(payload) == TASK
        else:
            assert set(payload) == (
                WORKER if event_type.split(".")[1] in {"activity", "attributes"} else CHANNEL
            )

    def _take_reservation(self, worker_sid: str, event_type: str, payload: dict[str, Any]) -> None:
        known = self.known[worker_sid]
        assert payload["worker_sid"] == worker_sid
        assert set(payload) - OPTIONAL == FLAT | {"task"}
        assert set(payload["task"]) == TASK
        came_by = payload.get("task_transfer")
        for transfer in (came_by, payload.get("active_outgoing_task_transfer")):
            assert transfer is None or set(transfer) - {"transfer_failed_reason"} == TRANSFER
        if event_type == "reservation.created":
            assert payload["sid"] not in known
            assert payload["reservation_status"] == "pending"
            known[payload["sid"]] = came_by is not None
            return
        assert payload["sid"] in known or event_type not in GOES_ON
        assert known.get(payload["sid"], came_by is not None) is (came_by is not None)
        if event_type not in GOES_ON:
            known.pop(payload["sid"], None)


@pytest.mark.parametrize("seed", range(21, 23))
def test_the_sdk_can_take_every_frame(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clients: dict[str, Clients] = defaultdict(Clients)
    committed, recovered = Simulation.committed, Simulation.recovered

    def tell(simulation: Simulation, node: Node, workspace: Workspace, changes: Changes) -> None:
        committed(simulation, node, workspace, changes)
        frames = translate(
            workspace, changes, simulation.now_ms(), lambda _worker: True, lambda _activity: True
        )
        for frame in frames:
            clients[workspace.sid].take(frame)

    def read_again(
        simulation: Simulation, node: Node, workspace: Workspace, callbacks: list[AssignmentCallback]
    ) -> None:
        recovered(simulation, node, workspace, callbacks)
        clients[workspace.sid].read(node, workspace.sid)

    monkeypatch.setattr(Simulation, "committed", tell)
    monkeypatch.setattr(Simulation, "recovered", read_again)
    report = simulate(seed, days=0.2)
    assert report.finding is None, report.finding
    assert sum(each.frames for each in clients.values()) > 10
