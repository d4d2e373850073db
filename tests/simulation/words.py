"""The words that simulated workspaces are made of: few, so that they meet."""

import json
from random import Random
from typing import Any

from engine.routing.voice import read_instruction
from tests.model.worlds import FILTERS, KINDS, ORDERS, SKIPS, TARGET_WORKERS, TARGETS, present

NAMES = ("w1", "w2", "w3", "w4", "w5", "w6")
CHANNELS = ("default", "default", "default", "voice", "sms")
TIMED_FILTERS = (
    "taskrouter.currentHour >= 8 AND taskrouter.currentHour < 18",
    "taskrouter.dayOfWeek == 'Sat'",
)
TIMED_TARGETS = ("taskrouter.currentMin >= 30 AND worker.level >= 1", "taskrouter.currentHour != 12")
STEP_TIMEOUTS_S = (1, 3, 10, "15", 60, 600, 7_200)
TIMEOUTS_S = (86_400, 86_400, 86_400, 1, 20, 600, 3_600, 200_000)
RESERVATION_TIMEOUTS_S = (2, 20, 120, 120, 120, 3_600)
CALLBACK_URL = "http://hooks.test/assignment"
FALLBACK_URL = "http://fallback.test/assignment"
EVENTS_URL = "http://events.test/"
UNKNOWN = "f" * 32
_CALL = {"CallTo": ["client:a"], "CallFrom": ["+1"], "CallUrl": [CALLBACK_URL]}
INSTRUCTIONS = (
    read_instruction("call", _CALL),
    read_instruction("call", _CALL | {"CallAccept": ["true"]}),
    read_instruction("conference", {"To": ["client:a"], "From": ["+1"]}),
)


def some(random: Random, chance: float, value: Any) -> Any:
    """Return `value` with that chance, else None."""
    return value if random.random() < chance else None


def worker_attributes(random: Random) -> str:
    """Draw a worker's attributes."""
    fields = {
        "level": some(random, 0.8, random.randrange(4)),
        "kinds": some(random, 0.8, [kind for kind in KINDS if random.random() < 0.6]),
        "rank": some(random, 0.5, random.choice((0, 1, 2, "first"))),
    }
    return json.dumps(present(fields))


def task_attributes(random: Random, worker_sids: list[str]) -> str:
    """Draw a task's attributes; some name a worker."""
    fields = {
        "kind": some(random, 0.8, random.choice(KINDS)),
        "level": some(random, 0.8, random.randrange(4)),
        "agent": some(random, 0.6, random.choice([*worker_sids, f"WK{UNKNOWN}"])),
        "agent_name": some(random, 0.6, random.choice((*NAMES, "nobody"))),
        "tags": some(random, 0.3, ["x"]),
        "avoid": some(random, 0.3, ["w1"]),
    }
    return json.dumps(present(fields))


def target(
    random: Random, queue_sids: list[str], offline: str, *, first: bool, timed: bool
) -> dict[str, Any]:
    """Draw one target."""
    expressions = (*TARGETS, *TIMED_TARGETS) if timed else TARGETS
    fields = {
        "queue": some(random, 1.0 if first else 0.5, random.choice(queue_sids)),
        "expression": some(random, 0.5, random.choice(expressions)),
        "priority": some(random, 0.4, random.choice((0, 5, "10"))),
        "timeout": some(random, 0.6, random.choice(STEP_TIMEOUTS_S)),
        "skip_if": some(random, 0.2, random.choice(SKIPS).format(offline=offline)),
        "order_by": some(random, 0.3, random.choice(ORDERS)),
        "known_worker_sid": some(random, 0.1, "task.agent"),
    }
    if fields["known_worker_sid"] is None:
        fields["known_worker_friendly_name"] = some(random, 0.1, "task.agent_name")
    return present(fields)


def configuration(random: Random, queue_sids: list[str], offline: str, *, timed: bool) -> str:
    """Draw a workflow's configuration: up to three filters of up to three targets, a default or none."""
    filters = [
        {
            "expression": random.choice((*FILTERS, *TIMED_FILTERS) if timed else FILTERS),
            "targets": [
                target(random, queue_sids, offline, first=number == 0, timed=timed)
                for number in range(random.choice((1, 1, 2, 3)))
            ],
        }
        for _ in range(random.choice((0, 1, 2, 3)))
    ]
    routing: dict[str, Any] = {"filters": filters}
    if not filters or random.random() < 0.7:
        routing["default_filter"] = target(random, queue_sids, offline, first=True, timed=timed)
    return json.dumps({"task_routing": routing})


def target_workers(random: Random) -> str:
    """Draw a queue's expression."""
    return random.choice(TARGET_WORKERS)
