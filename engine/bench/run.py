"""A whole benchmark: the scenario's phases, then the peers, ratios, report."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from engine.bench import html, table
from engine.bench.errors import BenchError
from engine.bench.local import database_settings, local
from engine.bench.machine import machine
from engine.bench.peers import check_peers, measure_peer
from engine.bench.phases import Progress, Where, run_hello, run_phase
from engine.bench.progress import Shown
from engine.bench.scenario import Phase, Scenario
from engine.bench.scenario_file import load_scenario, told
from engine.bench.target import Target, remote
from engine.quickstart.interrupting import until_signal

FORMAT = 1
"""Of the JSON line; a change of what is there already makes it the next number."""


@dataclass(slots=True, frozen=True)
class Options:
    """What the command line says; None leaves the scenario's value."""

    scenario: str
    local: bool
    url: str | None = None
    account_sid: str | None = None
    auth_token: str | None = None
    config: Path | None = None
    phases: tuple[str, ...] = ()
    rate_per_s: float | None = None
    concurrency: int | None = None
    seconds: float | None = None
    warmup_s: float | None = None
    backlog: int | None = None
    processes: int = 1
    against: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    announced_host: str | None = None
    html: Path | None = None
    json: Path | None = None
    keep: bool = False


def run(options: Options) -> int:
    """Run the benchmark; the JSON line goes to standard output or a file, all else to standard error.

    Returns 0 when the audits found nothing wrong, else 1. Raises PointsmanError when it cannot be run.
    """
    return asyncio.run(until_signal(_bench(options)))


async def _bench(options: Options) -> int:
    scenario = adjusted(load_scenario(options.scenario), options)
    check_peers(options.against)
    if not options.local and any(name != "hello" for name in options.against):
        raise BenchError("--against procrastinate, pgqueuer and sql need the database of --local")
    for path in (options.html, options.json):
        if path is not None:
            path.touch()  # what cannot be written is told before the run
    console = Console(stderr=True)
    with Shown(console) as progress:
        report = await measure(scenario, options, progress)
    table.show(console, report)
    if options.html is not None:
        options.html.write_text(html.page(report), encoding="utf-8")
        progress.say(f"Report: {options.html}")
    _write_line(report, options.json)
    return 0 if all(phase["audit"]["ok"] for phase in report["phases"]) else 1


def adjusted(scenario: Scenario, options: Options) -> Scenario:
    """Return the scenario as the flags change it. Raises BenchError when it has no such phase."""
    changes = {
        "rate_per_s": options.rate_per_s,
        "concurrency": options.concurrency,
        "seconds": options.seconds,
        "warmup_s": options.warmup_s,
        "backlog": options.backlog,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    known = {phase.name for phase in scenario.phases}
    for name in options.phases:
        if name not in known:
            raise BenchError(f"--phase {name}: the scenario has {', '.join(sorted(known))}")
    chosen = [phase for phase in scenario.phases if not options.phases or phase.name in options.phases]
    try:
        phases = [Phase.model_validate(phase.model_dump() | given) for phase in chosen]
    except ValidationError as error:
        raise told(error, "command line") from None
    if scenario.backlog_task is None and any(phase.backlog for phase in phases):
        raise BenchError("--backlog: the scenario has no backlog_task")
    return scenario.model_copy(update={"phases": phases})


async def measure(scenario: Scenario, options: Options, progress: Progress) -> dict[str, Any]:
    """Run everything and return the report. Raises BenchError."""
    where = Where(options.processes, options.host, options.announced_host or options.host, options.keep)
    report: dict[str, Any] = {
        "pointsman_bench": FORMAT,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "scenario": scenario.name,
        "description": scenario.description,
        "target": "local" if options.local else options.url,
        "machine": machine(),
    }
    async with _target(options, progress) as target:
        report["database"] = await database_settings(target.dsn) if target.dsn else None
        report["phases"] = []
        for phase in scenario.phases:
            progress.say(f"Phase {phase.name}: {_load_of(phase)}")
            report["phases"].append(await run_phase(target, scenario, phase, where, progress))
        report["peers"] = [await _peer(name, target, scenario, where, progress) for name in options.against]
    report["ratios"] = ratios(report)
    return report


async def _peer(
    name: str, target: Target, scenario: Scenario, where: Where, progress: Progress
) -> dict[str, Any]:
    phase = next((each for each in scenario.phases if each.kind == "creates"), scenario.phases[0])
    progress.say(f"Against {name}: {phase.seconds:g} s")
    if name == "hello":
        return await run_hello(scenario, phase, where, progress)
    assert target.dsn is not None
    return await measure_peer(name, target.dsn, phase.seconds, phase.concurrency)


def ratios(report: dict[str, Any]) -> dict[str, float]:
    """Return what is quoted: our figure divided by the peer's, of flat-out phases."""
    flat_out = [phase for phase in report["phases"] if phase["rate_per_s"] is None]
    creates = max((phase["created_per_s"] for phase in flat_out if phase["kind"] == "creates"), default=None)
    cycles = max((phase["completed_per_s"] for phase in flat_out if phase["kind"] == "cycles"), default=None)
    found: dict[str, float] = {}
    for peer in report["peers"]:
        ours, theirs = (
            (creates, peer["created_per_s"]) if peer["name"] == "hello" else (cycles, peer["cycles_per_s"])
        )
        if ours is not None and theirs:
            what = "creates" if peer["name"] == "hello" else "cycles"
            found[f"{what}_over_{peer['name']}"] = round(ours / theirs, 3)
    return found


def _load_of(phase: Phase) -> str:
    load = f"{phase.rate_per_s:g}/s" if phase.rate_per_s else f"flat out, {phase.concurrency} at once"
    behind = f", behind {phase.backlog:,} waiting tasks" if phase.backlog else ""
    return f"{load}, {phase.warmup_s:g} s to warm up, {phase.seconds:g} s measured{behind}"


@asynccontextmanager
async def _target(options: Options, progress: Progress) -> AsyncIterator[Target]:
    if not options.local:
        yield remote(options.url, options.account_sid, options.auth_token)
        return
    progress.say("Starting a daemon and its PostgreSQL (fsync on) in a temporary directory")
    async with local(options.config) as target:
        yield target


def _write_line(report: dict[str, Any], path: Path | None) -> None:
    """Write the report without its points as one line."""
    line = json.dumps(
        report
        | {
            "phases": [_without_points(phase) for phase in report["phases"]],
            "peers": [_without_points(peer) for peer in report["peers"]],
        }
    )
    if path is None:
        sys.stdout.write(line + "\n")
    else:
        path.write_text(line + "\n", encoding="utf-8")


def _without_points(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "points"}
