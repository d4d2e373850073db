-- The outbox of event callbacks.

-- name: insert_deliveries
-- A part of the statement that commits a batch (commit.sql).
INSERT INTO event_deliveries (workspace_sid, sequence, event_date_ms, pending_since_ms)
SELECT $1, rows.sequence, rows.event_date_ms, rows.event_date_ms
FROM unnest($2::bigint[], $3::bigint[]) AS rows (sequence, event_date_ms)
WHERE EXISTS (SELECT FROM lease)

-- name: pending_deliveries
SELECT
    d.attempts, d.pending_since_ms, d.next_attempt_ms,
    e.sid, e.sequence, e.event_type, e.event_date_ms, e.description, e.resource_type, e.resource_sid,
    e.actor_type, e.actor_sid, e.data, e.task_sid, e.worker_sid, e.reservation_sid, e.task_queue_sid,
    e.workflow_sid, e.task_channel_sid
FROM event_deliveries AS d
JOIN events AS e
    ON e.workspace_sid = d.workspace_sid AND e.event_date_ms = d.event_date_ms AND e.sequence = d.sequence
WHERE d.workspace_sid = $1 AND d.status = 'pending' AND d.sequence > $2
ORDER BY d.sequence
LIMIT $3

-- name: first_pending_deliveries
SELECT w.workspace_sid, d.sequence, d.pending_since_ms
FROM unnest($1::text[]) AS w (workspace_sid)
CROSS JOIN LATERAL (
    SELECT p.sequence, p.pending_since_ms
    FROM event_deliveries AS p
    WHERE p.workspace_sid = w.workspace_sid AND p.status = 'pending'
    ORDER BY p.sequence
    LIMIT 1
) AS d

-- name: settle_deliveries
-- A delivered one stays it, whatever another owner comes to later.
UPDATE event_deliveries AS d SET
    status = rows.status,
    attempts = greatest(d.attempts, rows.attempts),
    next_attempt_ms = rows.next_attempt_ms,
    last_attempt_ms = rows.last_attempt_ms,
    last_status = rows.last_status,
    last_error = rows.last_error
FROM unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::text[]
) AS rows (
    workspace_sid, sequence, event_date_ms, status, attempts, next_attempt_ms, last_attempt_ms, last_status,
    last_error
)
WHERE d.workspace_sid = rows.workspace_sid
    AND d.event_date_ms = rows.event_date_ms
    AND d.sequence = rows.sequence
    AND d.status <> 'delivered'

-- name: expire_deliveries
UPDATE event_deliveries AS d SET status = 'dead', last_error = coalesce(d.last_error, $3)
FROM (
    SELECT p.event_date_ms, p.sequence
    FROM event_deliveries AS p
    WHERE p.workspace_sid = $1 AND p.status = 'pending' AND p.pending_since_ms < $2
    ORDER BY p.sequence
    LIMIT $4
) AS old
WHERE d.workspace_sid = $1 AND d.event_date_ms = old.event_date_ms AND d.sequence = old.sequence

-- name: deserted_workspaces
SELECT
    w.workspace_sid, w.account_sid, w.friendly_name, w.event_callback_url, w.events_filter, w.multi_task_enabled,
    w.prioritize_queue_order, w.default_activity_sid, w.timeout_activity_sid, w.date_created_ms, w.date_updated_ms,
    w.event_sequence, w.sequence
FROM workspaces AS w
WHERE w.date_deleted_ms IS NOT NULL
    AND w.event_callback_url <> ''
    AND EXISTS (SELECT FROM event_deliveries AS d WHERE d.workspace_sid = w.workspace_sid AND d.status = 'pending')

-- name: redeliver
UPDATE event_deliveries SET status = 'pending', pending_since_ms = $4, next_attempt_ms = 0
WHERE workspace_sid = $1 AND event_date_ms = $2 AND sequence = $3

-- name: replay_deliveries
-- The next events of the walk, put back; how many, and where the walk stands.
WITH walked AS (
    SELECT e.event_date_ms, e.sequence
    FROM events AS e
    WHERE e.workspace_sid = $1
        AND (e.event_date_ms, e.sequence) > ($2, $3)
        AND e.event_date_ms >= $2
        AND e.event_date_ms <= $4
        AND ($5::text[] IS NULL OR e.event_type = ANY($5))
    ORDER BY e.event_date_ms, e.sequence
    LIMIT $7
), put_back AS (
    INSERT INTO event_deliveries (workspace_sid, sequence, event_date_ms, pending_since_ms)
    SELECT $1, walked.sequence, walked.event_date_ms, $6 FROM walked
    ON CONFLICT (workspace_sid, event_date_ms, sequence) DO UPDATE SET
        status = 'pending', pending_since_ms = excluded.pending_since_ms, next_attempt_ms = 0
)
SELECT
    count(*) AS replayed,
    max(event_date_ms) AS event_date_ms,
    (array_agg(sequence ORDER BY event_date_ms DESC, sequence DESC))[1] AS sequence
FROM walked

-- name: select_deliveries
-- {lookup} is LIMIT 1 to have the deliveries walked and their events looked up one by one, which a planner that
-- underrates the join would not do; empty to let it begin with the few events that a filter leaves.
SELECT
    'ED' || substr(e.sid, 3) AS sid, d.workspace_sid, e.sid AS event_sid, e.event_type, d.sequence,
    e.resource_type, e.resource_sid, e.task_sid, e.worker_sid, d.status, d.attempts, d.event_date_ms,
    d.pending_since_ms, d.next_attempt_ms, d.last_attempt_ms, d.last_status, d.last_error
FROM event_deliveries AS d
CROSS JOIN LATERAL (
    SELECT e.*
    FROM events AS e
    WHERE e.workspace_sid = d.workspace_sid AND e.event_date_ms = d.event_date_ms AND e.sequence = d.sequence
    {lookup}
) AS e
WHERE d.workspace_sid = $1
    AND ($2::text IS NULL OR d.status = $2)
    AND ($3::text IS NULL OR e.event_type = $3)
    AND ($4::text IS NULL OR e.task_sid = $4)
    AND ($5::text IS NULL OR e.worker_sid = $5)
    AND ($6::text IS NULL OR e.resource_sid = $6)
    AND ($7::text IS NULL OR e.sid = $7)
    {page}
