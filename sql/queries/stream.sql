-- The log in the order it was written, for readers that follow it. The dates of a workspace's events never go
-- back, so that the order of the key is that of the sequence; the condition on the date alone cuts away partitions.

-- name: log_positions_of
SELECT w.workspace_sid, w.event_sequence
FROM workspaces AS w
WHERE w.workspace_sid = ANY($1::text[]) AND w.date_deleted_ms IS NULL

-- name: last_event
SELECT e.event_date_ms, e.sequence
FROM events AS e
WHERE e.workspace_sid = $1
ORDER BY e.event_date_ms DESC, e.sequence DESC
LIMIT 1

-- name: events_after
SELECT
    e.sid, e.sequence, e.event_type, e.event_date_ms, e.description, e.resource_type, e.resource_sid,
    e.actor_type, e.actor_sid, e.data, e.task_sid, e.worker_sid, e.reservation_sid, e.task_queue_sid,
    e.workflow_sid, e.task_channel_sid
FROM events AS e
WHERE e.workspace_sid = $1
    AND (e.event_date_ms, e.sequence) > ($2, $3)
    AND e.event_date_ms >= $2
ORDER BY e.event_date_ms, e.sequence
LIMIT $4

-- name: events_before
SELECT
    e.sid, e.sequence, e.event_type, e.event_date_ms, e.description, e.resource_type, e.resource_sid,
    e.actor_type, e.actor_sid, e.data, e.task_sid, e.worker_sid, e.reservation_sid, e.task_queue_sid,
    e.workflow_sid, e.task_channel_sid
FROM events AS e
WHERE e.workspace_sid = $1
    AND (e.event_date_ms, e.sequence) < ($2, $3)
    AND e.event_date_ms <= $2
ORDER BY e.event_date_ms DESC, e.sequence DESC
LIMIT $4

-- name: find_sequence
-- Where an event stands, by halving the time between the first and the last: one step is one look at the key,
-- so that the log needs no second index. The date found is the latest from which on nothing is missed.
WITH RECURSIVE first AS (
    SELECT e.event_date_ms, e.sequence
    FROM events AS e
    WHERE e.workspace_sid = $1
    ORDER BY e.event_date_ms, e.sequence
    LIMIT 1
), search AS (
    SELECT f.event_date_ms AS low, (
        SELECT e.event_date_ms
        FROM events AS e
        WHERE e.workspace_sid = $1
        ORDER BY e.event_date_ms DESC, e.sequence DESC
        LIMIT 1
    ) AS high
    FROM first AS f
    UNION ALL
    SELECT
        CASE WHEN probe.sequence <= $2 THEN half.way ELSE s.low END,
        CASE WHEN probe.sequence <= $2 THEN s.high ELSE half.way - 1 END
    FROM search AS s
    CROSS JOIN LATERAL (SELECT (s.low + s.high + 1) / 2 AS way) AS half
    CROSS JOIN LATERAL (
        SELECT e.sequence
        FROM events AS e
        WHERE e.workspace_sid = $1 AND e.event_date_ms >= half.way
        ORDER BY e.event_date_ms, e.sequence
        LIMIT 1
    ) AS probe
    WHERE s.low < s.high
)
SELECT f.sequence AS first_sequence, (SELECT max(s.low) FROM search AS s) AS event_date_ms
FROM first AS f
