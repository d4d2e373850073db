"""Every type of event carries its fields, no more and no less, and all of them are text (behaviour §9)."""

from collections import defaultdict
from typing import Any

import pytest

from engine.routing import commands as c
from engine.routing.effects import Event
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.entities import TransferMode
from engine.routing.limits import RoutingLimits
from tests.routing.world import World, one, routing


def fields(text: str) -> frozenset[str]:
    return frozenset(text.split())


WORKSPACE = fields("workspace_sid workspace_name")
ACTIVITY = WORKSPACE | fields("activity_sid activity_name activity_available")
TASK_CHANNEL = WORKSPACE | fields(
    "task_channel_sid task_channel_name task_channel_unique_name task_channel_optimized_routing"
)
TASK_QUEUE = WORKSPACE | fields("task_queue_sid task_queue_name task_queue_target_expression")
WORKFLOW = WORKSPACE | fields("workflow_sid workflow_name")
WORKER = WORKSPACE | fields(
    "worker_sid worker_name worker_attributes worker_activity_sid worker_activity_name worker_version"
)
WORKER_CHANNEL = WORKER | fields(
    "worker_channel_available worker_channel_available_capacity worker_channel_previous_capacity"
    " worker_channel_task_count task_channel_sid task_channel_unique_name"
)
UNROUTED = WORKSPACE | fields(
    "task_sid task_attributes task_age task_priority task_assignment_status task_version task_date_created"
    " task_virtual_start_time task_ignore_capacity task_channel_sid task_channel_unique_name"
)
IN_WORKFLOW = UNROUTED | WORKFLOW
TASK = IN_WORKFLOW | TASK_QUEUE | fields("task_queue_entered_date")
ENDED = {
    "canceled": fields("task_canceled_reason reason"),
    "completed": fields("task_completed_reason reason"),
}
"""What the end of its task adds to an event, if a reason was given."""

RESERVATION = (
    TASK
    | WORKER
    | fields(
        "reservation_sid reservation_version reservation_timeout"
        " worker_channel_capacity worker_channel_consumed_capacity"
    )
)
TRANSFER = TASK | fields(
    "transfer_sid transfer_type transfer_mode transfer_to transfer_status transfer_initiating_reservation_sid"
    " transfer_initiating_worker_sid transfer_initiating_queue_sid transfer_initiating_workflow_sid"
    " reservation_sid worker_sid"
)

EVENTS = {
    "activity.created": ACTIVITY,
    "activity.updated": ACTIVITY,
    "activity.deleted": ACTIVITY,
    "reservation.created": RESERVATION,
    "reservation.accepted": RESERVATION | fields("task_age_in_queue"),
    "reservation.rejected": RESERVATION,
    "reservation.timeout": RESERVATION,
    "reservation.canceled": RESERVATION,
    "reservation.rescinded": RESERVATION,
    "reservation.completed": RESERVATION,
    "reservation.wrapup": RESERVATION,
    "task.created": IN_WORKFLOW,
    "task.updated": TASK,
    "task.canceled": TASK,
    "task.wrapup": TASK,
    "task.completed": TASK,
    "task.deleted": TASK,
    "task.system-deleted": TASK,
    "task.transfer-initiated": TRANSFER,
    "task.transfer-attempt-failed": TRANSFER,
    "task.transfer-failed": TRANSFER | fields("transfer_failed_reason"),
    "task.transfer-canceled": TRANSFER,
    "task.transfer-completed": TRANSFER,
    "task-channel.created": TASK_CHANNEL,
    "task-channel.updated": TASK_CHANNEL,
    "task-channel.deleted": TASK_CHANNEL,
    "task-queue.created": TASK_QUEUE,
    "task-queue.deleted": TASK_QUEUE,
    "task-queue.expression.updated": TASK_QUEUE,
    "task-queue.entered": TASK,
    "task-queue.timeout": TASK,
    "task-queue.moved": TASK,
    "worker.created": WORKER,
    "worker.activity.update": WORKER
    | fields(
        "worker_previous_activity_sid worker_previous_activity_name"
        " worker_time_in_previous_activity worker_time_in_previous_activity_ms"
    ),
    "worker.attributes.update": WORKER,
    "worker.capacity.update": WORKER_CHANNEL,
    "worker.channel.availability.update": WORKER_CHANNEL,
    "worker.deleted": WORKER | fields("worker_time_in_activity_ms"),
    "workflow.created": WORKFLOW,
    "workflow.updated": WORKFLOW,
    "workflow.deleted": WORKFLOW,
    "workflow.target-matched": TASK,
    "workflow.entered": IN_WORKFLOW,
    "workflow.timeout": TASK,
    "workflow.skipped": TASK,
    "workspace.created": WORKSPACE,
    "workspace.updated": WORKSPACE,
    "workspace.deleted": WORKSPACE,
}
"""The documented types but for `reservation.failed`, which only a voice call can bring about."""


class Story(World):
    """A workspace in which everything happens once; `told` are its events by type."""

    def __init__(self) -> None:
        self.told: dict[str, list[Event]] = defaultdict(list)
        super().__init__(limits=RoutingLimits(assigned_s_max=100_000))
        self.note(self.changes.events)
        self.first = self.queue("first", "team == 1", max_reserved_workers=2)
        self.second = self.queue("second", "team == 2")
        self.flow = self.steps(
            {"queue": self.first, "timeout": 900}, {"queue": self.second, "timeout": 900}, name="calls"
        )

    def do(self, command: Any = None) -> Any:
        try:
            return super().do(command)
        finally:
            self.note(self.changes.events)

    def note(self, events: list[Event]) -> None:
        for event in events:
            self.told[event.event_type].append(event)

    def tell(self) -> None:
        """Let everything happen."""
        self.configure()
        self.wait_in_vain()
        self.work()
        self.hand_over()
        self.delete()
        self.do(c.DeleteWorkspace())

    def configure(self) -> None:
        lunch, channel = self.new_sid("WA"), self.new_sid("TC")
        self.do(c.CreateActivity(lunch, "Lunch", False))
        self.do(c.UpdateActivity(lunch, "Break"))
        self.do(c.DeleteActivity(lunch))
        self.do(c.CreateTaskChannel(channel, "Letters", "letters", False))
        self.do(c.UpdateTaskChannel(channel, channel_optimized_routing=True))
        self.do(c.DeleteTaskChannel(channel))
        spare = self.queue("spare")
        self.do(c.UpdateTaskQueue(spare, target_workers="1==2"))
        self.do(c.DeleteTaskQueue(spare))
        other = self.simple_workflow(self.first, name="other")
        self.do(c.UpdateWorkflow(other, friendly_name="another"))
        self.do(c.DeleteWorkflow(other))
        self.do(c.UpdateWorkspace(friendly_name="renamed"))

    def wait_in_vain(self) -> None:
        """One task times out of one queue into the next and out of the workflow, one is skipped out of it."""
        self.task(workflow_sid=self.flow)
        self.wait(900)
        self.wait(900)
        skip = {"queue": self.second, "timeout": 5, "skip_if": "workers.available == 0"}
        skipping = self.workflow(
            routing(one("1==1", {"queue": self.first, "timeout": 5}, skip)), name="skips"
        )
        self.task(workflow_sid=skipping)
        self.wait(5)

    def work(self) -> None:
        """Two workers: offered, rejected, timed out, rescinded, accepted, wrapped up, completed, canceled."""
        self.ann = self.worker("ann", "Offline", team=1)
        self.bob = self.worker("bob", "Offline", team=1)
        self.activity(self.ann, "Available")
        self.activity(self.bob, "Available")
        self.capacity(self.ann, "default", 3)
        self.do(c.UpdateWorkerChannel(self.ann, "default", available=False))
        self.do(c.UpdateWorkerChannel(self.ann, "default", available=True))
        self.attributes(self.bob, team=1, level=3)
        task = self.task(workflow_sid=self.flow)
        self.attributes(task, name="Ada")
        self.reject(task)
        self.timeout(task)
        self.activity(self.ann, "Available")
        self.activity(self.bob, "Available")
        shared = self.task(workflow_sid=self.flow)
        self.accept(shared)
        self.do(c.UpdateTask(shared, assignment_status=T.WRAPPING))
        self.complete(shared)
        for open_task in [sid for sid in self.state.tasks if self.status(sid) in (T.PENDING, T.RESERVED)]:
            self.cancel(open_task)

    def hand_over(self) -> None:
        cai = self.worker("cai", "Available", team=3)
        task = self.task(workflow_sid=self.flow)
        self.accept(task)
        held = self.offers(task)[0]

        def hand(to_sid: str, mode: TransferMode) -> str:
            sid = self.new_sid("TT")
            self.do(c.CreateTransfer(sid, task, to_sid, mode=mode, reservation_sid=held.sid))
            return sid

        hand(cai, TransferMode.WARM)
        self.move(next(r for r in self.offers(task) if r.worker_sid == cai), R.REJECTED)
        self.do(c.CancelTransfer(hand(cai, TransferMode.WARM), task))
        dan = self.worker("dan", "Available", team=2)
        self.do(c.CancelTransfer(hand(self.second, TransferMode.WARM), task))
        hand(self.second, TransferMode.WARM)
        self.move(next(r for r in self.offers(task) if r.worker_sid == dan), R.REJECTED)
        self.wait(5)
        self.move(next(r for r in self.offers(task) if r.worker_sid == dan), R.ACCEPTED)

    def delete(self) -> None:
        self.do(c.DeleteTask(next(sid for sid in self.state.tasks if self.status(sid) is T.ASSIGNED)))
        kept = self.task(workflow_sid=self.flow)
        self.accept(kept)
        self.wait(100_000)
        for worker in list(self.state.workers):
            self.do(c.DeleteWorker(worker))


@pytest.fixture(scope="module")
def story() -> Story:
    story = Story()
    story.tell()
    return story


def about_a_transfer(event: Event) -> bool:
    return event.event_type.startswith("reservation.") and "transfer_sid" in event.data


@pytest.mark.parametrize("event_type", EVENTS)
def test_an_event_has_the_fields_of_its_type(story: Story, event_type: str) -> None:
    events = [event for event in story.told[event_type] if not about_a_transfer(event)]
    assert events, "it did not happen"
    for event in events:
        ended = ENDED.get(event.data.get("task_assignment_status", ""), frozenset())
        assert event.data.keys() == EVENTS[event_type] | ended


def test_nothing_else_is_recorded(story: Story) -> None:
    assert story.told.keys() == EVENTS.keys()


def test_every_value_is_text(story: Story) -> None:
    for events in story.told.values():
        for event in events:
            assert {type(value) for value in event.data.values()} == {str}, event


def test_an_event_is_found_by_what_its_data_tells(story: Story) -> None:
    columns = (
        "task_sid",
        "worker_sid",
        "reservation_sid",
        "task_queue_sid",
        "workflow_sid",
        "task_channel_sid",
    )
    for events in story.told.values():
        for event in events:
            assert {name: getattr(event, name) for name in columns} == {
                name: event.data.get(name) for name in columns
            }


def test_an_event_is_about_a_task_or_what_its_type_names(story: Story) -> None:
    for event_type, events in story.told.items():
        resource = event_type.partition(".")[0]
        for event in events:
            if resource in ("workflow", "task-queue") and "task_sid" in event.data:
                resource = "task"
            assert event.resource_type == resource
            assert event.resource_sid == event.data[f"{resource.replace('-', '_')}_sid"]


def test_the_name_of_the_workspace_is_the_one_it_had(story: Story) -> None:
    (updated,) = story.told["workspace.updated"]
    for events in story.told.values():
        for event in events:
            assert event.data["workspace_name"] == (
                "test" if event.sequence < updated.sequence else "renamed"
            )
