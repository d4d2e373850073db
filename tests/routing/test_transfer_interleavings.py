"""Every order in which few things can happen to one transfer, warm and cold, to a worker and to a queue.

After each step there is a restart, which forgives refusals, and before the next one another: the core is
made of the rows that the steps before have left. After each step the invariants hold, a core loaded from the
rows is the one that wrote them, and events and rows agree. A refused command leaves no trace, so an order
with a refusal is the same order without it.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from engine.routing import commands as c
from engine.routing.core import WorkspaceCore
from engine.routing.effects import Kind
from engine.routing.entities import Reservation, TransferMode
from engine.routing.entities import ReservationStatus as R
from engine.routing.errors import RoutingError
from engine.routing.states import HELD
from tests.model.side_by_side import Store
from tests.routing.handed import Handed
from tests.simulation.image import differences, image

OUTCOMES = ("complete", "failed", "canceled")


@dataclass
class Point:
    """Where an order has come to: the rows, the time and the events so far."""

    store: Store
    now_ms: int
    told: tuple[str, ...] = ()


class Orders:
    """All orders of some acts on one transfer."""

    def __init__(self, mode: TransferMode, *, to_queue: bool) -> None:
        self.world = Handed(flow={"task_reservation_timeout_s": 10})
        self.world.activity(self.world.cai, "Offline")
        self.world.hand(self.world.second if to_queue else self.world.bob, mode)
        self.to_queue = to_queue
        self.followed: dict[tuple[tuple[str, ...], frozenset[str]], int] = {}

    def start(self) -> Point:
        return Point(copied(self.world.store), self.world.now_ms)

    def follow(self, done: tuple[str, ...], left: frozenset[str], point: Point) -> int:
        """Drive every order of what is left from here; returns how many there are."""
        if (done, left) not in self.followed:
            if not left:
                self.check_end(done, point)
            orders = 0 if left else 1
            for act in sorted(left):
                after = self.step(point, ACTS[act])
                taken = (*done, act) if after else done
                orders += self.follow(taken, left - {act}, after or point)
            self.followed[done, left] = orders
        return self.followed[done, left]

    def step(self, point: Point, act: "Act") -> Point | None:
        """Restart from the rows, do it, and check; None when it was refused."""
        world = self.world
        world.store, world.now_ms = copied(point.store), point.now_ms
        world.restart()
        world.changes = world.core.take_changes()
        before = image(world.core.board, durable=False)
        try:
            act(world)
        except RoutingError:
            assert differences(image(world.core.board, durable=False), before) == []
            return None
        told = point.told + tuple(world.events)
        world.core = self.checked(told)
        world.do()
        return Point(world.store, world.now_ms, told + tuple(world.events))

    def checked(self, told: tuple[str, ...]) -> WorkspaceCore:
        """Hold live state, rows and events against each other; `world.do` has checked the invariants.

        Returns the core that was loaded for it.
        """
        world = self.world
        loaded = WorkspaceCore.load(world.store.load_rows(), new_sid=world.new_sid, now_ms=world.now_ms)
        live, later = (image(core.board, durable=True) for core in (world.core, loaded))
        assert differences(live, later) == []
        rows = world.store.rows[Kind.TRANSFER].values()
        ended = [kind for kind in told if kind.startswith("task.transfer-") and "attempt" not in kind]
        statuses = [str(row.status) for row in rows]
        assert len(ended) == sum(status in OUTCOMES for status in statuses), (ended, statuses)
        return loaded

    def check_end(self, done: tuple[str, ...], point: Point) -> None:
        """What came first decides the outcome; who accepted has the task."""
        (transfer,) = point.store.rows[Kind.TRANSFER].values()
        deciding = QUEUE_OUTCOMES if self.to_queue else WORKER_OUTCOMES
        expected = next((deciding[act] for act in done if act in deciding), "initiated")
        assert transfer.status == expected, done
        accepted = [r for r in offers(point) if r.transfer_sid == transfer.sid and r.status in HELD]
        assert len(accepted) == (expected == "complete"), done


def copied(store: Store) -> Store:
    """Copy what a store holds; the rows themselves never change."""
    other = copy.copy(store)
    other.rows = {kind: dict(table) for kind, table in store.rows.items()}
    other.configurations, other.callbacks = dict(store.configurations), dict(store.callbacks)
    return other


def offers(point: Point) -> list[Reservation]:
    return list(point.store.rows[Kind.RESERVATION].values())


Act = Callable[[Handed], object]


def let_time_pass(world: Handed) -> None:
    """Until the offer of the transfer times out, or as long without one."""
    world.wait(10)


ACTS: dict[str, Act] = {
    "accept": lambda world: world.do(c.UpdateReservation(newest(world, world.bob), R.ACCEPTED)),
    "reject": lambda world: world.do(c.UpdateReservation(newest(world, world.bob), R.REJECTED)),
    "time out": let_time_pass,
    "take back": lambda world: world.do(c.CancelTransfer(transfer_of(world), world.wt)),
    "complete": lambda world: world.do(c.UpdateReservation(world.held.sid, R.COMPLETED)),
    "leave": lambda world: world.activity(world.bob, "Offline", reject_pending_reservations=True),
}
WORKER_OUTCOMES = {
    "accept": "complete",
    "reject": "failed",
    "time out": "failed",
    "leave": "failed",
    "take back": "canceled",
}
QUEUE_OUTCOMES = {"accept": "complete", "take back": "canceled"}


def transfer_of(world: Handed) -> str:
    (sid,) = world.store.rows[Kind.TRANSFER]
    return sid


def newest(world: Handed, worker_sid: str) -> str:
    """Return the SID of the worker's newest reservation, over or not."""
    mine = [r for r in world.store.rows[Kind.RESERVATION].values() if r.worker_sid == worker_sid]
    return max(mine, key=lambda reservation: reservation.sequence).sid


@pytest.mark.parametrize("to_queue", [False, True])
@pytest.mark.parametrize("mode", TransferMode)
def test_every_order_of_what_can_happen_to_a_transfer(mode: TransferMode, to_queue: bool) -> None:
    orders = Orders(mode, to_queue=to_queue)
    assert orders.follow((), frozenset(ACTS), orders.start()) == 720
