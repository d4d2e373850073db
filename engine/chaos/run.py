"""A whole run: the stage, one fault after the other or kills alone, recovery, audits, the report."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import asyncpg
from rich.console import Console

from engine import __version__
from engine.bench.local import database_settings
from engine.bench.machine import machine
from engine.chaos.audit import Findings, audit, open_tasks, wrong_statistics
from engine.chaos.errors import ChaosError
from engine.chaos.faults import FAULTS, rounds
from engine.chaos.report import Outcome, Report
from engine.chaos.stage import Stage, stage
from engine.quickstart.interrupting import until_signal

WARM_UP_REQUESTS = 100
RECOVERED_REQUESTS = 100
"""Acknowledged requests after a fault that count as recovery."""
DRAIN_S = 60.0
OVERLOAD_MIN_S = 10.0
KILLS_PER_AUDIT = 50
KILL_AFTER_REQUESTS = 60
KILL_STARTING = 0.1
"""Share of the kills that come while the daemon starts."""
STARTING_S = 0.3
DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(slots=True, frozen=True)
class Options:
    """What the command line says."""

    faults: tuple[str, ...]
    minutes: float = 2.0
    seed: int = 1
    rate_per_s: float = 150.0
    kills: int = 0
    as_json: bool = False


def run(options: Options) -> int:
    """Run it; returns 0 when nothing was lost, made or assigned twice, or broken in another way, else 1.

    Raises PointsmanError when it cannot be run.
    """
    return asyncio.run(until_signal(_chaos(options)))


async def _chaos(options: Options) -> int:
    report = Report(Console(stderr=options.as_json))
    random = Random(options.seed)  # for the faults alone, so that a seed gives their order
    began_s = time.monotonic()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    report.say(f"Starting a PostgreSQL (fsync on) and a daemon in a temporary directory; seed {options.seed}")
    overload_s = max(OVERLOAD_MIN_S, 60 * options.minutes / len(options.faults))
    async with stage(
        random, options.rate_per_s, overload_s=overload_s, keep_launcher=bool(options.kills)
    ) as set_up:
        database = await database_settings(set_up.server.dsn)
        await set_up.load.until_acknowledged(WARM_UP_REQUESTS)
        set_up.pauses.take()
        report.note(Outcome("warm-up"), await _audit(set_up))
        if options.kills:
            await _kill(set_up, options.kills, report)
        else:
            await _one_after_the_other(set_up, options.faults, began_s + 60 * options.minutes, report)
        await _finish(set_up, report)
    report.show()
    if options.as_json:
        head: dict[str, Any] = {
            "started": started,
            "version": __version__,
            "seed": options.seed,
            "seconds": round(time.monotonic() - began_s, 1),
            "machine": machine(),
            "database": database,
            "other_answers": dict(set_up.promises.other_answers),
            "unknown": set_up.promises.unknown,
            "repeated": set_up.promises.repeated,
        }
        sys.stdout.write(json.dumps(report.document(**head)) + "\n")
    return 0 if report.ok else 1


async def _one_after_the_other(set_up: Stage, names: tuple[str, ...], until_s: float, report: Report) -> None:
    """Do faults until time is up, each at least once; a daemon that does not come back ends it."""
    for number, name in rounds(names, set_up.random):
        if number and time.monotonic() > until_s:
            return
        with report.doing(name):
            outcome = await _measured(set_up, name)
        report.note(outcome, await _audit(set_up))
        if outcome.problems:
            return


async def _measured(set_up: Stage, name: str) -> Outcome:
    """Do one fault and wait until the load is acknowledged again."""
    began_s = time.monotonic()
    outcome = Outcome(name, times=1)
    set_up.pauses.take()
    try:
        outcome.note = await FAULTS[name](set_up)
        await set_up.load.until_acknowledged(RECOVERED_REQUESTS)
    except (ChaosError, *DATABASE_ERRORS) as error:
        outcome.problems += [f"{name}: {error}", *set_up.complaints()]
    outcome.worst_pause_s = round(set_up.pauses.take(), 3)
    outcome.seconds = round(time.monotonic() - began_s, 3)
    return outcome


async def _kill(set_up: Stage, kills: int, report: Report) -> None:
    """Kill and start the daemon so often, at drawn moments; audit now and then."""
    done = 0
    while done < kills:
        began_s = time.monotonic()
        outcome = Outcome("kills", times=min(KILLS_PER_AUDIT, kills - done))
        set_up.pauses.take()
        try:
            for _ in range(outcome.times):
                await _kill_once(set_up)
            await set_up.load.until_acknowledged(1)
        except ChaosError as error:
            outcome.problems += [f"after a kill: {error}", *set_up.complaints()]
        outcome.worst_pause_s = round(set_up.pauses.take(), 3)
        found = await _audit(set_up)
        outcome.seconds = round(time.monotonic() - began_s, 3)
        done += outcome.times
        outcome.note = (
            f"{done:,} of {kills:,} kills, {outcome.seconds / outcome.times:.2f} s each with the audit"
        )
        report.note(outcome, found)
        if outcome.problems:
            return


async def _kill_once(set_up: Stage) -> None:
    if set_up.random.random() < KILL_STARTING:
        await asyncio.sleep(set_up.random.uniform(0, STARTING_S))
    else:
        await set_up.load.until_acknowledged(set_up.random.randint(1, KILL_AFTER_REQUESTS))
    await set_up.node.kill()
    await set_up.node.start()


async def _finish(set_up: Stage, report: Report) -> None:
    """Let everything be completed, stop the daemon, and audit once more."""
    began_s = time.monotonic()
    outcome = Outcome("end")
    try:
        await set_up.tidy()
        idle = await set_up.load.until_idle(DRAIN_S)
        if not idle:
            outcome.problems.append(f"{len(set_up.load.open)} acknowledged tasks were not completed")
        await set_up.node.stop()
    except ChaosError as error:
        outcome.problems.append(str(error))
    found = await _audit(set_up)
    left = await open_tasks(set_up.dsn, set_up.workspace_sid)
    if left:
        outcome.problems.append(f"{left} tasks are still open in the database")
    outcome.problems += await wrong_statistics(set_up.dsn, set_up.workspace_sid)
    outcome.problems += [f"{count} times {what}" for what, count in set_up.promises.unexpected.items()]
    outcome.worst_pause_s = round(set_up.pauses.take(), 3)
    outcome.seconds = round(time.monotonic() - began_s, 3)
    outcome.note = "all completed, stopped with SIGTERM, statistics counted again"
    report.note(outcome, found)


async def _audit(set_up: Stage) -> Findings:
    try:
        return await audit(set_up.dsn, set_up.workspace_sid, set_up.promises)
    except DATABASE_ERRORS as error:
        return Findings(
            set_up.promises.acknowledged, problems=[f"the database could not be audited: {error}"]
        )
