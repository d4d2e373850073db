"""Eligibility classes: who may take which waiting task, kept up to date instead of searched.

Theory of operation
-------------------
A target asks for `queue.TargetWorkers AND target.expression`; the expression mixes `task.*` and `worker.*`.
With the task's values bound in, what remains (the residual) mentions only the worker. All waiting tasks
with the same (queue, residual, channel, order_by, named worker, ignores capacity) differ only in order:
they are one *eligibility class*. A class keeps

* `waiting`: its tasks in the workspace's one order,
* `eligible`: the workers for whom queue and residual hold; changes only when a worker's values change,
* `ready`: those of `eligible` who can take a task on the channel now.

A class is *dirty* when it has both a waiting task and a ready worker that the matcher has not looked at.
Between two passes of the matcher no class is matchable, so the cost of an event is that of the classes it
touches and never that of the backlog. The dict and set orders inside never decide anything: every choice is
made by a total order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from engine.expressions.expression import Expression
from engine.expressions.order_by import OrderBy
from engine.routing import capacity
from engine.routing.anchors import Anchor, AnchoredItems, WorkerPostings, anchor_of
from engine.routing.attributes import parse_attributes
from engine.routing.entities import Task, TaskOrder, TaskQueue, Worker
from engine.routing.idle import IdleKey, IdleLine
from engine.routing.limits import RoutingLimits
from engine.routing.membership import QueueMembers
from engine.routing.state import WorkspaceState
from engine.routing.values import channel_values, worker_environment, worker_values
from engine.routing.waiting import OrderKey, WaitingLine, order_key
from engine.routing.workflow import KnownBy

Named = tuple[KnownBy, str | None]
ClassKey = tuple[str | None, str | None, str, str | None, Named | None, bool]


@dataclass(slots=True, eq=False)
class Demand:
    """What a waiting task asks of a worker, with its own values bound in. Never changed once made.

    `queue_sid` None means any worker of the workspace; `named` restricts to one worker, by SID or by
    friendly name, and to nobody when its value is None.
    """

    channel_sid: str
    queue_sid: str | None
    residual: Expression | None = None
    order_by: OrderBy | None = None
    named: Named | None = None
    ignores_capacity: bool = False
    key: ClassKey = field(init=False)
    """What tells classes apart."""

    def __post_init__(self) -> None:
        """Make the key."""
        self.key = (
            self.queue_sid,
            self.residual.canonical if self.residual else None,
            self.channel_sid,
            self.order_by.canonical if self.order_by else None,
            self.named,
            self.ignores_capacity,
        )

    def admits(self, worker: Worker) -> bool:
        """Tell whether the demand names this worker, or nobody in particular."""
        if self.named is None:
            return True
        known_by, value = self.named
        return (worker.sid if known_by is KnownBy.SID else worker.friendly_name) == value


@dataclass(slots=True, eq=False)
class EligibilityClass:
    """The waiting tasks that ask for the same workers, and those workers."""

    key: ClassKey
    demand: Demand
    anchor: Anchor | None
    """What a worker must have to be eligible; None when that cannot be told without evaluating."""
    sequence: int
    order: TaskOrder
    reads_channels: bool
    eligible: set[str] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)
    waiting: WaitingLine = field(default_factory=WaitingLine)
    parked: dict[str, Task] = field(default_factory=dict)
    """Tasks all of whose ready workers refused them lately; back in `waiting` when that may have changed."""

    def is_matchable(self) -> bool:
        """Tell whether the matcher has anything to look at here."""
        return bool(self.ready) and len(self.waiting) > 0


class Eligibility:
    """All classes of a workspace, the members of its queues and the ready workers of its channels."""

    __slots__ = (
        "_channel_lines",
        "_channel_readers",
        "_class_anchors",
        "_class_of_task",
        "_classes",
        "_classes_of_worker",
        "_limits",
        "_line",
        "_members",
        "_postings",
        "_sequence",
        "_state",
        "_unused",
        "dirty",
        "ready",
    )

    def __init__(self, state: WorkspaceState, limits: RoutingLimits) -> None:
        self._state = state
        self._limits = limits
        self._sequence = 0
        self._classes: dict[ClassKey, EligibilityClass] = {}
        self._class_of_task: dict[str, EligibilityClass] = {}
        self._classes_of_worker: dict[tuple[str, str], dict[ClassKey, EligibilityClass]] = {}
        self._channel_readers: dict[ClassKey, EligibilityClass] = {}
        self._unused: dict[ClassKey, EligibilityClass] = {}
        self._postings = WorkerPostings()
        self._class_anchors: AnchoredItems[EligibilityClass] = AnchoredItems()
        self._members = QueueMembers(state.task_queues, state.workers, self._postings)
        self.dirty: dict[ClassKey, EligibilityClass] = {}
        self.ready: dict[str, set[str]] = {}
        self._line = IdleLine()
        self._channel_lines: dict[str, IdleLine] = {}

    def members(self, queue_sid: str) -> set[str]:
        """Return the SIDs of the workers that a queue's TargetWorkers selects."""
        return self._members.of[queue_sid]

    def classes(self) -> Iterator[EligibilityClass]:
        """Iterate over all classes, used and unused."""
        return iter(self._classes.values())

    def class_of(self, task_sid: str) -> EligibilityClass | None:
        """Return the class in which the task waits, or None."""
        return self._class_of_task.get(task_sid)

    def is_waiting(self, task_sid: str) -> bool:
        """Tell whether the task is in some waiting line (or parked beside one)."""
        return task_sid in self._class_of_task

    # Tasks

    def add_task(self, task: Task, demand: Demand) -> None:
        """Let a pending task wait for what it asks for."""
        if task.sid in self._class_of_task:
            self.remove_task(task.sid)
        class_ = self._classes.get(demand.key) or self._new_class(demand)
        self._class_of_task[task.sid] = class_
        self._unused.pop(class_.key, None)
        class_.waiting.add(self.order_key(task, class_))
        self._mark(class_)

    def remove_task(self, task_sid: str) -> None:
        """Take a task out of its line, if it waits."""
        class_ = self._class_of_task.pop(task_sid, None)
        if class_ is None:
            return
        class_.waiting.remove(task_sid)
        class_.parked.pop(task_sid, None)
        if not len(class_.waiting) and not class_.parked:
            self._retire(class_)

    def park_task(self, task: Task) -> None:
        """Put a task aside until a worker becomes ready for its class or its back-off ends."""
        class_ = self._class_of_task[task.sid]
        class_.waiting.remove(task.sid)
        class_.parked[task.sid] = task

    def unpark_task(self, task_sid: str) -> None:
        """Put a parked task back into its line."""
        class_ = self._class_of_task.get(task_sid)
        if class_ is None or task_sid not in class_.parked:
            return
        task = class_.parked.pop(task_sid)
        class_.waiting.add(self.order_key(task, class_))
        self._mark(class_)

    def order_key(self, task: Task, class_: EligibilityClass) -> OrderKey:
        """Return the task's place in the workspace's order."""
        return order_key(task, class_.order, self._state.workspace.prioritize_queue_order)

    # Workers

    def put_worker(self, worker: Worker) -> None:
        """Take in a new worker, or one whose attributes, name or activity changed."""
        state = self._state
        activity = state.activities[worker.activity_sid]
        worker.values = worker_values(
            parse_attributes(worker.attributes),
            worker.sid,
            worker.friendly_name,
            activity.sid,
            activity.friendly_name,
        )
        worker.environment = worker_environment(worker, state.task_channels)
        self._postings.put(worker.sid, worker.values)
        self._members.put_worker(worker)
        affected = {
            class_.key: class_
            for channel_sid in worker.channels
            for class_ in self._classes_of_worker.get((worker.sid, channel_sid), {}).values()
        }
        affected.update((class_.key, class_) for class_ in self._class_anchors.concerning(worker.values))
        for class_ in affected.values():
            self._set_eligible(class_, worker)
        self.refresh_worker(worker)

    def remove_worker(self, worker: Worker) -> None:
        """Forget a worker."""
        self._postings.remove(worker.sid)
        self._members.remove_worker(worker.sid)
        for channel_sid in worker.channels:
            for class_ in self._classes_of_worker.pop((worker.sid, channel_sid), {}).values():
                class_.eligible.discard(worker.sid)
                class_.ready.discard(worker.sid)
            self.ready[channel_sid].discard(worker.sid)
        for line in (self._line, *self._channel_lines.values()):
            line.remove(worker.sid)

    def refresh_worker(self, worker: Worker) -> None:
        """Bring a worker's readiness up to date on every channel."""
        for channel_sid in worker.channels:
            self._refresh_channel(worker, channel_sid)
        self._place(worker)

    def figures_changed(self, worker: Worker, channel_sid: str) -> None:
        """Bring everything up to date after a channel's capacity or reservations changed."""
        state = self._state
        name = state.task_channels[channel_sid].unique_name
        worker.environment["worker"]["channel"][name] = channel_values(worker.channels[channel_sid])
        for class_ in self._channel_readers.values():
            self._set_eligible(class_, worker)
        if not state.workspace.multi_task_enabled:
            self.refresh_worker(worker)
            return
        self._refresh_channel(worker, channel_sid)
        self._place(worker)

    def line(self, channel_sid: str) -> IdleLine:
        """Return the line that orders the ready workers of a channel; it may hold others too."""
        return self._channel_lines.get(channel_sid, self._line)

    def idle_key(self, worker: Worker, channel_sid: str) -> IdleKey:
        """Return the worker's place among the ready ones of a channel (behaviour §4, OQ-4)."""
        if self._state.task_channels[channel_sid].channel_optimized_routing:
            return worker.channels[channel_sid].last_reserved_sequence, worker.sequence
        return worker.last_reserved_sequence, worker.sequence

    # Configuration

    def add_channel(self, channel_sid: str) -> None:
        """Take in a task channel; its workers follow by `refresh_worker`."""
        self.ready[channel_sid] = set()
        self.optimize_channel(channel_sid)

    def remove_channel(self, channel_sid: str) -> None:
        """Forget a task channel that no open task uses."""
        del self.ready[channel_sid]
        self._channel_lines.pop(channel_sid, None)
        for class_ in [c for c in self._classes.values() if c.demand.channel_sid == channel_sid]:
            self._drop(class_)

    def optimize_channel(self, channel_sid: str) -> None:
        """Give a channel its own line, or take it away, as its ChannelOptimizedRouting says."""
        if not self._state.task_channels[channel_sid].channel_optimized_routing:
            self._channel_lines.pop(channel_sid, None)
            return
        line = self._channel_lines[channel_sid] = IdleLine()
        for worker_sid in self.ready[channel_sid]:
            line.put(worker_sid, self.idle_key(self._state.workers[worker_sid], channel_sid))

    def put_queue(self, queue: TaskQueue) -> None:
        """Take in a new queue, or one whose expression or order changed."""
        self._members.put_queue(queue)
        for class_ in [c for c in self._classes.values() if c.demand.queue_sid == queue.sid]:
            for worker_sid in {**dict.fromkeys(class_.eligible), **dict.fromkeys(self._candidates(class_))}:
                self._set_eligible(class_, self._state.workers[worker_sid])
            if class_.order is not queue.task_order:
                class_.order = queue.task_order
                self._reorder(class_)

    def remove_queue(self, queue_sid: str) -> None:
        """Forget a queue that no open task is in."""
        self._members.remove_queue(queue_sid)
        for class_ in [c for c in self._classes.values() if c.demand.queue_sid == queue_sid]:
            self._drop(class_)

    def reorder(self) -> None:
        """Sort every line anew, after the preferred queue order changed."""
        for class_ in self._classes.values():
            self._reorder(class_)

    # Inside

    def _new_class(self, demand: Demand) -> EligibilityClass:
        key = demand.key
        self._sequence += 1
        paths = demand.residual.paths if demand.residual else frozenset()
        class_ = EligibilityClass(
            key=key,
            demand=demand,
            anchor=_anchor(demand),
            sequence=self._sequence,
            order=self._order_of(demand.queue_sid),
            reads_channels=any(path[:2] == ("worker", "channel") for path in paths),
        )
        self._classes[key] = class_
        if class_.reads_channels:
            self._channel_readers[key] = class_
        if not _matches_nobody(demand):
            self._class_anchors.add(class_, class_.anchor)
        for worker_sid in self._candidates(class_):
            self._set_eligible(class_, self._state.workers[worker_sid])
        return class_

    def _order_of(self, queue_sid: str | None) -> TaskOrder:
        return self._state.task_queues[queue_sid].task_order if queue_sid else TaskOrder.FIFO

    def _candidates(self, class_: EligibilityClass) -> Iterable[str]:
        """Return the SIDs of the workers that may be eligible: a superset, cheap to get."""
        demand = class_.demand
        if _matches_nobody(demand):
            return ()
        if class_.anchor is not None:
            everybody = ((worker.sid, worker.values) for worker in self._state.workers.values())
            return self._postings.find(class_.anchor, everybody)
        if demand.queue_sid is None:
            return list(self._state.workers)
        return list(self.members(demand.queue_sid))

    def is_eligible(self, demand: Demand, worker: Worker) -> bool:
        """Evaluate afresh whether `worker` meets `demand`, capacity and activity aside."""
        if demand.queue_sid is not None and worker.sid not in self.members(demand.queue_sid):
            return False
        if not demand.admits(worker):
            return False
        return demand.residual is None or demand.residual.evaluate(worker.environment)

    def _set_eligible(self, class_: EligibilityClass, worker: Worker) -> None:
        sid = worker.sid
        demand = class_.demand
        is_eligible = self.is_eligible(demand, worker)
        if is_eligible == (sid in class_.eligible):
            return
        classes = self._classes_of_worker.setdefault((sid, demand.channel_sid), {})
        if not is_eligible:
            class_.eligible.discard(sid)
            class_.ready.discard(sid)
            classes.pop(class_.key, None)
            return
        class_.eligible.add(sid)
        classes[class_.key] = class_
        if demand.ignores_capacity or sid in self.ready[demand.channel_sid]:
            self._set_ready(class_, sid)

    def _refresh_channel(self, worker: Worker, channel_sid: str) -> None:
        state = self._state
        ready = self.ready[channel_sid]
        is_ready = capacity.is_ready(
            worker,
            worker.channels[channel_sid],
            state.activities[worker.activity_sid],
            state.workspace.multi_task_enabled,
        )
        if is_ready == (worker.sid in ready):
            return
        classes = self._classes_of_worker.get((worker.sid, channel_sid), {})
        if is_ready:
            ready.add(worker.sid)
            for class_ in classes.values():
                self._set_ready(class_, worker.sid)
            return
        ready.discard(worker.sid)
        for class_ in classes.values():
            if not class_.demand.ignores_capacity:
                class_.ready.discard(worker.sid)

    def _place(self, worker: Worker) -> None:
        # One line serves all channels: moving a worker in five lines cost 17 µs a reservation.
        ready = self.ready
        sid = worker.sid
        for channel_sid in worker.channels:
            if sid in ready[channel_sid]:
                self._line.put(sid, (worker.last_reserved_sequence, worker.sequence))
                break
        else:
            self._line.remove(sid)
        for channel_sid, line in self._channel_lines.items():
            if sid in ready[channel_sid]:
                line.put(sid, self.idle_key(worker, channel_sid))
            else:
                line.remove(sid)

    def _set_ready(self, class_: EligibilityClass, worker_sid: str) -> None:
        class_.ready.add(worker_sid)
        for task_sid in list(class_.parked):
            self.unpark_task(task_sid)
        self._mark(class_)

    def _mark(self, class_: EligibilityClass) -> None:
        if class_.is_matchable():
            self.dirty[class_.key] = class_

    def _reorder(self, class_: EligibilityClass) -> None:
        for sid in class_.waiting.sids():
            class_.waiting.add(self.order_key(self._state.tasks[sid], class_))
        self._mark(class_)

    def _retire(self, class_: EligibilityClass) -> None:
        self._unused[class_.key] = class_
        if len(self._unused) > self._limits.idle_classes_max:
            self._drop(next(iter(self._unused.values())))

    def _drop(self, class_: EligibilityClass) -> None:
        key = class_.key
        for table in (self._classes, self._unused, self._channel_readers, self.dirty):
            table.pop(key, None)
        if not _matches_nobody(class_.demand):
            self._class_anchors.remove(class_, class_.anchor)
        for sid in class_.eligible:
            self._classes_of_worker[sid, class_.demand.channel_sid].pop(key, None)


def _matches_nobody(demand: Demand) -> bool:
    if demand.named is not None and demand.named[1] is None:
        return True
    return demand.residual is not None and demand.residual.constant is False


def _anchor(demand: Demand) -> Anchor | None:
    if demand.named is not None and demand.named[1] is not None:
        return Anchor((demand.named[0].value,), demand.named[1])
    return anchor_of(demand.residual, ("worker",)) if demand.residual else None
