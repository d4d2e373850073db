"""The support centre of the quickstart: its people, its queues, its workflow and its customers' requests."""

import json
from dataclasses import dataclass
from itertools import cycle, islice

from engine.quickstart.client import ApiClient

QUEUES = {
    "Billing": 'skills HAS "billing"',
    "Technical": 'skills HAS "technical"',
    "Front desk": "1==1",
}


@dataclass(slots=True, frozen=True)
class Person:
    """A worker: what they know, what they speak, and how much they do at once on each channel."""

    name: str
    skills: list[str]
    languages: list[str]
    level: int
    capacity: dict[str, int]


STAFF = (
    Person("Ada", ["billing"], ["en", "de"], 2, {"sms": 2}),
    Person("Bruno", ["billing"], ["en", "es"], 1, {"chat": 2}),
    Person("Chen", ["technical"], ["en"], 3, {"chat": 2}),
    Person("Divya", ["technical", "billing"], ["en", "es"], 2, {"chat": 2, "sms": 2}),
    Person("Emil", ["technical"], ["de", "en"], 1, {"sms": 2}),
    Person("Farah", [], ["en", "es"], 1, {"chat": 3, "sms": 3}),
    Person("Grace", [], ["en", "de"], 1, {"sms": 2}),
    Person("Hugo", [], ["es", "en"], 1, {"chat": 2}),
)

REQUESTS = (
    ("billing", "Charged twice in May", 1),
    ("technical", "Router loses the line", 2),
    ("orders", "Where is my parcel?", 1),
    ("billing", "Refund has not arrived", 1),
    ("technical", "Data gone after update", 3),
    ("account", "Change of address", 1),
    ("billing", "Invoice is missing", 3),
    ("technical", "App does not start", 1),
)
CHANNELS = ("chat", "voice", "sms", "chat", "voice")
LANGUAGES = ("en", "es", "en", "de", "en", "en", "es", "en", "en", "de", "en")


@dataclass(slots=True, frozen=True)
class Request:
    """What a customer wants; becomes a task."""

    number: int
    topic: str
    subject: str
    severity: int
    language: str
    channel: str

    @property
    def handling_s(self) -> float:
        """How long a worker is busy with it."""
        return 0.5 + 0.2 * self.severity + 0.1 * (self.number % 7)

    def attributes(self) -> str:
        """The task's attributes."""
        fields = ("number", "topic", "subject", "severity", "language")
        return json.dumps({name: getattr(self, name) for name in fields})


@dataclass(slots=True, frozen=True)
class Centre:
    """The workspace once it is set up; names by SID."""

    workspace_sid: str
    workflow_sid: str
    queue_names: dict[str, str]
    worker_names: dict[str, str]

    @property
    def path(self) -> str:
        """Path of the workspace."""
        return f"/v1/Workspaces/{self.workspace_sid}"


def requests(count: int) -> list[Request]:
    """Return the first `count` requests of the day; the same ones each time."""
    mixed = zip(cycle(REQUESTS), cycle(CHANNELS), cycle(LANGUAGES), strict=False)
    return [
        Request(number, topic, subject, severity, language, channel)
        for number, ((topic, subject, severity), channel, language) in enumerate(
            islice(mixed, count), start=1
        )
    ]


async def set_up(api: ApiClient, callback_url: str) -> Centre:
    """Make workspace, queues, workers and workflow, through the API. Raises ApiError."""
    workspace = await api.post("/v1/Workspaces", FriendlyName="Support centre", Template="NONE")
    path = f"/v1/Workspaces/{workspace['sid']}"
    activities = (await api.get(f"{path}/Activities", Available="true"))["activities"]
    queues = {
        name: (await api.post(f"{path}/TaskQueues", FriendlyName=name, TargetWorkers=who))["sid"]
        for name, who in QUEUES.items()
    }
    workflow = await api.post(
        f"{path}/Workflows",
        FriendlyName="Support",
        Configuration=json.dumps(_routing(queues)),
        AssignmentCallbackUrl=callback_url,
        TaskReservationTimeout=10,
    )
    workers = {await _hire(api, path, person, activities[0]["sid"]): person.name for person in STAFF}
    return Centre(workspace["sid"], workflow["sid"], {sid: name for name, sid in queues.items()}, workers)


async def _hire(api: ApiClient, path: str, person: Person, activity_sid: str) -> str:
    attributes = {"skills": person.skills, "languages": person.languages, "level": person.level}
    worker = await api.post(
        f"{path}/Workers",
        FriendlyName=person.name,
        ActivitySid=activity_sid,
        Attributes=json.dumps(attributes),
    )
    sid = str(worker["sid"])
    for channel, capacity in person.capacity.items():
        await api.post(f"{path}/Workers/{sid}/Channels/{channel}", Capacity=capacity)
    return sid


def _routing(queues: dict[str, str]) -> dict[str, object]:
    """Specialists first; after a while anybody who speaks the language, or any technician; else the desk."""
    speaks = "task.language IN worker.languages"
    filters = [
        {
            "filter_friendly_name": "Billing",
            "expression": 'topic == "billing"',
            "targets": [
                {"queue": queues["Billing"], "expression": speaks, "priority": 5, "timeout": 1},
                {"queue": queues["Front desk"], "expression": speaks, "priority": 10},
            ],
        },
        {
            "filter_friendly_name": "Technical",
            "expression": 'topic == "technical"',
            "targets": [
                {
                    "queue": queues["Technical"],
                    "expression": "worker.level >= task.severity",
                    "priority": 5,
                    "timeout": 1,
                },
                {"queue": queues["Technical"], "priority": 10},
            ],
        },
    ]
    return {"task_routing": {"filters": filters, "default_filter": {"queue": queues["Front desk"]}}}
