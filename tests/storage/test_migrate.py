"""Migrations: forward only, once, under a lock, never by an older release."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from engine.clock import wall_clock_ms
from engine.storage.migrate import (
    MigrationChanged,
    MigrationError,
    SchemaTooNew,
    migrate,
    read_migrations,
    split_statements,
)
from engine.storage.partitions import DAY_MS, DAYS_AHEAD, TABLES, ensure_partitions, partitions
from engine.storage.resources import sql_directory
from tests.storage.builders import new_sid


def migrations() -> list[str]:
    return [migration.name for migration in read_migrations(sql_directory() / "migrations")]


async def test_a_new_database_gets_every_migration_once(empty_database: str) -> None:
    assert await migrate(empty_database) == migrations()
    assert await migrate(empty_database) == []


async def test_nodes_that_start_together_migrate_once(empty_database: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database) for _ in range(4)))
    assert sorted(len(names) for names in applied) == [0, 0, 0, len(migrations())]


async def test_an_open_connection_can_be_migrated(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    try:
        assert await migrate(connection) == migrations()
        assert not connection.is_closed()
    finally:
        await connection.close()


async def test_a_newer_schema_is_refused_in_one_line(database: str) -> None:
    await execute(
        database, "INSERT INTO schema_migrations (number, name, checksum) VALUES (99, '0099_next', 'x')"
    )
    with pytest.raises(SchemaTooNew, match="0099_next") as caught:
        await migrate(database)
    assert "\n" not in str(caught.value)


async def test_a_changed_migration_is_refused(database: str) -> None:
    await execute(database, "UPDATE schema_migrations SET checksum = 'x'")
    with pytest.raises(MigrationChanged, match="0001_initial"):
        await migrate(database)


async def test_a_migration_that_fails_leaves_nothing(empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE one (a int);\n\nCREATE TABLE one (b int);\n")
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(empty_database, directory=tmp_path)
    connection = await asyncpg.connect(empty_database)
    try:
        assert await connection.fetchval("SELECT to_regclass('one')") is None
        assert await connection.fetchval("SELECT count(*) FROM schema_migrations") == 0
        assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    finally:
        await connection.close()


def test_a_gap_in_the_numbers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0002_second.sql").write_text("SELECT 1;\n")
    with pytest.raises(MigrationError, match="numbered"):
        read_migrations(tmp_path)


def test_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    text = "-- comment; with a semicolon;\nSELECT ';', 1\n    + 2;\n\n  -- more\nSELECT 3; \nSELECT 4"
    assert split_statements(text) == ("SELECT ';', 1\n    + 2", "SELECT 3", "SELECT 4")


async def test_the_coming_days_have_their_partitions(database: str) -> None:
    today = wall_clock_ms() // DAY_MS
    connection = await asyncpg.connect(database)
    try:
        for table in TABLES:
            assert max(await partitions(connection, table)) >= today + DAYS_AHEAD - 1
        assert await ensure_partitions(connection, (today + 100) * DAY_MS, 1) == [
            f"{table}_day_{today + n}" for table in TABLES for n in (99, 100, 101)
        ]
        assert await ensure_partitions(connection, (today + 100) * DAY_MS, 1) == []
    finally:
        await connection.close()


async def test_a_day_whose_events_are_in_the_default_partition_stays_there(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(
            "INSERT INTO events (workspace_sid, sid, sequence, event_type, event_date_ms, description,"
            " resource_type, resource_sid, data) VALUES ($1, $2, 1, '', $3, '', '', '', '{}')",
            new_sid("WS"), new_sid("EV"), 500 * DAY_MS + 5,
        )  # fmt: skip
        made = await ensure_partitions(connection, 500 * DAY_MS, 0)
        assert [name for name in made if name.startswith("events")] == ["events_day_499"]
        assert await connection.fetchval("SELECT count(*) FROM events_default") == 1
    finally:
        await connection.close()


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
