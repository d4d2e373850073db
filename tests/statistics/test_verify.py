"""`pointsman stats verify` finds every rollup that is not what the log says, `rebuild` makes them anew."""

import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from engine.storage.pool import Database
from engine.storage.statistics_summing import StatisticsSumming
from engine.storage.statistics_verify import Difference, StatisticsVerifier
from engine.storage.store import PostgresStore
from tests.statistics.history import WORKSPACE, RecordedWorld, sum_up
from tests.support.fixtures import StartDaemon, open_directory, start_daemon
from tests.wire.support import Http

__all__ = ["open_directory", "start_daemon"]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def world(store: PostgresStore, pools: Database) -> RecordedWorld:
    """A task that was accepted and one that was canceled, committed."""
    world = RecordedWorld()
    queue = world.queue()
    world.simple_workflow(queue)
    world.worker("ada")
    world.accept(world.task())
    world.cancel(world.task())
    world.wait(7200)
    world.task()
    await world.commit(store)
    await sum_up(StatisticsSumming(pools))
    return world


async def differences(pools: Database, world: RecordedWorld) -> list[Difference]:
    verifier = StatisticsVerifier(pools)
    return [item async for item in verifier.differences(WORKSPACE, start_ms=0, end_ms=world.now_ms)]


@pytest.mark.parametrize(
    ("damage", "count"),
    [
        ("UPDATE statistics_counts SET tasks_created = tasks_created + 1 WHERE tasks_created > 0", 2),
        ("DELETE FROM statistics_counts WHERE span_ms = 3600000 AND scope_sid LIKE 'WQ%'", 1),
        ("UPDATE statistics_durations SET times = 7 WHERE measure = 'until_canceled'", 6),
        ("UPDATE statistics_durations SET values_s = '{9}' WHERE measure = 'in_queue_until_accepted'", 2),
        ("DELETE FROM events WHERE event_type = 'task.created'", 2),
    ],
)
async def test_what_differs_is_named(
    pools: Database, world: RecordedWorld, database: str, damage: str, count: int
) -> None:
    assert await differences(pools, world) == []
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(damage)
    finally:
        await connection.close()
    assert len(await differences(pools, world)) == count


def verify(database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return stats("verify", "--database-url", database, *arguments)


def stats(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", "stats", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


async def test_the_commands_tell_what_differs_and_put_it_right(
    database: str, store: PostgresStore, pools: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_RETENTION_EVENTS_DAYS", "20000")
    world = RecordedWorld()
    world.simple_workflow(world.queue())
    world.task()
    world.wait(3600)
    world.task()
    await world.commit(store)
    await sum_up(StatisticsSumming(pools))
    fine = verify(database)
    assert (fine.returncode, fine.stdout) == (0, "1 workspaces compared, 0 with differences.\n"), fine.stderr
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("UPDATE statistics_counts SET tasks_created = 3 WHERE tasks_created > 0")
    finally:
        await connection.close()
    wrong = verify(database, "--workspace", WORKSPACE)
    assert wrong.returncode == 1
    assert "tasks_created stored 3, the log says 1" in wrong.stdout
    assert verify(database, "--workspace", "nonsense").returncode == 2
    rebuilt = stats("rebuild", "--database-url", database, "--workspace", WORKSPACE)
    assert (rebuilt.returncode, rebuilt.stdout) == (0, f"{WORKSPACE}: added up.\n1 workspaces done.\n")
    again = verify(database)
    assert again.returncode == 0, again.stdout


def test_the_embedded_database_of_a_running_daemon_is_compared_where_it_runs(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon()
    http = Http(daemon)
    workspace = http.post("/Workspaces", {"FriendlyName": "Busy", "Template": "FIFO"}).json()["sid"]
    tasks = f"/Workspaces/{workspace}/Tasks"
    assert http.post(tasks).status_code == 201
    compared = stats("verify", "--data-dir", str(daemon.data_dir))
    assert (compared.returncode, compared.stdout) == (0, "1 workspaces compared, 0 with differences.\n")
    assert http.post(tasks).status_code == 201
    http.session.close()
    assert not list(daemon.events("database.exited"))
    assert daemon.stop() == 0
    assert stats("verify", "--data-dir", str(daemon.data_dir)).returncode == 0
