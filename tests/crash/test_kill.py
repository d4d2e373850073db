"""SIGKILL under load: what was acknowledged is there after the restart, and nothing twice."""

import asyncio
import random

from engine.storage.embedded import EmbeddedPostgres
from tests.crash.audit import audit, audit_offers
from tests.crash.load import Load, load_on
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import StartDaemon

SEED = 7
KILLS = 3
TASKS_BETWEEN_KILLS = 120


async def kill_under_load(daemon: DaemonProcess, load: Load) -> None:
    """Kill and restart the daemon several times, at moments that differ with the seed."""
    moments = random.Random(SEED)
    load.start()
    for _ in range(KILLS):
        acknowledged = len(load.promises.created)
        await load.until_created(acknowledged + moments.randint(1, TASKS_BETWEEN_KILLS))
        await asyncio.to_thread(daemon.kill)
        load.starts += 1
        await asyncio.to_thread(daemon.start)
    await load.until_created(len(load.promises.created) + TASKS_BETWEEN_KILLS)
    await load.stop()


async def assert_every_acknowledged_task_answers(load: Load) -> None:
    statuses = await asyncio.gather(*(load.status_of(sid) for sid in load.promises.created))
    assert set(statuses) == {200}


async def test_no_acknowledged_task_is_lost_and_none_is_accepted_twice(
    database: str, start_daemon: StartDaemon
) -> None:
    daemon = await asyncio.to_thread(start_daemon, database_url=database)
    async with load_on(daemon) as load:
        await kill_under_load(daemon, load)
        await assert_every_acknowledged_task_answers(load)
        promises, workspace = load.promises, load.workspace_sid
    await audit(database, workspace, promises.created, promises.completed)
    assert await asyncio.to_thread(daemon.stop) == 0
    await audit(database, workspace, promises.created, promises.completed)
    await audit_offers(database, workspace, promises.offered)


async def test_the_embedded_database_survives_the_daemon(start_daemon: StartDaemon) -> None:
    daemon = await asyncio.to_thread(start_daemon)
    async with load_on(daemon) as load:
        await kill_under_load(daemon, load)
        await assert_every_acknowledged_task_answers(load)
        promises, workspace = load.promises, load.workspace_sid
    assert await asyncio.to_thread(daemon.stop) == 0
    server = EmbeddedPostgres(daemon.data_dir / "postgres")
    try:
        await audit(await server.start(), workspace, promises.created, promises.completed)
    finally:
        await server.stop()
