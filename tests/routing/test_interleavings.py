"""Every order in which few things can happen to one task with two offers, and to two tasks of one worker.

What happens is a command or the passing of time; a command names what a client would know, the worker's
newest offer. After each step the invariants hold, the events are moves of the tables in `states.py`, nobody's
capacity is exceeded and no task was accepted twice. A refused command must leave no trace; so an order with a
refusal goes on exactly as the same order without it, and is driven only once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import permutations

import pytest

from engine.routing import commands as c
from engine.routing import invariants
from engine.routing.commands import Command
from engine.routing.core import WorkspaceCore
from engine.routing.effects import Event
from engine.routing.entities import ReservationStatus, TaskStatus
from engine.routing.errors import RoutingError
from engine.routing.states import OPEN_RESERVATION, RESERVATION_MOVES, TASK_MOVES
from tests.routing.world import ACCOUNT, START_MS, WORKSPACE, sids
from tests.simulation.image import image

R, T = ReservationStatus, TaskStatus

FIRST, SECOND = (f"WK{number:032x}" for number in (1, 2))
TASK, OTHER = (f"WT{number:032x}" for number in (1, 2))
QUEUE, WORKFLOW = f"WQ{1:032x}", f"WW{1:032x}"
UNKNOWN = f"WR{0:032x}"
TTL_S = 60
RESERVATION_S = 10
CONFIGURATION = f'{{"task_routing": {{"default_filter": {{"queue": "{QUEUE}"}}}}}}'

_TASK_AFTER = {
    "task.wrapup": T.WRAPPING,
    "task.completed": T.COMPLETED,
    "task.canceled": T.CANCELED,
    "reservation.accepted": T.ASSIGNED,
}
_RESERVATION_AFTER = {
    "reservation.created": R.PENDING,
    "reservation.accepted": R.ACCEPTED,
    "reservation.rejected": R.REJECTED,
    "reservation.timeout": R.TIMEOUT,
    "reservation.canceled": R.CANCELED,
    "reservation.rescinded": R.RESCINDED,
    "reservation.wrapup": R.WRAPPING,
    "reservation.completed": R.COMPLETED,
}


@dataclass
class Followed:
    """What the events so far say."""

    tasks: dict[str, TaskStatus] = field(default_factory=dict)
    reservations: dict[str, ReservationStatus] = field(default_factory=dict)
    task_of: dict[str, str] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    sequence: int = 0

    def take(self, events: list[Event]) -> None:
        for event in events:
            assert event.sequence == self.sequence + 1
            self.sequence = event.sequence
            if event.event_type == "task.created":
                self.tasks[event.resource_sid] = T.PENDING
            if event.event_type in _RESERVATION_AFTER:
                self.move_reservation(event)
            if event.event_type in _TASK_AFTER:
                self.move_task(event.task_sid or "", _TASK_AFTER[event.event_type])

    def move_reservation(self, event: Event) -> None:
        sid, task_sid, status = event.resource_sid, event.task_sid or "", _RESERVATION_AFTER[event.event_type]
        if status is R.PENDING:
            assert sid not in self.reservations
            self.newest[event.worker_sid or ""] = sid
            self.task_of[sid] = task_sid
            if self.tasks[task_sid] is not T.RESERVED:
                self.move_task(task_sid, T.RESERVED)
        else:
            assert status in RESERVATION_MOVES[self.reservations[sid]], (sid, self.reservations[sid], status)
        if status is R.ACCEPTED:
            assert self.accepted.setdefault(task_sid, sid) == sid, f"{task_sid} was accepted twice"
        self.reservations[sid] = status
        if self.tasks[task_sid] is T.RESERVED and status is not R.ACCEPTED and not self.open_of(task_sid):
            self.move_task(task_sid, T.PENDING)

    def move_task(self, sid: str, status: TaskStatus) -> None:
        assert status in TASK_MOVES[self.tasks[sid]], f"{sid}: {self.tasks[sid]} → {status}"
        self.tasks[sid] = status

    def open_of(self, task_sid: str) -> list[str]:
        return [
            sid
            for sid, status in self.reservations.items()
            if self.task_of[sid] == task_sid and status in OPEN_RESERVATION
        ]


class Run:
    """One order on a core of its own. A batch is what the runtime does between two commits."""

    def __init__(self, workers: tuple[str, ...], tasks: tuple[str, ...], max_reserved_workers: int) -> None:
        self.now_ms = START_MS
        self.seen = Followed()
        self.core = WorkspaceCore.create(
            WORKSPACE, ACCOUNT, friendly_name="test", new_sid=sids(), now_ms=self.now_ms
        )
        activities = {a.friendly_name: a.sid for a in self.core.board.state.activities.values()}
        self.offline = activities["Offline"]
        self.batch(
            c.CreateTaskQueue(QUEUE, "queue", max_reserved_workers=max_reserved_workers),
            c.CreateWorkflow(WORKFLOW, "flow", CONFIGURATION, task_reservation_timeout_s=RESERVATION_S),
            *(c.CreateWorker(sid, sid, "{}", activities["Available"]) for sid in workers),
            *(c.CreateTask(sid, timeout_s=TTL_S) for sid in tasks),
        )

    def batch(self, *commands: Command) -> list[bool]:
        """Run one batch; returns which of its commands were carried out."""
        core, now_ms = self.core, self.now_ms
        while core.advance(now_ms, 1_000):
            pass
        carried_out = []
        for command in commands:
            try:
                core.handle(command, now_ms)
            except RoutingError:
                carried_out.append(False)
            else:
                carried_out.append(True)
        while core.match(now_ms, 1_000):
            pass
        self.seen.take(core.take_changes().events)
        return carried_out

    def do(self, what: Command | int) -> bool:
        """Let time pass, or run a batch of one command; False when it was refused, which leaves no trace."""
        if isinstance(what, int):
            self.wait(what)
            return True
        before = image(self.core.board, durable=False)
        try:
            self.core.handle(what, self.now_ms)
        except RoutingError:
            assert image(self.core.board, durable=False) == before
            return False
        self.batch()
        return True

    def wait(self, until_ms: int) -> None:
        """Let time pass, with a batch whenever something is due."""
        while (due_ms := self.core.next_deadline_ms()) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            self.batch()
        self.now_ms = max(self.now_ms, until_ms)

    def check(self) -> None:
        """Hold the live state against the invariants and against what the events say."""
        board = self.core.board
        invariants.check(board, self.now_ms)
        live = {task.sid: task.status for task in board.state.tasks.values()}
        finished = (T.COMPLETED, T.CANCELED)
        assert live == {sid: s for sid, s in self.seen.tasks.items() if s not in finished}
        offers = {r.sid: r.status for r in board.state.reservations.values()}
        assert offers == {sid: s for sid, s in self.seen.reservations.items() if s in OPEN_RESERVATION}
        for worker in board.state.workers.values():
            assert len(worker.reservations) <= 1, "capacity is 1"

    # What may happen

    def accept(self, worker_sid: str) -> Command:
        return c.UpdateReservation(self.newest(worker_sid), R.ACCEPTED, worker_sid=worker_sid)

    def reject(self, worker_sid: str) -> Command:
        return c.UpdateReservation(self.newest(worker_sid), R.REJECTED, worker_sid=worker_sid)

    def newest(self, worker_sid: str) -> str:
        return self.seen.newest.get(worker_sid, UNKNOWN)

    def end(self, task_sid: str, status: TaskStatus) -> Command:
        return c.UpdateTask(task_sid, assignment_status=status)

    def go_offline(self, worker_sid: str, *, rejecting: bool) -> Command:
        return c.UpdateWorker(worker_sid, activity_sid=self.offline, reject_pending_reservations=rejecting)


Act = Callable[[Run], Command | int]
"""What happens: a command, or the moment until which time passes."""

ACTS: dict[str, Act] = {
    "accept": lambda run: run.accept(FIRST),
    "reject": lambda run: run.reject(SECOND),
    "timeout": lambda run: run.now_ms + RESERVATION_S * 1000,
    "cancel": lambda run: run.end(TASK, T.CANCELED),
    "offline": lambda run: run.go_offline(FIRST, rejecting=True),
    "complete": lambda run: run.end(TASK, T.COMPLETED),
    "ttl": lambda run: START_MS + TTL_S * 1000,
    "second accept": lambda run: run.accept(SECOND),
    "reject its offer": lambda run: run.reject(FIRST),
    "leave": lambda run: run.go_offline(FIRST, rejecting=False),
    "complete the other": lambda run: run.end(OTHER, T.COMPLETED),
}


def one_task_two_offers() -> Run:
    return Run((FIRST, SECOND), (TASK,), 2)


def two_tasks_one_worker() -> Run:
    return Run((FIRST,), (TASK, OTHER), 1)


def ends_by_what_came_first(run: Run, effective: tuple[str, ...]) -> None:
    """Accepted before canceled and outlived: assigned, or completed if asked for. Otherwise canceled."""
    decisive = next(act for act in effective if act in ("accept", "second accept", "cancel", "ttl"))
    if "accept" not in decisive:
        expected = T.CANCELED
    else:
        completed = "complete" in effective and effective.index("complete") > effective.index(decisive)
        expected = T.COMPLETED if completed else T.ASSIGNED
    assert run.seen.tasks[TASK] is expected


def the_worker_has_at_most_one(run: Run, _effective: tuple[str, ...]) -> None:
    """Both tasks outlived their TTL or were accepted; the worker works on one at most."""
    assert set(run.seen.tasks.values()) <= {T.CANCELED, T.ASSIGNED, T.COMPLETED}
    assert list(run.seen.tasks.values()).count(T.ASSIGNED) <= 1


@pytest.mark.parametrize(
    ("start", "acts", "at_the_end", "orders"),
    [
        pytest.param(
            one_task_two_offers,
            ("accept", "reject", "timeout", "cancel", "offline", "complete", "ttl"),
            ends_by_what_came_first,
            5_040,
            id="one task, two offers",
        ),
        pytest.param(
            one_task_two_offers,
            ("accept", "second accept", "reject", "cancel", "leave", "ttl"),
            ends_by_what_came_first,
            720,
            id="one task, two who accept",
        ),
        pytest.param(
            two_tasks_one_worker,
            ("accept", "reject its offer", "timeout", "cancel", "leave", "complete", "ttl"),
            the_worker_has_at_most_one,
            5_040,
            id="two tasks, one worker",
        ),
    ],
)
def test_no_order_breaks_a_rule(
    start: Callable[[], Run],
    acts: tuple[str, ...],
    at_the_end: Callable[[Run, tuple[str, ...]], None],
    orders: int,
) -> None:
    assert Orders(start, at_the_end).follow((), frozenset(acts)) == orders


class Orders:
    """All orders of some acts from the same start."""

    def __init__(self, start: Callable[[], Run], at_the_end: Callable[[Run, tuple[str, ...]], None]) -> None:
        self.start = start
        self.at_the_end = at_the_end
        self.followed: dict[tuple[tuple[str, ...], frozenset[str]], int] = {}

    def follow(self, effective: tuple[str, ...], left: frozenset[str], run: Run | None = None) -> int:
        """Drive every order of what is left, after these; returns how many there are.

        `run` has come so far; without it one is made.
        """
        if (effective, left) not in self.followed:
            self.followed[effective, left] = self._follow(effective, left, run or self.driven(effective))
        return self.followed[effective, left]

    def _follow(self, effective: tuple[str, ...], left: frozenset[str], so_far: Run) -> int:
        so_far.check()
        if not left:
            self.at_the_end(so_far, effective)
            return 1
        orders = 0
        run: Run | None = so_far
        for act in sorted(left):
            run = run or self.driven(effective)
            if run.do(ACTS[act](run)):
                orders += self.follow((*effective, act), left - {act}, run)
                run = None
            else:
                orders += self.follow(effective, left - {act})
        return orders

    def driven(self, effective: tuple[str, ...]) -> Run:
        """Begin anew and do these."""
        run = self.start()
        for act in effective:
            what = ACTS[act](run)
            if isinstance(what, int):
                run.wait(what)
            else:
                run.batch(what)
        return run


@pytest.mark.parametrize("start", [one_task_two_offers, two_tasks_one_worker])
def test_no_cut_into_batches_breaks_a_rule(start: Callable[[], Run]) -> None:
    """Every order of these, cut in every way, with the timers running out before any batch or none."""
    for order in permutations(("accept", "second accept", "cancel", "complete")):
        for batches in cuts(order):
            for late in range(len(batches) + 1):
                run = start()
                for number, batch in enumerate(batches):
                    run.now_ms += RESERVATION_S * 1000 if number == late else 0
                    run.batch(*asked(run, batch))
                    run.check()


def test_how_an_order_is_cut_into_batches_decides_nothing_without_a_new_offer() -> None:
    for order in permutations(("accept", "second accept", "cancel", "complete")):
        outcomes = set()
        for batches in cuts(order):
            run = one_task_two_offers()
            commands = [asked(run, batch) for batch in batches]
            carried_out = [done for batch in commands for done in run.batch(*batch)]
            outcomes.add((*carried_out, run.seen.tasks[TASK]))
        assert len(outcomes) == 1, order


def asked(run: Run, acts: tuple[str, ...]) -> list[Command]:
    """Return the commands of those acts that are no waits."""
    return [what for act in acts if not isinstance(what := ACTS[act](run), int)]


def cuts(order: tuple[str, ...]) -> Iterator[list[tuple[str, ...]]]:
    """Cut an order into consecutive batches in every way."""
    if not order:
        yield []
    for size in range(1, len(order) + 1):
        for rest in cuts(order[size:]):
            yield [order[:size], *rest]
