"""The live state of one workspace and the notes of what a batch changes in it."""

from collections.abc import Callable

from engine.routing.deadlines import Deadlines
from engine.routing.effects import AssignmentCallback, Changes, Event, Kind, RoutingWarning
from engine.routing.entities import (
    Activity,
    Reservation,
    Task,
    TaskChannel,
    TaskQueue,
    Transfer,
    Worker,
    Workflow,
    Workspace,
)
from engine.routing.errors import NotFound
from engine.routing.limits import RoutingLimits
from engine.routing.workflow import KnownBy, WorkflowConfiguration


class WorkspaceState:
    """Entities by SID, the deadlines, and `changes`: what is to be written after the batch.

    Whoever changes an entity notes it with the `put_*` methods; whoever records a fact calls `record`.
    """

    __slots__ = (
        "activities",
        "changes",
        "configurations",
        "deadlines",
        "limits",
        "names",
        "new_sid",
        "reservations",
        "task_channels",
        "task_queues",
        "tasks",
        "transfers",
        "workers",
        "workflows",
        "workspace",
    )

    def __init__(self, workspace: Workspace, new_sid: Callable[[str], str], limits: RoutingLimits) -> None:
        self.workspace = workspace
        self.new_sid = new_sid
        self.limits = limits
        self.activities: dict[str, Activity] = {}
        self.task_channels: dict[str, TaskChannel] = {}
        self.task_queues: dict[str, TaskQueue] = {}
        self.workflows: dict[str, Workflow] = {}
        self.configurations: dict[tuple[str, int], WorkflowConfiguration] = {}
        self.workers: dict[str, Worker] = {}
        self.names: dict[str, str] = {}
        self.tasks: dict[str, Task] = {}
        self.reservations: dict[str, Reservation] = {}
        self.transfers: dict[str, Transfer] = {}
        self.deadlines = Deadlines()
        self.changes = Changes()

    # Looking up

    def activity(self, sid: str) -> Activity:
        """Return an activity or raise NotFound."""
        if (found := self.activities.get(sid)) is None:
            raise NotFound("Activity", sid)
        return found

    def task_queue(self, sid: str) -> TaskQueue:
        """Return a queue or raise NotFound."""
        if (found := self.task_queues.get(sid)) is None:
            raise NotFound("TaskQueue", sid)
        return found

    def workflow(self, sid: str) -> Workflow:
        """Return a workflow or raise NotFound."""
        if (found := self.workflows.get(sid)) is None:
            raise NotFound("Workflow", sid)
        return found

    def worker(self, sid: str) -> Worker:
        """Return a worker or raise NotFound."""
        if (found := self.workers.get(sid)) is None:
            raise NotFound("Worker", sid)
        return found

    def task(self, sid: str) -> Task:
        """Return a task in memory or raise NotFound."""
        if (found := self.tasks.get(sid)) is None:
            raise NotFound("Task", sid)
        return found

    def reservation(self, sid: str) -> Reservation:
        """Return an open reservation or raise NotFound."""
        if (found := self.reservations.get(sid)) is None:
            raise NotFound("Reservation", sid)
        return found

    def transfer(self, sid: str) -> Transfer:
        """Return a transfer of a task in memory or raise NotFound."""
        if (found := self.transfers.get(sid)) is None:
            raise NotFound("Transfer", sid)
        return found

    def task_channel(self, sid_or_unique_name: str) -> TaskChannel:
        """Return a channel by SID or unique name, or raise NotFound."""
        if (found := self.task_channels.get(sid_or_unique_name)) is not None:
            return found
        for channel in self.task_channels.values():
            if channel.unique_name == sid_or_unique_name:
                return channel
        raise NotFound("TaskChannel", sid_or_unique_name)

    def named_worker(self, known_by: KnownBy, value: str | None) -> Worker | None:
        """Return the worker with this SID or friendly name, or None."""
        if value is None:
            return None
        if known_by is KnownBy.SID:
            return self.workers.get(value)
        worker = self.workers.get(self.names.get(value.lower(), ""))
        return worker if worker is not None and worker.friendly_name == value else None

    def configuration_of(self, task: Task) -> WorkflowConfiguration | None:
        """Return the configuration that a task is routed by, or None without a workflow."""
        if task.workflow_sid is None:
            return None
        return self.configurations.get((task.workflow_sid, task.workflow_version))

    def next_sequence(self) -> int:
        """Return the next number for a worker, a task, a reservation or a transfer."""
        self.workspace.sequence += 1
        self.changes.workspace = self.workspace
        return self.workspace.sequence

    # Noting changes

    def put_workspace(self) -> None:
        """Note that the workspace changed."""
        self.changes.workspace = self.workspace

    def put_worker(self, worker: Worker) -> None:
        """Note that a worker changed."""
        self.changes.workers[worker.sid] = worker

    def put_task(self, task: Task) -> None:
        """Note that a task changed."""
        self.changes.tasks[task.sid] = task

    def put_reservation(self, reservation: Reservation) -> None:
        """Note that a reservation changed."""
        self.changes.reservations[reservation.sid] = reservation

    def put_transfer(self, transfer: Transfer) -> None:
        """Note that a transfer changed."""
        self.changes.transfers[transfer.sid] = transfer

    def remove(self, kind: Kind, sid: str) -> None:
        """Note that an entity is deleted."""
        self.changes.removed.append((kind, sid))

    def request_callback(self, callback: AssignmentCallback) -> None:
        """Note an assignment callback to send."""
        self.changes.callbacks.append(callback)

    def settle_callback(self, reservation_sid: str) -> None:
        """Note that a reservation's callback needs no further sending."""
        self.changes.callbacks_settled.append(reservation_sid)

    def warn(self, warning: RoutingWarning) -> None:
        """Note something for the operator's log."""
        self.changes.warnings.append(warning)

    def record(
        self,
        event_type: str,
        resource_sid: str,
        description: str,
        data: dict[str, str],
        now_ms: int,
    ) -> None:
        """Append an event to the workspace's log; the SIDs to filter by are taken from `data`.

        `data` is kept, with the name and SID of the workspace added.
        """
        workspace, changes = self.workspace, self.changes
        workspace_sid = workspace.sid
        data["workspace_sid"] = workspace_sid
        data["workspace_name"] = workspace.friendly_name
        workspace.event_sequence = sequence = workspace.event_sequence + 1
        changes.workspace = workspace
        get = data.get
        # By position: naming the fields makes an event a third dearer, and a life cycle has nine.
        changes.events.append(
            Event(
                self.new_sid("EV"),
                sequence,
                event_type,
                now_ms,
                description,
                "task" if resource_sid[:2] == "WT" else event_type.partition(".")[0],
                resource_sid,
                "workspace",
                workspace_sid,
                data,
                get("task_sid"),
                get("worker_sid"),
                get("reservation_sid"),
                get("task_queue_sid"),
                get("workflow_sid"),
                get("task_channel_sid"),
            )
        )
