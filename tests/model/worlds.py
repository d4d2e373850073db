"""Strategies for tiny worlds: few words, so that they meet."""

import json
from typing import Any

from hypothesis import strategies as st

KINDS = ("a", "b")
CHANNELS = ("default", "voice")

TARGET_WORKERS = (
    *("1==1",) * 9,
    "level >= 1",
    "kinds HAS 'a'",
    "",
    "level == 2 OR friendly_name == 'w1'",
    "activity_name == 'Available'",
    "kinds HAS 'b' AND NOT level == 3",
    "rank == 1",
    "level == 1 AND kinds HAS 'a'",
    "friendly_name IN ['w1', 'w3'] AND (level == 0 OR rank == 'first')",
)
FILTERS = (
    *("1==1",) * 4,
    "kind == 'a' OR kind == 'b'",
    "kind == 'a'",
    "kind == 'b'",
    "kind != 'a' AND level > 1",
    "level >= 2",
    "kind == null OR level IN [1, 3]",
    "tags HAS 'x'",
    "taskrouter.currentMin > 13",
    "1 == 2",
)
TARGETS = (
    "1==0",
    "worker.level >= task.level",
    "task.kind IN worker.kinds",
    "worker.sid == task.agent",
    "worker.sid != task.agent AND worker.level != null",
    "worker.kinds HAS task.kind OR worker.level == 1",
    "worker.activity_name == 'Available'",
    "worker.channel.default.assigned_tasks == 0",
    "worker.channel.voice.available_capacity_percentage > 49",
    "worker.friendly_name NOT IN task.avoid",
    "worker.friendly_name = task.agent_name AND worker.level != task.level",
    "worker.level == task.level AND worker.kinds HAS task.kind",
    "worker.rank == task.level",
    "taskrouter.currentTime >= 2214 OR worker.level == 3",
    "(task.kind == 'a' AND worker.level >= 2) OR (task.kind == 'b' AND worker.level <= 2)",
)
SKIPS = (
    "1==1",
    "workers.available == 0",
    "workers.available < 2",
    "workers.unavailable > 0 AND workers.available > 0",
    "workers.{offline} > 0",
)
ORDERS = (
    "worker.level DESC",
    "worker.rank ASC, worker.level",
    "worker.rank",
    "worker.rank desc, worker.level",
)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def seldom(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from((False, False, False, True)).flatmap(
        lambda chosen: strategy if chosen else st.none()
    )


def mostly(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from((True, True, True, False)).flatmap(
        lambda chosen: strategy if chosen else st.none()
    )


def present(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def worker_attributes() -> st.SearchStrategy[str]:
    return st.fixed_dictionaries(
        {
            "level": mostly(st.integers(0, 3)),
            "kinds": mostly(st.lists(st.sampled_from(KINDS), max_size=2, unique=True)),
            "rank": optional(st.sampled_from((0, 1, 1, 2, 1.0, True, "first"))),
        }
    ).map(lambda fields: json.dumps(present(fields)))


def task_attributes(worker_sids: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.fixed_dictionaries(
        {
            "kind": mostly(st.sampled_from(KINDS)),
            "level": mostly(st.integers(0, 3)),
            "agent": mostly(st.sampled_from((*worker_sids, "nobody"))),
            "agent_name": mostly(st.sampled_from(("w1", "w2", "nobody"))),
            "tags": optional(st.just(["x"])),
            "avoid": optional(st.just(["w1"])),
        }
    ).map(lambda fields: json.dumps(present(fields)))


def target(queue_sids: tuple[str, ...], offline: str, *, first: bool) -> st.SearchStrategy[dict[str, Any]]:
    queue = st.sampled_from(queue_sids)
    known = seldom(
        st.sampled_from(
            (("known_worker_sid", "task.agent"), ("known_worker_friendly_name", "task.agent_name"))
        )
    )
    skips = st.sampled_from([text.format(offline=offline) for text in SKIPS])
    parts = {
        "queue": queue if first else optional(queue),
        "expression": optional(st.sampled_from(TARGETS)),
        "priority": optional(st.sampled_from((0, 5, "10"))),
        "timeout": optional(st.sampled_from((3, 10, "15"))),
        "skip_if": seldom(skips),
        "order_by": optional(st.sampled_from(ORDERS)),
    }
    return st.builds(
        lambda fields, who: present(fields) | dict([who] if who else []), st.fixed_dictionaries(parts), known
    )


def configuration(queue_sids: tuple[str, ...], offline: str) -> st.SearchStrategy[str]:
    """Up to three filters of up to three targets each, a default filter or none; or just one queue."""
    targets = st.builds(
        lambda first, rest: [first, *rest],
        target(queue_sids, offline, first=True),
        st.lists(target(queue_sids, offline, first=False), max_size=2),
    )
    filters = st.lists(
        st.fixed_dictionaries({"expression": st.sampled_from(FILTERS), "targets": targets}),
        min_size=1,
        max_size=3,
    )
    rich = st.fixed_dictionaries(
        {"filters": mostly(filters), "default_filter": mostly(target(queue_sids, offline, first=True))}
    )
    plain = st.sampled_from(queue_sids).map(lambda sid: {"default_filter": {"queue": sid}})
    return (rich | plain).map(lambda fields: json.dumps({"task_routing": present(fields)}))
