-- What must hold in a workspace whatever was done to the daemon: `engine/chaos/audit.py` asks these in one snapshot.
-- The log is in the order of the state, so what follows from it held at every instant.

-- name: lost_tasks
-- Acknowledged tasks without the event of their creation; and those without a row, unless they had ended: the rows of
-- ended tasks are removed after a while.
(
    SELECT sid FROM unnest($2::text[]) AS told (sid)
    EXCEPT
    SELECT task_sid FROM events WHERE workspace_sid = $1 AND event_type = 'task.created'
)
UNION
(
    SELECT sid FROM unnest($2::text[]) AS told (sid)
    EXCEPT
    SELECT sid FROM tasks WHERE workspace_sid = $1
    EXCEPT
    SELECT task_sid FROM events WHERE workspace_sid = $1 AND event_type IN ('task.completed', 'task.canceled')
)

-- name: lost_completions
-- Acknowledged completions that the log does not know, or a row denies.
(
    SELECT sid FROM unnest($2::text[]) AS told (sid)
    EXCEPT
    SELECT task_sid FROM events WHERE workspace_sid = $1 AND event_type = 'task.completed'
)
UNION
(
    SELECT sid FROM unnest($2::text[]) AS told (sid)
    INTERSECT
    SELECT sid FROM tasks WHERE workspace_sid = $1 AND status <> 'completed'
)

-- name: lost_acceptances
-- Acknowledged acceptances that the log does not know, by reservation.
SELECT sid FROM unnest($2::text[]) AS told (sid)
EXCEPT
SELECT reservation_sid FROM events WHERE workspace_sid = $1 AND event_type = 'reservation.accepted'

-- name: assigned_twice
-- Tasks that two reservations were accepted for, by the log or by the rows.
SELECT task_sid AS sid FROM events
WHERE workspace_sid = $1 AND event_type = 'reservation.accepted'
GROUP BY task_sid HAVING count(*) > 1
UNION
SELECT task_sid FROM reservations
WHERE workspace_sid = $1 AND status IN ('accepted', 'wrapping', 'completed')
GROUP BY task_sid HAVING count(*) > 1

-- name: made_twice
-- Orders that became two tasks; each order was sent with a key, or once.
SELECT (data::jsonb ->> 'task_attributes')::jsonb ->> 'order' AS sid FROM events
WHERE workspace_sid = $1 AND event_type = 'task.created'
    AND (data::jsonb ->> 'task_attributes')::jsonb ? 'order'
GROUP BY 1 HAVING count(*) > 1

-- name: capacity_breaches
-- Reservations that came on top of a full channel, found by replaying the log.
WITH moves AS (
    SELECT
        sequence, worker_sid, task_channel_sid, reservation_sid,
        CASE event_type WHEN 'reservation.created' THEN 1 ELSE -1 END AS step
    FROM events
    WHERE workspace_sid = $1
        AND event_type IN (
            'reservation.created', 'reservation.rejected', 'reservation.timeout', 'reservation.canceled',
            'reservation.rescinded', 'reservation.completed'
        )
),
loads AS (
    SELECT *, sum(step) OVER (PARTITION BY worker_sid, task_channel_sid ORDER BY sequence) AS load
    FROM moves
)
SELECT loads.reservation_sid AS sid
FROM loads
JOIN worker_channels AS c
    ON c.workspace_sid = $1 AND c.worker_sid = loads.worker_sid AND c.task_channel_sid = loads.task_channel_sid
WHERE loads.load > c.configured_capacity AND loads.step = 1

-- name: overloaded_channels
-- Channels whose rows of live reservations are more than they may hold.
SELECT c.sid
FROM worker_channels AS c
JOIN reservations AS r
    ON r.workspace_sid = c.workspace_sid AND r.worker_sid = c.worker_sid AND r.task_channel_sid = c.task_channel_sid
WHERE c.workspace_sid = $1 AND r.status IN ('pending', 'accepted', 'wrapping') AND r.date_deleted_ms IS NULL
GROUP BY c.sid, c.configured_capacity HAVING count(*) > c.configured_capacity

-- name: log_numbers
-- The log: its entries, how many numbers they have, the first and last of these, the counter of the workspace,
-- and how many entries are dated before the one that precedes them.
SELECT
    count(*) AS entries, count(DISTINCT sequence) AS numbers, coalesce(min(sequence), 1) AS first,
    coalesce(max(sequence), 0) AS last, count(*) FILTER (WHERE event_date_ms < before_ms) AS back_in_time,
    (SELECT event_sequence FROM workspaces WHERE workspace_sid = $1) AS counter
FROM (
    SELECT sequence, event_date_ms, lag(event_date_ms) OVER (ORDER BY sequence) AS before_ms
    FROM events WHERE workspace_sid = $1
) AS log

-- name: open_tasks
SELECT sid FROM tasks
WHERE workspace_sid = $1 AND status IN ('pending', 'reserved', 'assigned', 'wrapping') AND date_deleted_ms IS NULL
