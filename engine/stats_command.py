"""`pointsman stats`: compare the statistics of workspaces with what their logs say, or make them anew."""

import asyncio
from collections.abc import Sequence

import click

from engine.clock import wall_clock_ms
from engine.database_start import database_of
from engine.routing.rollups import COUNTERS
from engine.settings import Settings
from engine.storage.partitions import DAY_MS
from engine.storage.statistics_summing import StatisticsSumming
from engine.storage.statistics_verify import Difference, StatisticsVerifier
from engine.storage.store import PostgresStore

DIFFERENCES_SHOWN = 20
"""How many differences of a workspace are printed; the rest are counted."""


def verify(settings: Settings, workspace_sid: str | None) -> int:
    """Compare the whole days that the retention keeps, and print what differs.

    The database is that of the settings; an embedded one is used where it runs, or runs meanwhile. Returns
    the exit code: 1 when something differs. Raises PointsmanError when the database cannot be used.
    """
    with asyncio.Runner() as runner:
        return runner.run(_verify(settings, workspace_sid))


def rebuild(settings: Settings, workspace_sid: str | None) -> int:
    """Make the statistics of one or all workspaces again from what the retention keeps of their logs.

    Workspaces are done one after the other; one that is begun is finished by whoever adds up next, this
    command or a daemon. The database is that of the settings, as for `verify`. Returns the exit code. Raises
    PointsmanError when the database cannot be used.
    """
    with asyncio.Runner() as runner:
        return runner.run(_rebuild(settings, workspace_sid))


async def _rebuild(settings: Settings, workspace_sid: str | None) -> int:
    async with database_of(settings) as database:
        summing = StatisticsSumming(database)
        sids = [workspace_sid] if workspace_sid else await PostgresStore(database).workspace_sids()
        for sid in sids:
            await summing.forget(sid)
            while not (await summing.advance(sid)).done:
                pass
            click.echo(f"{sid}: added up.")
    click.echo(f"{len(sids)} workspaces done.")
    return 0


async def _verify(settings: Settings, workspace_sid: str | None) -> int:
    now_ms = wall_clock_ms()
    start_ms = ((now_ms // DAY_MS) - settings.retention.events_days + 1) * DAY_MS
    async with database_of(settings) as database:
        sids = [workspace_sid] if workspace_sid else await PostgresStore(database).workspace_sids()
        verifier = StatisticsVerifier(database)
        wrong = 0
        for sid in sids:
            found = [item async for item in verifier.differences(sid, start_ms=start_ms, end_ms=now_ms)]
            _show(sid, found)
            wrong += bool(found)
    click.echo(f"{len(sids)} workspaces compared, {wrong} with differences.")
    return 1 if wrong else 0


def _show(workspace_sid: str, found: Sequence[Difference]) -> None:
    for difference in found[:DIFFERENCES_SHOWN]:
        where = " ".join(str(part) for part in difference.key if part != "")
        click.echo(f"{workspace_sid}: {difference.table}: {where}: {_told(difference)}")
    if len(found) > DIFFERENCES_SHOWN:
        click.echo(f"{workspace_sid}: and {len(found) - DIFFERENCES_SHOWN} more differences")


def _told(difference: Difference) -> str:
    stored, expected = difference.stored, difference.from_log
    if stored is None or expected is None or not isinstance(stored, list):
        return f"stored {stored or 'nothing'}, the log says {expected or 'nothing'}"
    return ", ".join(
        f"{name} stored {have}, the log says {want}"
        for name, have, want in zip(COUNTERS, stored, expected, strict=True)
        if have != want
    )
