"""Faults of the database: killed, its connections cut, crowded, rows locked by somebody else."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import asyncpg

from engine.chaos.errors import ChaosError
from engine.chaos.stage import Stage

START_TIMEOUT_S = 60.0
KILL_AFTER_REQUESTS = 100
CUT_S = 3.0
CUT_PAUSE_S = 0.05
IDLE_CONNECTIONS = 300
CONNECTING_MAX = 20
IDLE_S = 3.0
LOCKED_S = 8.0
"""Longer than a commit may take (runtime.commit_timeout_s)."""
_CUT = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_LOCKS = (
    # The lease first, as those do who write: else both might wait for each other.
    "SELECT FROM workspace_leases WHERE workspace_sid = $1 FOR UPDATE",
    "SELECT FROM workspaces WHERE workspace_sid = $1 FOR UPDATE",
    "SELECT FROM workers WHERE workspace_sid = $1 FOR UPDATE",
    "SELECT FROM tasks WHERE workspace_sid = $1 AND status IN ('pending', 'reserved', 'assigned') FOR UPDATE",
)


async def kill_database(stage: Stage) -> str:
    """SIGKILL of every process of PostgreSQL, under load; it is started again."""
    await stage.load.until_acknowledged(stage.random.randint(1, KILL_AFTER_REQUESTS))
    killed, back_s = await _kill_and_wait(stage)
    return f"{killed} processes killed, PostgreSQL was back after {back_s:.1f} s"


async def kill_both(stage: Stage) -> str:
    """SIGKILL of the daemon and of every process of PostgreSQL at once; both are started again."""
    await stage.load.until_acknowledged(stage.random.randint(1, KILL_AFTER_REQUESTS))
    stage.node.signal(signal.SIGKILL)
    killed, back_s = await _kill_and_wait(stage)
    await stage.node.kill()
    await stage.restart()
    return f"{1 + killed} processes killed, PostgreSQL was back after {back_s:.1f} s"


async def _kill_and_wait(stage: Stage) -> tuple[int, float]:
    """Kill PostgreSQL; returns how many processes it had, and after how many seconds it answered again."""
    began_s = time.monotonic()
    pid = stage.server.pid
    assert pid is not None
    killed = _kill_tree(pid)
    while stage.server.pid in {None, pid} or stage.server.died.is_set():
        await asyncio.sleep(0.02)
        if time.monotonic() - began_s > START_TIMEOUT_S:
            raise ChaosError(f"PostgreSQL did not come back within {START_TIMEOUT_S:g} s")
    return killed, time.monotonic() - began_s


def _kill_tree(pid: int) -> int:
    """Kill a process that forks no more and its children; returns how many there were."""
    os.kill(pid, signal.SIGSTOP)
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []  # they end by themselves when they see that their parent is gone
    for each in (pid, *map(int, children)):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    return 1 + len(children)


async def cut_connections(stage: Stage) -> str:
    """pg_terminate_backend of all connections of the daemon, again and again for some seconds."""
    cut = 0
    connection = await asyncpg.connect(stage.dsn)
    try:
        end_s = time.monotonic() + CUT_S
        while time.monotonic() < end_s:
            cut += await connection.fetchval(_CUT)
            await asyncio.sleep(CUT_PAUSE_S)
    finally:
        await connection.close()
    return f"{cut} connections cut in {CUT_S:g} s"


async def crowd(stage: Stage) -> str:
    """300 connections that do nothing."""
    room = asyncio.Semaphore(CONNECTING_MAX)

    async def connect() -> asyncpg.Connection:
        async with room:
            return await asyncpg.connect(stage.dsn, timeout=START_TIMEOUT_S)

    opened = await asyncio.gather(*(connect() for _ in range(IDLE_CONNECTIONS)), return_exceptions=True)
    connections = [each for each in opened if isinstance(each, asyncpg.Connection)]
    try:
        await asyncio.sleep(IDLE_S)
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
    return f"{len(connections)} connections held for {IDLE_S:g} s"


async def lock_rows(stage: Stage) -> str:
    """A session that is idle in its transaction, and holds the rows of the workspace locked."""
    connection = await asyncpg.connect(stage.dsn)
    try:
        async with connection.transaction():
            for statement in _LOCKS:
                await connection.execute(statement, stage.workspace_sid)
            await asyncio.sleep(LOCKED_S)
    finally:
        await connection.close()
    return f"rows were locked for {LOCKED_S:g} s"
