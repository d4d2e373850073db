"""The first part of the walk: what a workspace is configured with."""

import json
import time
from datetime import UTC, timedelta
from typing import Any

from tests.clients.calls import Calls

NOBODY = "http://127.0.0.1:9/"
"""Nothing listens here."""


class Configuration:
    """A workspace with activities, channels, queues, a workflow and workers, made by the client `call`."""

    def __init__(self, call: Calls, v1: Any) -> None:
        self.call = call
        self.v1 = v1
        self.ws: Any = None

    async def workspaces(self) -> None:
        call, name = self.call, f"Walk {time.monotonic_ns()}"
        made = await call(
            self.v1.workspaces,
            "create",
            friendly_name=name,
            event_callback_url=NOBODY,
            events_filter="task.created",
            multi_task_enabled=True,
            template="NONE",
            prioritize_queue_order="FIFO",
        )
        twin = await call(self.v1.workspaces, "create", friendly_name=name)
        await call.listed(self.v1.workspaces, made.sid, twin.sid, friendly_name=name)
        await call(self.v1.workspaces(twin.sid), "delete")
        self.ws = self.v1.workspaces(made.sid)
        found = await call(self.ws, "fetch")
        assert (found.sid, found.friendly_name, found.multi_task_enabled) == (made.sid, name, True)
        assert found.date_created.tzinfo is UTC or found.date_created.utcoffset() == timedelta(0)

    async def activities(self) -> None:
        call, ws = self.call, self.ws
        self.offline, self.available, self.unavailable = await call.listed(ws.activities)
        pause = await call(ws.activities, "create", friendly_name="Break", available="false")
        changed = await call(ws.activities(pause.sid), "update", friendly_name="Päuschen ☕")
        assert changed.friendly_name == "Päuschen ☕"
        assert (await call(ws.activities(pause.sid), "fetch")).friendly_name == "Päuschen ☕"
        await call.listed(ws.activities, pause.sid, friendly_name="Päuschen ☕")
        await call.listed(ws.activities, self.available.sid, available=call.flag(True))
        await call.listed(ws.activities, self.available.sid, available="true")
        await call.listed(
            ws.activities, self.offline.sid, self.unavailable.sid, pause.sid, available=call.flag(False)
        )
        assert await call(ws.activities(pause.sid), "delete") is True
        changed = await call(
            ws,
            "update",
            default_activity_sid=self.available.sid,
            timeout_activity_sid=self.unavailable.sid,
            event_callback_url="",
            events_filter="",
            friendly_name="Walked",
            multi_task_enabled=True,
            prioritize_queue_order="LIFO",
        )
        assert (changed.default_activity_name, changed.timeout_activity_name) == ("Available", "Unavailable")
        assert (changed.event_callback_url, changed.events_filter) == ("", None)
        assert changed.prioritize_queue_order == "LIFO"

    async def task_channels(self) -> None:
        call, ws = self.call, self.ws
        made = await call(
            ws.task_channels,
            "create",
            friendly_name="Fax",
            unique_name="fax",
            channel_optimized_routing=True,
        )
        assert made.channel_optimized_routing is True
        changed = await call(
            ws.task_channels("fax"), "update", friendly_name="Telefax", channel_optimized_routing=False
        )
        assert (changed.friendly_name, changed.channel_optimized_routing) == ("Telefax", False)
        assert (await call(ws.task_channels(made.sid), "fetch")).unique_name == "fax"
        channels = await call.listed(ws.task_channels)
        assert {item.unique_name for item in channels} == {"default", "voice", "sms", "video", "chat", "fax"}
        assert await call(ws.task_channels("fax"), "delete") is True

    async def task_queues(self) -> None:
        call, ws = self.call, self.ws
        activities = {
            "reservation_activity_sid": self.unavailable.sid,
            "assignment_activity_sid": self.unavailable.sid,
        }
        self.queue = await call(
            ws.task_queues,
            "create",
            friendly_name="Sales",
            target_workers='languages HAS "en"',
            max_reserved_workers=2,
            task_order="LIFO",
            **activities,
        )
        assert self.queue.assignment_activity_name == "Unavailable"
        self.everyone = await call(ws.task_queues, "create", friendly_name="Everyone")
        assert (self.everyone.target_workers, self.everyone.max_reserved_workers) == ("1==1", 1)
        self.queue = await call(
            ws.task_queues(self.queue.sid),
            "update",
            friendly_name="Sales & Orders",
            target_workers='languages HAS "de"',
            max_reserved_workers=1,
            task_order="FIFO",
            **activities,
        )
        assert (await call(ws.task_queues(self.queue.sid), "fetch")).task_order == "FIFO"
        both = self.queue.sid, self.everyone.sid
        await call.listed(ws.task_queues, *both)
        await call.listed(ws.task_queues, self.queue.sid, friendly_name="Sales & Orders")
        await call.listed(ws.task_queues, *both, evaluate_worker_attributes='{"languages": ["de"]}')
        await call.listed(ws.task_queues, self.everyone.sid, evaluate_worker_attributes="{}")
        await call.listed(ws.task_queues, *both[::-1], ordering="FriendlyName:asc")

    async def workflows(self) -> None:
        call, ws = self.call, self.ws
        configuration = json.dumps({"task_routing": {"default_filter": {"queue": self.queue.sid}}})
        made = await call(
            ws.workflows,
            "create",
            friendly_name="First",
            configuration=configuration,
            assignment_callback_url=NOBODY,
            fallback_assignment_callback_url=NOBODY,
            task_reservation_timeout=30,
        )
        assert made.configuration == configuration
        self.workflow = await call(
            ws.workflows(made.sid),
            "update",
            friendly_name="Main",
            configuration=configuration,
            assignment_callback_url="",
            fallback_assignment_callback_url="",
            task_reservation_timeout=600,
            re_evaluate_tasks=call.flag(True),
        )
        assert (await call(ws.workflows(made.sid), "fetch")).task_reservation_timeout == 600
        other = await call(ws.workflows, "create", friendly_name="Other", configuration=configuration)
        await call.listed(ws.workflows, made.sid, other.sid)
        await call.listed(ws.workflows, other.sid, friendly_name="Other")
        assert await call(ws.workflows(other.sid), "delete") is True

    async def workers(self) -> None:
        call, ws = self.call, self.ws
        made = await call(
            ws.workers,
            "create",
            friendly_name="Zoë",
            activity_sid=self.offline.sid,
            attributes='{"languages": ["de", "en"]}',
        )
        bob = await call(ws.workers, "create", friendly_name="Bob")
        assert (bob.attributes, bob.activity_name) == ("{}", "Available")
        await call.listed(ws.workers, made.sid, bob.sid)
        await call.listed(ws.workers, bob.sid, made.sid, ordering="DateCreated:desc")
        for filters in (
            {"activity_name": "Offline"},
            {"activity_sid": self.offline.sid},
            {"available": "false"},
            {"available": call.flag(False)},
            {"friendly_name": "Zoë"},
            {"target_workers_expression": 'languages HAS "en" AND activity_name == "Offline"'},
            {"task_queue_name": "Sales & Orders"},
            {"task_queue_sid": self.queue.sid},
        ):
            await call.listed(ws.workers, made.sid, **filters)
        version = await self.etag(ws.workers(bob.sid))
        assert await call(ws.workers(bob.sid), "delete", if_match=version) is True
        await call.listed(ws.task_queues, self.queue.sid, self.everyone.sid, worker_sid=made.sid)
        version = await self.etag(ws.workers(made.sid))
        self.worker = await call(
            ws.workers(made.sid),
            "update",
            activity_sid=self.unavailable.sid,
            attributes='{"languages": ["de"]}',
            friendly_name="Zoe",
            reject_pending_reservations=True,
            if_match=version,
        )
        assert (await call(ws.workers(made.sid), "fetch")).friendly_name == "Zoe"
        channels = ws.workers(made.sid).worker_channels
        assert len(await call.listed(channels)) == 5
        changed = await call(channels("default"), "update", capacity=4, available=True)
        assert (await call(channels(changed.sid), "fetch")).configured_capacity == 4

    async def etag(self, resource: Any) -> str:
        answer = await self.call.method(resource, "fetch_with_http_info")
        return str({name.lower(): value for name, value in answer.headers.items()}["etag"])
