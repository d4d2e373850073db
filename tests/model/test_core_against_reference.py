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
    Command,
    CreateTask,
    CreateTaskQueue,
    CreateWorker,
    CreateWorkflow,
    DeleteTask,
    DeleteWorker,
    UpdateReservation,
    UpdateTask,
    UpdateTaskChannel,
    UpdateTaskQueue,
    UpdateWorker,
    UpdateWorkerChannel,
    UpdateWorkflow,
    UpdateWorkspace,
)
from engine.routing.entities import ReservationStatus, TaskOrder, TaskStatus
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
    "ci": {"max_examples": 60, "stateful_step_count": 25, "derandomize": True, "database": None},
    "long": {"max_examples": 5_000, "stateful_step_count": 60},
}

WORKERS = tuple(f"WK{number:032x}" for number in range(1, 4))
QUEUES = tuple(f"WQ{number:032x}" for number in range(1, 3))
WORKFLOWS = tuple(f"WW{number:032x}" for number in range(1, 3))
OFFLINE = f"WA{1:032x}"
AVAILABLE = f"WA{2:032x}"
UNAVAILABLE = f"WA{3:032x}"
NOBODY = f"WK{99:032x}"

pauses_ms = st.sampled_from((0, 0, 1, 500, 1_000, 2_000, 5_000, 8_000, 30_000))
which = st.integers(0, 7)
workers = st.sampled_from(WORKERS)
queues = st.sampled_from(QUEUES)
activities = st.sampled_from((AVAILABLE, AVAILABLE, OFFLINE, UNAVAILABLE))
configurations = configuration(QUEUES, OFFLINE)
attributes = task_attributes(WORKERS)
moved_to = st.sampled_from(((None, None), (UNAVAILABLE, OFFLINE), (UNAVAILABLE, AVAILABLE)))
queue_descriptions = st.tuples(
    st.sampled_from(TARGET_WORKERS), st.integers(1, 2), st.sampled_from(TaskOrder), moved_to
)
worker_descriptions = st.tuples(worker_attributes(), activities, st.integers(1, 2))
unset = st.just(UNSET)


class CoreAgainstReference(RuleBasedStateMachine):
    """Three workers, two queues, two channels, two workflows and whatever may happen to them."""

    @initialize(
        single_tasking=st.sampled_from((False, False, False, True)),
        lifo_first=st.booleans(),
        assignment_count_max=st.sampled_from((1_000, 1_000, 3)),
        optimized=st.booleans(),
        queue_parts=st.tuples(*(queue_descriptions for _ in QUEUES)),
        worker_parts=st.tuples(*(worker_descriptions for _ in WORKERS)),
        workflow_parts=st.tuples(*(st.tuples(configurations, st.integers(1, 8)) for _ in WORKFLOWS)),
    )
    def make_world(
        self,
        *,
        single_tasking: bool,
        lifo_first: bool,
        assignment_count_max: int,
        optimized: bool,
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
        self.to_join = 0
        self.do(UpdateTaskChannel("voice", channel_optimized_routing=optimized))
        for sid, (target_workers, max_reserved, order, (reserved, assigned)) in zip(
            QUEUES, queue_parts, strict=True
        ):
            self.do(CreateTaskQueue(sid, sid, target_workers, max_reserved, order, reserved, assigned))
        for number, (about, activity, capacity) in enumerate(worker_parts, 1):
            self.do(CreateWorker(WORKERS[number - 1], f"w{number}", about, activity))
            self.do(UpdateWorkerChannel(WORKERS[number - 1], "default", capacity))
        for sid, (text, timeout_s) in zip(WORKFLOWS, workflow_parts, strict=True):
            self.do(CreateWorkflow(sid, sid, text, task_reservation_timeout_s=timeout_s))

    def do(self, command: Command, after_ms: int = 0) -> None:
        self.to_join -= self.to_join > 0
        self.worlds.batch(command, after_ms, more=self.to_join > 0)

    def of(self, kind: str, number: int) -> str:
        sids = list(self.worlds.reference.w[kind])
        return str(sids[number % len(sids)])

    def has_tasks(self) -> bool:
        return bool(self.worlds.reference.w["tasks"])

    def has_reservations(self) -> bool:
        return bool(self.worlds.reference.w["reservations"])

    # Time

    @rule(pause=pauses_ms)
    def wait(self, *, pause: int) -> None:
        self.worlds.wait(pause)

    @rule(offset=st.sampled_from((-1, 0, 0, 1, 3_000)))
    def wait_for_deadline(self, offset: int) -> None:
        self.worlds.wait_for_deadline(offset)

    @rule(commands=st.integers(2, 3))
    def let_the_next_commands_share_a_batch(self, commands: int) -> None:
        self.to_join = commands

    @rule()
    def restart(self) -> None:
        self.worlds.restart()

    # Tasks

    @rule(
        pause=pauses_ms,
        about=attributes,
        workflow=st.sampled_from(WORKFLOWS),
        channel=optional(st.sampled_from(CHANNELS)),
        priority=optional(st.integers(0, 2)),
        timeout_s=st.sampled_from((86_400, 86_400, 3, 12)),
        age_ms=optional(st.sampled_from((1, 10_000))),
    )
    def create_task(
        self,
        *,
        pause: int,
        about: str,
        workflow: str,
        channel: str | None,
        priority: int | None,
        timeout_s: int,
        age_ms: int | None,
    ) -> None:
        self.do(
            CreateTask(
                self.mint("WT"),
                about,
                workflow,
                channel,
                priority,
                timeout_s,
                virtual_start_ms=None if age_ms is None else self.worlds.now - age_ms,
            ),
            pause,
        )

    @rule(
        pause=pauses_ms,
        about=attributes,
        to=st.sampled_from((*WORKERS, *QUEUES, *WORKFLOWS, NOBODY)),
        ignore_capacity=st.sampled_from((None, None, False)),
        channel=optional(st.sampled_from(CHANNELS)),
    )
    def create_task_for(
        self, *, pause: int, about: str, to: str, ignore_capacity: bool | None, channel: str | None
    ) -> None:
        workflow = to if to.startswith("WW") else WORKFLOWS[0]
        self.do(
            CreateTask(
                self.mint("WT"),
                about,
                workflow,
                channel,
                routing_target=to,
                ignore_capacity=ignore_capacity,
                timeout_s=20,
            ),
            pause,
        )

    @rule(pause=pauses_ms, queue=queues)
    def create_task_in_queue(self, *, pause: int, queue: str) -> None:
        self.do(
            CreateTask(self.mint("WT"), workflow_sid=WORKFLOWS[0], task_queue_sid=queue, timeout_s=20), pause
        )

    @precondition(has_tasks)
    @rule(
        pause=pauses_ms,
        number=which,
        status=st.sampled_from((TaskStatus.CANCELED, TaskStatus.WRAPPING, TaskStatus.COMPLETED)),
    )
    def set_task_status(self, *, pause: int, number: int, status: TaskStatus) -> None:
        self.do(UpdateTask(self.of("tasks", number), assignment_status=status, reason="because"), pause)

    @precondition(has_tasks)
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
        pause: int,
        number: int,
        about: Any,
        priority: Any,
        channel: Any,
        age_ms: int | None,
        if_match: int | None,
    ) -> None:
        start = UNSET if age_ms is None else self.worlds.now - age_ms
        self.do(
            UpdateTask(
                self.of("tasks", number),
                about,
                priority=priority,
                task_channel=channel,
                virtual_start_ms=start,
                if_match=if_match,
            ),
            pause,
        )

    @precondition(has_tasks)
    @rule(pause=pauses_ms, number=which)
    def delete_task(self, *, pause: int, number: int) -> None:
        self.do(DeleteTask(self.of("tasks", number)), pause)

    # Reservations

    @precondition(has_reservations)
    @rule(
        pause=pauses_ms,
        number=which,
        status=st.sampled_from(
            (
                ReservationStatus.ACCEPTED,
                ReservationStatus.ACCEPTED,
                ReservationStatus.REJECTED,
                ReservationStatus.WRAPPING,
                ReservationStatus.COMPLETED,
                ReservationStatus.CANCELED,
            )
        ),
    )
    def update_reservation(self, *, pause: int, number: int, status: ReservationStatus) -> None:
        reservation = self.worlds.reference.w["reservations"][self.of("reservations", -number - 1)]
        self.do(UpdateReservation(reservation["sid"], status, task_sid=reservation["task"]), pause)

    @precondition(has_reservations)
    @rule(pause=pauses_ms, number=which, activity=optional(activities), worker=optional(workers))
    def reject(self, *, pause: int, number: int, activity: str | None, worker: str | None) -> None:
        reservation = self.worlds.reference.w["reservations"][self.of("reservations", -number - 1)]
        self.do(
            UpdateReservation(
                reservation["sid"],
                ReservationStatus.REJECTED,
                worker_sid=worker or reservation["worker"],
                activity_sid=activity,
            ),
            pause,
        )

    @precondition(has_reservations)
    @rule(
        pause=pauses_ms,
        number=which,
        instruction=st.sampled_from((None, "accept", "reject")),
        activity=optional(activities),
    )
    def callback_answers(
        self, *, pause: int, number: int, instruction: str | None, activity: str | None
    ) -> None:
        sid = self.of("reservations", -number - 1)
        self.do(AssignmentInstructed(sid, instruction, activity if instruction == "reject" else None), pause)

    @precondition(has_reservations)
    @rule(pause=pauses_ms, number=which)
    def callback_fails(self, *, pause: int, number: int) -> None:
        self.do(AssignmentCallbackFailed(self.of("reservations", -number - 1), "no answer"), pause)

    # Workers

    @rule(pause=pauses_ms, worker=workers, activity=activities, reject=st.booleans())
    def change_activity(self, *, pause: int, worker: str, activity: str, reject: bool) -> None:
        self.do(UpdateWorker(worker, activity_sid=activity, reject_pending_reservations=reject), pause)

    @rule(
        pause=pauses_ms,
        worker=workers,
        about=worker_attributes(),
        name=unset | st.sampled_from(("w1", "w2", "w3")),
    )
    def change_worker(self, *, pause: int, worker: str, about: str, name: Any) -> None:
        self.do(UpdateWorker(worker, friendly_name=name, attributes=about), pause)

    @rule(
        pause=pauses_ms,
        worker=workers,
        channel=st.sampled_from(CHANNELS),
        capacity=unset | st.integers(0, 3),
        available=unset | st.booleans(),
    )
    def change_capacity(
        self, *, pause: int, worker: str, channel: str, capacity: Any, available: Any
    ) -> None:
        self.do(UpdateWorkerChannel(worker, channel, capacity, available), pause)

    @rule(pause=pauses_ms, worker=workers)
    def delete_worker(self, *, pause: int, worker: str) -> None:
        self.do(DeleteWorker(worker), pause)

    @rule(pause=pauses_ms, worker=workers, about=worker_attributes(), activity=activities)
    def create_worker(self, *, pause: int, worker: str, about: str, activity: str) -> None:
        if worker not in self.worlds.reference.w["workers"]:
            self.do(CreateWorker(worker, f"w{int(worker[-2:], 16)}", about, activity), pause)

    # Configuration

    @rule(
        pause=pauses_ms,
        queue=queues,
        target_workers=unset | st.sampled_from((*TARGET_WORKERS, "no expression")),
        max_reserved=unset | st.integers(1, 2),
        order=unset | st.sampled_from(TaskOrder),
    )
    def update_queue(
        self, *, pause: int, queue: str, target_workers: Any, max_reserved: Any, order: Any
    ) -> None:
        self.do(
            UpdateTaskQueue(
                queue, target_workers=target_workers, max_reserved_workers=max_reserved, task_order=order
            ),
            pause,
        )

    @rule(
        pause=pauses_ms,
        workflow=st.sampled_from(WORKFLOWS),
        text=unset | configurations | st.just("{"),
        timeout_s=unset | st.integers(1, 8),
        re_evaluate=st.booleans(),
    )
    def update_workflow(
        self, *, pause: int, workflow: str, text: Any, timeout_s: Any, re_evaluate: bool
    ) -> None:
        self.do(
            UpdateWorkflow(
                workflow,
                configuration=text,
                task_reservation_timeout_s=timeout_s,
                re_evaluate_tasks=re_evaluate,
            ),
            pause,
        )

    @rule(
        pause=pauses_ms,
        order=unset | st.sampled_from(TaskOrder),
        timeout_activity=unset | activities,
        multi_task=unset | st.booleans(),
    )
    def update_workspace(self, *, pause: int, order: Any, timeout_activity: Any, multi_task: Any) -> None:
        self.do(
            UpdateWorkspace(
                prioritize_queue_order=order,
                timeout_activity_sid=timeout_activity,
                multi_task_enabled=multi_task,
            ),
            pause,
        )

    @rule(pause=pauses_ms, optimized=st.booleans())
    def update_channel(self, *, pause: int, optimized: bool) -> None:
        self.do(UpdateTaskChannel("voice", channel_optimized_routing=optimized), pause)


TestCoreAgainstReference = CoreAgainstReference.TestCase
TestCoreAgainstReference.settings = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    **PROFILES[os.environ.get("POINTSMAN_MODEL_PROFILE", "ci")],  # type: ignore[arg-type]
)
