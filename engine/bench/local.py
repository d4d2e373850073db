"""`--local`: a daemon and a PostgreSQL of our own in a temporary directory, durable as in production."""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from engine.bench.target import Target
from engine.quickstart.daemon_process import daemon, throw_away_directory
from engine.storage.embedded import EmbeddedPostgres

SHOWN_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "wal_sync_method")
DATABASE = "pointsman"


@asynccontextmanager
async def local(config: Path | None) -> AsyncIterator[Target]:
    """Start both, hand them over, stop them and remove their files.

    `config` is the absolute path of a TOML file of settings for the daemon. Raises PointsmanError
    when one does not start.
    """
    async with own_postgres() as server:
        flags = ["--database-url", server.dsn_of(DATABASE)]
        if config is not None:
            flags += ["--config", str(config)]
        async with daemon(tuple(flags)) as running:
            yield Target(
                running.base_url,
                running.account_sid,
                running.auth_token,
                daemon_pid=running.pid,
                postgres_pid=server.pid,
                dsn=server.dsn,
            )


@asynccontextmanager
async def own_postgres(settings: Mapping[str, str] | None = None) -> AsyncIterator[EmbeddedPostgres]:
    """Start a server with an empty database named DATABASE, hand it over, stop it and remove its files.

    `settings` are added to those of every embedded server. Raises PointsmanError when it does not start.
    """
    directory = throw_away_directory("pointsman-bench-")
    bin_dir = os.environ.get("POINTSMAN_DATABASE_BIN_DIR")
    server = EmbeddedPostgres(
        directory / "postgres",
        bin_dir=Path(bin_dir) if bin_dir else None,
        run_as=os.environ.get("POINTSMAN_DATABASE_RUN_AS") or None,
        settings=settings,
        ours=directory,
    )
    try:
        await server.start()
        await _create_database(server.dsn)
        yield server
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def database_settings(dsn: str) -> dict[str, Any]:
    """Return the server's version and the settings that say how durable it is."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1)",
            ["server_version", *SHOWN_SETTINGS],
        )
    finally:
        await connection.close()
    return {row["name"]: row["value"] for row in rows}


async def _create_database(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
