-- Migrations and the partitions of the event log and the statistics.

-- name: lock_migrations
SELECT pg_advisory_lock($1)

-- name: unlock_migrations
SELECT pg_advisory_unlock($1)

-- name: create_schema_migrations
CREATE TABLE IF NOT EXISTS schema_migrations (
    number bigint PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: applied_migrations
SELECT number, name, checksum FROM schema_migrations ORDER BY number

-- name: record_migration
INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)

-- name: lock_partitions
SELECT pg_advisory_xact_lock($1)

-- name: set_local_lock_timeout
SELECT set_config('lock_timeout', $1, true)

-- name: set_local_statement_timeout
SELECT set_config('statement_timeout', $1, true)

-- name: list_partitions
-- regclass resolves along the search path, so a test's or tenant's schema is its own.
SELECT c.relname AS name
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::text::regclass

-- name: ping
SELECT 1
