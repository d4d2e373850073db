"""Compares what was acknowledged with what the daemon says afterwards: nothing lost, nobody assigned twice.

Counts come from the workspace's statistics, which are exact. When the event log is not too long it is read as
well: the SIDs of `task.created` must be those acknowledged, and no task may have two `reservation.accepted`.
Creations whose outcome is unknown (no answer, 5xx) may be there or not; then only the counts can be compared.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from engine.bench.http_client import Client
from engine.bench.job import Ledger, added
from engine.bench.world import Step, World

EVENTS_MAX = 400_000
PAGE_SIZE = 1_000


@dataclass(slots=True)
class Audit:
    """The result; `ok` when nothing is lost, made up or assigned twice."""

    acknowledged: int
    found: int
    unknown: int
    completed_acknowledged: int
    completed_found: int
    assigned_twice: int
    sids: str
    """same, different, or not compared."""
    ok: bool = True
    problems: list[str] = field(default_factory=list)


async def audit(client: Client, world: World, ledger: Ledger, *, cycles: bool, step: Step) -> Audit:
    """Ask the daemon. Raises BenchError when it does not answer."""
    since = quote(world.date_created)
    statistics = await client.read(f"{world.path}/CumulativeStatistics?StartDate={since}")
    result = Audit(
        acknowledged=ledger.created,
        found=int(statistics["tasks_created"]),
        unknown=ledger.unknown,
        completed_acknowledged=ledger.completed,
        completed_found=int(statistics["tasks_completed"]),
        assigned_twice=ledger.assigned_twice,
        sids="not compared",
        problems=list(ledger.problems),
    )
    if result.found <= EVENTS_MAX and not ledger.unknown:
        created = await _events(client, world, "task.created", step)
        same = sum_of(created) == ledger.created_sum and len(set(created)) == ledger.created
        result.sids = "same" if same else "different"
    if cycles and result.completed_found <= EVENTS_MAX:
        accepted = await _events(client, world, "reservation.accepted", step)
        result.assigned_twice = max(result.assigned_twice, len(accepted) - len(set(accepted)))
    _judge(result, ledger)
    return result


def sum_of(sids: list[str]) -> int:
    """Return what a Ledger has for these SIDs."""
    total = 0
    for sid in sids:
        total = added(total, sid)
    return total


def _judge(result: Audit, ledger: Ledger) -> None:
    """Fill in `ok` and the problems."""
    lost = result.acknowledged - result.found
    unsure = ledger.completed_unknown + ledger.unfinished
    checks = (
        (ledger.created > 0, "not one task was created"),
        (ledger.faults == 0, f"{ledger.faults} faults of the generator"),
        (lost <= 0, f"{lost} acknowledged tasks are missing"),
        (-lost <= result.unknown, f"{-lost - result.unknown} tasks are there that nobody was told of"),
        (result.sids != "different", "the SIDs of the tasks are not those that were acknowledged"),
        (result.assigned_twice == 0, f"{result.assigned_twice} tasks were assigned twice"),
        (
            0 <= result.completed_found - result.completed_acknowledged <= unsure,
            f"{result.completed_acknowledged} completions were acknowledged, {result.completed_found} found",
        ),
    )
    result.problems = [text for holds, text in checks if not holds] + result.problems
    result.ok = all(holds for holds, _ in checks)


async def _events(client: Client, world: World, kind: str, step: Step) -> list[str]:
    """Return the task SIDs of all events of a kind."""
    found: list[str] = []
    since = quote(world.date_created)
    path = f"{world.path}/Events?EventType={kind}&StartDate={since}&PageSize={PAGE_SIZE}"
    while path:
        page = await client.read(path)
        found += [_task_of(event) for event in page["events"]]
        step(f"{kind} events", len(found), len(found))
        following = urlsplit(page["meta"]["next_page_url"] or "")
        path = f"{following.path}?{following.query}" if following.query else ""
    return found


def _task_of(event: dict[str, Any]) -> str:
    return str(event["event_data"]["task_sid"])
