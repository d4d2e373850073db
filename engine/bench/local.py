"""`--local`: a daemon and a PostgreSQL of our own in a temporary directory, durable as in production."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from engine.bench.target import Target
from engine.quickstart.daemon_process import daemon
from engine.storage.embedded import EmbeddedPostgres

SHOWN_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "wal_sync_method")
DATABASE = "pointsman"


@asynccontextmanager
async def local(config: Path | None) -> AsyncIterator[Target]:
    """Start both, hand them over, stop them and remove their files.

    `config` is the absolute path of a TOML file of settings for the daemon. Raises PointsmanError
    when one does not start.
    """
    directory = _throw_away_directory()
    bin_dir = os.environ.get("POINTSMAN_DATABASE_BIN_DIR")
    server = EmbeddedPostgres(
        directory / "postgres",
        bin_dir=Path(bin_dir) if bin_dir else None,
        run_as=os.environ.get("POINTSMAN_DATABASE_RUN_AS") or None,
        ours=directory,
    )
    try:
        await server.start()
        await _create_database(server.dsn)
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
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _throw_away_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="pointsman-bench-"))
    directory.chmod(0o711)  # as root PostgreSQL runs under another account and must get in
    return directory


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
