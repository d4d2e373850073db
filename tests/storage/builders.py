"""Entities with unlike values in every field, for tests of what is written and read."""

import itertools
from typing import Any, NamedTuple

from engine.ownership import Lease
from engine.routing.effects import AssignmentCallback, Changes, Event
from engine.routing.entities import (
    Activity,
    Reservation,
    ReservationStatus,
    Task,
    TaskChannel,
    TaskOrder,
    TaskQueue,
    TaskStatus,
    Transfer,
    TransferMode,
    TransferStatus,
    Worker,
    WorkerChannel,
    Workflow,
    Workspace,
)
from engine.sids import time_ordered_sids
from engine.storage.store import PostgresStore

ACCOUNT = "AC" + "a" * 32
NOW_MS = 1_764_000_000_000
OWNER = "node-1"

new_sid = time_ordered_sids()
_numbers = itertools.count(1)


def workspace(**fields: Any) -> Workspace:
    values = {
        "sid": new_sid("WS"),
        "account_sid": ACCOUNT,
        "friendly_name": "Support",
        "event_callback_url": "http://events.test/",
        "events_filter": "task.created",
        "multi_task_enabled": True,
        "prioritize_queue_order": TaskOrder.LIFO,
        "default_activity_sid": None,
        "timeout_activity_sid": None,
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
        "event_sequence": 0,
        "sequence": 0,
    }
    return Workspace(**(values | fields))


def activity(**fields: Any) -> Activity:
    values = {
        "sid": new_sid("WA"),
        "friendly_name": "Available",
        "available": True,
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
    }
    return Activity(**(values | fields))


def task_channel(**fields: Any) -> TaskChannel:
    values = {
        "sid": new_sid("TC"),
        "unique_name": "voice",
        "friendly_name": "Voice",
        "channel_optimized_routing": True,
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
    }
    return TaskChannel(**(values | fields))


def task_queue(**fields: Any) -> TaskQueue:
    values = {
        "sid": new_sid("WQ"),
        "friendly_name": f"Queue {next(_numbers)}",
        "target_workers": "1==1",
        "max_reserved_workers": 3,
        "task_order": TaskOrder.LIFO,
        "reservation_activity_sid": None,
        "assignment_activity_sid": None,
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
    }
    return TaskQueue(**(values | fields))


def workflow(**fields: Any) -> Workflow:
    values = {
        "sid": new_sid("WW"),
        "friendly_name": f"Workflow {next(_numbers)}",
        "configuration": '{"task_routing": {}}',
        "configuration_version": 1,
        "assignment_callback_url": "http://a.test/",
        "fallback_assignment_callback_url": "http://b.test/",
        "task_reservation_timeout_s": 77,
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
    }
    return Workflow(**(values | fields))


def worker(**fields: Any) -> Worker:
    values = {
        "sid": new_sid("WK"),
        "sequence": next(_numbers),
        "friendly_name": f"Ana {next(_numbers)}",
        "activity_sid": "WA" + "1" * 32,
        "attributes": '{"skills": ["é"]}',
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
        "date_status_changed_ms": NOW_MS + 2,
        "version": 4,
        "last_reserved_ms": NOW_MS + 3,
        "last_reserved_sequence": 9,
    }
    return Worker(**(values | fields))


def worker_channel(**fields: Any) -> WorkerChannel:
    values = {
        "sid": new_sid("WC"),
        "worker_sid": "WK" + "1" * 32,
        "task_channel_sid": "TC" + "1" * 32,
        "configured_capacity": 5,
        "available": False,
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
        "last_reserved_ms": NOW_MS + 2,
        "last_reserved_sequence": 8,
    }
    return WorkerChannel(**(values | fields))


def task(**fields: Any) -> Task:
    values = {
        "sid": new_sid("WT"),
        "sequence": next(_numbers),
        "status": TaskStatus.PENDING,
        "attributes": '{"language": "español"}',
        "addons": "{}",
        "priority": 7,
        "reason": "why",
        "timeout_s": 86_400,
        "task_channel_sid": "TC" + "1" * 32,
        "workflow_sid": "WW" + "1" * 32,
        "workflow_version": 2,
        "task_queue_sid": "WQ" + "1" * 32,
        "routing_target": None,
        "ignore_capacity": True,
        "virtual_start_ms": NOW_MS - 5,
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
        "task_queue_entered_ms": NOW_MS + 2,
        "date_assigned_ms": NOW_MS + 3,
        "version": 6,
        "entry_filter_index": 2,
        "filter_index": 1,
        "target_index": 3,
        "filter_entered_ms": NOW_MS + 4,
        "step_deadline_ms": NOW_MS + 5,
        "assignment_count": 11,
    }
    return Task(**(values | fields))


def finished_task(finished_ms: int, **fields: Any) -> Task:
    return task(**({"status": TaskStatus.COMPLETED, "date_finished_ms": finished_ms} | fields))


def reservation(of: Task, **fields: Any) -> Reservation:
    values = {
        "sid": new_sid("WR"),
        "sequence": next(_numbers),
        "task_sid": of.sid,
        "worker_sid": "WK" + "1" * 32,
        "task_queue_sid": of.task_queue_sid,
        "workflow_sid": of.workflow_sid,
        "task_channel_sid": of.task_channel_sid,
        "status": ReservationStatus.PENDING,
        "timeout_s": 120,
        "deadline_ms": NOW_MS + 120_000,
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
        "version": 2,
        "worker_previous_activity_sid": "WA" + "2" * 32,
        "canceled_reason_code": 40_000,
        "transfer_sid": "TT" + "1" * 32,
    }
    return Reservation(**(values | fields))


def transfer(of: Task, **fields: Any) -> Transfer:
    values = {
        "sid": new_sid("TT"),
        "sequence": next(_numbers),
        "task_sid": of.sid,
        "initiating_reservation_sid": "WR" + "1" * 32,
        "initiating_worker_sid": "WK" + "2" * 32,
        "initiating_queue_sid": "WQ" + "1" * 32,
        "initiating_workflow_sid": "WW" + "1" * 32,
        "to_sid": "WQ" + "2" * 32,
        "mode": TransferMode.COLD,
        "status": TransferStatus.FAILED,
        "date_created_ms": NOW_MS,
        "date_updated_ms": NOW_MS + 1,
        "failed_reason": "it was rejected",
        "priority": 7,
        "version": 3,
    }
    return Transfer(**(values | fields))


def event(sequence: int, **fields: Any) -> Event:
    values = {
        "sid": new_sid("EV"),
        "sequence": sequence,
        "event_type": "task.created",
        "event_date_ms": NOW_MS + sequence,
        "description": "Task was created",
        "resource_type": "task",
        "resource_sid": "WT" + "1" * 32,
        "actor_type": "workspace",
        "actor_sid": "WS" + "1" * 32,
        "data": {"task_sid": "WT" + "1" * 32, "task_attributes": '{"a": "é"}'},
    }
    return Event(**(values | fields))


def callback(of: Reservation, **fields: Any) -> AssignmentCallback:
    values = {
        "reservation_sid": of.sid,
        "task_sid": of.task_sid,
        "worker_sid": of.worker_sid,
        "workflow_sid": of.workflow_sid,
        "url": "http://a.test/",
        "fallback_url": "",
        "date_created_ms": NOW_MS,
        "fields": {"Timestamp": "1", "TaskAttributes": '{"a": "é"}', "AccountSid": ACCOUNT},
    }
    return AssignmentCallback(**(values | fields))


class OneOfEach(NamedTuple):
    """A workspace with one entity of every kind; what can belong together does."""

    workspace: Workspace
    activity: Activity
    task_channel: TaskChannel
    task_queue: TaskQueue
    workflow: Workflow
    worker: Worker
    worker_channel: WorkerChannel
    task: Task
    reservation: Reservation
    transfer: Transfer
    callback: AssignmentCallback


def one_of_each() -> OneOfEach:
    here, idle, channel, queue, flow, who = (
        workspace(), activity(), task_channel(), task_queue(), workflow(), worker(),
    )  # fmt: skip
    seat = worker_channel(worker_sid=who.sid, task_channel_sid=channel.sid)
    job = task(workflow_sid=flow.sid, workflow_version=flow.configuration_version)
    offer = reservation(job)
    return OneOfEach(here, idle, channel, queue, flow, who, seat, job, offer, transfer(job), callback(offer))


_PLACES = {
    Activity: "activities",
    TaskChannel: "task_channels",
    TaskQueue: "task_queues",
    Workflow: "workflows",
    Worker: "workers",
    WorkerChannel: "worker_channels",
    Task: "tasks",
    Reservation: "reservations",
    Transfer: "transfers",
}


def changes(*entities: Any) -> Changes:
    """Sort entities, events and callbacks into one batch."""
    batch = Changes()
    for entity in entities:
        if isinstance(entity, Workspace):
            batch.workspace = entity
        elif isinstance(entity, Event):
            batch.events.append(entity)
        elif isinstance(entity, AssignmentCallback):
            batch.callbacks.append(entity)
        else:
            getattr(batch, _PLACES[type(entity)])[entity.sid] = entity
        if isinstance(entity, Workflow):
            batch.configurations[entity.sid, entity.configuration_version] = entity.configuration
    return batch


async def made(store: PostgresStore, *entities: Any, **of_workspace: Any) -> Lease:
    """Store a new workspace with these entities in it, owned by OWNER."""
    return await store.create_workspace(OWNER, 60.0, changes(workspace(**of_workspace), *entities))
