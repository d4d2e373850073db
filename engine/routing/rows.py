"""The stored form of one workspace's live state, between the loader and the core."""

from dataclasses import dataclass, field

from engine.routing.effects import AssignmentCallback
from engine.routing.entities import (
    Activity,
    Reservation,
    Task,
    TaskChannel,
    TaskQueue,
    Transfer,
    Worker,
    WorkerChannel,
    Workflow,
    Workspace,
)


@dataclass(slots=True)
class WorkspaceRows:
    """The live state of one workspace as its rows hold it; what `WorkspaceCore.load` takes.

    `tasks` are the open ones, `reservations` their open ones, `transfers` all of theirs. `configurations`
    maps (workflow SID, configuration version) to the text, for every version an open task still uses and
    every current one. `callbacks` are the outbox rows: assignment callbacks whose outcome was never
    committed. `last_event_ms` is the date of the latest event, 0 without any: no later batch may be dated
    before it.
    """

    workspace: Workspace
    activities: list[Activity] = field(default_factory=list)
    task_channels: list[TaskChannel] = field(default_factory=list)
    task_queues: list[TaskQueue] = field(default_factory=list)
    workflows: list[Workflow] = field(default_factory=list)
    configurations: dict[tuple[str, int], str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    worker_channels: list[WorkerChannel] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    reservations: list[Reservation] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    callbacks: list[AssignmentCallback] = field(default_factory=list)
    last_event_ms: int = 0
