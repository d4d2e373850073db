"""Brings the schema up to what this code knows: forward only, under a lock, each migration once.

Nodes that start together take the advisory lock in turn; the second finds nothing left to do. A migration
and its line in `schema_migrations` are one transaction, and each statement is sent alone.
"""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from engine.clock import wall_clock_ms
from engine.errors import PointsmanError
from engine.storage.connecting import connect
from engine.storage.partitions import ensure_partitions
from engine.storage.queries import query
from engine.storage.resources import sql_directory

OLDEST_SERVER_VERSION = 150_000
"""PostgreSQL 15, in the numbering of `server_version_num`."""

_LOCK_KEY = 0x706F696E74736D61
"""Any fixed number: the advisory lock that migrating nodes share."""

_CONNECT_TIMEOUT_S = 10.0
_FILE = re.compile(r"^(\d{4})_(\w+)\.sql$")

_LOCK = query("lock_migrations")
_UNLOCK = query("unlock_migrations")
_CREATE_TABLE = query("create_schema_migrations")
_APPLIED = query("applied_migrations")
_RECORD = query("record_migration")


class MigrationError(PointsmanError):
    """The schema cannot be brought to what this code needs; the message is one line."""


class SchemaTooNew(MigrationError):
    """A newer release has migrated this database: an older one must not write to it."""


class MigrationChanged(MigrationError):
    """An applied migration no longer has the text it was applied with."""


class ServerTooOld(MigrationError):
    """The server is older than the oldest supported PostgreSQL."""


@dataclass(slots=True, frozen=True)
class Migration:
    """One file of `sql/migrations`."""

    number: int
    name: str
    checksum: str
    statements: tuple[str, ...]


async def migrate(
    target: str | asyncpg.Connection, *, directory: Path | None = None, lock_timeout_s: float = 600.0
) -> list[str]:
    """Apply what is missing, in order, and make the partitions of the coming days.

    Args:
        target: a DSN, or an open connection outside a transaction.
        directory: where the migrations are; by default those that ship with the code.
        lock_timeout_s: how long another node's migration is waited for.

    Returns the names of the migrations applied. Raises SchemaTooNew, MigrationChanged, ServerTooOld,
    TimeoutError (the lock), or what asyncpg raises for a server that does not answer.
    """
    migrations = read_migrations(directory or sql_directory() / "migrations")
    if not isinstance(target, str):
        return await _migrate_locked(target, migrations, lock_timeout_s)
    connection = await connect(
        target, timeout=_CONNECT_TIMEOUT_S, server_settings={"application_name": "pointsman migrate"}
    )
    try:
        return await _migrate_locked(connection, migrations, lock_timeout_s)
    finally:
        await connection.close()


def read_migrations(directory: Path) -> list[Migration]:
    """Read the migrations of a directory. Raises MigrationError when their numbers are not 1, 2, 3, …"""
    migrations = [
        _read_migration(path, match)
        for path in sorted(directory.glob("*.sql"))
        if (match := _FILE.match(path.name))
    ]
    if [m.number for m in migrations] != list(range(1, len(migrations) + 1)):
        raise MigrationError(f"the migrations in {directory} are not numbered from 1 without a gap")
    return migrations


def split_statements(text: str) -> tuple[str, ...]:
    """Split at semicolons that end a line; comment lines are dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    parts = re.split(r";[ \t]*$", "\n".join(lines), flags=re.MULTILINE)
    return tuple(stripped for part in parts if (stripped := part.strip()))


def _read_migration(path: Path, match: re.Match[str]) -> Migration:
    text = path.read_text(encoding="utf-8")
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return Migration(int(match[1]), path.stem, checksum, split_statements(text))


async def _migrate_locked(
    connection: asyncpg.Connection, migrations: list[Migration], lock_timeout_s: float
) -> list[str]:
    version = int(await connection.fetchval("SHOW server_version_num"))
    if version < OLDEST_SERVER_VERSION:
        raise ServerTooOld(f"PostgreSQL {OLDEST_SERVER_VERSION // 10_000} or newer is needed, not {version}")
    async with asyncio.timeout(lock_timeout_s):
        await connection.execute(_LOCK, _LOCK_KEY)
    try:
        applied = await _apply_missing(connection, migrations)
        await ensure_partitions(connection, wall_clock_ms())
        return applied
    finally:
        if not connection.is_closed():
            await connection.execute(_UNLOCK, _LOCK_KEY)


async def _apply_missing(connection: asyncpg.Connection, migrations: list[Migration]) -> list[str]:
    await connection.execute(_CREATE_TABLE)
    applied = {row["number"]: row for row in await connection.fetch(_APPLIED)}
    if applied and max(applied) > len(migrations):
        newest = applied[max(applied)]["name"]
        raise SchemaTooNew(
            f"the database schema is at {newest}, newer than this release knows: "
            "start the newer release, or restore a backup from before its migration"
        )
    for migration in migrations:
        _check_unchanged(migration, applied.get(migration.number))
    missing = [migration for migration in migrations if migration.number not in applied]
    for migration in missing:
        await _apply(connection, migration)
    return [migration.name for migration in missing]


def _check_unchanged(migration: Migration, row: asyncpg.Record | None) -> None:
    if row is not None and row["checksum"] != migration.checksum:
        raise MigrationChanged(
            f"migration {migration.name} was applied with another text: released migrations never change"
        )


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        for statement in migration.statements:
            await connection.execute(statement)
        await connection.execute(_RECORD, migration.number, migration.name, migration.checksum)
