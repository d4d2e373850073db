"""The core and the reference in the same world, fed the same batches and compared after each.

The core is seen as the outside sees it: through the rows and events of `take_changes`, kept here as a store
would keep them. So a change that the core makes and does not note shows as a difference too.
"""

import copy
import dataclasses
import difflib
from collections import Counter
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any

from engine.routing import invariants
from engine.routing.commands import UNSET, AdoptFinishedTask, Command
from engine.routing.core import WorkspaceCore
from engine.routing.effects import Changes, Event, Kind
from engine.routing.entities import TaskOrder
from engine.routing.errors import NotFound, RoutingError
from engine.routing.limits import RoutingLimits
from engine.routing.rows import WorkspaceRows
from tests.model.questions import OPEN
from tests.model.reference import Reference, Refusal

START_MS = 1_700_000_000_000
FINISHED = ("completed", "canceled")
DERIVED = {
    Kind.WORKER_CHANNEL: ("pending", "accepted", "wrapping"),
    Kind.WORKER: ("channels", "values", "environment", "reservations"),
    Kind.TASK_QUEUE: ("predicate",),
    Kind.TASK: ("values", "reservations", "refusals", "transfers"),
}
TABLES = (Kind.ACTIVITY, Kind.TASK_CHANNEL, Kind.TASK_QUEUE, Kind.WORKFLOW, Kind.WORKER, Kind.WORKER_CHANNEL)


def numbered_sids() -> Callable[[str], str]:
    """Make a factory that counts per prefix, so that both worlds name the same thing alike."""
    counts: Counter[str] = Counter()

    def mint(prefix: str) -> str:
        counts[prefix] += 1
        return f"{prefix}{counts[prefix]:032x}"

    return mint


class Store:
    """What a store would hold after the commits so far."""

    def __init__(self) -> None:
        self.workspace: Any = None
        self.rows: dict[Kind, dict[str, Any]] = {kind: {} for kind in Kind}
        self.configurations: dict[tuple[str, int], str] = {}
        self.callbacks: dict[str, Any] = {}
        self.event_sequence = 0

    def commit(self, changes: Changes) -> list[Event]:
        """Take one batch in; returns its events, after checking that their numbers leave no gap."""
        if changes.workspace is not None:
            self.workspace = copy.copy(changes.workspace)
        for kind in Kind:
            for sid, entity in getattr(changes, kind.value, {}).items():
                self.rows[kind][sid] = bare(kind, entity)
        self.configurations |= changes.configurations
        for kind, sid in changes.removed:
            self.remove(kind, sid)
        self.callbacks |= {callback.reservation_sid: callback for callback in changes.callbacks}
        for sid in changes.callbacks_settled:
            self.callbacks.pop(sid, None)
        for event in changes.events:
            assert event.sequence == self.event_sequence + 1, f"gap before {event}"
            self.event_sequence = event.sequence
        return list(changes.events)

    def remove(self, kind: Kind, sid: str) -> None:
        self.rows[kind].pop(sid, None)
        if kind is Kind.TASK:
            self.forget(Kind.RESERVATION, "task_sid", sid)
            self.forget(Kind.TRANSFER, "task_sid", sid)
        if kind is Kind.WORKER:
            self.forget(Kind.WORKER_CHANNEL, "worker_sid", sid)
        if kind is Kind.TASK_CHANNEL:
            self.forget(Kind.WORKER_CHANNEL, "task_channel_sid", sid)

    def forget(self, kind: Kind, column: str, value: str) -> None:
        for sid in [s for s, row in self.rows[kind].items() if getattr(row, column) == value]:
            del self.rows[kind][sid]

    def load_rows(self) -> WorkspaceRows:
        """Return what a loader would read: the configuration and everything that is open."""
        tables = {kind.value: [bare(kind, row) for row in self.rows[kind].values()] for kind in TABLES}
        tasks = [bare(Kind.TASK, t) for t in self.rows[Kind.TASK].values() if t.status not in FINISHED]
        reservations = [copy.copy(r) for r in self.rows[Kind.RESERVATION].values() if r.status in OPEN]
        open_tasks = {task.sid for task in tasks}
        transfers = [copy.copy(t) for t in self.rows[Kind.TRANSFER].values() if t.task_sid in open_tasks]
        return WorkspaceRows(
            workspace=copy.copy(self.workspace),
            configurations=dict(self.configurations),
            tasks=tasks,
            reservations=reservations,
            transfers=transfers,
            callbacks=list(self.callbacks.values()),
            **tables,
        )


def bare(kind: Kind, entity: Any) -> Any:
    """Copy the stored columns of an entity and leave its derived fields at their defaults."""
    names, values_of = stored_columns(kind, type(entity))
    return type(entity)(**dict(zip(names, values_of(entity), strict=True)))


@cache
def stored_columns(kind: Kind, entity: type[Any]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of the stored columns, and what takes their values."""
    derived = DERIVED.get(kind, ())
    names = tuple(field.name for field in dataclasses.fields(entity) if field.name not in derived)
    return names, attrgetter(*names)


class SideBySide:
    """Both worlds. A batch: time passes, timers fire, commands, matching, comparison."""

    def __init__(
        self, *, single_tasking: bool = False, lifo_first: bool = False, assignment_count_max: int = 1_000
    ) -> None:
        self.now = START_MS
        self.batch_is_open = False
        self.limits = RoutingLimits(assignment_count_max=assignment_count_max)
        self.mint = numbered_sids()
        self.core = WorkspaceCore.create(
            f"WS{1:032x}",
            f"AC{1:032x}",
            friendly_name="world",
            multi_task_enabled=not single_tasking,
            prioritize_queue_order=TaskOrder.LIFO if lifo_first else TaskOrder.FIFO,
            template="NONE",
            new_sid=self.mint,
            now_ms=self.now,
            limits=self.limits,
        )
        self.reference = Reference(
            numbered_sids(),
            self.now,
            single_tasking=single_tasking,
            preferred_order="LIFO" if lifo_first else "FIFO",
            assignment_count_max=assignment_count_max,
        )
        self.store = Store()
        self.store.commit(self.core.take_changes())
        self.activities = self.by_name(Kind.ACTIVITY, "friendly_name")
        self.channels = self.by_name(Kind.TASK_CHANNEL, "unique_name")
        self.compare([])

    def by_name(self, kind: Kind, column: str) -> dict[str, str]:
        return {getattr(row, column): sid for sid, row in self.store.rows[kind].items()}

    def wait(self, ms: int) -> None:
        """Let time pass and nothing else happen."""
        self.batch(None, ms)

    def wait_for_deadline(self, offset_ms: int, at_most_ms: int) -> None:
        """Wait until the core says that something is due, or a little less or more."""
        due = self.core.next_deadline_ms()
        if due is not None and due <= self.now + at_most_ms:
            self.wait(max(0, due + offset_ms - self.now))

    def batch(self, command: Command | None, after_ms: int = 0, *, more: bool = False) -> bool:
        """Run one batch in both worlds and compare; returns whether the command was carried out.

        With `more` the batch stays open: the next command joins it, whatever its `after_ms`.
        """
        if not self.batch_is_open:
            self.now += after_ms
            self.reference.log.clear()
            while self.core.advance(self.now, 3):
                pass
            self.reference.advance(self.now)
        accepted = command is None or self.both_handle(command)
        self.batch_is_open = more
        if more:
            return accepted
        while self.core.match(self.now, 2):
            pass
        self.reference.match(self.now)
        self.compare(self.store.commit(self.core.take_changes()), command)
        self.check_wake_up()
        return accepted

    def both_handle(self, command: Command) -> bool:
        if self.must_wait_for_commit(command):
            return False
        core_refusal = reference_refusal = ""
        try:
            self.handle_as_the_runtime(command)
        except RoutingError as error:
            core_refusal = f"{type(error).__name__}: {error.message}"
        sent = {f.name: getattr(command, f.name) for f in dataclasses.fields(command)}
        fields = {name: value for name, value in sent.items() if value is not UNSET}
        try:
            self.reference.do(type(command).__name__, fields, self.now)
        except Refusal as error:
            reference_refusal = f"Refusal: {error}"
        if bool(core_refusal) != bool(reference_refusal):
            answers = f"core: {core_refusal or 'done'}\n  reference: {reference_refusal or 'done'}"
            raise AssertionError(f"{command}\n  {answers}")
        return not core_refusal

    def must_wait_for_commit(self, command: Command) -> bool:
        """A task that finished in this batch is neither in memory nor in a row: the runtime comes back."""
        task = self.core.board.state.changes.tasks.get(getattr(command, "sid", ""))
        return task is not None and task.date_finished_ms is not None

    def handle_as_the_runtime(self, command: Command) -> None:
        """Bring a finished task back from its row when the core no longer has it, and say it again."""
        try:
            self.core.handle(command, self.now)
        except NotFound as missing:
            row = self.store.rows[Kind.TASK].get(missing.sid)
            if row is None or row.date_finished_ms is None:
                raise
            if self.now >= row.date_finished_ms + self.limits.finished_task_retention_s * 1000:
                raise
            self.core.handle(AdoptFinishedTask(bare(Kind.TASK, row)), self.now)
            self.core.handle(command, self.now)

    def restart(self) -> None:
        """Load the core anew from the rows, as after a crash; it forgives all refusals (OQ-5)."""
        self.batch(None)
        self.core = WorkspaceCore.load(
            self.store.load_rows(), new_sid=self.mint, now_ms=self.now, limits=self.limits
        )
        self.reference.forgive()
        self.batch(None)

    # Comparison

    def compare(self, events: list[Event], command: Command | None = None) -> None:
        """Raise AssertionError with a diff when the worlds differ; then check the core's invariants."""
        ours = [*self.core_state(), "events:", *(core_event(event) for event in events)]
        theirs = [*self.reference_state(), "events:", *(f"  {e} {short(s)}" for e, s in self.reference.log)]
        if ours != theirs:
            diff = "\n".join(difflib.unified_diff(theirs, ours, "reference", "core", lineterm="", n=100))
            raise AssertionError(f"after {command} at +{self.now - START_MS} ms:\n{diff}")
        invariants.check(self.core.board, self.now)

    def core_state(self) -> list[str]:
        rows = self.store.rows
        tasks = [
            line(
                "task",
                task.sid,
                task.status,
                queue=task.task_queue_sid,
                priority=task.priority,
                **position(task.status, task.filter_index, task.target_index, task.step_deadline_ms),
                rounds=task.assignment_count,
                entered=task.task_queue_entered_ms,
                reason=task.reason if self.reference.has_reason(task.sid) else None,
            )
            for task in sorted(rows[Kind.TASK].values(), key=lambda task: task.sequence)
        ]
        reservations = [
            line(
                "reservation",
                r.sid,
                r.status,
                task=r.task_sid,
                worker=r.worker_sid,
                transfer=r.transfer_sid,
                until=since(r.deadline_ms),
            )
            for r in sorted(rows[Kind.RESERVATION].values(), key=lambda r: r.sequence)
        ]
        workers = [
            line("worker", w.sid, w.activity_sid, last=w.last_reserved_sequence)
            for w in sorted(rows[Kind.WORKER].values(), key=lambda w: w.sequence)
        ]
        transfers = [
            line(
                "transfer", t.sid, t.status, task=t.task_sid, to=t.to_sid, mode=t.mode, reason=t.failed_reason
            )
            for t in sorted(rows[Kind.TRANSFER].values(), key=lambda t: t.sequence)
        ]
        return [*tasks, *reservations, *transfers, *workers]

    def reference_state(self) -> list[str]:
        w = self.reference.w
        tasks = [
            line(
                "task",
                task["sid"],
                task["status"],
                queue=task["queue"],
                priority=task["priority"],
                **position(task["status"], task["filter"], task["step"], task["deadline"]),
                rounds=task["rounds"],
                entered=task["queue_entered_at"],
                reason=task["reason"],
            )
            for task in w["tasks"].values()
        ]
        reservations = [
            line(
                "reservation",
                r["sid"],
                r["status"],
                task=r["task"],
                worker=r["worker"],
                transfer=r["transfer"],
                until=since(r["deadline"]),
            )
            for r in w["reservations"].values()
        ]
        workers = [
            line("worker", x["sid"], x["activity"], last=x["last_reserved"]) for x in w["workers"].values()
        ]
        transfers = [
            line(
                "transfer",
                t["sid"],
                t["status"],
                task=t["task"],
                to=t["to"],
                mode=t["mode"],
                reason=t["reason"],
            )
            for t in w["transfers"].values()
        ]
        return [*tasks, *reservations, *transfers, *workers]

    def check_wake_up(self) -> None:
        """The loop sleeps until `next_deadline_ms`: nothing may be left for now, nor be due before it."""
        wake_up = self.core.next_deadline_ms()
        assert wake_up is None or wake_up > self.now, f"due at {wake_up}, still there at {self.now}"
        due = self.reference.next_moment(self.now)
        assert due is None or (wake_up is not None and wake_up <= due), (
            f"something is due at +{since(due)} ms and the core sleeps until {wake_up and since(wake_up)}"
        )


def position(status: str, filter_index: int | None, step: int, deadline: int | None) -> dict[str, Any]:
    """Where an open task stands; of a finished one it no longer matters."""
    if status in FINISHED or filter_index is None:
        return {}
    return {"filter": filter_index, "step": step, "deadline": None if deadline is None else since(deadline)}


def since(moment_ms: int) -> int:
    return moment_ms - START_MS


def short(sid: object) -> str:
    text = str(sid)
    return f"{text[:2]}{int(text[-6:], 16)}" if len(text) == 34 and text[:2].isupper() else text


def line(kind: str, sid: str, status: str, **fields: object) -> str:
    values = " ".join(f"{name}={short(value)}" for name, value in fields.items())
    return f"{kind} {short(sid)} {short(status)} {values}"


def core_event(event: Event) -> str:
    subject = event.resource_sid
    if not event.event_type.startswith(("worker.", "activity.", "workspace.", "task-channel.")):
        subject = event.reservation_sid or event.task_sid or subject
    return f"  {event.event_type} {'workspace' if subject.startswith('WS') else short(subject)}"
