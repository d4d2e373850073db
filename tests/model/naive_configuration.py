"""A workflow's configuration as plain dicts with nothing left out (behaviour §5)."""

import json
from functools import lru_cache
from typing import Any

from tests.model.naive_expressions import BadExpression, parse, path_of

TARGET_TEXTS = ("expression", "skip_if", "known_worker_sid", "known_worker_friendly_name")


@lru_cache(maxsize=1000)
def read_configuration(text: str) -> dict[str, Any]:
    """Return {"filters": […], "default": target or None, "queues": the SIDs it names}; raises BadExpression.

    Every target comes out complete: the queue is inherited from the target above, absent parts are None,
    quoted numbers are numbers, `order_by` is a list of (path, descending).
    """
    try:
        configuration = json.loads(text)
    except ValueError as bad:
        raise BadExpression(str(bad)) from bad
    routing = configuration.get("task_routing", configuration)
    filters = [read_filter(each) for each in routing.get("filters") or []]
    default = routing.get("default_filter")
    default = read_target({**default, "timeout": None}, None) if default else None
    targets = [target for each in filters for target in each["targets"]] + ([default] if default else [])
    return {"filters": filters, "default": default, "queues": [target["queue"] for target in targets]}


def read_filter(raw: dict[str, Any]) -> dict[str, Any]:
    parse(raw["expression"])
    targets: list[dict[str, Any]] = []
    for target in raw["targets"]:
        targets.append(read_target(target, targets[-1]["queue"] if targets else None))
    return {"expression": raw["expression"], "targets": targets}


def read_target(raw: dict[str, Any], inherited_queue: str | None) -> dict[str, Any]:
    queue = raw.get("queue") or inherited_queue
    if queue is None:
        raise BadExpression("the first target needs a queue")
    target: dict[str, Any] = {
        "queue": queue,
        "timeout_s": whole(raw.get("timeout")),
        "priority": whole(raw.get("priority")),
        "order_by": read_order(raw.get("order_by") or ""),
        **{key: raw.get(key) or None for key in TARGET_TEXTS},
    }
    for key in ("expression", "skip_if"):
        if target[key] is not None:
            parse(target[key])
    for key in ("known_worker_sid", "known_worker_friendly_name"):
        if target[key] is not None:
            path_of(target[key])
    return target


def whole(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def read_order(text: str) -> list[tuple[str, bool]]:
    """Read `worker.a ASC, worker.b DESC`; ascending where nothing is said."""
    clauses = []
    for clause in filter(str.strip, text.split(",")):
        path, *direction = clause.split()
        clauses.append((path, bool(direction) and direction[0].upper() == "DESC"))
    return clauses
