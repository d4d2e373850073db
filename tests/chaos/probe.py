"""When the database itself takes writes, asked past the daemon, so that its share of a pause is known."""

import asyncio
import contextlib
import itertools
import time
from typing import Self

import asyncpg

from engine.storage.connecting import connect
from engine.storage.pool import is_unavailable

EVERY_S = 0.05
PATIENCE_S = 2.0
TABLE = "CREATE TABLE IF NOT EXISTS chaos_probe (n integer PRIMARY KEY, moment timestamptz)"
WRITE = "INSERT INTO chaos_probe VALUES (1, now()) ON CONFLICT (n) DO UPDATE SET moment = now()"


class Probe:
    """Writes a row again and again; an asynchronous context manager."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._written_s: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_forever())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def worst_pause_s(self, from_s: float, until_s: float) -> float:
        """The longest time without a write in a span of the monotonic clock."""
        moments = [from_s, *(moment for moment in self._written_s if from_s < moment < until_s), until_s]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))

    async def _write_forever(self) -> None:
        connection: asyncpg.Connection | None = None
        try:
            while True:
                try:
                    if connection is None:
                        connection = await connect(self._dsn, timeout=PATIENCE_S)
                        await connection.execute(TABLE, timeout=PATIENCE_S)
                    await connection.execute(WRITE, timeout=PATIENCE_S)
                    self._written_s.append(time.monotonic())
                except Exception as error:
                    if not is_unavailable(error):
                        raise
                    if connection is not None:
                        connection.terminate()
                    connection = None
                await asyncio.sleep(EVERY_S)
        finally:
            if connection is not None:
                with contextlib.suppress(Exception):
                    connection.terminate()
