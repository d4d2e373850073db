"""What the catalogue must say so that the schema can be distributed by workspace."""

import asyncpg

NO_WORKSPACE = ("accounts", "api_keys", "nodes", "schema_migrations")

KEYS_WITHOUT_WORKSPACE = """
    SELECT i.indrelid::regclass::text
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND i.indisunique
        AND NOT EXISTS (
            SELECT FROM pg_attribute AS a
            WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) AND a.attname = 'workspace_sid'
        )
"""

FOREIGN_KEYS_WITHOUT_WORKSPACE = """
    SELECT conrelid::regclass::text
    FROM pg_constraint AS k
    WHERE k.contype = 'f'
        AND (
            k.confdeltype = 'n'
            OR NOT EXISTS (
                SELECT FROM pg_attribute AS a
                WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey) AND a.attname = 'workspace_sid'
            )
        )
"""


async def rows(dsn: str, sql: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return sorted(row[0] for row in await connection.fetch(sql))
    finally:
        await connection.close()


async def test_every_key_and_unique_index_holds_the_workspace(database: str) -> None:
    assert await rows(database, KEYS_WITHOUT_WORKSPACE) == sorted(NO_WORKSPACE)


async def test_every_foreign_key_holds_the_workspace_and_none_sets_null(database: str) -> None:
    assert await rows(database, FOREIGN_KEYS_WITHOUT_WORKSPACE) == []


async def test_there_are_no_triggers_and_no_sequences(database: str) -> None:
    assert await rows(database, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == []
    assert await rows(database, "SELECT relname FROM pg_class WHERE relkind = 'S'") == []


async def test_every_table_but_those_of_accounts_has_the_workspace(database: str) -> None:
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with_workspace = "SELECT table_name FROM information_schema.columns WHERE column_name = 'workspace_sid'"
    missing = set(await rows(database, tables)) - set(await rows(database, with_workspace))
    assert missing == set(NO_WORKSPACE)
