"""What clients ask for: commands drawn from what they can see, the committed rows.

Every run weighs the kinds of command anew, so that some runs are all about configuration, others about one
overworked team. Many commands are stale, repeated, or aimed at the wrong thing: what was drawn from rows may
have changed by the time it is handled.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from engine.routing import commands as c
from engine.routing.commands import UNSET, Command
from engine.routing.effects import Kind
from engine.routing.entities import ReservationStatus, TaskOrder, TaskStatus, TransferMode
from engine.routing.statistics_views import Scope
from engine.routing.voice import Verdict
from engine.sids import SidFactory
from tests.simulation import words
from tests.simulation.memory_store import MAPPERS, MemoryStore

R, T = ReservationStatus, TaskStatus
Draw = Callable[[], Command | None]

TASKS_MAX = 40
"""Above so many open tasks no more are made: the worlds stay small."""
CONFIGURED_MAX = 5
"""Queues, workflows, activities and channels beyond the first ones."""


class Traffic:
    """Draws commands for the workspaces of a run.

    Args:
        random: draws everything.
        store: what clients can see.
        new_sid: mints SIDs, as the API does.
        now_ms: the wall clock.
    """

    def __init__(
        self, random: Random, store: MemoryStore, new_sid: SidFactory, now_ms: Callable[[], int]
    ) -> None:
        self._random = random
        self._store = store
        self._new_sid = new_sid
        self._now_ms = now_ms
        self._sid = ""
        self._timed = random.random() < 0.1
        self._callbacks = random.choice((0.0, 0.5, 1.0))
        self._draws: dict[Draw, float] = {
            self._create_task: 16,
            self._accept: 10,
            self._refuse: 4,
            self._finish: 12,
            self._cancel: 3,
            self._move_worker: 8,
            **{draw: random.choice((0, 0.3, 1, 3)) for draw in self._seldom()},
        }

    def furnish(self, workspace_sid: str) -> Iterator[Command]:
        """Draw what a new workspace is set up with, one after the other."""
        self._sid = workspace_sid
        random = self._random
        timeout_activity_sid = self._activity("Available" if random.random() < 0.2 else "Offline")
        yield c.UpdateWorkspace(timeout_activity_sid=timeout_activity_sid)
        channel = random.choice(("default", "voice"))
        yield c.UpdateTaskChannel(channel, channel_optimized_routing=random.random() < 0.5)
        for _ in range(2):
            yield self._queue(self._new_sid("WQ"))
        for _ in range(2):
            self._sid = workspace_sid
            yield self._workflow(self._sids(Kind.TASK_QUEUE) or [f"WQ{words.UNKNOWN}"])
        for name in words.NAMES[: random.choice((2, 3, 3, 5))]:
            self._sid = workspace_sid
            yield self._worker(name)

    def draw(self, workspace_sid: str) -> Command:
        """Draw the next command for a workspace."""
        self._sid = workspace_sid
        while True:
            draw = self._random.choices(list(self._draws), list(self._draws.values()))[0]
            if command := draw():
                return command

    def new_task(self, workspace_sid: str) -> c.CreateTask | None:
        """Draw a task to be made, unless there are many."""
        self._sid = workspace_sid
        return self._create_task()

    def activity(self, workspace_sid: str) -> str:
        """Draw an activity."""
        self._sid = workspace_sid
        return self._activity(None)

    def _seldom(self) -> tuple[Draw, ...]:
        return (
            self._update_task,
            self._end_any_task,
            self._delete_task,
            self._update_any_reservation,
            self._callback_twice,
            self._instruct,
            self._transfer,
            self._cancel_transfer,
            self._update_worker,
            self._update_worker_channel,
            self._replace_worker,
            self._update_queue,
            self._replace_queue,
            self._update_workflow,
            self._replace_workflow,
            self._update_workspace,
            self._change_activities,
            self._change_channels,
            self._read,
        )

    # Tasks

    def _create_task(self) -> c.CreateTask | None:
        random = self._random
        if len(self._here.open_tasks) >= TASKS_MAX:
            return None
        workers, workflows = self._sids(Kind.WORKER), self._sids(Kind.WORKFLOW)
        route: dict[str, Any] = {"workflow_sid": random.choice(workflows) if workflows else None}
        direct = random.random()
        if direct < 0.05 and workers:
            route |= {
                "routing_target": random.choice(workers),
                "ignore_capacity": random.choice((None, None, False)),
            }
        elif direct < 0.1:
            route |= {"task_queue_sid": random.choice(self._sids(Kind.TASK_QUEUE) or [f"WQ{words.UNKNOWN}"])}
        return c.CreateTask(
            self._new_sid("WT"),
            words.task_attributes(random, workers),
            task_channel=random.choice(words.CHANNELS),
            priority=words.some(random, 0.3, random.randrange(3)),
            timeout_s=random.choice(words.TIMEOUTS_S),
            virtual_start_ms=words.some(random, 0.2, self._now_ms() - random.choice((1, 10_000))),
            **route,
        )

    def _update_task(self) -> Command | None:
        random = self._random
        sid = self._open_task()
        if sid is None:
            return None
        return c.UpdateTask(
            sid,
            **self._attributes(words.task_attributes(random, self._sids(Kind.WORKER))),
            priority=self._or_unset(0.3, random.randrange(8)),
            task_channel=self._or_unset(0.2, random.choice(words.CHANNELS)),
            virtual_start_ms=self._or_unset(0.2, self._now_ms() - random.choice((0, 3, 20_000))),
            if_match=random.choice((None, None, None, 999, 0)),
        )

    def _cancel(self) -> Command | None:
        sid = self._open_task()
        return sid and c.UpdateTask(sid, assignment_status=T.CANCELED, reason="hung up")

    def _finish(self) -> Command | None:
        held = self._reservations(R.ACCEPTED, R.WRAPPING)
        if not held:
            return None
        sid, row = self._random.choice(held)
        status = self._random.choice((R.WRAPPING, R.COMPLETED, R.COMPLETED))
        if self._random.random() < 0.5:
            return c.UpdateReservation(sid, status, task_sid=self._field(Kind.RESERVATION, row, "task_sid"))
        task_sid = self._field(Kind.RESERVATION, row, "task_sid")
        return c.UpdateTask(
            task_sid, assignment_status=T(status.value), reason=words.some(self._random, 0.5, "done") or UNSET
        )

    def _end_any_task(self) -> Command | None:
        tasks = self._sids(Kind.TASK)[-60:]
        status = self._random.choice((T.CANCELED, T.WRAPPING, T.COMPLETED, T.ASSIGNED))
        attributes = self._or_unset(0.2, "{}")
        return c.UpdateTask(self._random.choice(tasks), attributes, status) if tasks else None

    def _delete_task(self) -> Command | None:
        tasks = self._sids(Kind.TASK)[-60:]
        return c.DeleteTask(self._random.choice(tasks)) if tasks else None

    # Reservations

    def _accept(self) -> Command | None:
        return self._move_pending(R.ACCEPTED)

    def _refuse(self) -> Command | None:
        return self._move_pending(R.REJECTED)

    def _move_pending(self, status: R) -> Command | None:
        pending = self._reservations(R.PENDING)
        if not pending:
            return None
        sid, row = self._random.choice(pending)
        moves = status is R.REJECTED and self._random.random() < 0.3
        worker_sid = self._field(Kind.RESERVATION, row, "worker_sid")
        return c.UpdateReservation(
            sid, status, worker_sid=worker_sid, activity_sid=self._activity(None) if moves else None
        )

    def _update_any_reservation(self) -> Command | None:
        known = self._sids(Kind.RESERVATION)[-40:]
        if not known:
            return None
        sid = self._random.choice(known)
        row = self._here.tables[Kind.RESERVATION][sid]
        workers = self._sids(Kind.WORKER)
        right = self._random.random() < 0.7 or not workers
        return c.UpdateReservation(
            sid,
            self._random.choice(list(R)),
            task_sid=self._field(Kind.RESERVATION, row, "task_sid") if right else None,
            worker_sid=None if right else self._random.choice(workers),
            if_match=self._random.choice((None, None, None, 0, 1)),
        )

    def _instruct(self) -> Command | None:
        """Draw what the voice gateway is asked, or what it made of it, for a reservation in any state."""
        random = self._random
        known = self._sids(Kind.RESERVATION)[-40:]
        if not known:
            return None
        pending = self._reservations(R.PENDING)
        sid = random.choice(pending)[0] if pending and random.random() < 0.7 else random.choice(known)
        instruction = random.choice(words.INSTRUCTIONS)
        if random.random() < 0.3:
            return c.PrepareInstruction(sid, instruction)
        verdict = random.choice((Verdict(True, call_sid="CA1", conference_sid="CF1"), Verdict(False, "busy")))
        return c.ConcludeInstruction(sid, instruction, verdict, settles_callback=random.random() < 0.5)

    def _callback_twice(self) -> Command | None:
        known = self._sids(Kind.RESERVATION)[-20:]
        if not known:
            return None
        sid = self._random.choice(known)
        answers: tuple[Command, ...] = (
            c.AssignmentInstructed(sid, "accept"),
            c.AssignmentInstructed(sid, "reject", self._activity(None)),
            c.AssignmentInstructed(sid),
            c.AssignmentCallbackFailed(sid, "no answer"),
        )
        return self._random.choice(answers)

    # Transfers

    def _transfer(self) -> Command | None:
        """Draw a transfer, mostly of a task that somebody holds and from there."""
        random = self._random
        held = self._reservations(R.ACCEPTED, R.WRAPPING)
        known = self._sids(Kind.RESERVATION)[-40:]
        right = random.random() < 0.9 and bool(held)
        if not known:
            return None
        sid = random.choice(held)[0] if right else random.choice(known)
        row = self._here.tables[Kind.RESERVATION][sid]
        named = random.random()
        return c.CreateTransfer(
            self._new_sid("TT"),
            self._field(Kind.RESERVATION, row, "task_sid"),
            random.choice([*self._sids(Kind.WORKER), *self._sids(Kind.TASK_QUEUE), f"WK{words.UNKNOWN}"]),
            sid if named < 0.8 else None,
            self._field(Kind.RESERVATION, row, "worker_sid") if named > 0.7 else None,
            mode=random.choice(list(TransferMode)),
            priority=words.some(random, 0.3, random.randrange(8)),
            attributes=self._or_unset(0.2, words.task_attributes(random, self._sids(Kind.WORKER))),
        )

    def _cancel_transfer(self) -> Command | None:
        random = self._random
        known = self._sids(Kind.TRANSFER)[-5:]
        if not known:
            return None
        sid = random.choice(known)
        row = self._here.tables[Kind.TRANSFER][sid]
        return c.CancelTransfer(
            sid,
            self._field(Kind.TRANSFER, row, "task_sid"),
            words.some(random, 0.3, self._field(Kind.TRANSFER, row, "initiating_worker_sid")),
            random.choice((None, None, None, 0, 1)),
        )

    # Workers

    def _move_worker(self) -> Command | None:
        workers = self._sids(Kind.WORKER)
        if not workers:
            return self._worker(words.NAMES[0])
        activity = self._activity("Available" if self._random.random() < 0.7 else None)
        return c.UpdateWorker(
            self._random.choice(workers),
            activity_sid=activity,
            reject_pending_reservations=self._random.random() < 0.2,
        )

    def _update_worker(self) -> Command | None:
        workers = self._sids(Kind.WORKER)
        random = self._random
        return workers and c.UpdateWorker(
            random.choice(workers),
            self._or_unset(0.2, random.choice((*words.NAMES, "W2"))),
            **self._attributes(words.worker_attributes(random)),
            activity_sid=self._or_unset(0.3, self._activity(None)),
            if_match=random.choice((None, None, None, 999)),
        )

    def _update_worker_channel(self) -> Command | None:
        workers = self._sids(Kind.WORKER)
        random = self._random
        return workers and c.UpdateWorkerChannel(
            random.choice(workers),
            random.choice((*words.CHANNELS, "custom1")),
            self._or_unset(0.7, random.randrange(4)),
            self._or_unset(0.4, random.random() < 0.8),
        )

    def _replace_worker(self) -> Command | None:
        workers = self._sids(Kind.WORKER)
        if len(workers) > 2 and self._random.random() < 0.5:
            return c.DeleteWorker(self._random.choice(workers))
        return self._worker(self._random.choice(words.NAMES))

    # Configuration

    def _update_queue(self) -> Command | None:
        queues, random = self._sids(Kind.TASK_QUEUE), self._random
        return queues and c.UpdateTaskQueue(
            random.choice(queues),
            target_workers=self._or_unset(
                0.6, random.choice((words.target_workers(random), "no expression"))
            ),
            max_reserved_workers=self._or_unset(0.4, random.choice((1, 2, 3))),
            task_order=self._or_unset(0.3, random.choice(list(TaskOrder))),
            assignment_activity_sid=self._or_unset(0.2, random.choice((None, self._activity(None)))),
        )

    def _replace_queue(self) -> Command | None:
        queues = self._sids(Kind.TASK_QUEUE)
        if len(queues) > 1 and self._random.random() < 0.5:
            return c.DeleteTaskQueue(self._random.choice(queues))
        return self._queue(self._new_sid("WQ")) if len(queues) < CONFIGURED_MAX else None

    def _update_workflow(self) -> Command | None:
        workflows, queues, random = self._sids(Kind.WORKFLOW), self._sids(Kind.TASK_QUEUE), self._random
        if not workflows or not queues:
            return None
        texts = (
            self._configuration(queues),
            self._configuration(queues),
            self._configuration([f"WQ{words.UNKNOWN}"]),
            "{",
        )
        return c.UpdateWorkflow(
            random.choice(workflows),
            configuration=self._or_unset(0.7, random.choice(texts)),
            assignment_callback_url=self._or_unset(0.2, random.choice(("", words.CALLBACK_URL))),
            task_reservation_timeout_s=self._or_unset(0.3, random.choice(words.RESERVATION_TIMEOUTS_S)),
            re_evaluate_tasks=random.random() < 0.5,
        )

    def _replace_workflow(self) -> Command | None:
        workflows, queues = self._sids(Kind.WORKFLOW), self._sids(Kind.TASK_QUEUE)
        if len(workflows) > 1 and self._random.random() < 0.5:
            return c.DeleteWorkflow(self._random.choice(workflows))
        return self._workflow(queues) if queues and len(workflows) < CONFIGURED_MAX else None

    def _update_workspace(self) -> Command | None:
        random = self._random
        return c.UpdateWorkspace(
            prioritize_queue_order=self._or_unset(0.5, random.choice(list(TaskOrder))),
            multi_task_enabled=self._or_unset(0.2, random.random() < 0.7),
            timeout_activity_sid=self._or_unset(0.4, self._activity(None)),
            default_activity_sid=self._or_unset(0.2, self._activity(None)),
            event_callback_url=self._or_unset(0.2, random.choice(("", words.EVENTS_URL))),
        )

    def _change_activities(self) -> Command | None:
        random, activities = self._random, self._sids(Kind.ACTIVITY)
        chosen, name = random.choice(activities), random.choice(("Available", "Break", "Lunch", "Busy"))
        if random.random() < 0.3:
            return c.UpdateActivity(chosen, name)
        if random.random() < 0.5 or len(activities) >= CONFIGURED_MAX:
            return c.DeleteActivity(chosen)
        return c.CreateActivity(self._new_sid("WA"), name, random.random() < 0.5)

    def _change_channels(self) -> Command | None:
        random = self._random
        number = random.randrange(2)
        if random.random() < 0.4:
            return c.CreateTaskChannel(
                self._new_sid("TC"), f"Custom {number}", f"custom{number}", random.random() < 0.5
            )
        if random.random() < 0.4:
            return c.DeleteTaskChannel(random.choice((f"custom{number}", f"custom{number}", "voice")))
        return c.UpdateTaskChannel(
            random.choice((*words.CHANNELS, f"custom{number}")),
            channel_optimized_routing=random.random() < 0.5,
        )

    # Reading

    def _read(self) -> Command | None:
        random = self._random
        scope = random.choice(list(Scope))
        sids = {Scope.QUEUE: Kind.TASK_QUEUE, Scope.WORKFLOW: Kind.WORKFLOW}
        if random.random() < 0.5:
            return c.ReadRealTime(scope, tuple(self._sids(sids[scope])) if scope in sids else ())
        tasks = self._sids(Kind.TASK)[-TASKS_MAX:]
        return c.ExplainTask(random.choice(tasks), size=random.choice((1, 50))) if tasks else None

    # Pieces

    def _queue(self, sid: str) -> Command:
        random = self._random
        return c.CreateTaskQueue(
            sid,
            f"queue {random.randrange(8)} {sid[-4:]}",
            words.target_workers(random),
            max_reserved_workers=random.choice((1, 1, 2, 3)),
            task_order=random.choice(list(TaskOrder)),
            reservation_activity_sid=words.some(random, 0.2, self._activity(None)),
            assignment_activity_sid=words.some(random, 0.2, self._activity(None)),
        )

    def _workflow(self, queue_sids: list[str]) -> Command:
        random = self._random
        return c.CreateWorkflow(
            self._new_sid("WW"),
            f"workflow {random.randrange(100)}",
            self._configuration(queue_sids),
            words.CALLBACK_URL if random.random() < self._callbacks else "",
            words.FALLBACK_URL if random.random() < 0.5 else "",
            random.choice(words.RESERVATION_TIMEOUTS_S),
        )

    def _worker(self, name: str) -> Command:
        activity = self._activity("Available" if self._random.random() < 0.8 else None)
        return c.CreateWorker(self._new_sid("WK"), name, words.worker_attributes(self._random), activity)

    def _configuration(self, queue_sids: list[str]) -> str:
        return words.configuration(self._random, queue_sids, self._activity("Offline"), timed=self._timed)

    def _activity(self, name: str | None) -> str:
        """Return the activity of that name, or any."""
        rows = self._here.tables[Kind.ACTIVITY]
        index = MAPPERS[Kind.ACTIVITY].fields.index("friendly_name")
        named = [sid for sid in sorted(rows) if rows[sid][index] == name]
        return self._random.choice(named or sorted(rows))

    def _open_task(self) -> str | None:
        tasks = list(self._here.open_tasks)
        return self._random.choice(tasks) if tasks else None

    def _reservations(self, *statuses: R) -> list[tuple[str, Any]]:
        table = self._here.tables[Kind.RESERVATION]
        found = [(sid, table[sid]) for sid in self._here.open_reservations]
        return [(sid, row) for sid, row in found if self._field(Kind.RESERVATION, row, "status") in statuses]

    def _sids(self, kind: Kind) -> list[str]:
        return list(self._here.tables[kind])

    def _field(self, kind: Kind, row: Any, name: str) -> Any:
        return row[MAPPERS[kind].fields.index(name)]

    def _attributes(self, text: str) -> dict[str, str]:
        """Replace all attributes, or some, or leave them."""
        name = self._random.choice((None, "attributes", "attributes", "attributes_merge"))
        return {name: text} if name else {}

    def _or_unset(self, chance: float, value: Any) -> Any:
        return value if self._random.random() < chance else UNSET

    @property
    def _here(self) -> Any:
        return self._store.workspaces[self._sid]
