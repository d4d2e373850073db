"""From the settings to a database that answers and has the schema this code needs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from engine.errors import SettingsError, StoreUnavailable
from engine.logs import get_logger
from engine.settings import DatabaseSettings, Settings
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from engine.storage.pool import Database, is_unavailable

log = get_logger()

EMBEDDED_DIRECTORY = "postgres"
CONNECTIONS_USUAL = 60
"""Connections that the embedded server takes when nothing else is said."""
CONNECT_RETRY_MIN_S = 0.1
CONNECT_RETRY_MAX_S = 2.0
REFUSALS = {"28", "3D"}
"""Classes of SQLSTATE: a bad user or password, a database that does not exist."""


def embedded(settings: Settings, connections: int = 0) -> EmbeddedPostgres:
    """Return the embedded server of the data directory, not started; it takes at least so many
    connections."""
    database = settings.database
    return EmbeddedPostgres(
        database.data_dir / EMBEDDED_DIRECTORY,
        bin_dir=Path(database.bin_dir) if database.bin_dir else None,
        run_as=database.run_as or None,
        ours=database.data_dir,
        settings={"max_connections": str(connections)} if connections > CONNECTIONS_USUAL else None,
    )


async def migrate_patiently(dsn: str, patience_s: float) -> None:
    """Migrate; while the database does not answer, try again.

    Raises StoreUnavailable when time is up or the database refuses us, SettingsError for an unusable DSN.
    """
    deadline_s = time.monotonic() + patience_s
    pause_s = CONNECT_RETRY_MIN_S
    while True:
        try:
            applied = await migrate(dsn)
        except ValueError as error:
            raise SettingsError(f"database.url: {error}") from error
        except Exception as error:
            if not is_unavailable(error):
                raise
            if _refused(error) or time.monotonic() > deadline_s:
                raise StoreUnavailable(f"the database does not answer: {error}") from error
            log.warning("database.unreachable", error=str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, CONNECT_RETRY_MAX_S)
        else:
            if applied:
                log.info("database.migrated", migrations=applied)
            return


def _refused(error: Exception) -> bool:
    """Tell whether the server answered that it will not have us: waiting does not change that."""
    sqlstate = getattr(error, "sqlstate", None) or ""
    return sqlstate[:2] in REFUSALS


async def open_pools(dsn: str, settings: DatabaseSettings) -> Database:
    """Return the pools; connections are made when they are needed."""
    return await Database.open(
        dsn,
        commit_connections=settings.commit_connections_max,
        read_connections=settings.read_connections_max,
        connect_timeout_s=settings.connect_timeout_s,
        statement_timeout_s=settings.statement_timeout_s,
        acquire_timeout_s=settings.acquire_timeout_s,
    )


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[Database]:
    """Open the database of the settings for a command, migrated; an embedded one is used where it runs, or
    runs meanwhile. Raises PointsmanError when it cannot be used."""
    async with AsyncExitStack() as stack:
        dsn = settings.database.url
        if not dsn:
            server = embedded(settings)
            stack.push_async_callback(server.stop)
            dsn = await server.start()
        await migrate_patiently(dsn, settings.database.start_timeout_s)
        yield await stack.enter_async_context(await open_pools(dsn, settings.database))
