-- Taking task attributes out of old events, in the order of the log's key, workspace by workspace.

-- name: workspaces_to_redact
-- Deleted ones too, as long as their events are there.
SELECT p.workspace_sid
FROM log_positions AS p
WHERE EXISTS (
    SELECT
    FROM events AS e
    WHERE e.workspace_sid = p.workspace_sid
        AND e.event_date_ms >= p.redacted_ms
        AND e.event_date_ms < $1
        AND (e.event_date_ms, e.sequence) > (p.redacted_ms, p.redacted_sequence)
)
ORDER BY p.workspace_sid

-- name: pick_events_to_redact
-- The first bound cuts partitions away, the second is the place in the key: many events may share a date.
SELECT e.event_date_ms, e.sequence, e.data
FROM events AS e
WHERE e.workspace_sid = $1
    AND e.event_date_ms >= $2
    AND (e.event_date_ms, e.sequence) > ($2, $3)
    AND e.event_date_ms < $4
ORDER BY e.event_date_ms, e.sequence
LIMIT $5

-- name: redact_events
UPDATE events AS e
SET data = rows.data
FROM unnest($2::bigint[], $3::bigint[], $4::text[]) AS rows (event_date_ms, sequence, data)
WHERE e.workspace_sid = $1 AND e.event_date_ms = rows.event_date_ms AND e.sequence = rows.sequence

-- name: move_redacted
UPDATE log_positions SET redacted_ms = $2, redacted_sequence = $3 WHERE workspace_sid = $1
