"""Every operation of the official Python client with every argument it has, in the life of one workspace."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.clients.voice_fields import VOICE
from tests.clients.walk_configuration import Configuration

MILESTONE_S = 15.0
POLL_S = 0.01
HOUR = timedelta(hours=1)


class QueueSids:
    """What the client wants for the body of bulk statistics: something with to_dict()."""

    def __init__(self, *sids: str) -> None:
        self.sids = sids

    def to_dict(self) -> dict[str, Any]:
        return {"queueSids": list(self.sids)}


async def eventually(what: str, probe: Callable[[], Awaitable[Any]]) -> Any:
    """Return the first true answer of `probe`; fail naming the milestone when there is none in time."""
    deadline_s = time.monotonic() + MILESTONE_S
    while not (value := await probe()):
        assert time.monotonic() < deadline_s, f"not within {MILESTONE_S} s: {what}"
        await asyncio.sleep(POLL_S)
    return value


class Walk(Configuration):
    """A workspace from its creation to its end."""

    async def whole(self) -> None:
        """Walk through all of it."""
        await self.workspaces()
        await self.activities()
        await self.task_channels()
        await self.task_queues()
        await self.workflows()
        await self.workers()
        await self.tasks()
        await self.reservations()
        await self.events()
        await self.statistics()
        await self.deletes()

    async def tasks(self) -> None:
        call, ws = self.call, self.ws
        earlier = datetime.now(UTC).replace(microsecond=0) - HOUR
        self.task = await call(
            ws.tasks,
            "create",
            timeout=3_600,
            priority=3,
            task_channel="default",
            workflow_sid=self.workflow.sid,
            attributes='{"kind": "order", "text": "日本語 😀"}',
            virtual_start_time=earlier,
        )
        assert self.task.virtual_start_time == earlier
        assert json.loads(self.task.attributes)["text"] == "日本語 😀"
        direct = await call(
            ws.tasks,
            "create",
            attributes="{}",
            routing_target=self.worker.sid,
            ignore_capacity=call.flag(True),
        )
        queued = await call(
            ws.tasks, "create", task_queue_sid=self.everyone.sid, workflow_sid=self.workflow.sid
        )
        changed = await call(
            ws.tasks(queued.sid),
            "update",
            attributes='{"kind": "fax"}',
            priority=7,
            task_channel="chat",
            virtual_start_time=earlier,
            if_match=await self.etag(ws.tasks(queued.sid)),
        )
        assert (changed.priority, changed.task_channel_unique_name) == (7, "chat")
        await call.listed(ws.tasks, self.task.sid, direct.sid, queued.sid)
        for filters in (
            {"priority": 3},
            {"task_queue_sid": self.queue.sid},
            {"task_queue_name": "Sales & Orders"},
            {"evaluate_task_attributes": 'kind == "order"'},
        ):
            await call.listed(ws.tasks, self.task.sid, **filters)
        await call.listed(ws.tasks, direct.sid, routing_target=self.worker.sid)
        await call.listed(ws.tasks, queued.sid, self.task.sid, direct.sid, ordering="Priority:desc")
        everything = self.task.sid, direct.sid, queued.sid
        for filters in (
            {"assignment_status": ["pending", "reserved"]},
            {"workflow_sid": self.workflow.sid},
            {"workflow_name": "Main"},
            {"has_addons": False},
        ):
            await call.listed(ws.tasks, *everything, **filters)
        # A task for one worker is offered whatever the worker's activity: it ignores capacity.
        await call.listed(ws.tasks, direct.sid, assignment_status="reserved")
        await call.listed(ws.tasks, self.task.sid, queued.sid, assignment_status="pending")
        changed = await call(ws.tasks(direct.sid), "update", assignment_status="canceled", reason="enough")
        assert (changed.assignment_status, changed.reason) == ("canceled", "enough")
        version = await self.etag(ws.tasks(queued.sid))
        assert await call(ws.tasks(queued.sid), "delete", if_match=version) is True

    async def reservations(self) -> None:
        call, ws, task = self.call, self.ws, self.ws.tasks(self.task.sid)
        worker = ws.workers(self.worker.sid)
        await call(worker, "update", activity_sid=self.available.sid)

        async def pending() -> Any:
            return await call(task.reservations, "list", reservation_status="pending")

        (first,) = await eventually("a reservation", pending)
        assert (first.worker_name, first.task_sid) == ("Zoe", self.task.sid)
        await call.listed(task.reservations, first.sid, worker_sid=self.worker.sid)
        await call.listed(worker.reservations, first.sid, reservation_status="pending")
        side = worker.reservations(first.sid)
        assert (await call(side, "fetch")).reservation_status == "pending"
        rejected = await call(
            side,
            "update",
            reservation_status="rejected",
            worker_activity_sid=self.unavailable.sid,
            dequeue_post_work_activity_sid=self.unavailable.sid,
            post_work_activity_sid=self.unavailable.sid,
            if_match=await self.etag(side),
            **VOICE,
        )
        assert rejected.reservation_status == "rejected"
        assert (await call(worker, "fetch")).activity_name == "Unavailable"
        await call.listed(worker.reservations, first.sid, reservation_status="rejected")

        await call(worker, "update", activity_sid=self.available.sid)
        (second,) = await eventually("a second reservation", pending)
        side = task.reservations(second.sid)
        assert (await call(side, "fetch")).sid == second.sid
        accepted = await call(
            side,
            "update",
            reservation_status="accepted",
            worker_activity_sid=self.unavailable.sid,
            dequeue_post_work_activity_sid=self.unavailable.sid,
            post_work_activity_sid=self.unavailable.sid,
            supervisor="client:eve",
            supervisor_mode="monitor",
            if_match=await self.etag(side),
            **VOICE,
        )
        assert accepted.reservation_status == "accepted"
        assert (await call(task, "fetch")).assignment_status == "assigned"
        wrapping = await call(side, "update", reservation_status="wrapping")
        assert wrapping.reservation_status == "wrapping"
        done = await call(worker.reservations(second.sid), "update", reservation_status="completed")
        assert done.reservation_status == "completed"

        await call(ws.tasks, "create", workflow_sid=self.workflow.sid)

        async def offered() -> Any:
            return await call(worker.reservations, "list", reservation_status="pending")

        (third,) = await eventually("an offer to the worker", offered)
        rejected = await call(worker.reservations(third.sid), "update", instruction="reject")
        assert rejected.reservation_status == "rejected"
        of_task = ws.tasks(third.task_sid)

        async def offered_again() -> Any:
            return await call(of_task.reservations, "list", reservation_status="pending")

        (fourth,) = await eventually("another offer", offered_again)
        accepted = await call(of_task.reservations(fourth.sid), "update", instruction="accept")
        assert accepted.reservation_status == "accepted"
        await call(of_task, "update", assignment_status="completed")

    async def events(self) -> None:
        call, ws = self.call, self.ws
        now = datetime.now(UTC)
        events = await call.listed(ws.events, task_sid=self.task.sid)
        kinds = [event.event_type for event in events]
        assert kinds[-1] == "task.created"
        assert kinds.index("reservation.accepted") < kinds.index("reservation.created")
        found = await call(ws.events(events[0].sid), "fetch")
        assert (found.event_date, found.event_type) == (events[0].event_date, kinds[0])
        assert isinstance(found.event_date_ms, int)
        assert all(isinstance(value, str) for value in found.event_data.values())
        rejected = next(event for event in events if event.event_type == "reservation.rejected")
        for filters in (
            {"event_type": "reservation.rejected", "task_sid": self.task.sid},
            {"reservation_sid": rejected.resource_sid, "event_type": "reservation.rejected"},
            {"sid": rejected.sid},
        ):
            await call.listed(ws.events, rejected.sid, **filters)
        for filters in (
            {"worker_sid": self.worker.sid},
            {"workflow_sid": self.workflow.sid},
            {"task_queue_sid": self.queue.sid},
            {"task_channel": "default"},
        ):
            sids = [event.sid for event in await call(ws.events, "list", page_size=7, **filters)]
            assert rejected.sid in sids, filters
        assert await call(ws.events, "list", start_date=now - 2 * HOUR, end_date=now - HOUR) == []
        recent = await call(ws.events, "list", start_date=now - HOUR, end_date=now + HOUR, limit=1)
        assert len(await call(ws.events, "list", minutes=60, limit=1)) == len(recent) == 1

    async def statistics(self) -> None:
        call, ws = self.call, self.ws
        queue, workflow = ws.task_queues(self.queue.sid), ws.workflows(self.workflow.sid)
        now = datetime.now(UTC)
        window = {"minutes": 60, "start_date": now - HOUR, "end_date": now, "task_channel": "default"}
        split = {**window, "split_by_wait_time": "5,30"}
        for scope in (ws, queue, workflow):
            combined = await call(scope.statistics(), "fetch", **split)
            assert combined.cumulative["reservations_accepted"] >= 2
            assert set(combined.cumulative["split_by_wait_time"]) == {"5", "30"}
            assert combined.realtime["total_tasks"] == 0
            present = await call(scope.real_time_statistics(), "fetch", task_channel="default")
            assert present.tasks_by_status["assigned"] == 0
            past = await call(scope.cumulative_statistics(), "fetch", **split)
            assert past.reservations_rejected >= 2
            assert past.start_time == (now - HOUR).replace(microsecond=0)
        listed = await call.listed(
            ws.task_queues.statistics, self.queue.sid, friendly_name=self.queue.friendly_name, **split
        )
        assert listed[0].cumulative["reservations_accepted"] >= 2
        bulk = ws.task_queues.bulk_real_time_statistics
        found = await call(bulk, "create", body=QueueSids(self.queue.sid, self.everyone.sid))
        assert found.task_queue_response_count == 2

        workers = ws.workers
        filters = {
            "task_queue_sid": self.queue.sid,
            "task_queue_name": self.queue.friendly_name,
            "friendly_name": "Zoe",
        }
        combined = await call(workers.statistics(), "fetch", **filters, **window)
        assert combined.realtime["total_workers"] == 1
        assert (await call(workers.real_time_statistics(), "fetch", task_channel="chat")).total_workers == 1
        past = await call(workers.cumulative_statistics(), "fetch", **window)
        assert past.reservations_accepted >= 2
        own = await call(workers(self.worker.sid).statistics(), "fetch", **window)
        assert own.cumulative["reservations_rejected"] >= 2

    async def deletes(self) -> None:
        call, ws = self.call, self.ws
        for resource in (
            ws.tasks(self.task.sid),
            ws.workflows(self.workflow.sid),
            ws.task_queues(self.queue.sid),
            ws.workers(self.worker.sid),
            ws,
        ):
            assert await call(resource, "delete") is True
