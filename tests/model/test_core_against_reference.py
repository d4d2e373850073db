"""The core does what the naive router does: same states, same offers, same refusals, same events."""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from engine.routing.commands import (
    UNSET,
    AssignmentCallbackFailed,
    AssignmentInstructed,
    CancelTransfer,
    Command,
    CreateActivity,
    CreateTask,
    CreateTaskChannel,
    CreateTaskQueue,
    CreateTransfer,
    CreateWorker,
    CreateWorkflow,
    DeleteActivity,
    DeleteTask,
    DeleteTaskChannel,
    DeleteTaskQueue,
    DeleteWorker,
    DeleteWorkflow,
    UpdateActivity,
    UpdateReservation,
    UpdateTask,
    UpdateTaskChannel,
    UpdateTaskQueue,
    UpdateWorker,
    UpdateWorkerChannel,
    UpdateWorkflow,
    UpdateWorkspace,
)
from engine.routing.entities import ReservationStatus, TaskOrder, TaskStatus, TransferMode
from tests.model.side_by_side import SideBySide, numbered_sids
from tests.model.worlds import (
    CHANNELS,
    TARGET_WORKERS,
    configuration,
    optional,
    task_attributes,
    worker_attributes,
)

PROFILES = {
    "ci": settings(max_examples=35, stateful_step_count=30, derandomize=True, database=None),
    "long": settings(max_examples=20_000, stateful_step_count=80),
}

WORKERS = tuple(f"WK{number:032x}" for number in range(1, 6))
TEAM_SIZE = 3
QUEUES = tuple(f"WQ{number:032x}" for number in range(1, 3))
WORKFLOWS = tuple(f"WW{number:032x}" for number in range(1, 3))
OFFLINE = f"WA{1:032x}"
AVAILABLE = f"WA{2:032x}"
UNAVAILABLE = f"WA{3:032x}"
BREAK = f"WA{77:032x}"
FAX = f"TC{77:032x}"
NOBODY = f"WK{99:032x}"

pauses_ms = st.sampled_from((None, None, 0, 0, 0, 0, 1, 500, 1_000, 1_000, 2_000, 3_000, 5_000))
"""How long before the command; None leaves its batch open for the next one."""
timeouts_s = st.sampled_from((20, 10, 5, 3, 1))
which = st.integers(0, 7)
seats = st.integers(0, TEAM_SIZE - 1)
queues = st.sampled_from(QUEUES)
activities = st.sampled_from((AVAILABLE, AVAILABLE, AVAILABLE, OFFLINE, UNAVAILABLE))
configurations = configuration(QUEUES, OFFLINE)
attributes = task_attributes(WORKERS[:TEAM_SIZE])
moved_to = st.sampled_from(((None, None), (UNAVAILABLE, OFFLINE), (UNAVAILABLE, AVAILABLE)))
queue_descriptions = st.tuples(
    st.sampled_from(TARGET_WORKERS), st.integers(1, 2), st.sampled_from(TaskOrder), moved_to
)
worker_descriptions = st.tuples(worker_attributes(), activities, st.integers(1, 2))
unset = st.just(UNSET)


task_descriptions = st.fixed_dictionaries(
    {
        "attributes": attributes,
        "task_channel": st.sampled_from((*(None, *CHANNELS) * 4, "fax")),
        "priority": optional(st.integers(0, 2)),
        "timeout_s": st.sampled_from((86_400, 86_400, 86_400, 86_400, 3, 20)),
        "age_ms": st.sampled_from((None, None, 1, 10_000)),
    }
)


def pick(things: list[dict[str, Any]], number: int) -> dict[str, Any]:
    return things[number % len(things)]


class CoreAgainstReference(RuleBasedStateMachine):
    """Three workers, two queues, two channels, two workflows and whatever may happen to them."""

    @initialize(
        single_tasking=st.sampled_from((False, False, False, True)),
        lifo_first=st.booleans(),
        assignment_count_max=st.sampled_from((1_000, 1_000, 3)),
        optimized=st.booleans(),
        timeout_activity=st.sampled_from((AVAILABLE, AVAILABLE, OFFLINE)),
        queue_parts=st.tuples(*(queue_descriptions for _ in QUEUES)),
        worker_parts=st.tuples(*(worker_descriptions for _ in range(TEAM_SIZE))),
        workflow_parts=st.tuples(*(st.tuples(configurations, timeouts_s) for _ in WORKFLOWS)),
    )
    def make_world(
        self,
        *,
        single_tasking: bool,
        lifo_first: bool,
        assignment_count_max: int,
        optimized: bool,
        timeout_activity: str,
        queue_parts: Any,
        worker_parts: Any,
        workflow_parts: Any,
    ) -> None:
        self.worlds = SideBySide(
            single_tasking=single_tasking,
            lifo_first=lifo_first,
            assignment_count_max=assignment_count_max,
        )
        self.mint = numbered_sids()
        self.team = [self.mint("WK") for _ in range(TEAM_SIZE)]
        self.do(UpdateTaskChannel("voice", channel_optimized_routing=optimized))
        self.do(UpdateWorkspace(timeout_activity_sid=timeout_activity))
        for sid, (target_workers, max_reserved, order, (reserved, assigned)) in zip(
            QUEUES, queue_parts, strict=True
        ):
            self.do(CreateTaskQueue(sid, sid, target_workers, max_reserved, order, reserved, assigned))
        for sid, (about, activity, capacity) in zip(self.team, worker_parts, strict=True):
            self.do(CreateWorker(sid, f"w{self.team.index(sid) + 1}", about, activity))
            self.do(UpdateWorkerChannel(sid, "default", capacity))
        for sid, (text, timeout_s) in zip(WORKFLOWS, workflow_parts, strict=True):
            self.do(CreateWorkflow(sid, sid, text, task_reservation_timeout_s=timeout_s))

    def do(self, command: Command, pause: int | None = 0) -> None:
        self.worlds.batch(command, pause or 0, more=pause is None)

    def tasks(self, *statuses: str) -> list[dict[str, Any]]:
        tasks = self.worlds.reference.w["tasks"].values()
        return [task for task in tasks if not statuses or task["status"] in statuses]

    def reservations(self, *statuses: str) -> list[dict[str, Any]]:
        reservations = self.worlds.reference.w["reservations"].values()
        return [each for each in reservations if not statuses or each["status"] in statuses]

    # Time

    @rule(pause=st.sampled_from((1_000, 2_000, 4_000, 10_000, 30_000)))
    def wait(self, pause: int) -> None:
        self.worlds.wait(pause)

    @rule(
        offset=st.sampled_from((-1, 0, 0, 1, 3_000)),
        at_most_ms=st.sampled_from((10_000, 10_000, 10_000, 10_000_000_000)),
    )
    def wait_for_deadline(self, offset: int, at_most_ms: int) -> None:
        self.worlds.wait_for_deadline(offset, at_most_ms)

    @rule(sure=st.sampled_from((False, False, True)))
    def restart(self, sure: bool) -> None:
        if sure:
            self.worlds.restart()

    # Tasks

    @rule(pause=pauses_ms, parts=task_descriptions)
    def create_task(self, *, pause: int | None, parts: dict[str, Any]) -> None:
        self.create(pause, parts, workflow_sid=WORKFLOWS[0])

    @rule(pause=pauses_ms, parts=task_descriptions)
    def create_task_for_the_other_workflow(self, *, pause: int | None, parts: dict[str, Any]) -> None:
        self.create(pause, parts, workflow_sid=WORKFLOWS[1])

    @rule(
        pause=pauses_ms,
        parts=task_descriptions,
        to=st.sampled_from((*WORKERS[:TEAM_SIZE], *QUEUES, *WORKFLOWS, NOBODY)),
        ignore_capacity=st.sampled_from((None, None, False)),
        workflow=st.sampled_from((None, *WORKFLOWS)),
    )
    def create_task_with_a_routing_target(
        self,
        *,
        pause: int | None,
        parts: dict[str, Any],
        to: str,
        ignore_capacity: bool | None,
        workflow: str | None,
    ) -> None:
        workflow = to if to.startswith("WW") else workflow
        self.create(pause, parts, workflow_sid=workflow, routing_target=to, ignore_capacity=ignore_capacity)

    @rule(
        pause=pauses_ms,
        parts=task_descriptions,
        queue=optional(queues),
        workflow=st.sampled_from((None, *WORKFLOWS, *WORKFLOWS)),
    )
    def create_task_in_a_queue(
        self, *, pause: int | None, parts: dict[str, Any], queue: str | None, workflow: str | None
    ) -> None:
        self.create(pause, parts, workflow_sid=workflow, task_queue_sid=queue)

    def create(self, pause: int | None, parts: dict[str, Any], **route: Any) -> None:
        age_ms = parts.pop("age_ms")
        start = None if age_ms is None else self.worlds.now - age_ms
        self.do(CreateTask(self.mint("WT"), **parts, **route, virtual_start_ms=start), pause)

    @precondition(lambda self: bool(self.tasks()))
    @rule(
        pause=pauses_ms,
        number=which,
        about=unset | attributes,
        priority=unset | st.integers(0, 7),
        channel=unset | st.sampled_from(CHANNELS),
        age_ms=optional(st.sampled_from((0, 3, 20_000))),
        if_match=st.sampled_from((None, None, None, 999)),
    )
    def update_task(
        self,
        *,
        pause: int | None,
        number: int,
        about: Any,
        priority: Any,
        channel: Any,
        age_ms: int | None,
        if_match: int | None,
    ) -> None:
        tasks = self.tasks("pending", "reserved") or self.tasks()
        start = UNSET if age_ms is None else self.worlds.now - age_ms
        self.do(
            UpdateTask(
                pick(tasks, number)["sid"],
                about,
                priority=priority,
                task_channel=channel,
                virtual_start_ms=start,
                if_match=if_match,
            ),
            pause,
        )

    @precondition(lambda self: bool(self.tasks()))
    @rule(
        pause=pauses_ms,
        number=which,
        status=st.sampled_from((TaskStatus.CANCELED, TaskStatus.WRAPPING, TaskStatus.COMPLETED, None)),
        about=unset | unset | attributes,
    )
    def end_task(self, *, pause: int | None, number: int, status: TaskStatus | None, about: Any) -> None:
        """Whatever state it is in; without a status it is deleted."""
        sid = pick(self.tasks(), number)["sid"]
        if status is None:
            self.do(DeleteTask(sid), pause)
        else:
            self.do(UpdateTask(sid, about, assignment_status=status, reason="because"), pause)

    @precondition(lambda self: bool(self.tasks("assigned", "wrapping")))
    @rule(pause=pauses_ms, number=which, status=st.sampled_from((TaskStatus.WRAPPING, TaskStatus.COMPLETED)))
    def finish_task(self, *, pause: int | None, number: int, status: TaskStatus) -> None:
        task = pick(self.tasks("assigned", "wrapping"), number)
        self.do(UpdateTask(task["sid"], assignment_status=status), pause)

    # Reservations

    @precondition(lambda self: bool(self.reservations("pending")))
    @rule(pause=pauses_ms, number=which)
    def accept(self, *, pause: int | None, number: int) -> None:
        sid = pick(self.reservations("pending"), number)["sid"]
        self.do(UpdateReservation(sid, ReservationStatus.ACCEPTED), pause)

    @precondition(lambda self: bool(self.reservations("pending")))
    @rule(pause=pauses_ms, number=which)
    def accept_by_callback(self, *, pause: int | None, number: int) -> None:
        sid = pick(self.reservations("pending"), number)["sid"]
        self.do(AssignmentInstructed(sid, "accept"), pause)

    @precondition(lambda self: bool(self.reservations("pending")))
    @rule(
        pause=pauses_ms,
        number=which,
        how=st.sampled_from(("client", "client", "callback", "failed", "empty")),
        activity=optional(activities),
    )
    def refuse(self, *, pause: int | None, number: int, how: str, activity: str | None) -> None:
        sid = pick(self.reservations("pending"), number)["sid"]
        commands: dict[str, Command] = {
            "client": UpdateReservation(sid, ReservationStatus.REJECTED, activity_sid=activity),
            "callback": AssignmentInstructed(sid, "reject", activity),
            "failed": AssignmentCallbackFailed(sid, "no answer"),
            "empty": AssignmentInstructed(sid),
        }
        self.do(commands[how], pause)

    @precondition(lambda self: bool(self.reservations()))
    @rule(
        pause=pauses_ms,
        number=which,
        status=st.sampled_from(ReservationStatus),
        seat=optional(seats),
        if_match=st.sampled_from((None, None, None, 999)),
    )
    def update_any_reservation(
        self,
        *,
        pause: int | None,
        number: int,
        status: ReservationStatus,
        seat: int | None,
        if_match: int | None,
    ) -> None:
        reservation = pick(self.reservations(), -number - 1)
        self.do(
            UpdateReservation(
                reservation["sid"],
                status,
                task_sid=reservation["task"] if seat is None else None,
                worker_sid=None if seat is None else self.team[seat],
                if_match=if_match,
            ),
            pause,
        )

    @precondition(lambda self: bool(self.reservations()))
    @rule(pause=pauses_ms, number=which, instruction=st.sampled_from(("accept", "reject", None)))
    def callback_answers_late(self, *, pause: int | None, number: int, instruction: str | None) -> None:
        sid = pick(self.reservations(), number)["sid"]
        if instruction is None:
            self.do(AssignmentCallbackFailed(sid, "no answer"), pause)
        else:
            self.do(AssignmentInstructed(sid, instruction), pause)

    # Transfers

    @precondition(lambda self: bool(self.tasks("assigned")))
    @rule(
        pause=pauses_ms,
        number=which,
        to=st.sampled_from((*range(TEAM_SIZE), *QUEUES)),
        mode=st.sampled_from(TransferMode),
        priority=st.sampled_from((None, None, 7)),
        about=unset | unset | attributes,
    )
    def transfer(
        self,
        *,
        pause: int | None,
        number: int,
        to: int | str,
        mode: TransferMode,
        priority: int | None,
        about: Any,
    ) -> None:
        task = pick(self.tasks("assigned"), number)
        held = [r for r in self.reservations("accepted", "wrapping") if r["task"] == task["sid"]]
        self.do(
            CreateTransfer(
                self.mint("TT"),
                task["sid"],
                self.team[to] if isinstance(to, int) else to,
                pick(held, number)["sid"] if held else None,
                mode=mode,
                priority=priority,
                attributes=about,
            ),
            pause,
        )

    @precondition(lambda self: bool(self.tasks()))
    @rule(
        pause=pauses_ms,
        number=which,
        to=st.sampled_from((*WORKERS[:TEAM_SIZE], *QUEUES, NOBODY)),
        offer=optional(which),
        seat=optional(seats),
    )
    def transfer_anything(
        self, *, pause: int | None, number: int, to: str, offer: int | None, seat: int | None
    ) -> None:
        reservations = self.reservations()
        self.do(
            CreateTransfer(
                self.mint("TT"),
                pick(self.tasks(), number)["sid"],
                to,
                None if offer is None or not reservations else pick(reservations, -offer - 1)["sid"],
                None if seat is None else self.team[seat],
            ),
            pause,
        )

    @precondition(lambda self: bool(self.worlds.reference.w["transfers"]))
    @rule(
        pause=pauses_ms,
        number=st.integers(0, 3),
        seat=optional(seats),
        if_match=st.sampled_from((None, None, None, 999)),
    )
    def cancel_transfer(
        self, *, pause: int | None, number: int, seat: int | None, if_match: int | None
    ) -> None:
        transfer = pick(list(self.worlds.reference.w["transfers"].values()), -number - 1)
        worker_sid = None if seat is None else self.team[seat]
        self.do(CancelTransfer(transfer["sid"], transfer["task"], worker_sid, if_match), pause)

    # Workers

    @rule(pause=pauses_ms, seat=seats, activity=activities, reject=st.booleans())
    def change_activity(self, *, pause: int | None, seat: int, activity: str, reject: bool) -> None:
        reject = reject and activity != AVAILABLE
        self.do(
            UpdateWorker(self.team[seat], activity_sid=activity, reject_pending_reservations=reject), pause
        )

    @rule(
        pause=pauses_ms,
        seat=seats,
        about=unset | worker_attributes(),
        name=st.sampled_from((UNSET, UNSET, "w1", "W2", "w3")),
        activity=unset | activities,
        reject=st.booleans(),
        if_match=st.sampled_from((None, None, None, 999)),
    )
    def update_worker(
        self,
        *,
        pause: int | None,
        seat: int,
        about: Any,
        name: Any,
        activity: Any,
        reject: bool,
        if_match: int | None,
    ) -> None:
        self.do(UpdateWorker(self.team[seat], name, about, activity, reject, if_match), pause)

    @rule(
        pause=pauses_ms,
        seat=seats,
        channel=st.sampled_from(CHANNELS),
        capacity=unset | st.integers(0, 3),
        available=unset | st.just(True) | st.booleans(),
    )
    def change_channel(
        self, *, pause: int | None, seat: int, channel: str, capacity: Any, available: Any
    ) -> None:
        self.do(UpdateWorkerChannel(self.team[seat], channel, capacity, available), pause)

    @rule(
        pause=pauses_ms,
        seat=seats,
        about=worker_attributes(),
        activity=activities,
        sure=st.sampled_from((False, False, False, True)),
    )
    def replace_worker(self, *, pause: int | None, seat: int, about: str, activity: str, sure: bool) -> None:
        """Fill its empty seat, or delete it now and then."""
        if not sure and self.team[seat] in self.worlds.reference.w["workers"]:
            return
        if self.team[seat] in self.worlds.reference.w["workers"]:
            self.do(DeleteWorker(self.team[seat]), pause)
            return
        self.team[seat] = self.mint("WK")
        self.do(CreateWorker(self.team[seat], f"w{seat + 1}", about, activity), pause)

    # Configuration

    @rule(
        pause=pauses_ms,
        command=st.one_of(
            st.builds(
                UpdateTaskQueue,
                queues,
                target_workers=unset | st.sampled_from((*TARGET_WORKERS, "no expression")),
                max_reserved_workers=unset | st.integers(1, 2),
                task_order=unset | st.sampled_from(TaskOrder),
            ),
            st.builds(
                UpdateWorkflow,
                st.sampled_from(WORKFLOWS),
                configuration=unset | configurations | st.just("{"),
                task_reservation_timeout_s=unset | timeouts_s,
                re_evaluate_tasks=st.booleans(),
            ),
            st.builds(
                UpdateWorkspace,
                prioritize_queue_order=unset | st.sampled_from(TaskOrder),
                timeout_activity_sid=unset | activities,
                multi_task_enabled=st.sampled_from((UNSET, True, True, False)),
            ),
            st.builds(UpdateTaskChannel, st.just("voice"), channel_optimized_routing=st.booleans()),
        ),
    )
    def reconfigure(self, *, pause: int | None, command: Command) -> None:
        self.do(command, pause)

    @rule(
        pause=pauses_ms,
        command=st.one_of(
            st.builds(CreateActivity, st.just(BREAK), st.just("Break"), st.booleans()),
            st.builds(
                UpdateActivity, st.sampled_from((AVAILABLE, BREAK)), st.sampled_from(("Here", "Available"))
            ),
            st.builds(DeleteActivity, st.sampled_from((BREAK, BREAK, UNAVAILABLE))),
            st.builds(UpdateWorker, st.sampled_from(WORKERS[:TEAM_SIZE]), activity_sid=st.just(BREAK)),
            st.builds(CreateTaskChannel, st.just(FAX), st.just("Fax"), st.just("fax"), st.booleans()),
            st.builds(DeleteTaskChannel, st.sampled_from(("fax", "fax", "voice"))),
            st.builds(DeleteTaskQueue, queues),
            st.builds(DeleteWorkflow, st.just(WORKFLOWS[1])),
        ),
        sure=st.sampled_from((False, False, True)),
    )
    def add_or_remove(self, *, pause: int | None, command: Any, sure: bool) -> None:
        """Things that come and go under one SID, though never in one batch: no SID is given twice."""
        is_there = any(command.sid in self.worlds.reference.w[kind] for kind in ("activities", "channels"))
        creates = isinstance(command, CreateActivity | CreateTaskChannel)
        if sure and not self.worlds.batch_is_open and not (creates and is_there):
            self.do(command, pause or 0)


TestCoreAgainstReference = CoreAgainstReference.TestCase
TestCoreAgainstReference.settings = settings(
    PROFILES[os.environ.get("POINTSMAN_MODEL_PROFILE", "ci")],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
