-- Answers that are kept by idempotency key.

-- name: insert_idempotency_keys
-- A part of the statement that commits a batch (commit.sql). A key that is a day old is free again.
INSERT INTO idempotency_keys (workspace_sid, path, key, part, fingerprint, answer, date_created_ms)
SELECT rows.*
FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::integer[], $6::bytea[], $7::bytea[], $8::bigint[]
) AS rows
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, path, key, part) DO UPDATE SET
    fingerprint = excluded.fingerprint,
    answer = excluded.answer,
    date_created_ms = excluded.date_created_ms
WHERE idempotency_keys.date_created_ms <= excluded.date_created_ms - 86400000
RETURNING 1

-- name: kept_answers
SELECT workspace_sid, path, key, part, fingerprint, answer, date_created_ms
FROM idempotency_keys
WHERE workspace_sid = $1 AND path = $2 AND key = $3 AND date_created_ms > $4
ORDER BY part

-- name: purge_idempotency_keys
DELETE FROM idempotency_keys
WHERE (workspace_sid, path, key, part) IN (
    SELECT workspace_sid, path, key, part
    FROM idempotency_keys
    WHERE date_created_ms <= $1
    ORDER BY date_created_ms
    LIMIT $2
)
