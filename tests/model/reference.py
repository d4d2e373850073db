"""A router that is too simple to be wrong: the oracle for the routing core (behaviour §1 to §8, §14, §15).

Everything is a plain dict. Nothing is indexed, remembered or kept up to date: who may take what is asked of
every task and every worker, again and again; timers are found by looking at everything that has one. A
refused command is undone by putting back a deep copy. No line of it comes from the product.

Times are milliseconds (`now`, `…_at`), durations in seconds carry `_s`. The log holds (event type, subject)
pairs: the subject is the SID of the reservation, else of the task, the worker, or the configured thing.
"""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

from tests.model.naive_configuration import read_configuration
from tests.model.naive_expressions import (
    BadExpression,
    evaluate,
    parse,
)
from tests.model.questions import HELD, IN_DEFAULT_FILTER, OFFER, OPEN, STEP, TTL, Questions, Thing

BUILT_IN_CHANNELS = ("default", "voice", "sms", "chat", "video")


class Refusal(Exception):
    """The command is not legal now."""


class Reference(Questions):
    """One workspace. `do` a command, let time `advance`, `match`; read `w` and `log`."""

    def __init__(
        self,
        new_sid: Callable[[str], str],
        now: int,
        *,
        single_tasking: bool = False,
        preferred_order: str = "FIFO",
        assignment_count_max: int = 1_000,
        assigned_s_max: int = 86_400,
        finished_retention_s: int = 300,
        backoff_base_ms: int = 1_000,
        backoff_max_ms: int = 60_000,
    ) -> None:
        self.new_sid = new_sid
        self.assignment_count_max = assignment_count_max
        self.assigned_s_max = assigned_s_max
        self.finished_retention_ms = finished_retention_s * 1000
        self.backoff_base_ms = backoff_base_ms
        self.backoff_max_ms = backoff_max_ms
        self.log: list[tuple[str, str]] = []
        self.w: dict[str, Any] = {
            "single_tasking": single_tasking,
            "preferred_order": preferred_order,
            "sequence": 0,
            **{kind: {} for kind in ("activities", "channels", "queues", "workflows", "workers")},
            "tasks": {},
            "reservations": {},
            "transfers": {},
        }
        for name, available in (("Offline", False), ("Available", True), ("Unavailable", False)):
            self.add("activities", new_sid("WA"), name=name, available=available)
        for name in BUILT_IN_CHANNELS:
            self.add("channels", new_sid("TC"), name=name, friendly_name=name.capitalize(), optimized=False)
        self.w["default_activity"] = self.w["timeout_activity"] = next(iter(self.w["activities"]))
        self.log.clear()

    # Commands

    def do(self, command: str, fields: Thing, now: int) -> None:
        """Carry out the command of that class name; raises Refusal and leaves everything as it was.

        `fields` holds what was sent: a key that is absent was not sent.
        """
        before, log_length = copy.deepcopy(self.w), len(self.log)
        try:
            getattr(self, re.sub(r"(?<!^)(?=[A-Z])", "_", command).lower())(now, **fields)
        except Refusal:
            self.w = before
            del self.log[log_length:]
            raise

    def add(self, kind: str, sid: str, **fields: Any) -> Thing:
        thing = {"sid": sid, **fields}
        self.w[kind][sid] = thing
        return thing

    def get(self, kind: str, sid: str | None) -> Thing:
        if sid not in self.w[kind]:
            raise Refusal(f"no {sid} among {kind}")
        found: Thing = self.w[kind][sid]
        return found

    def has_reason(self, task: str) -> bool:
        """Whether the behaviour reference gives the words of the task's reason."""
        return task in self.w["tasks"] and self.w["tasks"][task]["reason"] is not None

    def note(self, event: str, sid: str) -> None:
        self.log.append((event, sid))

    def number(self) -> int:
        """The next number for a worker, a task, a reservation or a transfer."""
        self.w["sequence"] += 1
        return int(self.w["sequence"])

    def name_is_free(self, kind: str, sid: str, name: str) -> None:
        def plain(text: str) -> str:
            return text.lower() if kind == "workers" else text

        for other in self.w[kind].values():
            if other["sid"] != sid and plain(other["name"]) == plain(name):
                raise Refusal(f"{name} is taken")

    def version_is(self, thing: Thing, if_match: int | None) -> None:
        if if_match is not None and if_match != thing.get("version", 0):
            raise Refusal("version")

    # Configuration

    def update_workspace(self, now: int, **changed: Any) -> None:
        wanted = {key.removesuffix("_sid"): value for key, value in changed.items()}
        for key in ("default_activity", "timeout_activity"):
            if key in wanted:
                self.get("activities", wanted[key])
        if "multi_task_enabled" in wanted:
            wanted["single_tasking"] = not wanted.pop("multi_task_enabled")
        if "prioritize_queue_order" in wanted:
            wanted["preferred_order"] = str(wanted.pop("prioritize_queue_order"))
        self.change(self.w, wanted, "workspace.updated", "workspace")

    def change(self, thing: Thing, wanted: Thing, event: str, sid: str) -> None:
        """Set what differs; what changes nothing is no event."""
        if any(thing[key] != value for key, value in wanted.items()):
            thing.update(wanted)
            self.note(event, sid)

    def create_activity(self, now: int, *, sid: str, friendly_name: str, available: bool = False) -> None:
        self.name_is_free("activities", sid, friendly_name)
        self.add("activities", sid, name=friendly_name, available=available)
        self.note("activity.created", sid)

    def update_activity(self, now: int, *, sid: str, **changed: Any) -> None:
        activity = self.get("activities", sid)
        name = str(changed.get("friendly_name", activity["name"]))
        self.name_is_free("activities", sid, name)
        self.change(activity, {"name": name}, "activity.updated", sid)

    def delete_activity(self, now: int, *, sid: str) -> None:
        self.get("activities", sid)
        if sid in (self.w["default_activity"], self.w["timeout_activity"]):
            raise Refusal("the workspace needs it")
        if any(worker["activity"] == sid for worker in self.w["workers"].values()):
            raise Refusal("a worker is in it")
        if any(
            sid in (q["reservation_activity"], q["assignment_activity"]) for q in self.w["queues"].values()
        ):
            raise Refusal("a queue names it")
        del self.w["activities"][sid]
        self.note("activity.deleted", sid)

    def create_task_channel(
        self,
        now: int,
        *,
        sid: str,
        friendly_name: str,
        unique_name: str,
        channel_optimized_routing: bool = False,
    ) -> None:
        self.name_is_free("channels", sid, unique_name)
        channel = self.add(
            "channels",
            sid,
            name=unique_name,
            friendly_name=friendly_name,
            optimized=channel_optimized_routing,
        )
        for worker in self.w["workers"].values():
            self.give_channel(worker, channel)
        self.note("task-channel.created", sid)

    def give_channel(self, worker: Thing, channel: Thing) -> None:
        worker["channels"][channel["sid"]] = {"capacity": 1, "available": True, "last_reserved": 0}

    def update_task_channel(self, now: int, *, sid: str, **changed: Any) -> None:
        channel = self.channel(sid)
        wanted = {
            "optimized": changed.get("channel_optimized_routing", channel["optimized"]),
            "friendly_name": changed.get("friendly_name", channel["friendly_name"]),
        }
        self.change(channel, wanted, "task-channel.updated", channel["sid"])

    def delete_task_channel(self, now: int, *, sid: str) -> None:
        channel = self.channel(sid)
        if channel["name"] in BUILT_IN_CHANNELS:
            raise Refusal("built in")
        held = [r for r in self.w["reservations"].values() if r["status"] in OPEN]
        if any(thing["channel"] == channel["sid"] for thing in (*self.open_tasks(), *held)):
            raise Refusal("a task is on it")
        del self.w["channels"][channel["sid"]]
        for worker in self.w["workers"].values():
            del worker["channels"][channel["sid"]]
        self.note("task-channel.deleted", channel["sid"])

    def channel(self, sid_or_name: str) -> Thing:
        for channel in self.w["channels"].values():
            if sid_or_name in (channel["sid"], channel["name"]):
                found: Thing = channel
                return found
        raise Refusal("no such channel")

    def create_task_queue(
        self,
        now: int,
        *,
        sid: str,
        friendly_name: str,
        target_workers: str = "1==1",
        max_reserved_workers: int = 1,
        task_order: str = "FIFO",
        reservation_activity_sid: str | None = None,
        assignment_activity_sid: str | None = None,
    ) -> None:
        self.name_is_free("queues", sid, friendly_name)
        self.target_workers_are_correct(target_workers)
        for activity in (reservation_activity_sid, assignment_activity_sid):
            if activity is not None:
                self.get("activities", activity)
        self.add(
            "queues",
            sid,
            name=friendly_name,
            target_workers=target_workers,
            max_reserved=max_reserved_workers,
            order=str(task_order),
            reservation_activity=reservation_activity_sid,
            assignment_activity=assignment_activity_sid,
        )
        self.note("task-queue.created", sid)

    def target_workers_are_correct(self, text: str) -> None:
        if text.strip():
            self.correct(parse, text)

    def correct(self, check: Callable[[str], Any], text: str) -> None:
        try:
            check(text)
        except BadExpression as bad:
            raise Refusal(str(bad)) from bad

    def update_task_queue(self, now: int, *, sid: str, **changed: Any) -> None:
        queue = self.get("queues", sid)
        if "friendly_name" in changed:
            self.name_is_free("queues", sid, changed["friendly_name"])
            queue["name"] = changed["friendly_name"]
        for key in ("reservation_activity", "assignment_activity"):
            if f"{key}_sid" in changed:
                wanted = changed[f"{key}_sid"]
                queue[key] = None if wanted is None else self.get("activities", wanted)["sid"]
        queue["max_reserved"] = changed.get("max_reserved_workers", queue["max_reserved"])
        queue["order"] = str(changed.get("task_order", queue["order"]))
        if changed.get("target_workers", queue["target_workers"]) != queue["target_workers"]:
            self.target_workers_are_correct(changed["target_workers"])
            queue["target_workers"] = changed["target_workers"]
            self.note("task-queue.expression.updated", sid)

    def delete_task_queue(self, now: int, *, sid: str) -> None:
        self.get("queues", sid)
        configurations = [w["configuration"] for w in self.w["workflows"].values()]
        unassigned = [t for t in self.open_tasks() if t["status"] in ("pending", "reserved")]
        configurations += [
            task["configuration"]
            for task in unassigned
            if task["configuration"] and task["workflow"] in self.w["workflows"]
        ]
        if any(sid in read_configuration(text)["queues"] for text in configurations):
            raise Refusal("a workflow names it")
        if any(sid == task["queue"] for task in self.open_tasks()):
            raise Refusal("a task waits in it")
        if any(t["from_queue"] == sid and t["status"] == "initiated" for t in self.w["transfers"].values()):
            raise Refusal("a task may come back to it")
        del self.w["queues"][sid]
        self.note("task-queue.deleted", sid)

    def create_workflow(
        self,
        now: int,
        *,
        sid: str,
        friendly_name: str,
        configuration: str,
        assignment_callback_url: str = "",
        fallback_assignment_callback_url: str = "",
        task_reservation_timeout_s: int = 120,
    ) -> None:
        self.add(
            "workflows",
            sid,
            name=friendly_name,
            configuration=self.checked(configuration),
            reservation_timeout_s=task_reservation_timeout_s,
        )
        self.note("workflow.created", sid)

    def checked(self, configuration: str) -> str:
        self.correct(read_configuration, configuration)
        for queue in read_configuration(configuration)["queues"]:
            self.get("queues", queue)
        return configuration

    def update_workflow(self, now: int, *, sid: str, re_evaluate_tasks: bool = False, **changed: Any) -> None:
        workflow = self.get("workflows", sid)
        if "friendly_name" in changed:
            workflow["name"] = changed["friendly_name"]
        if "configuration" in changed:
            workflow["configuration"] = self.checked(changed["configuration"])
        if "task_reservation_timeout_s" in changed:
            workflow["reservation_timeout_s"] = changed["task_reservation_timeout_s"]
        self.note("workflow.updated", sid)
        if not re_evaluate_tasks:
            return
        for task in list(self.open_tasks()):
            if task["status"] == "pending" and task["workflow"] == sid and task["configuration"]:
                task["configuration"] = workflow["configuration"]
                self.enter_workflow(task, now)

    def delete_workflow(self, now: int, *, sid: str) -> None:
        self.get("workflows", sid)
        if any(t["workflow"] == sid and t["status"] in ("pending", "reserved") for t in self.open_tasks()):
            raise Refusal("tasks are controlled by it")
        del self.w["workflows"][sid]
        self.note("workflow.deleted", sid)

    # Workers

    def create_worker(
        self,
        now: int,
        *,
        sid: str,
        friendly_name: str,
        attributes: str = "{}",
        activity_sid: str | None = None,
    ) -> None:
        self.name_is_free("workers", sid, friendly_name)
        activity = self.get("activities", activity_sid or self.w["default_activity"])
        worker = self.add(
            "workers",
            sid,
            number=self.number(),
            name=friendly_name,
            attributes=json.loads(attributes),
            activity=activity["sid"],
            last_reserved=0,
            channels={},
        )
        for channel in self.w["channels"].values():
            self.give_channel(worker, channel)
        self.note("worker.created", sid)

    def update_worker(
        self,
        now: int,
        *,
        sid: str,
        reject_pending_reservations: bool = False,
        if_match: int | None = None,
        **changed: Any,
    ) -> None:
        worker = self.get("workers", sid)
        self.version_is(worker, if_match)
        if "friendly_name" in changed:
            self.name_is_free("workers", sid, changed["friendly_name"])
            worker["name"] = changed["friendly_name"]
        if "attributes" in changed:
            worker["attributes"] = json.loads(changed["attributes"])
            self.note("worker.attributes.update", sid)
        if "activity_sid" in changed:
            self.get("activities", changed["activity_sid"])
            self.move_worker(worker, changed["activity_sid"])
        if not reject_pending_reservations:
            return
        if self.is_available(worker):
            raise Refusal("only in an unavailable activity")
        for reservation in self.pending_reservations(worker=sid):
            self.end_unaccepted(reservation, "rejected", now)

    def move_worker(self, worker: Thing, activity: str | None) -> None:
        if activity is not None and activity != worker["activity"]:
            worker["activity"] = activity
            self.note("worker.activity.update", worker["sid"])

    def delete_worker(self, now: int, *, sid: str, if_match: int | None = None) -> None:
        worker = self.get("workers", sid)
        self.version_is(worker, if_match)
        held = [r for r in self.w["reservations"].values() if r["worker"] == sid and r["status"] in OPEN]
        if any(reservation["status"] != "pending" for reservation in held):
            raise Refusal("it holds an accepted task")
        for reservation in held:
            reservation["status"] = "canceled"
            self.note("reservation.canceled", reservation["sid"])
        del self.w["workers"][sid]
        self.note("worker.deleted", sid)
        for reservation in held:
            self.end_round_if_over(self.w["tasks"][reservation["task"]], reservation, now)

    def update_worker_channel(self, now: int, *, worker_sid: str, channel: str, **changed: Any) -> None:
        worker = self.get("workers", worker_sid)
        mine = worker["channels"][self.channel(channel)["sid"]]
        if changed.get("capacity", mine["capacity"]) != mine["capacity"]:
            mine["capacity"] = changed["capacity"]
            self.note("worker.capacity.update", worker_sid)
        if changed.get("available", mine["available"]) != mine["available"]:
            mine["available"] = changed["available"]
            self.note("worker.channel.availability.update", worker_sid)

    # Tasks

    def create_task(
        self,
        now: int,
        *,
        sid: str,
        attributes: str = "{}",
        workflow_sid: str | None = None,
        task_channel: str | None = None,
        priority: int | None = None,
        timeout_s: int = 86_400,
        virtual_start_ms: int | None = None,
        routing_target: str | None = None,
        ignore_capacity: bool | None = None,
        task_queue_sid: str | None = None,
    ) -> None:
        to_worker = (routing_target or "").startswith("WK")
        straight_to_queue = task_queue_sid
        if routing_target is not None and routing_target.startswith("WQ"):
            straight_to_queue = routing_target
        if routing_target is not None and routing_target.startswith("WW"):
            workflow_sid = routing_target
        if to_worker:
            self.get("workers", routing_target)
        if straight_to_queue is not None:
            self.get("queues", straight_to_queue)
        channel = self.channel(task_channel or "default")
        workflow = self.workflow_of(workflow_sid, needed=not to_worker and straight_to_queue is None)
        by_filters = not to_worker and straight_to_queue is None and workflow is not None
        task = self.add(
            "tasks",
            sid,
            number=self.number(),
            status="pending",
            attributes=json.loads(attributes),
            priority=priority or 0,
            reason=None,
            created_at=now,
            lives_since=now,
            timeout_s=timeout_s,
            channel=channel["sid"],
            workflow=workflow["sid"] if workflow else None,
            configuration=workflow["configuration"] if workflow and by_filters else None,
            queue=None,
            queue_entered_at=None,
            routing_target=routing_target,
            ignore_capacity=to_worker if ignore_capacity is None else ignore_capacity,
            virtual_start_at=now if virtual_start_ms is None else virtual_start_ms,
            first_choice=None,
            filter=None,
            step=0,
            deadline=None,
            question=None,
            rounds=0,
            assigned_at=None,
            finished_at=None,
            refusals={},
        )
        self.note("task.created", sid)
        if by_filters:
            self.enter_workflow(task, now)
        elif straight_to_queue is not None:
            self.enter_queue(task, straight_to_queue, now)

    def workflow_of(self, sid: str | None, needed: bool) -> Thing | None:
        workflows = self.w["workflows"]
        if sid is not None:
            return self.get("workflows", sid)
        if len(workflows) == 1:
            only: Thing = next(iter(workflows.values()))
            return only
        if needed:
            raise Refusal("WorkflowSid field is required")
        return None

    def present_task(self, sid: str, now: int) -> Thing:
        """A finished task can be addressed for five minutes more (behaviour §2)."""
        task = self.get("tasks", sid)
        if task["finished_at"] is not None and now >= task["finished_at"] + self.finished_retention_ms:
            raise Refusal("finished long ago")
        return task

    def update_task(self, now: int, *, sid: str, if_match: int | None = None, **changed: Any) -> None:
        task = self.present_task(sid, now)
        self.version_is(task, if_match)
        status = changed.get("assignment_status")
        if "attributes" in changed and status in ("wrapping", "completed"):
            raise Refusal("two requests, please")
        if "task_channel" in changed:
            task["channel"] = self.channel(changed["task_channel"])["sid"]
        if "attributes" in changed:
            task["attributes"] = json.loads(changed["attributes"])
        task["priority"] = changed.get("priority", task["priority"])
        task["virtual_start_at"] = changed.get("virtual_start_ms", task["virtual_start_at"])
        if set(changed) - {"assignment_status", "reason"}:
            self.note("task.updated", sid)
            if task["status"] == "pending" and status is None:
                self.walk_again(task, now)
        if status is not None:
            self.set_task_status(task, str(status), changed.get("reason"), now)
            self.note("task.updated", sid)

    def set_task_status(self, task: Thing, status: str, reason: str | None, now: int) -> None:
        transfer = self.open_transfer(task["sid"])
        if transfer is not None:
            if status != "canceled" or self.is_held(task):
                raise Refusal("it is being transferred")
            self.end_transfer(transfer, "canceled", None, now, reroute=False)
        allowed = {
            "canceled": ("pending", "reserved"),
            "wrapping": ("assigned",),
            "completed": ("assigned", "wrapping"),
        }
        if status not in allowed or task["status"] not in allowed[status]:
            raise Refusal(f"{task['status']} → {status}")
        if status == "canceled":
            self.cancel(task, reason, now)
        elif status == "wrapping":
            self.wrap(task)
            task["reason"] = reason or task["reason"]
        else:
            self.complete(task, reason, now)

    def cancel(self, task: Thing, reason: str | None, now: int) -> None:
        task["status"], task["reason"], task["finished_at"] = "canceled", reason, now
        self.note("task.canceled", task["sid"])
        for reservation in self.pending_reservations(task=task["sid"]):
            reservation["status"] = "canceled"
            self.note("reservation.canceled", reservation["sid"])

    def wrap(self, task: Thing) -> None:
        task["status"] = "wrapping"
        self.note("task.wrapup", task["sid"])
        for reservation in self.open_reservations(task["sid"]):
            if reservation["status"] == "accepted":
                reservation["status"] = "wrapping"
                self.note("reservation.wrapup", reservation["sid"])

    def complete(self, task: Thing, reason: str | None, now: int) -> None:
        task["status"], task["finished_at"] = "completed", now
        task["reason"] = reason or task["reason"]
        self.note("task.completed", task["sid"])
        self.complete_reservations(task)

    def complete_reservations(self, task: Thing) -> None:
        for reservation in self.open_reservations(task["sid"]):
            reservation["status"] = "completed"
            self.note("reservation.completed", reservation["sid"])

    def delete_task(self, now: int, *, sid: str, if_match: int | None = None) -> None:
        task = self.present_task(sid, now)
        self.version_is(task, if_match)
        self.remove(task, "task.deleted")

    def remove(self, task: Thing, event: str) -> None:
        """An offer is taken back; an accepted reservation is told that it is over (behaviour §2)."""
        for reservation in self.open_reservations(task["sid"]):
            reservation["status"] = "canceled" if reservation["status"] == "pending" else "completed"
            self.note(f"reservation.{reservation['status']}", reservation["sid"])
        transfer = self.open_transfer(task["sid"])
        if transfer is not None:
            self.note("task.transfer-canceled", transfer["reservation"])
        self.note(event, task["sid"])
        del self.w["tasks"][task["sid"]]
        for kind in ("reservations", "transfers"):
            for sid in [s for s, thing in self.w[kind].items() if thing["task"] == task["sid"]]:
                del self.w[kind][sid]

    # Reservations

    def update_reservation(
        self,
        now: int,
        *,
        sid: str,
        status: str,
        task_sid: str | None = None,
        worker_sid: str | None = None,
        activity_sid: str | None = None,
        if_match: int | None = None,
    ) -> None:
        reservation = self.get("reservations", sid)
        if task_sid not in (None, reservation["task"]) or worker_sid not in (None, reservation["worker"]):
            raise Refusal("not a reservation of that task or worker")
        self.version_is(reservation, if_match)
        if activity_sid is not None:
            self.get("activities", activity_sid)
        allowed = {
            "accepted": ("pending",),
            "rejected": ("pending",),
            "wrapping": ("accepted",),
            "completed": ("accepted", "wrapping"),
        }
        if reservation["status"] not in allowed.get(str(status), ()):
            raise Refusal(f"{reservation['status']} → {status}")
        if status == "accepted":
            self.accept(reservation, now)
        elif status == "rejected":
            self.reject(reservation, activity_sid, now)
        else:
            self.let_go(reservation, str(status), now)

    def let_go(self, reservation: Thing, status: str, now: int) -> None:
        """Of several who hold a task each lets go alone; the task follows the last of them."""
        task = self.w["tasks"][reservation["task"]]
        transfer = self.open_transfer(task["sid"])
        if transfer and transfer["mode"] == "WARM" and transfer["reservation"] == reservation["sid"]:
            raise Refusal("it began a transfer")
        others = [r for r in self.open_reservations(task["sid"]) if r is not reservation]
        at_work = [r for r in others if r["status"] == "accepted"]
        if not transfer and status == "wrapping" and not at_work:
            self.wrap(task)
        elif not transfer and not others:
            self.complete(task, None, now)
        else:
            reservation["status"] = status
            event = "reservation.wrapup" if status == "wrapping" else "reservation.completed"
            self.note(event, reservation["sid"])
            if not transfer and not at_work and task["status"] == "assigned":
                self.wrap(task)

    def assignment_instructed(
        self,
        now: int,
        *,
        reservation_sid: str,
        instruction: str | None = None,
        activity_sid: str | None = None,
    ) -> None:
        reservation = self.w["reservations"].get(reservation_sid)
        if reservation is None or reservation["status"] != "pending":
            return
        if instruction == "accept":
            self.accept(reservation, now)
        if instruction == "reject":
            self.reject(reservation, activity_sid, now)

    def assignment_callback_failed(self, now: int, *, reservation_sid: str, reason: str) -> None:
        reservation = self.w["reservations"].get(reservation_sid)
        if reservation is not None and reservation["status"] == "pending":
            self.end_unaccepted(reservation, "canceled", now)

    def accept(self, reservation: Thing, now: int) -> None:
        reservation["status"] = "accepted"
        task = self.w["tasks"][reservation["task"]]
        task["status"], task["assigned_at"] = "assigned", now
        self.note("reservation.accepted", reservation["sid"])
        for sibling in self.pending_reservations(task=task["sid"]):
            sibling["status"] = "rescinded"
            self.note("reservation.rescinded", sibling["sid"])
        if reservation["transfer"] is not None:
            transfer = self.w["transfers"][reservation["transfer"]]
            transfer["status"] = "complete"
            self.note("task.transfer-completed", transfer["reservation"])
        self.move_if_single_tasking(task, [self.w["workers"][reservation["worker"]]], "assignment_activity")

    def move_if_single_tasking(self, task: Thing, workers: list[Thing], activity: str) -> None:
        if self.w["single_tasking"] and task["queue"] is not None:
            for worker in workers:
                self.move_worker(worker, self.w["queues"][task["queue"]][activity])

    def reject(self, reservation: Thing, activity: str | None, now: int) -> None:
        self.end_unaccepted(reservation, "rejected", now, activity)

    def end_unaccepted(self, reservation: Thing, status: str, now: int, activity: str | None = None) -> None:
        """The worker let it go: move it, hold the pair apart; the last one out ends the round."""
        reservation["status"] = status
        self.note(f"reservation.{status}", reservation["sid"])
        self.move_worker(self.w["workers"][reservation["worker"]], activity)
        task = self.w["tasks"][reservation["task"]]
        count = task["refusals"].get(reservation["worker"], (0, 0))[0] + 1
        pause_ms = min(self.backoff_base_ms * 2 ** (count - 1), self.backoff_max_ms)
        task["refusals"][reservation["worker"]] = (count, now + pause_ms)
        self.end_round_if_over(task, reservation, now)

    def end_round_if_over(self, task: Thing, ended: Thing, now: int) -> None:
        if self.pending_reservations(task=task["sid"]):
            return
        if ended["transfer"] is not None:
            self.end_attempt(task, self.w["transfers"][ended["transfer"]], ended["status"], now)
            return
        task["status"] = "pending"
        if task["rounds"] >= self.assignment_count_max:
            self.cancel(task, None, now)
            return
        self.walk_again(task, now)
        self.leave_past_steps(task, now)
        if task["status"] == "pending":
            self.ask_skip_if(task)

    # Transfers

    def create_transfer(
        self,
        now: int,
        *,
        sid: str,
        task_sid: str,
        to_sid: str,
        reservation_sid: str | None = None,
        worker_sid: str | None = None,
        mode: str = "WARM",
        priority: int | None = None,
        attributes: str | None = None,
    ) -> None:
        task = self.present_task(task_sid, now)
        began = [
            reservation
            for reservation in self.open_reservations(task_sid)
            if reservation["status"] in HELD
            and reservation_sid in (None, reservation["sid"])
            and worker_sid in (None, reservation["worker"])
        ]
        if len(began) != 1 or task["status"] != "assigned" or self.open_transfer(task_sid):
            raise Refusal("not now")
        to_worker = self.get("workers", to_sid) if to_sid.startswith("WK") else None
        if to_worker is None:
            self.get("queues", to_sid)
        elif any(r["worker"] == to_sid for r in self.open_reservations(task_sid)):
            raise Refusal("the worker has it")
        elif not self.is_available(to_worker) or not self.has_room(task, to_worker):
            raise Refusal("the worker is not available")
        transfer = self.add(
            "transfers",
            sid,
            number=self.number(),
            task=task_sid,
            reservation=began[0]["sid"],
            from_worker=began[0]["worker"],
            from_queue=task["queue"],
            to=to_sid,
            mode=str(mode),
            status="initiated",
            reason=None,
        )
        task["refusals"].clear()
        self.note("task.transfer-initiated", transfer["reservation"])
        if attributes is not None or priority is not None:
            task["priority"] = task["priority"] if priority is None else priority
            task["attributes"] = task["attributes"] if attributes is None else json.loads(attributes)
            self.note("task.updated", task_sid)
        if mode == "COLD" and began[0]["status"] == "accepted":
            began[0]["status"] = "wrapping"
            self.note("reservation.wrapup", began[0]["sid"])
        if to_worker is not None:
            self.reserve(task, [to_worker], now)
        else:
            self.put_into_queue(task, to_sid, now)

    def cancel_transfer(
        self, now: int, *, sid: str, task_sid: str, worker_sid: str | None = None, if_match: int | None = None
    ) -> None:
        transfer = self.get("transfers", sid)
        self.version_is(transfer, if_match)
        if transfer["task"] != task_sid or transfer["status"] != "initiated":
            raise Refusal("not this one")
        if worker_sid not in (None, transfer["from_worker"]):
            raise Refusal("another began it")
        self.end_transfer(transfer, "canceled", None, now)

    def end_attempt(self, task: Thing, transfer: Thing, how: str, now: int) -> None:
        """To a worker there is one attempt; to a queue as many as a task may be offered at all."""
        how = {"timeout": "timed out"}.get(how, f"was {how}")
        if transfer["to"].startswith("WK") or task["rounds"] >= self.assignment_count_max:
            self.end_transfer(transfer, "failed", f"Transfer failed because the reservation {how}", now)
            return
        task["status"] = "assigned"
        self.note("task.transfer-attempt-failed", transfer["reservation"])

    def end_transfer(
        self, transfer: Thing, outcome: str, reason: str | None, now: int, *, reroute: bool = True
    ) -> None:
        """Give the task back to those who hold it; one that nobody holds is routed from the top."""
        transfer["status"], transfer["reason"] = outcome, reason
        task = self.w["tasks"][transfer["task"]]
        was_reserved, held = task["status"] == "reserved", self.is_held(task)
        task["status"] = "assigned" if held else "pending"
        for offer in self.pending_reservations(task=task["sid"]):
            offer["status"] = "canceled"
            self.note("reservation.canceled", offer["sid"])
        self.note(f"task.transfer-{outcome}", transfer["reservation"])
        if transfer["to"].startswith("WQ"):
            self.put_into_queue(task, transfer["from_queue"], now)
        if was_reserved or not held:
            self.note("task.updated", task["sid"])
        if not held:
            task["lives_since"] = now
            if reroute:
                self.route_anew(task, now)

    def route_anew(self, task: Thing, now: int) -> None:
        workflow = self.w["workflows"].get(task["workflow"])
        if task["rounds"] >= self.assignment_count_max:
            self.cancel(task, None, now)
        elif task["configuration"] and workflow:
            task["configuration"] = workflow["configuration"]
            self.enter_workflow(task, now)
        else:
            task["configuration"] = task["filter"] = task["deadline"] = None

    def put_into_queue(self, task: Thing, queue: str | None, now: int) -> None:
        if queue is not None:
            self.enter_queue(task, queue, now)
        elif task["queue"] is not None:
            self.note("task-queue.moved", task["sid"])
            task["queue"] = task["queue_entered_at"] = None

    # Workflow

    def enter_workflow(self, task: Thing, now: int) -> None:
        self.note("workflow.entered", task["sid"])
        self.walk_from_the_top(task, now)

    def walk_from_the_top(self, task: Thing, now: int) -> None:
        """Enter the first filter that matches, else the default filter, else fall out (CX-2, OQ-1)."""
        index = self.first_matching_filter(task, 0, now)
        if index is None and read_configuration(task["configuration"])["default"]:
            index = IN_DEFAULT_FILTER
        task["first_choice"] = index
        if index is None:
            self.fall_out(task, "workflow.timeout", now)
        else:
            self.enter_filter(task, index, now)

    def walk_again(self, task: Thing, now: int) -> None:
        """Attributes may have changed: another first choice starts anew, the same one changes nothing."""
        if not task["configuration"]:
            return
        index = self.first_matching_filter(task, 0, now)
        if index is None and read_configuration(task["configuration"])["default"]:
            index = IN_DEFAULT_FILTER
        if index is None or index != task["first_choice"]:
            self.walk_from_the_top(task, now)

    def enter_filter(self, task: Thing, index: int, now: int) -> None:
        task["filter"] = index
        self.enter_step(task, 0, now, now)

    def enter_step(self, task: Thing, step: int, base: int, now: int) -> None:
        """`base` is where this step's timeout counts from (OQ-3)."""
        task["step"] = step
        target = self.targets(task)[step]
        task["deadline"] = None if target["timeout_s"] is None else base + target["timeout_s"] * 1000
        self.ask_skip_if(task)
        if target["priority"] is not None:
            task["priority"] = target["priority"]
        self.enter_queue(task, target["queue"], now)
        self.note("workflow.target-matched", task["sid"])

    def ask_skip_if(self, task: Thing) -> None:
        """Put the step's skip_if on the list of questions, unless it is there: on entry and after a round."""
        target = self.target(task)
        task["question"] = bool(target and target["skip_if"])

    def enter_queue(self, task: Thing, queue: str, now: int) -> None:
        if task["queue"] == queue:
            return
        if task["queue"] is not None:
            self.note("task-queue.moved", task["sid"])
        task["queue"], task["queue_entered_at"] = queue, now
        self.note("task-queue.entered", task["sid"])

    def leave_past_steps(self, task: Thing, now: int) -> None:
        """Steps whose deadlines have passed go by one after the other, without a chance to match."""
        while self.step_is_over(task, now):
            self.time_out_step(task, now)

    def time_out_step(self, task: Thing, now: int) -> None:
        """Next target, counting on from the passed deadline; else the next matching filter; else out."""
        self.note("task-queue.timeout", task["sid"])
        if task["step"] + 1 < len(self.targets(task)):
            self.enter_step(task, task["step"] + 1, task["deadline"], now)
            return
        below = self.first_matching_filter(task, task["filter"] + 1, now)
        if below is not None:
            self.enter_filter(task, below, now)
        else:
            self.fall_out(task, "workflow.timeout", now, "Task canceled on Workflow timeout")

    def skip_step(self, task: Thing, now: int) -> None:
        """Next target from now on; else the next matching filter; else the default filter; else out."""
        if task["step"] + 1 < len(self.targets(task)):
            self.enter_step(task, task["step"] + 1, now, now)
            return
        below = None
        if task["filter"] != IN_DEFAULT_FILTER:
            below = self.first_matching_filter(task, task["filter"] + 1, now)
            if below is None and read_configuration(task["configuration"])["default"]:
                below = IN_DEFAULT_FILTER
        if below is not None:
            self.enter_filter(task, below, now)
        else:
            self.fall_out(task, "workflow.skipped", now)

    def fall_out(self, task: Thing, event: str, now: int, reason: str | None = None) -> None:
        self.note(event, task["sid"])
        self.cancel(task, reason, now)

    # Time

    def advance(self, now: int) -> None:
        """Fire what is due, the earliest first, each as if at `now`."""
        while (timers := self.timers()) and timers[0][0] <= now:
            _, what, thing = timers[0]
            if what == TTL:
                self.cancel(thing, "Task TTL Exceeded", now)
            elif what == STEP:
                self.leave_past_steps(thing, now)
            elif what == OFFER:
                self.end_unaccepted(thing, "timeout", now, self.w["timeout_activity"])
            else:
                self.remove(thing, "task.system-deleted")

    def forgive(self) -> None:
        """A restart forgets who refused what."""
        for task in self.w["tasks"].values():
            task["refusals"].clear()

    # Matching

    def match(self, now: int) -> None:
        """Offer until nothing more can be offered, let those left waiting skip their step, and again."""
        while self.offer_one(now) or self.skip(now):
            pass

    def offer_one(self, now: int) -> bool:
        for task in self.waiting():
            workers = [w for w in self.w["workers"].values() if self.is_offerable(task, w, now)]
            if workers:
                self.reserve(task, self.best_first(task, workers)[: self.workers_wanted(task)], now)
                return True
        return False

    def skip(self, now: int) -> bool:
        """Answer the open questions, the oldest task first; nobody skips while a worker only pauses."""
        asked = sorted((t for t in self.waiting() if t["question"]), key=lambda task: task["number"])
        skipped = False
        for task in asked:
            task["question"] = False
            if any(self.suits(task, worker, now) for worker in self.w["workers"].values()):
                continue
            if evaluate(self.targets(task)[task["step"]]["skip_if"], self.presence(task["queue"])):
                self.skip_step(task, now)
                skipped = True
        return skipped

    def reserve(self, task: Thing, workers: list[Thing], now: int) -> None:
        task["status"] = "reserved"
        task["rounds"] += 1
        task["question"] = False
        workflow = self.w["workflows"].get(task["workflow"])
        timeout_s = workflow["reservation_timeout_s"] if workflow else 120
        transfer = self.open_transfer(task["sid"])
        for worker in workers:
            reservation = self.add(
                "reservations",
                self.new_sid("WR"),
                number=self.number(),
                task=task["sid"],
                worker=worker["sid"],
                channel=task["channel"],
                status="pending",
                transfer=transfer["sid"] if transfer else None,
                deadline=now + timeout_s * 1000,
            )
            worker["last_reserved"] = reservation["number"]
            worker["channels"][task["channel"]]["last_reserved"] = reservation["number"]
            self.note("reservation.created", reservation["sid"])
        self.move_if_single_tasking(task, workers, "reservation_activity")
